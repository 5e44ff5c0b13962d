"""Tables at any width: numbers whole, names shortened visibly, nothing wider than the terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from rich.table import Table

from popsim.report.fitting import fitted, shortened
from popsim.report.terminal import print_summary
from popsim.results.result import Result

NAME = "workers_with_a_name_that_is_longer_than_half_of_the_terminal"


def printed(table: Table, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    for part in fitted(table, width):
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def numbers() -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("platform", justify="left")
    for title in ("sent", "p50", "key-value store", "p95", "failed"):
        table.add_column(title, justify="right")
    table.add_row(NAME, "255,123,456,789", "145.9 ±0.3", "1,001", "9,395.9 ±1,001", "33.2 %")
    table.add_row("lambda", "1", "2", "3", "4", "<0.001 %")
    return table


@pytest.mark.parametrize("width", [40, 60, 72, 80, 110, 132, 200])
def test_numbers_are_whole_at_every_width(width: int) -> None:
    text = printed(numbers(), width)
    for number in (
        "255,123,456,789",
        "145.9 ±0.3",
        "1,001",
        "9,395.9 ±1,001",
        "33.2 %",
        "<0.001 %",
    ):
        assert number in text
    assert max(map(len, text.splitlines())) <= width
    assert text.count("…") == (0 if NAME in text else text.count("lambda"))
    shown = set(re.findall(r"^\S+", text, re.MULTILINE))
    assert {"platform", "lambda"} <= shown


def test_a_table_that_fits_stays_one() -> None:
    assert len(fitted(numbers(), 132)) == 1
    assert len(fitted(numbers(), 60)) > 1


@pytest.mark.parametrize("width", [40, 60, 110])
def test_text_is_wrapped_or_stacked_and_never_cut(width: int) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("claim", "says", "observed (95 % interval)"):
        table.add_column(title, justify="left")
    table.add_row(
        "an-identifier-of-some-length", "Workers are faster everywhere", f"{NAME}.p(95) < 1ms"
    )
    text = printed(table, width)
    assert "…" not in text
    assert f"{NAME}.p(95)" in text.replace("\n", "").replace(" ", "")
    assert max(map(len, text.splitlines())) <= width


def test_names_keep_their_ends() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcde…hijk"
    assert len(shortened(NAME, 12)) == 12


@pytest.mark.parametrize("width", [60, 110])
def test_a_whole_summary_fits(small_result: Result, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    print_summary(small_result, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert f"{small_result.pools['workers'].requests:,}" in text
    assert not re.search(r"\d…", text)
