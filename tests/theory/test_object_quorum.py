"""A new home needs a quorum of the lost one's followers, or the lost home itself: nothing confirmed is lost, but it may be out of reach.

Seven sites in a row; s1 is home and s6 the only other host. Followers of s1 are s0, s2 and s3, two of whom confirm; those of s6
are s5, s4 and s2. Callers are beside s4 and s5, which never fail.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_runner import CLASS, Answers, Room, pool
from runner import ENGINES

from popsim.engine.layout import OBJECT_LOST, OBJECT_UNAVAILABLE, OK
from popsim.engine.outputs import PlatformRun

WRITER, READER = 4, 5
FAIL_MS, TAKEOVER_MS, READ_MS = 4_000.0, 500.0, 1.0
OBJECTS: dict[str, Any] = {
    "placement": {"model": "hub", "host": "s1"},
    "hosts": {"sites": ["s1", "s6"]},
    "read": f"{READ_MS!r}ms",
    "commit": {"exponential": {"mean": "2ms"}},
    "followers": 3,
    "quorum": 2,
    "takeover": f"{TAKEOVER_MS!r}ms",
}
ALONE = OBJECTS | {"followers": 0, "quorum": 0}


def fails(lasting_s: float, *sites: int) -> dict[str, Any]:
    """Return the event that sites fail after 4 s, for so long."""
    return {"at": "4s", "for": f"{lasting_s}s", "fail": {"sites": [f"s{site}" for site in sites]}}


# What fails, how objects run, when they can be taken over, where they are then
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], float, int]] = {
    "home": ([fails(3, 1)], OBJECTS, 4_000.0, 6),
    "home and one follower": ([fails(3, 1, 2)], OBJECTS, 4_000.0, 6),
    "home and two followers": ([fails(3, 1, 2, 0)], OBJECTS, 7_000.0, 1),
    "home and all followers": ([fails(3, 1, 2, 0, 3)], OBJECTS, 7_000.0, 1),
    "one too few for longer": ([fails(3, 1, 0, 3), fails(2, 2)], OBJECTS, 7_000.0, 1),
    "two are back first": ([fails(3, 1, 0), fails(1, 2), fails(2, 3)], OBJECTS, 6_000.0, 6),
    "home is back first": ([fails(1.5, 1), fails(3, 2, 0, 3)], OBJECTS, 5_500.0, 1),
    "home without followers": ([fails(3, 1)], ALONE, 7_000.0, 1),
    "only the followers": ([fails(3, 2, 0, 3)], OBJECTS, FAIL_MS - TAKEOVER_MS, 1),
}
CANNOT_WRITE = ("home is back first", "only the followers")  # so that it restarts again and again
Runs = Callable[[str, str], PlatformRun]  # (engine, case)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return what runs a case for 10 s, kept whole: three objects, a hundred writes and as many reads a second."""
    folder = tmp_path_factory.mktemp("sites")
    handlers: dict[str, Any] = {
        "set": [{"cpu": "1ms"}, {"storage.put": {}}],
        "look": [{"storage.get": {}}],
    }
    branches = [
        {"weight": 1, "where": {"country": country}, "steps": [{"object.call": {"class": CLASS, "handler": handler}}]}
        for country, handler in (("SG", "set"), ("BR", "look"))
    ]  # fmt: skip

    @cache
    def run(engine: str, name: str) -> PlatformRun:
        events, objects, *_ = CASES[name]
        room = Room(
            folder, handlers, objects, ({"choose": branches},), rate=200.0, of={"count": 3},
            weights=(0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0), degrees=5.0, events=events,
        )  # fmt: skip
        return room.run(2_000, 0, engine)

    return run


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the RTTs in ms, [site, host s1 or s6]."""
    room = Room(
        tmp_path_factory.mktemp("ways"), {"do": []}, OBJECTS, weights=(1.0,) * 7, degrees=5.0
    )
    return room.inputs().rtt.reshape(7, 2)


def test_followers_are_as_said(tmp_path: Path) -> None:
    inputs = Room(tmp_path, {"do": []}, OBJECTS, weights=(1.0,) * 7, degrees=5.0).inputs()
    assert [set(row) for row in inputs.followers.site.reshape(2, 3).tolist()] == [
        {0, 2, 3},
        {2, 4, 5},
    ]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("engine", ENGINES)
def test_calls_fail_until_somebody_knows_what_was_written(
    engine: str, name: str, runs: Runs, ways: Any
) -> None:
    answers, (_, _, since, home) = Answers.of(runs(engine, name)), CASES[name]
    opens = since + TAKEOVER_MS
    back = answers.end - ways[answers.site, int(home == 6)] / 2.0  # when the answer left
    during = answers.only((answers.begin > FAIL_MS) & (answers.begin < since))
    assert np.all(during.outcome == OBJECT_UNAVAILABLE)
    assert (len(during.begin) > 250) == (since > FAIL_MS + 1_000.0)
    is_late = (answers.begin > FAIL_MS) & (answers.outcome == OK)
    if opens > FAIL_MS:
        assert opens + READ_MS - 1e-6 <= back[is_late].min() <= opens + 60.0  # a write was first
    if name not in CANNOT_WRITE:
        assert np.all(answers.outcome[answers.begin > since + 1.0] == OK)
    calls = pool(runs(engine, name))
    assert calls.count("failovers") == 3 * (opens > FAIL_MS)
    assert calls.count("created") == 3


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_confirmed_is_there_when_it_can_be_had_again(
    engine: str, name: str, runs: Runs
) -> None:
    answers = Answers.of(runs(engine, name))
    for number in range(3):
        one = answers.only((answers.object == number) & (answers.outcome == OK))
        told = one.version[one.end < FAIL_MS].max()
        later = one.only(one.begin > FAIL_MS)
        assert told > 50
        assert later.version.min() >= told
        reads = later.only(later.site == READER)
        assert np.all(np.diff(reads.version[np.argsort(reads.begin)]) >= 0)
        assert later.version.max() > told + 30, "writes go on in the end"


@pytest.mark.parametrize("engine", ENGINES)
def test_where_the_home_is_back_alone_it_cannot_write(engine: str, runs: Runs) -> None:
    """Its own disk has everything, but followers must have what is new."""
    answers = Answers.of(runs(engine, "home is back first"))
    alone = answers.only((answers.begin > 6_100.0) & (answers.end < 7_000.0))
    is_write = alone.site == WRITER
    assert is_write.sum() > 30
    assert np.all(np.isin(alone.outcome[is_write], (OBJECT_UNAVAILABLE, OBJECT_LOST)))
    assert np.sum((alone.outcome == OK) & ~is_write) > 30
    late = answers.only((answers.begin > 7_600.0) & (answers.site == WRITER))
    assert np.all(late.outcome == OK)
