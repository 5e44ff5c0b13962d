"""How long objects stay in memory, by the renewal argument.

Calls come at rate r, an idle object leaves the memory after T. Without work, it is in memory as long as a call came within
the last T, as a server of M/D/inf is busy (L. Takács, "Introduction to the theory of queues", 1962): for 1 - exp(-r T) of
the time; and r exp(-r T) calls a second find it asleep. With work a cycle is an idle time, 1 / r on average, and a busy
period: (E[S] + exp(-r T) a) / (1 - r E[S]), if an activation takes a (P. Welch, "On a generalized M/G/1 queuing process in
which the first customer of each busy period receives exceptional service", Oper. Res. 12, 1964). An object that waits with an
answer at its output gate is at work: with a gate of G for 1 - exp(-r G) of the time, again as M/D/inf.
"""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import Any

import pytest
from object_runner import Floats, Room, pool, samples
from runner import ENGINES, assert_agrees, power

from popsim.engine.layout import TIMELINE_BINS
from popsim.engine.outputs import PlatformRun

TIMEOUT_S = 10.0
PUT: dict[str, Any] = {"storage.put": {}}

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def per_second(room: Room, engine: str) -> Floats:
    """Return shares of time at work and idle in memory, and activations per s, [replication, 3]; of one object."""

    def statistic(run: PlatformRun) -> tuple[float, float, float]:
        seconds = run.timeline_bin_ms * TIMELINE_BINS / 1e3 - room.warmup_s
        found, objects = pool(run), room.of.get("count", 1)
        amounts = (found.active_s, found.idle_s, found.count("activations"))
        return tuple(amount / seconds / objects for amount in amounts)

    return samples(room, engine, statistic, (10, 20_000), (5, 1_000))


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_share_of_time_in_memory(engine: str, rate: float, tmp_path: Path) -> None:
    """An object without work is asleep for exp(-r T) of the time; default T = 10 s."""
    room = Room(tmp_path, {"do": [PUT]}, rate=rate, warmup_s=TIMEOUT_S)
    found, asleep = per_second(room, engine), exp(-rate * TIMEOUT_S)
    assert found[:, 0].max() == 0.0
    assert_agrees(found[:, 1], 1.0 - asleep, power(engine, 0.005, 0.02))
    assert_agrees(found[:, 2], rate * asleep, power(engine, 0.02, 0.1))


def test_many_objects_share_the_rate(engine: str, tmp_path: Path) -> None:
    """Each of a hundred objects is called with a hundredth of the rate."""
    room = Room(tmp_path, {"do": [PUT]}, rate=10.0, of={"count": 100}, warmup_s=TIMEOUT_S)
    found, asleep = per_second(room, engine), exp(-0.1 * TIMEOUT_S)
    assert_agrees(found[:, 1], 1.0 - asleep, power(engine, 0.005, 0.02))
    assert_agrees(found[:, 2], 0.1 * asleep, power(engine, 0.02, 0.1))


@pytest.mark.parametrize("service", ["constant", "exponential"])
def test_work_and_activations_take_time(engine: str, service: str, tmp_path: Path) -> None:
    """A busy period depends on the mean of S alone."""
    rate, mean_s, activation_s = 0.2, 1.5, 2.0
    cpu: Any = {"exponential": {"mean": "1.5s"}} if service == "exponential" else "1.5s"
    objects = {"activation": f"{activation_s!r}s"}
    room = Room(tmp_path, {"do": [{"cpu": cpu}]}, objects, rate=rate, warmup_s=50.0)
    found, asleep = per_second(room, engine), exp(-rate * TIMEOUT_S)
    busy = (mean_s + asleep * activation_s) / (1.0 - rate * mean_s)
    cycle = 1.0 / rate + busy
    assert_agrees(found[:, 0], busy / cycle, power(engine, 0.01, 0.05))
    assert_agrees(found[:, 1], (1.0 - asleep) / rate / cycle, power(engine, 0.01, 0.05))
    assert_agrees(found[:, 2], asleep / cycle, power(engine, 0.02, 0.1))


def test_objects_that_something_keeps_awake_are_evicted_later(engine: str, tmp_path: Path) -> None:
    """With U uniform from 70 to 140 s for T, exp(-r T) becomes its mean over U."""
    rate, low, high = 0.01, 70.0, 140.0
    of = {"hibernates": False}
    room = Room(tmp_path, {"do": [PUT]}, rate=rate, of=of, warmup_s=high)
    asleep = (exp(-rate * low) - exp(-rate * high)) / (rate * (high - low))
    found = per_second(room, engine)
    assert_agrees(found[:, 1], 1.0 - asleep, power(engine, 0.005, 0.02))
    assert_agrees(found[:, 2], rate * asleep, power(engine, 0.02, 0.1))


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_an_answer_at_the_gate_is_work(engine: str, rate: float, tmp_path: Path) -> None:
    """Calls that only write: an object is active until each is confirmed, and idle from then on."""
    objects = {"followers": 1, "quorum": 1, "commit": "2s"}
    room = Room(tmp_path, {"do": [PUT]}, objects, rate=rate, warmup_s=TIMEOUT_S, weights=(1.0, 0.0))
    gate_s = 2.0 + room.rtt()[0, 1] / 1e3
    found, awake_s = per_second(room, engine), TIMEOUT_S + gate_s
    assert_agrees(found[:, 0], 1.0 - exp(-rate * gate_s), power(engine, 0.02, 0.1))
    idle = exp(-rate * gate_s) - exp(-rate * awake_s)
    assert_agrees(found[:, 1], idle, power(engine, 0.01, 0.05))
    assert_agrees(found[:, 2], rate * exp(-rate * awake_s), power(engine, 0.02, 0.15))


@pytest.mark.parametrize("hibernates", [True, False])
def test_open_connections_keep_an_object_in_memory(
    engine: str, hibernates: bool, tmp_path: Path
) -> None:
    """Where something keeps it awake, it stays for good; else it hibernates, and its sessions stay open."""
    rate, count = 0.02, 4
    of = {"hibernates": hibernates, "participants": {"count": count, "spread": "city"}}
    arrivals = {"messages": {"class": "thing", "rates": {"do": f"{rate / count!r}/s"}}}
    room = Room(tmp_path, {"do": [PUT]}, arrivals=arrivals, of=of, rate=rate, warmup_s=400.0)
    found = per_second(room, engine)
    if not hibernates:
        assert found[:, 1].min() > 0.999
        assert found[:, 2].max() < 1e-4
        return
    asleep = exp(-rate * TIMEOUT_S)
    assert_agrees(found[:, 1], 1.0 - asleep, power(engine, 0.005, 0.02))
    assert_agrees(found[:, 2], rate * asleep, power(engine, 0.02, 0.1))


def test_time_is_counted_since_objects_were_made(engine: str, tmp_path: Path) -> None:
    """Three objects that all exist when the warm-up ends, one of them called no more but once."""
    of = {"count": 3}
    room = Room(tmp_path, {"do": [{"cpu": "100ms"}]}, rate=0.2, of=of, warmup_s=200.0)
    found = pool(room.run(200, 0, engine))
    seconds = found.runs[0].timeline_bin_ms * TIMELINE_BINS / 1e3 - room.warmup_s
    assert found.existed_s == pytest.approx(3 * seconds, rel=1e-9)
    total = found.active_ratio + found.idle_ratio + found.hibernated_ratio
    assert total == pytest.approx(1.0)
    assert found.memory_ratio + found.hibernated_ratio == pytest.approx(1.0)
    assert min(found.active_ratio, found.idle_ratio, found.hibernated_ratio) > 0.0
