"""The engines are twins: what a file of the compiled one names in the specification is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import popsim

ENGINE = Path(popsim.__file__).parent / "engine"
NAMED = [
    (file.name, name)
    for file in sorted((ENGINE / "compiled").glob("*.py"))
    for name in re.findall(r"specification/(\w+\.py)", file.read_text("utf-8"))
]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_twin_that_is_named_exists(file: str, name: str) -> None:
    assert (ENGINE / "specification" / name).exists(), f"compiled/{file} names it"


def test_twins_are_named() -> None:
    assert len(NAMED) >= 15
