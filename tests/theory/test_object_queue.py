"""One object is one thread: its queue against the closed forms of M/G/1.

F. Pollaczek, "Über eine Aufgabe der Wahrscheinlichkeitstheorie", Math. Zeitschrift 32, 1930; A. Khinchine, 1932: with
Poisson arrivals at rate r, the mean wait for the thread is r E[S^2] / (2 (1 - r E[S])), whatever the law of S.
"""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_runner import Answers, Room, pool, samples
from runner import ENGINES, assert_agrees, power

from popsim.engine.layout import TIMELINE_BINS
from popsim.engine.outputs import PlatformRun

SIGMA = 0.7
LAWS: dict[str, tuple[Any, float, float]] = {  # law, E[S] in ms, E[S^2]
    "exponential": ({"exponential": {"mean": "10ms"}}, 10.0, 200.0),
    "constant": ("10ms", 10.0, 100.0),
    "lognormal": (
        {"lognormal": {"p50": "8ms", "sigma": SIGMA}},
        8.0 * exp(SIGMA**2 / 2.0),
        64.0 * exp(2.0 * SIGMA**2),
    ),
}
LOAD = 0.6
EXPONENTIAL = LAWS["exponential"][0]
MEAN_S = 1e-2

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def queue(folder: Path, cpu: Any, rate: float, **objects: Any) -> Room:
    """Return a room with one object, which needs that much CPU time for each call."""
    return Room(folder, {"do": [{"cpu": cpu}]}, objects, rate=rate)


@pytest.mark.parametrize("law", LAWS)
def test_mean_wait_is_pollaczek_khinchine(engine: str, law: str, tmp_path: Path) -> None:
    """And the share of time with work in progress is r E[S]."""
    cpu, mean, second = LAWS[law]
    rate = LOAD / mean  # per ms
    found = samples(queue(tmp_path, cpu, 1e3 * rate), engine, wait_and_load)
    assert_agrees(found[:, 0], rate * second / (2.0 * (1.0 - LOAD)), power(engine, 0.02, 0.15))
    assert_agrees(found[:, 1], LOAD, power(engine, 0.005, 0.04))


def wait_and_load(run: PlatformRun) -> tuple[float, float]:
    """Return the mean wait for the thread in ms, and the share of time that there is work."""
    duration_s = run.timeline_bin_ms * TIMELINE_BINS / 1e3
    return pool(run).part_mean("queue"), pool(run).active_s / duration_s


def test_parts_of_storage_hold_the_thread_too(engine: str, tmp_path: Path) -> None:
    """CPU, a read and a transaction are one service time: the sum's moments count."""
    steps = [{"cpu": EXPONENTIAL}, {"storage.get": {"time": "4ms"}}, {"storage.transaction": {}}]
    room = Room(tmp_path, {"do": steps}, {"read": {"exponential": {"mean": "6ms"}}}, rate=30.0)
    mean, variance = 20.0, 100.0 + 36.0
    theory = 0.03 * (variance + mean**2) / (2.0 * (1.0 - 0.03 * mean))
    waits = samples(room, engine, lambda run: pool(run).part_mean("queue"))
    assert_agrees(waits, theory, power(engine, 0.02, 0.15))


def test_objects_queue_each_for_itself(engine: str, tmp_path: Path) -> None:
    """Uniform calls of ten objects are ten independent queues, each with a tenth of the rate."""
    room = Room(tmp_path, {"do": [{"cpu": EXPONENTIAL}]}, rate=10 * 60.0, of={"count": 10})
    waits = samples(room, engine, lambda run: pool(run).part_mean("queue"))
    assert_agrees(waits, 15.0, power(engine, 0.02, 0.15))


@pytest.mark.parametrize("law", ["exponential", "lognormal"])
def test_overload_is_served_at_the_rate_of_the_thread(
    engine: str, law: str, tmp_path: Path
) -> None:
    """Nobody says how many calls a second an object takes: 1 / E[S] of them are answered, the others wait."""
    cpu, mean, _ = LAWS[law]

    def throughput(run: PlatformRun) -> float:
        answers = Answers.of(run)
        begin, end = 0.1 * answers.begin[-1], answers.begin[-1]
        return float(np.sum((answers.end > begin) & (answers.end <= end)) / (end - begin))

    rates = samples(queue(tmp_path, cpu, 2e3 / mean), engine, throughput, (10, 3_500), (5, 1_500))
    assert_agrees(rates, 1.0 / mean, power(engine, 0.02, 0.04))


@pytest.mark.parametrize("load", [0.9, 2.0])
def test_a_limited_queue_refuses_as_mm1k(engine: str, load: float, tmp_path: Path) -> None:
    """With room for K calls, p**K (1 - p) / (1 - p**(K + 1)) of them find none, at load p; the thread keeps its rate."""
    waiting = 1
    places = waiting + 1
    theory = load**places * (1.0 - load) / (1.0 - load ** (places + 1))
    room = queue(tmp_path, EXPONENTIAL, load / MEAN_S, queue_limit=waiting)

    def refused_and_rate(run: PlatformRun) -> tuple[float, float]:
        return pool(run).error_ratio("overloaded"), pool(run).calls / pool(run).active_s

    found = samples(room, engine, refused_and_rate)
    assert_agrees(found[:, 0], theory, power(engine, 0.02, 0.1))
    assert_agrees(found[:, 1], 1.0 / MEAN_S, power(engine, 0.01, 0.05))


def test_a_database_without_threads_has_no_queue(engine: str, tmp_path: Path) -> None:
    """Calls don't wait for each other, so that even twice the load takes E[S] each."""
    room = queue(tmp_path, EXPONENTIAL, 2.0 / MEAN_S, single_threaded=False)

    def wait_and_time(run: PlatformRun) -> tuple[float, float]:
        return pool(run).part_mean("queue"), pool(run).call_mean

    found = samples(room, engine, wait_and_time, (10, 10_000), (5, 600))
    assert np.all(found[:, 0] == 0.0)
    assert_agrees(found[:, 1], 10.0, power(engine, 0.005, 0.04))
