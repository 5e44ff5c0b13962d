"""Caches whose copies live for a time-out, against renewal theory.

Poisson reads of a key at rate r, copies that live T: a cycle is a miss and all until the next one. With a fetch of no
length it has one miss and r T hits: the hit ratio is r T / (1 + r T) (J. Jung, A. W. Berger, H. Balakrishnan,
"Modeling TTL-based Internet caches", INFOCOM 2003). With a fetch of F ms
the cycles below follow from the same argument.
"""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kv_runner import Floats, Shop, pull, samples, shares, store_at, tiered, zipf
from runner import ENGINES, assert_agrees, power

from popsim.engine.kv_books import KvRows
from popsim.engine.kv_layout import (
    COALESCED,
    EDGE,
    K_BYTES_EDGE,
    K_EDGE_REFRESHES,
    K_OWN_STALE,
    K_REFRESH_STORE_READS,
    K_STALE,
    K_TRUNCATED,
    MEMORY,
    REGION,
    STORE,
)
from popsim.engine.outputs import PlatformRun, bucket_value

TTL_S = 2.0
pytestmark = pytest.mark.parametrize("engine", ENGINES)


def shop(folder: Path, kv: dict[str, Any], rate: float = 100.0, **more: Any) -> Shop:
    """Return one site whose requests read one key."""
    return Shop(folder, kv, more.pop("keys", {"k": {}}), rate, warmup_s=5 * TTL_S, **more)


def test_hit_ratio_of_a_zipf_law(engine: str, tmp_path: Path) -> None:
    """Sum of p r T / (1 + r T) over 200 keys with p ~ rank**-0.8 and r = 100 p per s."""
    p = zipf(0.8, 200)
    keys = {"k": {"count": 200, "popularity": {"zipf": 0.8}}}
    hits = samples(shop(tmp_path, pull(TTL_S), keys=keys), engine, lambda run: shares(run)[EDGE])
    theory = np.sum(p * (100.0 * p * TTL_S) / (1.0 + 100.0 * p * TTL_S))
    assert_agrees(hits, float(theory), power(engine, 0.002, 0.01))


def test_hit_ratio_of_each_key(engine: str, tmp_path: Path) -> None:
    """Three keys with r T = 0.2, 2, 20: a space each, so that each is counted alone."""
    load = np.array([0.2, 2.0, 20.0])
    branches = [
        {"weight": weight, "steps": [{"kv.get": {"keys": f"k{number}"}}]}
        for number, weight in enumerate(load.tolist())
    ]
    one = shop(
        tmp_path, pull(TTL_S), rate=float(load.sum()) / TTL_S,
        keys={f"k{number}": {} for number in range(3)}, handler=[{"choose": branches}],
    )  # fmt: skip
    found = samples(one, engine, lambda run: [shares(run, key)[EDGE] for key in range(3)])
    for key, r_t in enumerate(load.tolist()):
        assert_agrees(found[:, key], r_t / (1.0 + r_t), power(engine, 0.03, 0.25))


@pytest.mark.parametrize("fetch", ["400ms", {"exponential": {"mean": "400ms"}}], ids=str)
def test_coalesced_fetches(engine: str, tmp_path: Path, fetch: object) -> None:
    """One miss per cycle, r F coalesced, r T hits; of a random F only the mean counts."""
    kv = pull(TTL_S, stores=store_at("s0", read=fetch), coalesce=True)
    found = samples(shop(tmp_path, kv, rate=4.0), engine, shares)
    cycle = 1.0 + 4.0 * (0.4 + TTL_S)
    assert_agrees(found[:, STORE], 1.0 / cycle, power(engine, 0.01, 0.05))
    assert_agrees(found[:, COALESCED], 4.0 * 0.4 / cycle, power(engine, 0.01, 0.08))
    assert_agrees(found[:, EDGE], 4.0 * TTL_S / cycle, power(engine, 0.005, 0.02))


