"""What a caller was told is true for good: homes fail, followers take over, and every confirmed write is still there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_history import Trail, WatchedPlane
from object_runner import CLASS, Answers, Floats, Ints, Room, pool
from runner import ENGINES

from popsim.engine.layout import OBJECT_LOST, OBJECT_UNAVAILABLE, OK
from popsim.engine.outputs import PlatformRun

# Sites. Nobody is beside a home that fails, so that every request makes its call.
WRITER, READER, HOME, NEXT = 0, 5, 1, 2
FAIL_MS, BACK_MS, TAKEOVER_MS, READ_MS = 4_000.0, 7_000.0, 500.0, 1.0
BRANCHES = [
    {"weight": 1, "where": {"country": country}, "steps": [{"object.call": {"class": CLASS, "handler": handler}}]}
    for country, handler in (("GA", "set"), ("BR", "look"))
]  # fmt: skip
OBJECTS = {
    "placement": {"model": "hub", "host": f"s{HOME}"},
    "read": f"{READ_MS!r}ms",
    "commit": {"exponential": {"mean": "20ms"}},
    "followers": 5,
    "quorum": 3,
    "takeover": f"{TAKEOVER_MS!r}ms",
}
LOSSES: dict[str, list[dict[str, Any]]] = {
    "home fails": [{"at": "4s", "for": "3s", "fail": {"sites": [f"s{HOME}"]}}],
    "one home after the other": [
        {"at": "4s", "for": "3s", "fail": {"sites": [f"s{HOME}"]}},
        {"at": "5s", "for": "2s", "fail": {"sites": [f"s{NEXT}"]}},
    ],
    "restarts": [{"at": f"{at}s", "restart": {"class": CLASS}} for at in (4, 4.1, 4.2, 6)],
    "too few followers": [
        {"at": "4s", "for": "3s", "fail": {"sites": [f"s{site}" for site in (2, 3, 4)]}}
    ],
}
FAILOVERS = dict(zip(LOSSES, (1, 2, 0, 0), strict=True))  # of each object


def platform(folder: Path, events: list[dict[str, Any]]) -> Room:
    """Return a room with three objects in s1, which s0 writes and s5 reads, 150 times a second each."""
    handlers: dict[str, Any] = {
        "set": [{"cpu": "1ms"}, {"storage.put": {}}],
        "look": [{"storage.get": {}}],
    }
    return Room(
        folder, handlers, OBJECTS, ({"choose": BRANCHES},), rate=300.0, of={"count": 3},
        weights=(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0), degrees=5.0, events=events,
    )  # fmt: skip


Runs = Callable[[str, str], list[PlatformRun]]  # (engine, loss)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return what makes some runs of 10 s, in which something is lost after 4 s, kept whole."""
    folder = tmp_path_factory.mktemp("sites")

    @cache
    def run(engine: str, loss: str) -> list[PlatformRun]:
        replications = 5 if engine == "compiled" else 2
        room = platform(folder, LOSSES[loss])
        return [room.run(3_000, replication, engine) for replication in range(replications)]

    return run


def known_before(answers: Answers) -> Ints:
    """Return for each answer the newest version that anybody had been told of when its call began."""
    by_end = np.argsort(answers.end, kind="stable")
    newest = np.maximum.accumulate(np.append(0, answers.version[by_end]))
    told = np.searchsorted(answers.end[by_end], answers.begin, side="left")
    return np.asarray(newest[told])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("engine", ENGINES)
