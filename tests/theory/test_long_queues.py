"""Queues that grow for years, and steps that take years: means are exact where sums pass 64 bits, and nothing ends with a bucket.

At load 2, served one by one in S = 1 d each, the request that arrives at time t waits for all work before it: 2t - t = t. So waits grow
from 0 to the run's length T, and their mean is T / 2; Poisson arrivals move the mean by about sqrt(S T) / 2, the longest by sqrt(S T).
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from runner import ENGINES, Queue

import popsim
from popsim.engine.outputs import BUCKETS, bucket_edges
from popsim.engine.recorder import D_LATENCY_NS, Books
from popsim.engine.sums import exact
from popsim.scenario.errors import RunError

DAY_MS = 86_400e3
SERIAL = {"cpu_serial": True, "concurrency": 1 << 31, "idle_kind": 2, "has_cold_start": False}


@pytest.mark.parametrize("engine", ENGINES)
def test_waits_grow_for_years(engine: str) -> None:
    requests, replications = 1_000, 6
    queue = Queue(DAY_MS / 2.0, f"{DAY_MS!r}ms", SERIAL)
    length = requests * DAY_MS / 2.0
    means, longest = [], []
    for replication in range(replications):
        books = queue.run(engine, requests, replication, warmup=0.0)
        totals = books.sample["total_ms"]
        total_ns = int(exact(books.durations)[0, D_LATENCY_NS])
        assert total_ns == sum(int(ms * 1e6 + 0.5) for ms in totals.tolist())
        assert total_ns > 2**63
        means.append(total_ns / 1e6 / len(totals))
        longest.append(_longest(books))
        assert longest[-1] == pytest.approx(totals.max(), rel=0.008)
    for values, theory in ((means, length / 2.0), (longest, length)):
        error = float(np.std(values, ddof=1)) / sqrt(replications)
        assert error < 0.05 * theory
        assert abs(np.mean(values) - theory) < 4.0 * error + 1.5 * DAY_MS


def _longest(books: Books) -> float:
    return float(bucket_edges(int(np.flatnonzero(books.histogram[0])[-1]))[1])


def scenario(handler: list[Any], **changes: Any) -> dict[str, Any]:
    return {
        "name": "long",
        "duration": "100s",
        "replications": 2,
        "clients": {"topology": "cities", "network": "datacenter"},
        "network": {"jitter": "none"},
        "workload": {
            "arrivals": {"rate": "4/s"},
            "connection": {"reuse": "always"},
            "handler": handler,
        },
        "platforms": {"p": {"preset": "cloudflare-workers"}},
    } | changes


def run(engine: str, *expect: str, **changes: Any) -> tuple[popsim.Result, list[str]]:
    claims = [
        {"id": f"c{n}", "says": text, "source": "ours", "expect": [text]}
        for n, text in enumerate(expect)
    ]
    source = scenario(**changes) | {"claims": claims, "engine": engine}
    result = popsim.run(source, workers=1, progress=False, store=None)
    return result, [verdict.verdict for verdict in result.verdicts]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sleep_of_400_days(engine: str) -> None:
    result, verdicts = run(engine, "p.mean < 1s", "p.mean >= 400d", handler=[{"sleep": "400d"}])
    assert result.pools["p"].mean == pytest.approx(400 * DAY_MS + 30.0, abs=100.0)
    assert verdicts == ["fails", "holds"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sleep_of_a_day(engine: str) -> None:
    _, verdicts = run(engine, "p.p(95) < 10h", "p.max < 10h", handler=[{"sleep": "1d"}])
    assert verdicts == ["fails", "fails"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_start_of_32_years(engine: str) -> None:
    init = {"model": "microvm", "init": "1e12ms", "idle": "10s"}
    platforms = {"p": {"preset": "cloudflare-workers", "runtime": init}}
    result, _ = run(engine, handler=[{"cpu": "1ms"}], platforms=platforms)
    pool = result.pools["p"]
    assert pool.cold_start_phases_ms()["init"] == 1e12
    assert pool.mean == pytest.approx(1e12, rel=1e-9)
    assert pool.phase_mean("cold_start") == pytest.approx(1e12, rel=1e-9)


def test_both_engines_refuse_what_takes_longer_with_one_message() -> None:
    messages = set()
    for engine in ENGINES:
        with pytest.raises(RunError, match="longer than 138 years") as error:
            run(engine, handler=[{"sleep": "30000d"}, {"sleep": "30000d"}])
        messages.add(str(error.value))
    assert len(messages) == 1


def test_the_last_bucket_is_never_used() -> None:
    assert bucket_edges(BUCKETS - 1)[0] > 50_000 * DAY_MS
