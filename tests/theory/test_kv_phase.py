"""Results do not depend on the second at which something happens: caches that go in step from time 0 would show it.

All sites read a key from time 0 on, so that all fill their caches then. If their copies lived a time-out T each, all would
end together, for ever, and a write would be seen everywhere at once, 1 s later or 29 s later, by the second of it. Caches
in the world have no common time 0: a site met at random is anywhere in its cycle. So a site first sees a write after a wait
that is uniform over the cycle, whenever it happens, and half of the sites see it after half a cycle.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from kv_runner import Floats, Shop, pull, samples, shares
from runner import ENGINES, assert_agrees, power
from scipy.stats import kstest

from popsim.engine.kv_layout import EDGE, MEMORY, STORE
from popsim.engine.outputs import PlatformRun

TTL_S = 2.0
EVENTS_S = (4.0, 4.5, 5.0, 5.5)  # a cycle's quarters
pytestmark = pytest.mark.parametrize("engine", ENGINES)


def waits(folder: Path, engine: str, kv: dict[str, Any], at_s: float, reads: float) -> Floats:
    """Return how long sites kept the old value after a write at a second, in ms, [replication, site]."""
    sites, replications = (24, 12) if engine == "compiled" else (6, 5)
    events = [{"at": f"{at_s!r}s", "write": {"keys": "k"}}]
    shop = Shop(
        folder, kv, {"k": {}}, reads * sites, weights=(1.0,) * sites, degrees=1e-3, warmup_s=TTL_S, events=events
    )  # fmt: skip
    requests = shop.rate * (at_s + 1.5 * TTL_S - shop.warmup_s)
    runs = [shop.run(requests, number, engine) for number in range(replications)]
    first = np.array([run.kv_seen[0, :, 0] - run.kv_watched[0, 0] for run in runs])
    assert np.all(first > -1.0), "each site has seen it"
    return first


@pytest.mark.parametrize(
    ("rules", "cycle_s"),
    [({}, TTL_S), ({"refresh_after": "75%"}, 0.75 * TTL_S)],
    ids=["expires", "is refreshed"],
)
def test_a_write_is_seen_after_a_uniform_wait_whenever_it_happens(
    engine: str, tmp_path: Path, rules: dict[str, Any], cycle_s: float
) -> None:
    """The wait is uniform over the cycle: T, or its share after which a read renews the copy, and a gap between reads."""
    reads = 50.0
    for at_s in EVENTS_S:
        wait = waits(tmp_path, engine, pull(TTL_S, **rules), at_s, reads)
        cycle = 1e3 * (cycle_s + 1.0 / reads)
        assert_agrees(wait.mean(axis=1), cycle / 2.0, power(engine, 0.09, 0.35))
        assert kstest(wait.reshape(-1) / cycle, "uniform").pvalue > 1e-3, f"write at {at_s} s"
        assert wait.max() < 1.1 * cycle


def test_half_of_the_sites_see_it_after_half_a_cycle(engine: str, tmp_path: Path) -> None:
    """The median over the sites, whose errors are those of a median of so many uniform numbers."""
    medians = np.array(
        [np.median(waits(tmp_path, engine, pull(TTL_S), at_s, 50.0), axis=1) for at_s in EVENTS_S]
    )
    assert_agrees(medians.reshape(-1), 1e3 * TTL_S / 2.0, power(engine, 0.1, 0.4))
    spread = 1e3 * TTL_S / np.sqrt(4.0 * (24 if engine == "compiled" else 6))  # of one median
    apart = medians.mean(axis=1)
    assert np.ptp(apart) < 4.0 * spread * np.sqrt(2.0 / medians.shape[1])


def test_misses_are_spread_evenly_from_the_first_cycle_on(engine: str, tmp_path: Path) -> None:
    """Of a hot key, as many misses fall into each quarter of the second cycle: one in each, over four T."""
    sites = 12 if engine == "compiled" else 4
    shop = Shop(
        tmp_path, pull(TTL_S), {"k": {}}, 40.0 * sites, weights=(1.0,) * sites, degrees=1e-3
    )
    replications = 30 if engine == "compiled" else 8
    quarters = np.zeros(4)
    for number in range(replications):
        sample = shop.run(shop.rate * 2.0 * TTL_S, number, engine).sample
        missed = sample["start_ms"][sample["kv_tier"] == STORE] / 1e3
        quarters += np.histogram(missed, bins=4, range=(TTL_S, 2.0 * TTL_S))[0]
    expected = replications * sites / 4.0
    assert np.all(np.abs(quarters - expected) < 4.0 * np.sqrt(expected * 0.75)), quarters


@pytest.mark.parametrize("reads", [12.0, 25.0])
def test_misses_of_a_warm_key_are_spread_evenly(engine: str, tmp_path: Path, reads: float) -> None:
    """Read so many times per T, a key is renewed every T + a gap: one miss in that time, in each quarter of the next cycles.

    Caches that are all full at time 0, or all empty, are in step: a quarter has 20 % less, or 12 %, others more. Where a key is read
    twelve times or more per T, the rule is within 2 % of a start that has always been, less than two standard errors here.
    """
    keys = 1_500 if engine == "compiled" else 100
    shop = Shop(tmp_path, pull(TTL_S), {"k": {"count": keys}}, keys * reads / TTL_S)
    ends = np.arange(1.0, 3.1, 0.25) * TTL_S
    found = []
    for number in range(16 if engine == "compiled" else 5):
        with patch("popsim.engine.build.SAMPLE_REQUESTS", 10**9):
            sample = shop.run(shop.rate * 3.0 * TTL_S, number, engine).sample
        missed = sample["start_ms"][sample["kv_tier"] == STORE] / 1e3
        found.append(np.histogram(missed, bins=ends)[0] / keys)
    for each in np.array(found).T:
        assert_agrees(each, 0.25 / (1.0 + 1.0 / reads), power(engine, 0.02, 0.15))


def test_a_cold_key_forgets_the_start(engine: str, tmp_path: Path) -> None:
    """A key that is read once in 2 T: after the first T its hit ratio is that of any renewal process, 1 / 3."""
    shop = Shop(
        tmp_path, pull(TTL_S), {"k": {"count": 400}}, 400 / (2.0 * TTL_S), warmup_s=2.0 * TTL_S
    )
    found = samples(shop, engine, lambda run: shares(run)[EDGE], compiled=(10, 20_000))
    assert_agrees(found, 1.0 / 3.0, power(engine, 0.02, 0.1))


def test_memory_is_not_in_step_either(engine: str, tmp_path: Path) -> None:
    """Reads in the middle of a copy's first long life find memory or not, as often early in its cycle as late."""
    sites = 12 if engine == "compiled" else 4
    kv = pull(1e3, memory_size="1MB", memory_ttl="1s")
    shop = Shop(tmp_path, kv, {"k": {}}, 30.0 * sites, weights=(1.0,) * sites, degrees=1e-3)
    halves = np.zeros(2)
    for number in range(20 if engine == "compiled" else 6):
        sample = shop.run(shop.rate * 3.0, number, engine).sample
        at_edge = sample["start_ms"][sample["kv_tier"] == EDGE] / 1e3
        assert np.mean(sample["kv_tier"] == MEMORY) > 0.9
        halves += np.histogram(at_edge % 1.0, bins=2, range=(0.0, 1.0))[0]
    expected = halves.sum() / 2.0
    assert np.all(np.abs(halves - expected) < 4.0 * np.sqrt(expected / 2.0)), halves


