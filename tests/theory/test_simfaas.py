"""A pool of single-request instances with idle expiry: the case that SimFaaS publishes.

Poisson arrivals of 0.9/s, exponential service of 1.991 s warm and 2.244 s cold (which includes the start), idle
expiry after 600 s, newest idle instance first, 1e6 s from an empty start (N. Mahmoudi and H. Khazaei, "SimFaaS",
2021, https://arxiv.org/abs/2102.08904). Reference values: 30 runs of an independent heap simulation, and
exact ones by Little's law and by mixing the two exponentials.
"""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from runner import Queue, answered
from scipy.optimize import brentq

from popsim.engine import layout as lay
from popsim.engine.recorder import C_COLD, C_OK, D_BUSY_US, D_IDLE_US

WARM_MS, COLD_MS, GAP_MS = 1_991.0, 2_244.0, 1_000.0 / 0.9
# Exp(cold) = Exp(warm) + a start that is 0 with probability warm / cold, and else Exp(cold): the transforms agree.
START = {
    "mixture": [
        {"weight": WARM_MS / COLD_MS, "law": "0ms"},
        {"weight": 1.0 - WARM_MS / COLD_MS, "law": {"exponential": {"mean": f"{COLD_MS!r}ms"}}},
    ]
}
POOL = Queue(
    GAP_MS,
    {"exponential": {"mean": f"{WARM_MS!r}ms"}},
    {"concurrency": 1, "idle_kind": lay.IDLE_CONSTANT, "idle_constant": 600_000.0},
    init=START,
)
P_COLD = 0.0013443  # +- 0.0000094


def statistics(engine: str, replications: int, requests: int) -> NDArray[np.float64]:
    """Return P(cold), mean running and idle instances, response p50, p95, p99 in s: [replication, 6]."""
    rows = []
    for replication in range(replications):
        books = POOL.run(engine, requests, replication, warmup=0.0)
        counters, span_us = books.counters, GAP_MS * requests * 1e3
        response = np.quantile(answered(books)["total_ms"], [0.5, 0.95, 0.99]) / 1e3
        rows.append(
            [
                counters[C_COLD] / counters[C_OK],
                books.durations[0, D_BUSY_US] / span_us,
                books.durations[0, D_IDLE_US] / span_us,
                *response,
            ]
        )
    return np.array(rows)


def exact_quantile_s(p: float) -> float:
    """Return a quantile of the mixture of warm and cold responses."""

    def tail(x: float) -> float:
        warm, cold = exp(-x / (WARM_MS / 1e3)), exp(-x / (COLD_MS / 1e3))
        return (1.0 - P_COLD) * warm + P_COLD * cold - (1.0 - p)

    return float(brentq(tail, 0.0, 100.0))


@pytest.mark.slow
def test_published_case_compiled() -> None:
    found = statistics("compiled", 10, 900_000)
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / sqrt(len(found))
    running = 0.9 * (P_COLD * COLD_MS + (1.0 - P_COLD) * WARM_MS) / 1e3
    assert running == pytest.approx(1.79221, abs=2e-5)
    reference = [P_COLD, running, 5.910, *(exact_quantile_s(p) for p in (0.5, 0.95, 0.99))]
    assert reference[3:] == pytest.approx([1.38027, 5.96558, 9.17072], abs=2e-5)
    own_error = np.array([0.0000094, 0.0, 0.008 / 1.96, 0.0, 0.0, 0.0])  # of the reference values
    total = np.hypot(error, own_error)
    assert np.all(total < np.array([0.02, 0.002, 0.004, 0.002, 0.002, 0.003]) * reference)
    assert np.all(np.abs(mean - reference) < 4.0 * total), (mean, error, reference)


def test_short_run_on_both_engines_is_the_same() -> None:
    """The SimPy engine is too slow for 1e6 s; on a stretch of it both give the same numbers."""
    assert np.array_equal(statistics("simpy", 1, 4_000), statistics("compiled", 1, 4_000))
