"""Build what follows from the code: the schema for editors, and the pages of assumptions, keys and models.

`make docs` runs it. A test asserts that all of them are current.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from building.assumptions import assumptions_page
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


def main() -> None:
    """Write all files."""
    for name, build in BUILT.items():
        (DOCS / name).write_text(build(), encoding="utf-8")


if __name__ == "__main__":
    main()
