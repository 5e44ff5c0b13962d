"""What the terminal and the page say about costs."""

from __future__ import annotations

import io
from typing import Any

import pytest
from made_runs import made
from rich.console import Console

import popsim
from popsim.report.html.data import tables
from popsim.report.terminal import print_summary
from popsim.results import Result

TITLE = "What a million requests sent cost in USD"


def printed(result: Result) -> str:
    console = Console(file=io.StringIO(), width=110, color_system=None)
    print_summary(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def section(text: str) -> list[list[str]]:
    """Return the words of the table's head and rows."""
    lines = text[text.index(TITLE) :].split("\n\n")[0].splitlines()[1:]
    return [line.split() for line in lines]


def result_of(**platforms: dict[str, Any]) -> Result:
    scenario = popsim.load(
        {
            "name": "made",
            "duration": "1s",
            "clients": {"topology": "cities"},
            "workload": {"arrivals": {"rate": "1/s"}},
            "platforms": platforms,
        }
    )
    return Result(scenario, {name: [made(platform=name, requests=9)] for name in platforms})


def test_the_terminal_shows_what_costs_anything(small_result: Result) -> None:
    head, workers, other = section(printed(small_result))
    assert head == ["platform", "requests", "cpu", "duration", "egress", "total", "per", "answered"]
    assert workers[:2] == ["workers", "0.300"]
    assert workers[3:5] == ["0", "0"]
    assert other[:3] == ["lambda", "0.200", "0"]
    costs = small_result.costs()
    assert float(workers[5]) == pytest.approx(costs.at["workers", "total_usd"], abs=6e-4)
    assert max(map(len, printed(small_result).splitlines())) <= 110


def test_the_terminal_says_nothing_of_what_nobody_knows() -> None:
    unknown = {"preset": "aws-lambda-2018"}
    assert TITLE not in printed(result_of(old=unknown))
    assert TITLE not in printed(result_of(free=unknown | {"prices": {}}))


def test_a_platform_without_prices_has_no_numbers_beside_one_with() -> None:
    run = made(platform="old", requests=9)
    priced = {"preset": "aws-lambda", "prices": {"duration": 0, "egress": 0}}
    result = result_of(old={"preset": "aws-lambda-2018"}, priced=priced)
    latency = run.latency.copy()
    latency[1_000] = 9
    answered = made(platform="priced", requests=9, latency=latency)
    result = Result(result.scenario, {"old": [run], "priced": [answered]})
    head, old, new = section(printed(result))
    assert head == ["platform", "requests", "total", "per", "answered"]
    assert old == ["old", "-", "-", "-"]
    assert new == ["priced", "0.200", "0.200", "0.200"]


def test_the_page_has_the_same_table(small_result: Result) -> None:
    (table,) = [each for each in tables(small_result) if each["of"] == "costs"]
    assert table["columns"][0] == table["by"] == "platform"
    frame = small_result.costs()
    for row in table["rows"]:
        found = dict(zip(table["columns"], row, strict=True))
        expected = frame.loc[found.pop("platform")]
        assert found == pytest.approx(expected.to_dict(), rel=1e-5)
    assert [row[0] for row in table["rows"]] == list(frame.index)
    assert tables(result_of(old={"preset": "aws-lambda-2018"})) == []
