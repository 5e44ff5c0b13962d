"""Checking takes as long as the file is large: four times as many mistakes take four times as much work, not sixteen.

Work is counted in calls of functions, which does not depend on the machine.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import popsim
from popsim.scenario import errors

HEAD = "name: t\nduration: 60s\nclients: {topology: cities}\n"
WORK = "workload: {arrivals: {rate: 5/s}}\n"
ONE = "platforms: {w: {preset: cloudflare-workers}}\n"
CLIENTS = "id,city,country,lat,lon,utc_offset_h,weight\n"


def many(count: int, text: str, between: str = ", ") -> str:
    return between.join(text.replace("#", str(n)) for n in range(count))


SCENARIOS: dict[str, Callable[[int], str]] = {
    "unknown_keys": lambda n: HEAD + WORK + ONE + many(n, "k#: 1\n", ""),
    "equal_keys": lambda n: HEAD + WORK + "platforms:\n" + many(n, "  k#: 1\n", "") * 2,
    "wrong_steps": lambda n: (
        HEAD + f"workload: {{arrivals: {{rate: 5/s}}, handler: [{many(n, '{cpu: x}')}]}}\n" + ONE
    ),
    "unknown_origins": lambda n: (
        HEAD
        + f"workload: {{arrivals: {{rate: 5/s}}, handler: [{many(n, '{fetch: {origin: o#, service: 1ms}}')}]}}\n"
        + ONE
    ),
    "unknown_cities": lambda n: (
        HEAD
        + WORK
        + f"platforms: {{w: {{preset: cloudflare-workers, ingress: {{where: {{city: [{many(n, 'Q#')}]}}}}}}}}\n"
    ),
    "unknown_sites": lambda n: (
        HEAD + WORK + ONE + f"events: [{many(n, '{at: 1s, for: 1s, fail: {sites: [q#]}}')}]\n"
    ),
    "unknown_platforms": lambda n: (
        HEAD
        + WORK
        + ONE
        + f"events: [{many(n, '{at: 1s, for: 1s, fail: {platforms: [q#], busiest: 3}}')}]\n"
    ),
    "equal_claims": lambda n: (
        HEAD
        + WORK
        + ONE
        + f"claims: [{many(n, '{id: a, says: x, source: ours, expect: [w.mean < 1s]}')}]\n"
    ),
    "wrong_claims": lambda n: (
        HEAD
        + WORK
        + ONE
        + f"claims: [{many(n, '{id: a#, says: x, source: ours, expect: [q#.mean < 1s]}')}]\n"
    ),
    "empty_lists": lambda n: (
        HEAD + WORK + ONE + f"claims: [{many(n, '{id: a#, says: x, source: ours, expect: []}')}]\n"
    ),
}


def work(path: Path) -> int:
    """Return how many functions and steps of generators checking a scenario calls."""
    calls = 0

    def count(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        popsim.load(path)
    except popsim.InputError as error:
        str(error)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("kind", SCENARIOS)
def test_work_grows_with_the_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    found = []
    for count in (1, 1, 200, 800):  # the first fills caches
        path.write_text(SCENARIOS[kind](count), encoding="utf-8")
        found.append(work(path))
    _, base, some, more = found
    assert (more - base) < 4.4 * (some - base)


def test_rows_that_are_there_twice(tmp_path: Path) -> None:
    path, table = tmp_path / "it.yaml", tmp_path / "clients.csv"
    path.write_text(HEAD.replace("cities", "clients.csv") + WORK + ONE, encoding="utf-8")
    found = []
    for count in (1, 1, 200, 800):
        table.write_text(CLIENTS + "a,Berlin,DE,1,2,1,1\n" * (count + 1), encoding="utf-8")
        found.append(work(path))
    _, base, some, more = found
    assert (more - base) < 4.4 * (some - base)


def test_suggestions_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names are unknown, only so many are compared with the known ones."""
    compared = 0

    def none(_name: str, known: list[str], **_: Any) -> list[str]:
        nonlocal compared
        compared += len(known)
        return []

    monkeypatch.setattr(errors, "get_close_matches", none)
    monkeypatch.setattr("popsim.world.cities.get_close_matches", none)
    path = tmp_path / "it.yaml"
    path.write_text(SCENARIOS["unknown_cities"](2_000), encoding="utf-8")
    with pytest.raises(popsim.InputError) as caught:
        popsim.load(path)
    assert len(caught.value.problems) == 2_000
    assert 0 < compared <= errors.MOST_COMPARISONS


def test_many_platforms_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    every = many(201, "p#: {preset: nope}")
    path.write_text(HEAD + WORK + f"platforms: {{{every}}}\n", encoding="utf-8")
    with pytest.raises(popsim.InputError, match=":5:1: platforms: expected at most 200 platforms"):
        popsim.load(path)


def test_many_surges_are_refused(tmp_path: Path) -> None:
    """Each is multiplied with all others that hold at its time."""
    path = tmp_path / "it.yaml"
    surge = "{at: 1s, for: 1s, surge: {factor: 1.001}}"
    rest = HEAD + WORK + "platforms: {p: {preset: vercel-edge}}\n"
    path.write_text(rest + f"events: [{many(501, surge)}]\n", encoding="utf-8")
    with pytest.raises(popsim.InputError, match=":6:9: events: expected at most 500 surges, got"):
        popsim.load(path)
    path.write_text(rest + f"events: [{many(500, surge)}]\n", encoding="utf-8")
    assert len(popsim.load(path).events) == 500