def test_fetches_that_are_not_coalesced(engine: str, tmp_path: Path) -> None:
    """All reads within F of a miss miss too, and each stores a copy anew when it is back.

    1 + r F misses a cycle. The last begins L after the first, E[L] = F - (1 - exp(-r F)) / r, so that copies live until
    L + F + T; the first is there after F: r (T + E[L]) hits.
    """
    kv = pull(TTL_S, stores=store_at("s0", read="400ms"), coalesce=False)
    found = samples(shop(tmp_path, kv, rate=4.0), engine, shares)
    misses = 1.0 + 4.0 * 0.4
    hits = 4.0 * (TTL_S + 0.4) - (1.0 - exp(-4.0 * 0.4))
    assert_agrees(found[:, STORE], misses / (misses + hits), power(engine, 0.01, 0.05))
    assert_agrees(found[:, EDGE], hits / (misses + hits), power(engine, 0.005, 0.02))


def test_memory_in_front_of_the_edge(engine: str, tmp_path: Path) -> None:
    """A copy in memory lives M, the edge's T = 2.5 M; a memory copy ends with the edge's.

    The site as a whole is a cache with time-out T, whatever is inside: r T / (1 + r T) hits. With r M = 40, memory is
    filled by the miss, then anew by the first read after it ran out, which the edge answers, until T.
    """
    kv = pull(TTL_S, memory_size="1MB", memory_ttl=f"{TTL_S / 2.5!r}s")
    found = samples(shop(tmp_path, kv, rate=50.0), engine, shares)
    cycle = 1.0 + 50.0 * TTL_S
    assert_agrees(found[:, STORE], 1.0 / cycle, power(engine, 0.005, 0.05))
    assert_agrees(found[:, EDGE], 2.0 / cycle, power(engine, 0.005, 0.05))
    assert_agrees(found[:, MEMORY], (cycle - 3.0) / cycle, power(engine, 0.001, 0.01))


def test_region_behind_edges(engine: str, tmp_path: Path) -> None:
    """A regional tier with time-out R behind two edges with time-out 0 in effect sees all reads: r R / (1 + r R).

    The tier hears of writes, so that what it has is as good as new. It and the store are in site s0, s1 is 333 km off;
    the edges' copies live 1 us, which is no time.
    """
    rules = {"region_ttl": f"{TTL_S!r}s", "regional_tiers": ["s0"], "coalesce": False}
    kv = tiered("hybrid", 1e-6, **rules)
    found = samples(shop(tmp_path, kv, rate=2.0, weights=(1.0, 1.0)), engine, shares)
    assert_agrees(found[:, REGION], 2.0 * TTL_S / (1.0 + 2.0 * TTL_S), power(engine, 0.005, 0.03))
    assert found[:, EDGE].max() < 1e-4


@pytest.mark.parametrize("region_ttl", [1.0, 5.0], ids=lambda factor: f"R={factor:g}T")
def test_region_that_hears_of_nothing(engine: str, tmp_path: Path, region_ttl: float) -> None:
    """Such a tier hands on the age of what it has, so that both edges' copies end with its own, T after it was fetched.

    A cycle is a fetch, T, and a gap until the first read at either edge: 1 + 2 r T reads. One asks the store; the
    other edge's first within T, if there is one, the tier; the rest hit. A tier that keeps copies for longer does not help.
    """
    rules = {"region_ttl": f"{region_ttl * TTL_S!r}s", "regional_tiers": ["s0"]}
    one = shop(tmp_path, pull(TTL_S, **rules), rate=2.0, weights=(1.0, 1.0), degrees=1e-3)
    found = samples(one, engine, shares)
    reads = 1.0 + 2.0 * TTL_S
    assert_agrees(found[:, STORE], 1.0 / reads, power(engine, 0.01, 0.05))
    assert_agrees(found[:, REGION], (1.0 - exp(-TTL_S)) / reads, power(engine, 0.01, 0.05))


