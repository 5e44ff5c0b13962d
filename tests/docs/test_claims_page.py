"""The page of published claims is of today's scenarios; `make claims` compares its numbers with those of today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import popsim
from popsim.scenario.bundled import bundled_names

PAGE = (Path(__file__).parents[2] / "docs" / "claims.md").read_text("utf-8")
WITH_CLAIMS = [name for name in bundled_names("scenarios") if popsim.load(name).claims]


@pytest.mark.parametrize("name", WITH_CLAIMS)
def test_every_claim_is_judged_as_it_is_today(name: str) -> None:
    scenario = popsim.load(name)
    assert f"`{name}` ({scenario.id})" in PAGE, "run `make claims-page`"
    for claim in scenario.claims:
        (row,) = re.findall(rf"^\| .*\(`{name}`: {claim.id}\) \|.*$", PAGE, re.MULTILINE)
        assert any(f"`{text.replace('|', '/')}`" in row for text in claim.expect)
        assert re.search(r"\| (✓ holds|✗ fails|\? undecided) \|", row)
        assert (claim.source.url if claim.source else "| ours |") in row


def test_what_is_counted() -> None:
    (total,) = re.findall(r"^Of (\d+) claims (\d+) hold, (\d+) fail, (\d+) undecided", PAGE, re.M)  # fmt: skip
    assert int(total[0]) == sum(map(int, total[1:]))
    assert int(total[0]) == sum(len(popsim.load(name).claims) for name in WITH_CLAIMS)
