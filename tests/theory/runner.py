"""Run a single queue on either engine, and compare with a closed form.

A test passes if the mean of independent replications lies within four of its standard errors of the theory,
and if that standard error is small enough for the test to have power.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.cosimulation import cosimulate
from popsim.engine.example import single_site
from popsim.engine.layout import Rules
from popsim.engine.recorder import Books
from popsim.engine.run import data_plane
from popsim.engine.tables import quantile_table
from popsim.scenario.laws import parse_law

Law = dict[str, Any] | str
ENGINES = ("compiled", "simpy")


@dataclass(frozen=True)
class Queue:
    """A queue with Poisson arrivals; times in ms."""

    mean_gap_ms: float
    service: Law
    rules: dict[str, Any]
    init: Law = "0ms"
    idle: Law = "0ms"

    def run(self, engine: str, requests: int, replication: int, warmup: float = 0.1) -> Books:
        duration = self.mean_gap_ms * requests
        laws = {
            lay.T_GAP: {"exponential": {"mean": f"{self.mean_gap_ms!r}ms"}},
            lay.T_INIT: self.init,
            lay.T_IDLE: self.idle,
        }
        tables = {table: quantile_table(parse_law(law)) for table, law in laws.items()}
        rules = Rules(
            duration=duration,
            warmup=duration * warmup,
            reuse=1.0,
            sample_threshold=1.0,
            **self.rules,
        )
        inputs = single_site(
            rules,
            tables,
            quantile_table(parse_law(self.service)),
            key=draws.run_key(7, replication),
        )
        env = simpy.Environment()
        return cosimulate(env, data_plane(env, inputs, engine))


def samples(queue: Queue, engine: str, statistic: Callable[[Books], float]) -> NDArray[np.float64]:
    """Return a statistic of independent replications: many long ones compiled, a few short ones in SimPy."""
    replications, requests = (10, 200_000) if engine == "compiled" else (6, 2_500)
    return np.array([statistic(queue.run(engine, requests, r)) for r in range(replications)])


def assert_agrees(values: NDArray[np.float64], theory: float, power: float) -> None:
    """Assert that the mean is within 4 standard errors of ``theory``, these being under ``power`` of it."""
    error = values.std(ddof=1) / sqrt(len(values))
    assert error < power * theory, f"no power: standard error {error:g} of {theory:g}"
    assert abs(values.mean() - theory) < 4.0 * error, (
        f"{values.mean():g} +- {error:g}, not {theory:g}"
    )


def power(engine: str, compiled: float, simpy_: float) -> float:
    """Return the bound of the relative standard error for an engine."""
    return compiled if engine == "compiled" else simpy_


def answered(books: Books) -> NDArray[np.void]:
    """Return the sampled requests that were answered."""
    return books.sample[books.sample["outcome"] == 0]


def erlang_b(servers: int, offered: float) -> float:
    """Return the blocking probability of M/G/c/c (Erlang, 1917), by the usual recursion."""
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = offered * blocking / (n + offered * blocking)
    return blocking


def erlang_c(servers: int, offered: float) -> float:
    """Return the probability of waiting in M/M/c."""
    b = erlang_b(servers, offered)
    return b / (1.0 - offered / servers * (1.0 - b))