# --- writes: how old what is read is -----------------------------------------------------------------------


def test_stale_reads_of_a_key_that_is_written_at_random(engine: str, tmp_path: Path) -> None:
    """Writes at rate w: a copy of age a is stale with probability 1 - exp(-w a).

    Stale reads: r (T - (1 - exp(-w T)) / w) a cycle of 1 + r T reads. A stale copy of age a is so since the first write
    after the fetch, on average a - (1 - exp(-w a)) / w. All writes are the site's own and confirmed at once.
    """
    one, r, w = written_shop(tmp_path, write_through=False)
    found = samples(one, engine, staleness)
    lost = (1.0 - exp(-w * TTL_S)) / w
    stale = r * (TTL_S - lost)
    age_s = (TTL_S**2 / 2.0 - (TTL_S - lost) / w) / (TTL_S - lost)
    assert_agrees(found[:, 0], stale / (1.0 + r * TTL_S), power(engine, 0.005, 0.06))
    assert_agrees(found[:, 1], 1e3 * age_s, power(engine, 0.005, 0.06))
    assert np.all(found[:, 2] == 1.0), "each stale read is of what this site has overwritten"
    assert np.all(found[:, 3] <= 1e3 * TTL_S)
    assert np.all(found[:, 3] > power(engine, 0.995, 0.9) * 1e3 * TTL_S)
    assert np.all(found[:, 4] > 0.0)


def test_write_through_at_one_site_is_never_stale(engine: str, tmp_path: Path) -> None:
    """Who writes to its own cache reads what it wrote; the same site without that is in the test above."""
    one, r, w = written_shop(tmp_path, write_through=True)
    assert np.all(samples(one, engine, lambda run: run.kv_by_space[0, K_STALE], (3, 50_000)) == 0)
    hits = samples(one, engine, lambda run: shares(run)[EDGE])
    # A cycle without misses goes on for as long as writes renew the copy: a miss follows a gap of T without any.
    # Copies begin at misses and writes; a read misses if there was neither within T: renewal theory again.
    assert_agrees(hits, 1.0 - miss_ratio_with_renewal(r, w), power(engine, 0.002, 0.02))


def miss_ratio_with_renewal(r: float, w: float) -> float:
    """Return which share of reads misses if writes at rate ``w`` renew a copy that lives T.

    From a renewal to the next: a copy ends before a write comes with probability q = exp(-w T), then waits for
    the first read or write. Reads: r (1 - q) / w while it lives; after its end r / (r + w), a miss.
    """
    q = exp(-w * TTL_S)
    misses = q * r / (r + w)
    return misses / (misses + r * (1.0 - q) / w)


def written_shop(folder: Path, *, write_through: bool) -> tuple[Shop, float, float]:
    """Return one site that reads and writes a key, and the rates of both per s."""
    steps = [
        {"weight": 20, "steps": [{"kv.get": {"keys": "k"}}]},
        {"weight": 1, "steps": [{"kv.put": {"keys": "k"}}]},
    ]
    kv = pull(TTL_S, write_through=write_through)
    return shop(folder, kv, rate=10.5, handler=[{"choose": steps}]), 10.0, 0.5


def staleness(run: PlatformRun) -> list[float]:
    """Return the share of stale reads, their mean age in ms, how many are of own writes, the oldest, the truncated."""
    counts = run.kv_by_space[0]
    row = run.kv_histogram.dense_row(KvRows.of(1, 1).stale)
    mean = float(row @ bucket_value(np.arange(len(row))) / row.sum())
    return [
        counts[K_STALE] / counts[: STORE + 1].sum(),
        mean,
        counts[K_OWN_STALE] / counts[K_STALE],
        float(run.kv_stale_max_ms[0]),
        counts[K_TRUNCATED] + 1.0,
    ]


