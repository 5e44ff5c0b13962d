"""Build what follows from the code: the schema for editors, and the pages of assumptions, keys and models.

`make reference` runs it; a test asserts that all of them are current. `make claims-page` runs it with the argument ``claims``: that page
takes some minutes; a test asserts that it is of today's scenarios, and `make claims` (``check-claims NAME...``) that its numbers are today's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from building.assumptions import assumptions_page
from building.claims import claims_page, rows_of_today
from building.keys import keys_page
from building.models import models_page

from popsim.json_schema import scenario_schema

DOCS = Path(__file__).resolve().parent
BUILT: dict[str, Callable[[], str]] = {
    "scenario.schema.json": scenario_schema,
    "background/assumptions.md": assumptions_page,
    "reference/keys.md": keys_page,
    "reference/models.md": models_page,
}


SLOW: dict[str, Callable[[], str]] = {"claims.md": claims_page}


def check_claims(names: list[str]) -> None:
    """Exit with a message if the page of claims has other rows than some scenarios yield today."""
    page = (DOCS / "claims.md").read_text("utf-8")
    if moved := [row for row in rows_of_today(names) if row not in page]:
        sys.exit("docs/claims.md is not of today, run `make claims-page`:\n" + "".join(moved))


def main() -> None:
    """Write the files that the arguments ask for, or check them."""
    if sys.argv[1:2] == ["check-claims"]:
        check_claims(sys.argv[2:])
        return
    for name, build in (SLOW if sys.argv[1:] == ["claims"] else BUILT).items():
        (DOCS / name).write_text(build(), encoding="utf-8")


if __name__ == "__main__":
    main()
