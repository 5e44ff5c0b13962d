"""The output gate is an order statistic: an answer waits for the third fastest of five followers.

The k-th smallest of independent times has passed by t if at least k of them have, a Poisson-binomial probability;
H. David, H. Nagaraja, "Order statistics", 3rd ed., Wiley 2003, ch. 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_runner import PLATFORM, Answers, Floats, Room, pool, samples
from runner import ENGINES, assert_agrees, power

from popsim.engine.layout import OK
from popsim.engine.outputs import PlatformRun
from popsim.engine.run import simulate

FOLLOWERS, QUORUM = 5, 3
NEAREST = ["s1", "s2"]  # to s0
PUT: dict[str, Any] = {"storage.put": {}}
MEAN_MS = 4.0
EXPONENTIAL = {"exponential": {"mean": f"{MEAN_MS}ms"}}

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def row_of_sites(
    folder: Path, steps: Sequence[dict[str, Any]], commit: Any = "2ms", degrees: float = 2.0, **more: Any
) -> Room:  # fmt: skip
    """Return a room at the end of a row of seven sites, called from beside it every second."""
    objects = {"commit": commit, "followers": FOLLOWERS, "quorum": QUORUM} | more.pop("objects", {})
    arrivals = {"every": "1s"}
    return Room(
        folder, {"do": steps}, objects, arrivals=more.pop("arrivals", arrivals), rate=more.pop("rate", 1.0),
        weights=(1.0,) + (0.0,) * 6, degrees=degrees, **more,
    )  # fmt: skip


def gates(run: PlatformRun) -> Floats:
    """Return how long each call of an object next door waited, that does nothing but write; ms."""
    answers = Answers.of(run)
    assert np.all(answers.outcome == OK)
    return answers.end - answers.begin


def third_of(rtt: Floats, t: Floats, mean: float) -> Floats:
    """Return the probability that ``QUORUM`` of rtt + Exp(mean) are over, at each t."""
    counts = np.zeros((FOLLOWERS + 1, len(t)))
    counts[0] = 1.0
    for way in rtt:
        over = np.where(t > way, -np.expm1(-(t - way) / mean), 0.0)
        counts[1:] = counts[1:] * (1.0 - over) + counts[:-1] * over
        counts[0] *= 1.0 - over
    return np.asarray(counts[QUORUM:].sum(axis=0))


@pytest.mark.parametrize("quorum", [1, 3, 5])
def test_gate_is_the_kth_nearest_follower(engine: str, quorum: int, tmp_path: Path) -> None:
    """With commits of 2 ms there is nothing random in it."""
    room = row_of_sites(tmp_path, [PUT], objects={"quorum": quorum})
    others = np.sort(room.rtt()[0, 1:])[:FOLLOWERS]
    assert np.all(np.diff(others) > 1.0)
    waited = gates(room.run(200, 0, engine))
    np.testing.assert_allclose(waited, others[quorum - 1] + 2.0, rtol=0, atol=1e-6)


def test_followers_that_are_down_do_not_confirm(engine: str, tmp_path: Path) -> None:
    """The third of those that are up counts: without the two nearest, the fifth."""
    events = [{"at": "100s", "fail": {"sites": NEAREST}}]
    room = row_of_sites(tmp_path, [PUT], events=events)
    others = np.sort(room.rtt()[0, 1:])
    assert {f"s{site}" for site in np.argsort(room.rtt()[0])[1:3]} == set(NEAREST)
    run = room.run(200, 0, engine)
    is_before = Answers.of(run).begin < 100e3
    expected = np.where(is_before, others[QUORUM - 1], others[QUORUM + 1]) + 2.0
    np.testing.assert_allclose(gates(run), expected, rtol=0, atol=1e-6)


def test_equal_followers_confirm_as_order_statistics(engine: str, tmp_path: Path) -> None:
    """Of five exponentials the third smallest is 1/5 + 1/4 + 1/3 of the mean, and 1/25 + 1/16 + 1/9 of its square."""
    room = row_of_sites(tmp_path, [PUT], EXPONENTIAL, degrees=0.0)
    way = room.rtt()[0, 1]
    assert np.all(room.rtt()[0, 1:] == way)

    def moments(run: PlatformRun) -> tuple[float, float]:
        waited = gates(run) - way
        return float(waited.mean()), float(waited.var())

    found = samples(room, engine, moments, (10, 4_000), (4, 1_500))
    parts = 1.0 / np.arange(FOLLOWERS, FOLLOWERS - QUORUM, -1)
    assert_agrees(found[:, 0], MEAN_MS * parts.sum(), power(engine, 0.01, 0.03))
    assert_agrees(found[:, 1], MEAN_MS**2 * (parts**2).sum(), power(engine, 0.03, 0.1))


def test_unequal_followers_confirm_as_order_statistics(engine: str, tmp_path: Path) -> None:
    """Mean, median and 95th percentile of the third smallest rtt + Exp."""
    room = row_of_sites(tmp_path, [PUT], EXPONENTIAL, degrees=0.4)
    rtt = np.sort(room.rtt()[0, 1:])[:FOLLOWERS]
    assert 0.5 * MEAN_MS < np.ptp(rtt) < 5.0 * MEAN_MS, "who is third is open"
    t = np.linspace(0.0, 200.0, 400_001)
    over = third_of(rtt, t, MEAN_MS)
    mean = float(np.trapezoid(1.0 - over, t))
    median, p95 = t[np.searchsorted(over, [0.5, 0.95])]

    def statistics(run: PlatformRun) -> tuple[float, float, float]:
        waited = gates(run)
        return float(waited.mean()), float(np.mean(waited > median)), float(np.mean(waited > p95))

    found = samples(room, engine, statistics, (10, 4_000), (4, 1_500))
    drawn = np.random.default_rng(1).exponential(MEAN_MS, (200_000, FOLLOWERS)) + rtt
    third = np.sort(drawn, axis=1)[:, QUORUM - 1]
    assert third.mean() == pytest.approx(mean, abs=4.0 * third.std() / np.sqrt(len(third)))
    assert_agrees(found[:, 0], mean, power(engine, 0.005, 0.02))
    assert_agrees(found[:, 1], 0.5, power(engine, 0.02, 0.06))
    assert_agrees(found[:, 2], 0.05, power(engine, 0.1, 0.25))


STRETCHES: dict[str, tuple[list[dict[str, Any]], int, int]] = {  # steps, writes, commits
    "one": ([PUT], 1, 1),
    "four at once": ([PUT] * 4, 4, 1),
    "with CPU and reads between": ([PUT, {"cpu": "1ms"}, PUT, {"storage.get": {}}, PUT], 3, 1),
    "a fetch between": ([PUT, PUT, {"fetch": {"origin": "far"}}, PUT], 3, 2),
    "sleeps between": ([PUT, {"sleep": "1ms"}, PUT, {"sleep": "1ms"}, PUT], 3, 3),
    "a broadcast between": ([PUT, {"broadcast": {}}, PUT], 2, 2),
    "a transaction is a write": ([PUT, {"storage.transaction": {}}, PUT], 2, 1),
    "nothing": ([{"cpu": "1ms"}], 0, 0),
}


@pytest.mark.parametrize("stretch", STRETCHES)
def test_writes_without_a_wait_between_are_one_commit(
    engine: str, stretch: str, tmp_path: Path
) -> None:
    steps, writes, commits = STRETCHES[stretch]
    room = row_of_sites(
        tmp_path, steps, of={"participants": {"count": 2, "spread": "city"}},
        more={"origins": {"far": {"lat": 0.0, "lon": 9.0}}},
    )  # fmt: skip
    run = room.run(200, 0, engine)
    found = pool(run)
    calls = found.calls
    assert calls >= 190
    assert found.count("puts") == writes * calls
    assert found.count("commits") == commits * calls
    answers = Answers.of(run)
    assert answers.version.max() == commits * calls, "the object's version counts commits"


def test_gates_add_up_only_where_something_leaves(engine: str, tmp_path: Path) -> None:
    """A fetch waits for what was written before it, a sleep does not: its gate passes meanwhile."""
    gate = np.sort(row_of_sites(tmp_path, [PUT]).rtt()[0])[QUORUM] + 2.0
    far = {"origins": {"far": {"lat": 0.0, "lon": 0.0}}}
    fetch = {"fetch": {"origin": "far", "service": "3ms"}}
    alone = gates(row_of_sites(tmp_path, [fetch], more=far).run(200, 0, engine))
    both = gates(row_of_sites(tmp_path, [PUT, fetch], more=far).run(200, 0, engine))
    np.testing.assert_allclose(both, alone + gate, rtol=0, atol=1e-6)
    for sleep in (3.0, 300.0):
        slept = gates(row_of_sites(tmp_path, [PUT, {"sleep": f"{sleep}ms"}]).run(200, 0, engine))
        np.testing.assert_allclose(slept, max(gate, sleep), rtol=0, atol=1e-6)


def test_no_answer_overtakes_an_earlier_write(engine: str, tmp_path: Path) -> None:
    """The gate of an object is the latest of its writes' gates, which reads wait for, too; it doesn't hold the thread."""
    room = row_of_sites(
        tmp_path, [PUT], {"exponential": {"mean": "30ms"}}, arrivals={"rate": "200/s"}, rate=200.0
    )
    answers = Answers.of(room.run(2_000, 0, engine))
    order = np.argsort(answers.version, kind="stable")
    assert np.array_equal(np.sort(answers.version), np.arange(1, len(order) + 1))
    ends = answers.end[order]
    assert all(before <= after + 1e-6 for before, after in pairwise(ends.tolist()))
    begins = np.sort(answers.begin)
    inside = np.arange(len(begins)) - np.searchsorted(np.sort(ends), begins)
    assert inside.mean() > 3.0, "many wait at the gate at the same time"
    assert pool(room.run(2_000, 0, engine)).part_mean("queue") == 0.0


@pytest.mark.parametrize(
    "ingress",
    [{"sites": ["s0"]}, {"where": {"city": "City 0"}}, {"exclude": {"id": [f"s{n}" for n in range(1, 7)]}}],
    ids=["sites", "where", "exclude"],
)  # fmt: skip
def test_gate_does_not_depend_on_where_clients_enter(
    engine: str, ingress: dict[str, Any], tmp_path: Path
) -> None:
    """Clients that may enter at the home alone: its followers are the sites that they were."""
    scenario = row_of_sites(tmp_path, [PUT], commit=EXPONENTIAL).scenario(100)
    alone = scenario.changed(platforms={PLATFORM: {"ingress": ingress}})
    anywhere, here = (gates(simulate(one, PLATFORM, 0, engine)) for one in (scenario, alone))
    assert len(here) > 90
    np.testing.assert_array_equal(anywhere, here)
