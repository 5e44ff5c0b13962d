"""Load over 1 is called overload, whatever shares the capacity: many functions, or one object. Truth is arrivals times work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import SITES, made

import popsim
from popsim.engine.outputs import BUCKETS, PHASES
from popsim.engine.recorder import SAMPLE_DTYPE
from popsim.results.load import Load, busiest
from popsim.results.pooled import Pool
from popsim.scenario.schema import Scenario

REPLICATIONS, SECONDS, SENT = 4, 300.0, 36_000
CLIENT = "id,city,country,lat,lon,utc_offset_h,weight\nc,Amsterdam,NL,52.37,4.89,0,1\n"
SITE = "id,city,country,lat,lon,roles\nA,Amsterdam,NL,52.37,4.89,pop\n"


def scenario_of(functions: int) -> Scenario:
    return popsim.load(
        {
            "name": "many functions",
            "duration": "5min",
            "clients": {"topology": "cities"},
            "workload": {
                "arrivals": {"rate": "120/s"},
                "functions": {"count": functions},
                "handler": [{"cpu": "1ms"}],
            },
            "platforms": {"workers": {"preset": "cloudflare-workers"}},
        }
    )


def pool_of(work_ms: float, shares: np.ndarray, seed: int, refused: float = 0.0) -> Pool:
    """Return runs at one site, of which a sample of 4,000 requests was kept, each with exponential work."""
    rng, runs = np.random.default_rng(seed), []
    for _ in range(REPLICATIONS):
        sample = np.zeros(4_000, SAMPLE_DTYPE)
        sample["function"] = rng.choice(len(shares), len(sample), p=shares)
        sample["compute"] = 1
        sample["outcome"] = rng.random(len(sample)) < refused
        phases = np.zeros((len(sample), len(PHASES)))
        work = np.where(sample["outcome"] == 0, rng.exponential(work_ms, len(sample)), 0.0)
        phases[:, PHASES.index("execute")] = work
        runs.append(
            made(
                requests=SENT,
                sample=sample,
                sample_phases=phases,
                timeline_bin_ms=SECONDS * 1e3,
                latency=np.zeros(BUCKETS, np.int64),
            )
        )
    return Pool(runs)


def found(work_ms: float, shares: np.ndarray, seed: int, refused: float = 0.0) -> Load:
    load = busiest(scenario_of(len(shares)), "workers", pool_of(work_ms, shares, seed, refused))
    assert load is not None
    assert load.place == f"at {SITES[1]} a function"
    return load


@pytest.mark.parametrize("functions", [1, 2, 100, 1_000])
def test_functions_that_are_all_busy_are_overloaded(functions: int) -> None:
    """120/s of 8.333 ms * functions, a thread each: load 1.2 for every one, of which the sample has few requests."""
    load = found(10.0 * functions, np.full(functions, 1.0 / functions), functions)
    assert load.is_overload
    assert load.ratio == pytest.approx(1.2, abs=4 * load.error)


def test_what_is_refused_is_load_too() -> None:
    assert found(10.0, np.ones(1), 1, refused=0.5).ratio == pytest.approx(1.2, rel=0.05)


def test_the_busiest_function_of_many_is_found() -> None:
    """One function in 200 gets a tenth of the requests: 12/s of 120 ms are 1.44, the others' load is 0.065."""
    shares = np.full(200, 0.9 / 199)
    shares[77] = 0.1
    load = found(120.0, shares, 3)
    assert load.is_overload
    assert load.ratio == pytest.approx(1.44, abs=4 * load.error)


@pytest.mark.parametrize("functions", [1, 100, 1_000])
def test_the_largest_of_many_estimates_is_no_overload(functions: int) -> None:
    """Load 0.95 each: the busiest of a hundred seems to have 1.3, by chance."""
    for seed in range(20):
        load = found(10.0 * functions * 0.95 / 1.2, np.full(functions, 1.0 / functions), seed)
        assert not load.is_overload


@pytest.mark.parametrize(
    ("objects", "work", "expected"),
    [
        ({}, "30ms", 1.2),
        ({"count": 3}, "90ms", 1.2),
        ({"count": 2, "popularity": {"zipf": 1.0}}, "45ms", 1.2),  # two thirds of 40/s
        ({}, "20ms", 0.8),
    ],
)
def test_an_object_has_one_thread(
    tmp_path: Path, objects: dict[str, Any], work: str, expected: float
) -> None:
    (tmp_path / "client.csv").write_text(CLIENT)
    (tmp_path / "site.csv").write_text(SITE)
    result = popsim.run(
        {
            "name": "one object",
            "engine": "simpy",
            "duration": "50s",
            "replications": 3,
            "clients": {"topology": str(tmp_path / "client.csv"), "network": "datacenter"},
            "network": {"residual": False, "jitter": "none"},
            "workload": {
                "arrivals": {"rate": "40/s"},
                "connection": {"reuse": "always"},
                "objects": {"o": objects | {"handlers": {"h": [{"cpu": work}]}}},
                "handler": [{"object.call": {"class": "o", "handler": "h"}}],
            },
            "platforms": {
                "p": {
                    "topology": str(tmp_path / "site.csv"),
                    "ingress": {"routing": "nearest"},
                    "runtime": "always_warm",
                    "objects": {"placement": "first_request"},
                }
            },
        },
        store=None, progress=False, workers=1,
    )  # fmt: skip
    (check,) = result.warmup_check()
    assert check.load is not None
    assert check.load.place == "an object of o"
    assert check.load.ratio == pytest.approx(expected, abs=4 * check.load.error)
    assert check.load.is_overload == (expected > 1.0)
    assert ("is overloaded: an object of o gets" in str(check.note)) == (expected > 1.0)