# --- refresh in the background --------------------------------------------------------------------------------


@pytest.mark.parametrize("r", [2.0, 8.0])
def test_background_refresh(engine: str, tmp_path: Path, r: float) -> None:
    """The first read after 0.8 T renews the copy; only if none comes until T, the next one misses.

    So a cycle ends with a miss with probability q = exp(-0.2 r T), else with a refresh, and has 1 + 0.8 r T reads.
    """
    one = shop(tmp_path, pull(TTL_S, refresh_after="80%"), rate=r)
    found = samples(one, engine, refreshing)
    q, reads = exp(-0.2 * r * TTL_S), 1.0 + 0.8 * r * TTL_S
    assert_agrees(found[:, 0], q / reads, power(engine, 0.02, 0.15))
    assert_agrees(found[:, 1], (1.0 - q) / reads, power(engine, 0.01, 0.06))
    lost = found[:, 1] - found[:, 2]
    assert np.all((lost >= 0.0) & (lost < 2e-3)), (
        "each asks the store once; one may be left at the end"
    )


def refreshing(run: PlatformRun) -> Floats:
    """Return misses, refreshes, and reads by refreshes at the store, as shares of the reads."""
    counts = run.kv_by_space[0]
    columns = counts[[STORE, K_EDGE_REFRESHES, K_REFRESH_STORE_READS]]
    return np.asarray(columns / counts[: STORE + 1].sum())


def test_dense_reads_with_refresh_never_miss_and_are_never_old(engine: str, tmp_path: Path) -> None:
    """With 100 reads/s a copy is renewed at 0.8 T; a fetch of 50 ms comes back before the old copy ends.

    Writes at rate w: stale reads are of age under 0.8 T + a gap + F, and over 0.8 T now and then. A copy is fetched at
    its store F before it is there, so the stale share is that of ages up to 0.8 T + F.
    """
    steps = [
        {"weight": 1000, "steps": [{"kv.get": {"keys": "k"}}]},
        {"weight": 3, "steps": [{"kv.put": {"keys": "k"}}]},
    ]
    kv = pull(TTL_S, refresh_after="80%", stores=store_at("s0", read="50ms"))
    one = shop(tmp_path, kv, rate=100.3, handler=[{"choose": steps}])
    found = samples(one, engine, lambda run: [shares(run)[EDGE], *staleness(run)], simpy=(6, 3_000))
    assert np.all(found[:, 0] == 1.0), "after the warm-up all reads hit"
    age_s, w = 0.8 * TTL_S + 0.05 + 0.01, 0.3
    from_s = 0.05  # the age of a copy when it arrives
    stale = 1.0 - (exp(-w * from_s) - exp(-w * age_s)) / (w * (age_s - from_s))
    assert_agrees(found[:, 1], stale, power(engine, 0.02, 0.2))
    assert np.all(found[:, 4] < 1e3 * (0.8 * TTL_S + 0.05 + 0.15)), "no gap is longer than 150 ms"
    if engine == "compiled":
        assert np.all(found[:, 4] > 0.95e3 * 0.8 * TTL_S)


def test_bytes_follow_hits(engine: str, tmp_path: Path) -> None:
    """Sizes are drawn per key: of a uniform law over many keys the mean size of what is read is the law's.

    Keys are equally popular, so hits are a fair sample of them; sizes 1 to 3 kB and 32 B of the key's name.
    """
    size = {"uniform": {"low": "1kB", "high": "3kB"}}
    keys = {"k": {"count": 2_000, "value_size": size, "key_size": "32B"}}
    one = shop(tmp_path, pull(1e5), keys=keys)
    found = samples(one, engine, lambda run: run.kv_by_space[0, K_BYTES_EDGE])
    counts = samples(one, engine, lambda run: run.kv_by_space[0, EDGE])
    assert_agrees(found / counts, 2_032.0, power(engine, 0.005, 0.02))
