"""Single queues against closed forms, on both engines."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from runner import ENGINES, Queue, answered, assert_agrees, erlang_b, erlang_c, power, samples

from popsim.engine import layout as lay
from popsim.engine.recorder import C_REQUESTS, C_THROTTLED

THREAD = {
    "concurrency": lay.UNBOUNDED,
    "cpu_serial": True,
    "has_cold_start": False,
    "idle_kind": lay.IDLE_NEVER,
}
SERVERS = {
    "cpu_serial": True,
    "concurrency": 1,
    "has_cold_start": False,
    "idle_kind": lay.IDLE_NEVER,
}
EXPONENTIAL = {"exponential": {"mean": "10ms"}}

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def mean_total(books: object) -> float:
    return float(answered(books)["total_ms"].mean())  # type: ignore[arg-type]


def test_mm1_mean_response(engine: str) -> None:
    """1 / (mu - lambda) at load 0.6."""
    queue = Queue(10.0 / 0.6, EXPONENTIAL, THREAD)
    assert_agrees(samples(queue, engine, mean_total), 25.0, power(engine, 0.01, 0.08))


def test_mm1_response_is_exponential(engine: str) -> None:
    """The share of responses above the theoretical p95 is 5 %."""
    queue = Queue(10.0 / 0.6, EXPONENTIAL, THREAD)
    p95 = 25.0 * log(20.0)
    shares = samples(queue, engine, lambda b: float((answered(b)["total_ms"] > p95).mean()))
    assert_agrees(shares, 0.05, power(engine, 0.02, 0.25))


def test_littles_law(engine: str) -> None:
    """Mean number inside = arrival rate x mean response, within one run."""
    queue = Queue(10.0 / 0.6, EXPONENTIAL, THREAD)
    books = queue.run(engine, 20_000 if engine == "compiled" else 2_500, 0, warmup=0.0)
    sample = answered(books)
    start, end = sample["start_ms"], sample["start_ms"] + sample["total_ms"]
    grid = np.linspace(0.0, end.max(), 40_001)
    inside = np.searchsorted(np.sort(start), grid) - np.searchsorted(np.sort(end), grid)
    rate = len(sample) / end.max()
    assert inside.mean() == pytest.approx(rate * sample["total_ms"].mean(), rel=0.01)


@pytest.mark.parametrize(
    ("service", "second_moment"),
    [
        ("10ms", 100.0),
        ({"lognormal": {"p50": f"{10.0 * exp(-0.32)!r}ms", "sigma": 0.8}}, 100.0 * exp(0.64)),
        ({"gamma": {"shape": 0.5, "mean": "10ms"}}, 300.0),
    ],
    ids=["MD1", "lognormal", "gamma"],
)
def test_mg1_mean_wait(engine: str, service: object, second_moment: float) -> None:
    """Pollaczek-Khinchine: lambda E[S^2] / (2 (1 - rho)) at load 0.6; E[S] = 10 ms."""
    queue = Queue(10.0 / 0.6, service, THREAD)  # type: ignore[arg-type]
    waits = samples(queue, engine, lambda b: float(b.sample_phases[:, lay.P_QUEUE].mean()))
    assert_agrees(waits, 0.06 * second_moment / 0.8, power(engine, 0.02, 0.15))


@pytest.mark.parametrize("servers", [2, 5])
def test_mmc_waits(engine: str, servers: int) -> None:
    """Erlang C: who waits, and how long on average, at load 0.8."""
    offered = 0.8 * servers
    rules = SERVERS | {"max_requests": servers, "queue_limit": -1}
    queue = Queue(10.0 / offered, EXPONENTIAL, rules)
    delays = samples(queue, engine, lambda b: float((b.sample_phases[:, lay.P_QUEUE] > 0).mean()))
    assert_agrees(delays, erlang_c(servers, offered), power(engine, 0.01, 0.1))
    waits = samples(queue, engine, lambda b: float(b.sample_phases[:, lay.P_QUEUE].mean()))
    theory = erlang_c(servers, offered) * 10.0 / (servers - offered)
    assert_agrees(waits, theory, power(engine, 0.03, 0.3))


@pytest.mark.parametrize("service", [EXPONENTIAL, "10ms"], ids=["exponential", "constant"])
def test_quota_throttles_by_erlang_b(engine: str, service: object) -> None:
    """Loss depends on the mean service alone (Sevastyanov, 1957)."""
    rules = SERVERS | {"max_requests": 4, "queue_limit": 0}
    queue = Queue(10.0 / 3.0, service, rules)  # type: ignore[arg-type]
    losses = samples(queue, engine, lambda b: b.counters[C_THROTTLED] / b.counters[C_REQUESTS])
    assert_agrees(losses, erlang_b(4, 3.0), power(engine, 0.01, 0.05))
