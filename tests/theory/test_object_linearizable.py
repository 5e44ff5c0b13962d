"""An object does one thing at a time, and to its callers each call seems to happen at one moment."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_history import Operation, Watched, WatchedPlane, is_linearizable
from object_runner import CLASS, Answers, Room
from runner import ENGINES

from popsim.engine.layout import FETCH, OBJECT_CALL, OK, SLEEP

QUORUM = {"followers": 3, "quorum": 2, "commit": {"exponential": {"mean": "2ms"}}}
CPU = {"cpu": {"exponential": {"mean": "1ms"}}}
GET: dict[str, Any] = {"storage.get": {"time": {"exponential": {"mean": "2ms"}}}}
PUT: dict[str, Any] = {"storage.put": {}}
HANDLERS = {
    "look": [GET],
    "set": [GET, PUT, CPU],
    "fetching": [GET, {"fetch": {"origin": "far"}}, CPU, PUT],
    "asking": [{"object.call": {"class": "index", "handler": "count"}}, PUT],
    "sleeping": [PUT, {"sleep": "10ms"}, CPU, GET],
    "swap": [{"storage.transaction": {"time": "2ms"}}],
}
INDEX = {"index": {"handlers": {"count": [CPU, PUT]}}}
FAR = {"far": {"lat": 0.0, "lon": 9.0}}
MIX = {
    "choose": [
        {
            "weight": 4 if name == "look" else 1,
            "steps": [{"object.call": {"class": CLASS, "handler": name}}],
        }
        for name in HANDLERS
    ]
}


def busy(folder: Path, **objects: Any) -> Room:
    """Return a room whose objects are called from three places, more often than they can do one after the other."""
    return Room(
        folder, HANDLERS, {"read": "1ms", "placement": {"model": "hub", "host": "s1"}, **QUORUM, **objects},
        (MIX,), rate=200.0, of={"count": 2}, weights=(1.0, 1.0, 1.0, 0.0, 0.0), degrees=10.0,
        workload={"objects": INDEX}, more={"origins": FAR},
    )  # fmt: skip


def seen(room: Room, requests: float, replication: int = 0) -> Watched:
    """Run a room under observation."""
    room.watch(requests, WatchedPlane, replication)
    return WatchedPlane.runs.pop()


def test_nothing_overlaps_in_one_object(tmp_path: Path) -> None:
    """Neither storage nor CPU lets anybody in; fetches, sleeps and calls of other objects do."""
    for replication in range(3):
        run = seen(busy(tmp_path), 1_200, replication)
        assert sum(map(len, run.stretches.values())) > 1_200
        assert run.intruders == run.overlaps == 0
        assert set(run.let_in) == {FETCH, SLEEP, OBJECT_CALL}
        assert min(run.let_in.values()) > 50


def test_calls_overlap_without_a_thread(tmp_path: Path) -> None:
    """The watch would have noticed."""
    run = seen(busy(tmp_path, single_threaded=False), 600)
    assert run.intruders > 100
    assert run.overlaps > 100


def test_calls_are_linearizable(tmp_path: Path) -> None:
    """Each read returns the write before it, in an order that agrees with all that callers know of time."""
    for replication in range(3):
        run = seen(busy(tmp_path), 1_200, replication)
        histories = run.history()
        assert len(histories) == 2
        for history in histories.values():
            assert sum(one.is_write for one in history) > 200
            assert sum(not one.is_write for one in history) > 100
            assert concurrency(history) > 3.0
            assert is_linearizable(history)
            assert not is_linearizable(with_an_old_read(history)), "the checker has power here"


def concurrency(history: list[Operation]) -> float:
    """Return how many calls are under way when another one begins, on average."""
    begins = np.sort([one.begin for one in history])
    ends = np.sort([one.end for one in history])
    return float(np.mean(np.arange(len(begins)) - np.searchsorted(ends, begins)))


def with_an_old_read(history: list[Operation]) -> list[Operation]:
    """Return a history in which one read returns a value that had been replaced before the read began."""
    reads = [one for one in history if not one.is_write]
    read = reads[len(reads) // 2]
    newer = max((one for one in history if one.is_write and one.end < read.begin), key=_begin)
    older = max((one for one in history if one.is_write and one.end < newer.begin), key=_begin)
    return [replace(one, value=older.value) if one is read else one for one in history]


def _begin(one: Operation) -> float:
    return one.begin


def test_reads_return_what_the_storage_held(tmp_path: Path) -> None:
    """The version in the answer of a call that only reads is the one that its read met."""
    run = seen(busy(tmp_path), 1_200)
    reads = [trail for trail, _, outcome in run.answers if outcome == OK and trail.wrote < 0]
    assert len(reads) > 300
    assert all(trail.read == trail.call.version for trail in reads if trail.read >= 0)
    wrote = [trail.wrote for trail in run.trails.values() if trail.call.actor.object_class == 1]
    assert sorted(wrote) == list(range(1, len(wrote) + 1)), "writes are numbered"


def test_calls_are_linearizable_when_homes_fail(tmp_path: Path) -> None:
    """Writes whose callers got no answer may have happened or not; all others did."""
    events = [
        {"at": "1s", "for": "2s", "fail": {"sites": ["s1"]}},
        {"at": "2s", "restart": {"class": CLASS}},
    ]
    room = replace(busy(tmp_path, takeover="200ms"), events=events)
    run = seen(room, 800)
    unheard = 0
    for history in run.history().values():
        unheard += sum(one.end == inf for one in history)
        assert sum(one.end < inf for one in history) > 100
        assert is_linearizable(history)
    assert unheard > 0
    assert run.intruders == run.overlaps == 0


def test_stale_replicas_are_not_linearizable(tmp_path: Path) -> None:
    """Reads from copies nearby are consistent only eventually, and the checker says so."""
    model = {"model": "read_replicas", "primary": "s1", "lag": "40ms"}
    room = replace(busy(tmp_path, placement=model), weights=(1.0, 1.0, 0.0, 1.0, 1.0))
    assert room.inputs().replica_hosts.tolist() == [4]
    histories = seen(room, 1_200).history()
    assert not any(map(is_linearizable, histories.values()))


# --- the checker ----------------------------------------------------------------------------------------------


def wrote(value: int, begin: float, end: float) -> Operation:
    return Operation(begin, end, value, is_write=True)


def read(value: int, begin: float, end: float) -> Operation:
    return Operation(begin, end, value, is_write=False)


LINEARIZABLE = {
    "nothing": [],
    "concurrent reads see either": [wrote(1, 0, 9), read(1, 1, 2), read(1, 3, 4), read(0, 0, 1)],
    "a write that nobody heard of": [wrote(1, 0, inf), read(0, 1, 2), read(1, 3, 4)],
    "a write that never was": [wrote(1, 0, inf), read(0, 1, 2), wrote(2, 3, 4), read(2, 5, 6)],
    "writes in any order": [wrote(1, 0, 9), wrote(2, 0, 9), read(2, 1, 2), read(1, 3, 4)],
}
NOT_LINEARIZABLE = {
    "stale": [wrote(1, 0, 1), wrote(2, 2, 3), read(1, 4, 5)],
    "lost": [wrote(1, 0, 1), read(0, 2, 3)],
    "from the future": [read(1, 0, 1), wrote(1, 2, 3)],
    "new, then old": [wrote(1, 0, 9), read(1, 1, 2), read(0, 3, 4)],
    "back and forth": [wrote(1, 0, 9), wrote(2, 0, 9), read(1, 1, 2), read(2, 3, 4), read(1, 5, 6)],
    "nobody wrote it": [wrote(1, 0, 1), read(3, 2, 3)],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_checker_accepts(name: str) -> None:
    assert is_linearizable(LINEARIZABLE[name])


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_checker_rejects(name: str) -> None:
    assert not is_linearizable(NOT_LINEARIZABLE[name])


def test_checker_agrees_with_all_orders() -> None:
    """On small random histories it finds what trying every order finds."""
    rng = np.random.default_rng(3)
    verdicts = []
    for _ in range(600):
        history = random_history(rng)
        expected = any(is_right(order) for order in orders(history))
        assert is_linearizable(history) == expected, history
        verdicts.append(expected)
    assert 0.2 < np.mean(verdicts) < 0.8


def random_history(rng: np.random.Generator) -> list[Operation]:
    begins, lengths = rng.random(5) * 6.0, rng.exponential(2.0, 5)
    ends = np.where(rng.random(5) < 0.15, inf, begins + lengths)
    writes = [bool(write) for write in rng.random(5) < 0.5]
    known = [0] + [row + 1 for row in range(5) if writes[row]]
    values = [row + 1 if writes[row] else int(rng.choice(known)) for row in range(5)]
    rows = zip(begins.tolist(), ends.tolist(), values, writes, strict=True)
    return [Operation(*row) for row in rows if row[1] < inf or row[3]]


def orders(history: list[Operation]) -> Any:
    """Yield all orders of the operations, with and without those that may not have happened."""
    for count in range(len(history) + 1):
        for order in permutations(history, count):
            if all(one in order for one in history if one.end < inf):
                yield order


def is_right(order: tuple[Operation, ...]) -> bool:
    value = 0
    for row, one in enumerate(order):
        if any(later.end < one.begin for later in order[row:]):
            return False
        if not one.is_write and one.value != value:
            return False
        value = one.value
    return True


# --- what the sample shows, on both engines -------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_whole_requests_are_linearizable(engine: str, tmp_path: Path) -> None:
    """The client beside s0 writes, the others read; versions come from the sample."""
    steps = {"set": [CPU, PUT], "look": [GET]}
    branches = [
        {"weight": 1, "where": {"country": country}, "steps": [{"object.call": {"class": CLASS, "handler": handler}}]}
        for country, handler in (("GA", "set"), ("CO", "look"), ("KE", "look"))
    ]  # fmt: skip
    room = replace(
        busy(tmp_path), handlers=steps, handler=({"choose": branches},), workload={}, more={}
    )
    requests, replications = (3_000, 5) if engine == "compiled" else (1_000, 2)
    for replication in range(replications):
        answers = Answers.of(room.run(requests, replication, engine))
        for number in np.unique(answers.object):
            one = answers.only(answers.object == number)
            assert np.all(one.outcome == OK)
            columns = (one.begin, one.end, one.version, one.client == 0)
            history = [Operation(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
            assert is_linearizable(history)
            assert not is_linearizable(with_an_old_read(history))