def test_confirmed_writes_are_there_for_good(engine: str, loss: str, runs: Runs) -> None:
    """No answer is older than what any caller had been told before; each write is newer."""
    for run in runs(engine, loss):
        answers = Answers.of(run)
        newest = wrote = 0
        for number in range(3):
            one = answers.only((answers.object == number) & (answers.outcome == OK))
            assert np.sum(one.begin > FAIL_MS) > 200, "life goes on"
            before, is_write = known_before(one), one.site == WRITER
            assert np.all(one.version >= before)
            assert np.all(one.version[is_write] > before[is_write])
            written = one.version[is_write]
            assert len(np.unique(written)) == len(written), "each write is a commit of its own"
            late = one.begin > FAIL_MS
            told = one.version[one.end < FAIL_MS].max()
            assert told > 100
            assert one.version[late].min() >= told
            newest += int(one.version.max())
            wrote += len(written)
        commits = pool(run).count("commits")
        assert wrote <= newest <= commits
        is_lost = np.isin(answers.outcome, (OBJECT_LOST, OBJECT_UNAVAILABLE))
        assert commits - wrote <= np.sum(is_lost & (answers.site == WRITER)), "nobody heard of them"


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_request_ends_once(engine: str, loss: str, runs: Runs) -> None:
    """... with an answer or one error, as its call does; what fails began before the loss or during it."""
    for run in runs(engine, loss):
        answers, calls = Answers.of(run), pool(run)
        assert run.arrivals == run.requests == len(np.unique(answers.number))
        outcomes = np.bincount(answers.outcome, minlength=len(run.failed) + 1)
        assert np.array_equal(outcomes[1:], run.failed)
        assert outcomes[OK] == run.latency.sum() == calls.calls
        assert outcomes[OBJECT_LOST] == calls.count("lost")
        assert outcomes[OBJECT_UNAVAILABLE] == calls.count("unavailable")
        assert calls.attempts == run.requests, "no other errors"
        assert calls.count("lost") > 0
        assert calls.count("failovers") == 3 * FAILOVERS[loss]
        failed = answers.only(answers.outcome != OK)
        assert np.all((failed.end >= FAIL_MS) & (failed.begin < BACK_MS + 100.0))
        is_up = answers.end < FAIL_MS
        assert np.all(answers.outcome[is_up] == OK)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_new_home_answers_after_the_takeover(engine: str, runs: Runs, tmp_path: Path) -> None:
    """Who calls in the meantime waits for the object to open, and is answered from the next site."""
    room = platform(tmp_path, LOSSES["home fails"])
    ways = room.rtt()[[WRITER, READER]] / 2.0
    soonest, open_ms = [], FAIL_MS + TAKEOVER_MS
    for run in runs(engine, "home fails"):
        answers = Answers.of(run)
        meantime = answers.only((answers.begin > FAIL_MS) & (answers.begin < FAIL_MS + 300.0))
        assert np.all(meantime.outcome == OK)
        back = meantime.end - ways[:, NEXT][(meantime.site == READER).astype(int)]
        assert np.all(back >= open_ms)
        soonest.append(back.min())
        assert pool(run).count("failovers") == 3
        assert pool(run).count("created") == 3
    assert min(soonest) == pytest.approx(open_ms + READ_MS, abs=1e-6), (
        "a read was the first to wait"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_without_a_quorum_nothing_is_written(engine: str, runs: Runs) -> None:
    """Three of five followers are down: all reads return what was confirmed before, no write is answered."""
    for run in runs(engine, "too few followers"):
        answers = Answers.of(run)
        down = answers.only((answers.begin > FAIL_MS) & (answers.end < BACK_MS))
        is_write = down.site == WRITER
        assert np.all(down.outcome[is_write] != OK)
        read = down.only((down.outcome == OK) & ~is_write)
        assert len(read.begin) > 20
        for number in range(3):
            one = read.version[read.object == number]
            written = answers.only((answers.object == number) & (answers.site == WRITER))
            is_told = (written.outcome == OK) & (written.begin < FAIL_MS)
            assert set(one.tolist()) == {written.version[is_told].max()}
        assert pool(run).count("restarts") > 100


def test_answers_wait_until_followers_have_the_write(tmp_path: Path) -> None:
    """So that a new home knows it: an answer leaves when three of the five that are up had time to confirm."""
    room = platform(tmp_path, LOSSES["home fails"])
    room.watch(3_000, WatchedPlane)
    answers = WatchedPlane.runs.pop().answers
    told = [(trail, now) for trail, now, outcome in answers if outcome == OK and trail.wrote > 0]
    assert len(told) > 1_000
    for trail, now in told:
        assert now >= trail.confirmed + trail.call.rtt / 2.0
    third = third_nearest(room)
    homes = np.array([trail.call.host for trail, _ in told])
    assert set(homes.tolist()) == {HOME, NEXT}
    sent, confirmed = (
        np.array([getattr(trail, name) for trail, _ in told]) for name in ("sent", "confirmed")
    )
    assert np.all(confirmed - sent >= third[homes])
    assert at_the_gate(told) > 0, "some answers are still told after the home failed"


def third_nearest(room: Room) -> Floats:
    """Return the RTT in ms to the follower that is the third nearest, by host."""
    return np.asarray(np.sort(room.rtt(), axis=1)[:, 3])  # the nearest of all is the home itself


def at_the_gate(told: list[tuple[Trail, float]]) -> int:
    """Count answers that waited for their followers when the home failed."""
    return sum(trail.sent < FAIL_MS < trail.confirmed for trail, _ in told)


@pytest.mark.parametrize("loss", LOSSES)
def test_nobody_is_told_what_is_not_confirmed(loss: str, tmp_path: Path) -> None:
    """Reads, too, wait until a quorum has the version that they return."""
    platform(tmp_path, LOSSES[loss]).watch(3_000, WatchedPlane)
    run = WatchedPlane.runs.pop()
    confirmed = {
        (trail.call.actor.number, trail.wrote): trail.confirmed for trail in run.trails.values()
    }
    answers = [(trail.call, now) for trail, now, outcome in run.answers if outcome == OK]
    early = [
        confirmed[call.actor.number, call.version] - (now - call.rtt / 2.0)
        for call, now in answers
        if call.version > 0
    ]
    assert len(early) > 2_000
    assert max(early) == pytest.approx(0.0, abs=1e-6), "some leave when it is, and none before"


@pytest.mark.parametrize("engine", ENGINES)
def test_without_losses_nothing_fails(engine: str, tmp_path: Path) -> None:
    run = replace(platform(tmp_path, []), warmup_s=0.5).run(1_000, 0, engine)
    assert run.failed.sum() == 0
    assert pool(run).calls == run.requests