# --- a read that says how long ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tiers", [[], ["s0"]], ids=["no tier", "a tier"])
def test_a_read_sees_nothing_older_than_it_asks_for(
    engine: str, tmp_path: Path, tiers: list[str]
) -> None:
    """One read in twenty asks for 50 T, the rest for T: these are at most T stale, whoever filled the caches."""
    steps = [
        {"weight": 1, "steps": [{"kv.get": {"keys": "k", "cache_ttl": f"{50 * TTL_S!r}s"}}]},
        {"weight": 19, "steps": [{"kv.get": {"keys": "k"}}]},
    ]
    rules = {"regional_tiers": tiers, "region_ttl": "1h"} if tiers else {}
    shop = Shop(
        tmp_path, pull(TTL_S, memory_size="1MB", memory_ttl="1h", **rules), {"k": {}}, 4.0,
        handler=[{"choose": steps}], weights=(1.0, 1.0), degrees=1e-3, warmup_s=TTL_S,
        events=[{"at": "1s", "write": {"keys": "k", "every": "1.1s"}}],
    )  # fmt: skip
    short = one_in(shop, engine, lambda ttl: ttl == 0.0)
    assert short.max() < 1e3 * TTL_S + 5.0
    assert short.max() > 0.8e3 * TTL_S


def one_in(shop: Shop, engine: str, is_asked: Any) -> Floats:
    """Return how stale the reads were that the handler's second branch made; the sample does not say which they are.

    So the run is repeated with that branch alone measured: the first one sleeps 1 s before, which marks its requests.
    """
    choose = shop.handler[0]["choose"]
    marked = [{**choose[0], "steps": [*choose[0]["steps"], {"sleep": "10s"}]}, choose[1]]
    run = replace(shop, handler=[{"choose": marked}]).run(
        4_000 if engine == "compiled" else 600, 0, engine
    )
    sample = run.sample
    return np.asarray(sample["kv_stale_ms"][sample["total_ms"] < 5e3])


def test_the_last_read_decides_how_long_a_copy_lives(engine: str, tmp_path: Path) -> None:
    """Reads ask for L or S < L at random, half and half, at rate r: a miss every time that none of both serves.

    A copy of age a serves a read of S if a < S, one of L if a < L and the last read, which served, has left it so long. So
    from age S on a copy is there if the last read before asked for L; the first read after S that asks for S fetches.
    The Markov chain of reads at ages a_1 < a_2 < ... is integrated here by simulation, with another generator.
    """
    longer, shorter, rate = 4.0, 1.0, 2.0
    steps = [
        {"weight": 1, "steps": [{"kv.get": {"keys": "k", "cache_ttl": f"{ttl!r}s"}}]}
        for ttl in (longer, shorter)
    ]
    shop = Shop(
        tmp_path, pull(TTL_S), {"k": {"count": 100}}, 100 * rate, handler=[{"choose": steps}], warmup_s=2 * longer
    )  # fmt: skip
    found = samples(shop, engine, lambda run: shares(run)[STORE], compiled=(10, 40_000))
    assert_agrees(found, misses_of_two(longer, shorter, rate), power(engine, 0.01, 0.06))


def misses_of_two(longer: float, shorter: float, rate: float) -> float:
    """Return the share of misses, by following one key's reads for long."""
    rng = np.random.default_rng(5)
    count = 400_000
    gaps, asks = (
        rng.exponential(1.0 / rate, count),
        np.where(rng.random(count) < 0.5, longer, shorter),
    )
    since, life, now, misses = -np.inf, 0.0, 0.0, 0
    for gap, ask in zip(gaps.tolist(), asks.tolist(), strict=True):
        now += gap
        if now >= since + life or now >= since + ask:
            since, misses = now, misses + 1
        life = ask
    return misses / count


# --- what forgets by itself ------------------------------------------------------------------------------------


def test_resolvers_are_not_in_step(engine: str, tmp_path: Path) -> None:
    """A resolver that is always asked queries once per TTL, as often in each quarter of it."""
    clients = 12 if engine == "compiled" else 5
    more = {
        "workload": {
            "arrivals": {"rate": f"{40 * clients}/s"},
            "connection": {"dns": {"ttl": f"{TTL_S!r}s", "miss": "1ms"}},
            "keys": {"k": {}},
            "handler": [{"kv.get": {"keys": "k"}}],
        }
    }
    shop = Shop(
        tmp_path, pull(1e3), {"k": {}}, 40.0 * clients, weights=(1.0,) * clients, degrees=1e-3, more=more
    )  # fmt: skip
    quarters = np.zeros(4)
    replications = 30 if engine == "compiled" else 8
    for number in range(replications):
        run = shop.run(shop.rate * 2.0 * TTL_S, number, engine)
        asked = run.sample["start_ms"][dns_ms(run) >= 1.0] / 1e3
        quarters += np.histogram(asked, bins=4, range=(TTL_S, 2.0 * TTL_S))[0]
    expected = replications * clients / 4.0
    assert np.all(np.abs(quarters - expected) < 4.0 * np.sqrt(expected * 0.75)), quarters


def dns_ms(run: PlatformRun) -> Floats:
    """Return the DNS phase of each request in the sample, in ms."""
    return np.asarray(run.sample_phases[:, 0])


def test_connection_pools_forget_the_start(engine: str, tmp_path: Path) -> None:
    """A pool is open if it was used within its time-out I: whenever one looks after the first I, exp(-r I) of requests find none."""
    idle_s, rate = 1.0, 1.5
    handler = [{"fetch": {"origin": "o", "reuse": f"{idle_s!r}s", "handshakes": 1}}]
    more = {"origins": {"o": {"lat": 0.0, "lon": 30.0, "country": "KE"}}}
    shop = Shop(tmp_path, pull(1e3), {"k": {}}, rate, handler=handler, more=more)
    windows: list[list[float]] = []
    for number in range(40 if engine == "compiled" else 6):
        run = shop.run(rate * 300.0, number, engine)
        start, total = run.sample["start_ms"] / 1e3, run.sample["total_ms"]
        is_new = total > 1.5 * np.median(total) if exp(-rate * idle_s) < 0.5 else None
        assert is_new is not None
        edges = idle_s + np.arange(4) * (299.0 / 4.0)
        windows.append(
            [is_new[(start >= low) & (start < low + 299.0 / 4.0)].mean() for low in edges]
        )
    for share in np.array(windows).T:
        assert_agrees(share, exp(-rate * idle_s), power(engine, 0.05, 0.3))
