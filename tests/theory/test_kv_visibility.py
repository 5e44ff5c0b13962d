"""When a site sees a write: each replication model against its own formula.

A handful of sites read one key densely; a process writes it at the store at random times, seldom enough for one write
to be seen everywhere before the next. Gaps between writes vary by more than a cache's cycle, so that writes come at any
phase of it. ``m`` is the mean time between reads at a site, RTTs are those that the store was built with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kv_runner import PLATFORM, Floats, Shop, shares, store_at, tiered
from runner import ENGINES, assert_agrees, power
from scipy.stats import chisquare

from popsim.engine.build import build
from popsim.engine.control import Control, ControlProcess, Process
from popsim.engine.kv_layout import K_OWN_STALE, K_STALE, STORE, WATCHED
from popsim.engine.outputs import PlatformRun

TTL_S, REGION_TTL_S, LAG_S = 1.0, 0.7, 0.3
LAG = f"{1e3 * LAG_S!r}ms"
FAR = {"far": {"lat": 0.0, "lon": -40.0, "country": "BR"}}
FIRST_S, SHORTEST_S, VARIES_S = 3.0, 2.2, 1.5  # of the writes

pytestmark = pytest.mark.parametrize("engine", ENGINES)


@dataclass(frozen=True)
class Seen:
    """What became of the writes of some runs: ms from a write until a site ..., [replication, write, site]."""

    first: Floats  # first saw it
    stale: Floats  # last saw an older version; -inf if it never did afterwards
    m: float  # ms
    seconds: float  # of a run after the warm-up
    store_rtt: Floats  # [site] or, with a regional tier, [site] from the tier's site
    tier_rtt: Floats  # [site]
    runs: tuple[PlatformRun, ...]


def watch(folder: Path, engine: str, kv: dict[str, Any], sites: int = 6) -> Seen:
    """Let sites read under a model, and follow writes: many and long compiled, a few in SimPy."""
    writes, replications = (WATCHED, 40) if engine == "compiled" else (9, 5)
    sites = sites if engine == "compiled" else min(sites, 2)
    one = Shop(
        folder, kv, {"k": {}}, 60.0 * sites, weights=(1.0,) * sites, degrees=20.0, warmup_s=FIRST_S / 2
    )  # fmt: skip
    seconds = FIRST_S + writes * (SHORTEST_S + VARIES_S)
    requests = one.rate * (seconds - one.warmup_s)
    runs = tuple(
        one.run(requests, r, engine, (random_writes(r, writes),)) for r in range(replications)
    )
    written = np.stack([run.kv_watched[:writes, 0] for run in runs])[:, :, None]
    seen = np.stack([run.kv_seen[:writes] for run in runs])
    assert np.all(written > 0.0) and np.all(seen[..., 0] > 0.0), "each write is seen everywhere"
    inputs = build(one.scenario(requests), PLATFORM, 0).inputs.kv
    nodes = sites + inputs.regions + len(inputs.stores)
    to_nodes = inputs.lag_rtt.reshape(-1, nodes)[0]
    return Seen(
        first=seen[..., 0] - written,
        stale=np.where(seen[..., 1] > 0.0, seen[..., 1] - written, -np.inf),
        m=1e3 / 60.0,
        seconds=seconds - one.warmup_s,
        store_rtt=to_nodes[sites : sites + 1] if inputs.regions else to_nodes[:sites],
        tier_rtt=inputs.tier_links.rtt,
        runs=runs,
    )


def random_writes(replication: int, count: int) -> ControlProcess:
    """Return a process that writes the key so many times, after gaps that it draws."""

    def process(control: Control) -> Process:
        rng = np.random.default_rng([5, replication])
        yield control.env.timeout(1e3 * FIRST_S)
        for gap in 1e3 * (SHORTEST_S + VARIES_S * rng.random(count)):
            control.write("k")
            yield control.env.timeout(gap)

    return process


def by_run(values: Floats) -> Floats:
    """Return the mean of each replication."""
    return np.asarray(values.mean(axis=(1, 2)))


def wait_for_expiry(fixed: Floats, m: float) -> Floats:
    """Return the mean time from a random moment to the next renewal, if cycles last ``fixed`` + Exp(``m``)."""
    return np.asarray((fixed**2 + 2.0 * fixed * m + 2.0 * m**2) / (2.0 * (fixed + m)))


def test_pull_by_one_tier_waits_for_the_edge(engine: str, tmp_path: Path) -> None:
    """A copy is renewed every T + RTT + Exp(m); what it holds is half an RTT older than it.

    So a write is first seen by a read that begins uniformly within a cycle after it, less half an RTT: T / 2 on average
    if reads are dense; and the last stale read comes until T + RTT / 2.
    """
    seen = watch(tmp_path, engine, tiered("pull", TTL_S, stores=FAR))
    cycle = 1e3 * TTL_S + seen.store_rtt
    theory = wait_for_expiry(cycle, seen.m) - seen.store_rtt / 2.0
    assert_agrees(by_run(seen.first), float(theory.mean()), power(engine, 0.03, 0.1))
    bound = 1e3 * TTL_S + seen.store_rtt / 2.0
    assert np.all(seen.stale < bound)
    assert np.all(seen.stale.max(axis=(0, 1)) > power(engine, 0.97, 0.8) * bound)
    phase = (seen.first + seen.store_rtt / 2.0) / (cycle + seen.m)
    counts, _ = np.histogram(phase.clip(0.0, 1.0 - 1e-9), bins=10, range=(0.0, 1.0))
    assert phase.max() < 1.2
    assert chisquare(counts).pvalue > 1e-3, "uniform within the cycle"


def test_stale_share_of_reads_follows_from_the_wait(engine: str, tmp_path: Path) -> None:
    """A site with the store reads stale for T / 2 after a write, if it had a copy then, which it has for T of T + m.

    So the stale share of reads is T**2 / (2 (T + m)) over the mean time between writes.
    """
    seen = watch(tmp_path, engine, tiered("pull", TTL_S, stores=store_at("s0")), sites=1)
    stale = [
        run.kv_by_space[0, K_STALE] / run.kv_by_space[0, : STORE + 1].sum() for run in seen.runs
    ]
    per_write = (1e3 * TTL_S) ** 2 / (2.0 * (1e3 * TTL_S + seen.m))
    theory = per_write * seen.first.shape[1] / (1e3 * seen.seconds)
    assert_agrees(np.array(stale), theory, power(engine, 0.03, 0.15))


@pytest.mark.parametrize("region_ttl_s", [REGION_TTL_S, 3.0 * TTL_S])
def test_pull_by_two_tiers_waits_for_one(engine: str, tmp_path: Path, region_ttl_s: float) -> None:
    """A tier that nobody tells hands on the age of its copy (RFC 9111, 4.2.3), so that the second TTL adds nothing.

    At worst the value left its store half an RTT before it was at the tier, and is served for T from then on.
    """
    rules = {"region_ttl": f"{1e3 * region_ttl_s!r}ms", "regional_tiers": ["s0"], "stores": FAR}
    seen = watch(tmp_path, engine, tiered("pull", TTL_S, **rules))
    bound = 1e3 * TTL_S + seen.store_rtt / 2.0
    assert np.all(seen.stale < bound)
    assert (seen.stale / bound).max() > power(engine, 0.97, 0.8)


def test_hybrid_waits_for_the_edge_alone(engine: str, tmp_path: Path) -> None:
    """The tier knows after the lag (its store is in the same place); the edges after a wait for their expiry."""
    kv = tiered(
        "hybrid", TTL_S, region_ttl="1h", regional_tiers=["s0"], lag=LAG, stores=store_at("s0")
    )
    seen = watch(tmp_path, engine, kv)
    cycle = 1e3 * TTL_S + seen.tier_rtt
    theory = 1e3 * LAG_S - seen.tier_rtt / 2.0 + wait_for_expiry(cycle, seen.m)
    assert_agrees(by_run(seen.first), float(theory.mean()), power(engine, 0.015, 0.1))
    bound = 1e3 * (TTL_S + LAG_S) + seen.tier_rtt / 2.0
    assert np.all(seen.stale < bound)
    assert np.all(seen.stale.max(axis=(0, 1)) > power(engine, 0.97, 0.8) * bound)


@pytest.mark.parametrize("model", ["push_purge", "push_value", "edge_config"])
def test_push_waits_for_the_news(engine: str, tmp_path: Path, model: str) -> None:
    """News arrives half an RTT and the lag after the write; the next read, Exp(m) later, sees it."""
    kv: dict[str, Any] = tiered(model, 1e9, lag=LAG, stores=FAR)  # no copy ends in the run
    if model == "edge_config":
        kv = {"model": model, "primary": FAR["far"], "propagation": LAG}
    seen = watch(tmp_path, engine, kv)
    news = 1e3 * LAG_S + seen.store_rtt / 2.0
    assert np.all(seen.stale < news)
    assert np.all(seen.first >= news)
    assert_agrees(by_run(seen.first - news), seen.m, power(engine, 0.05, 0.25))
    assert_agrees(by_run(news - seen.stale), seen.m, power(engine, 0.05, 0.25))
    misses = np.array([run.kv_by_site[:, STORE].sum() for run in seen.runs])
    if model == "push_purge":
        assert np.all(misses == seen.first[0].size), "each site fetches each write once"
    elif model == "push_value":
        assert np.all(misses == 0), "nobody has to fetch what is sent"
    else:
        assert all(shares(run)[STORE] == 1.0 for run in seen.runs)


def test_random_propagation_counts_by_its_mean(engine: str, tmp_path: Path) -> None:
    """With a propagation that is exponential, and drawn for each write and site, the wait is half an RTT + its mean + m."""
    kv = {
        "model": "edge_config",
        "primary": FAR["far"],
        "propagation": {"exponential": {"mean": "200ms"}},
    }
    seen = watch(tmp_path, engine, kv)
    waits = by_run(seen.first - seen.store_rtt / 2.0)
    assert_agrees(waits, 200.0 + seen.m, power(engine, 0.04, 0.2))


def test_strong_is_never_stale(engine: str, tmp_path: Path) -> None:
    """Every read asks the primary, which has every write that was there when the read began."""
    seen = watch(tmp_path, engine, {"model": "strong", "stores": FAR})
    for run in seen.runs:
        assert run.kv_by_space[0, K_STALE] == 0
        assert run.kv_stale_max_ms[0] == 0.0
        assert shares(run)[STORE] == 1.0
    assert np.all(seen.first > -seen.store_rtt / 2.0), "a read may meet a write on its way"
    # Reads that begin between half an RTT before the write and the write see it first: uniformly spaced by Exp(m).
    assert_agrees(by_run(seen.first + seen.store_rtt / 2.0), seen.m, power(engine, 0.05, 0.25))


# --- writes through two stores --------------------------------------------------------------------------------


SYNC_MS, APART_MS, ROUND_MS = 200.0, 100.0, 1_000.0


def test_last_writer_wins_at_all_stores(engine: str, tmp_path: Path) -> None:
    """Two stores are written within the lag of each other: first each has its own, then all have the later one."""
    rounds = 30
    kv = {"model": "global_table", "replicas": ["s0", "s3"], "sync": f"{SYNC_MS!r}ms"}
    one = Shop(tmp_path, kv, {"k": {}}, 100.0, weights=(1.0,) * 4, degrees=4.0)
    requests = one.rate * (rounds + 1) * ROUND_MS / 1e3
    commits: list[tuple[float, str]] = []
    run = one.run(requests, 0, engine, (concurrent_writes(commits, rounds),))
    inputs = build(one.scenario(requests), PLATFORM, 0).inputs.kv
    sync = SYNC_MS + inputs.lag_rtt.max() / 2.0
    sample, commit = run.sample, np.array([time for time, _ in commits])
    store_of = np.array([0, 0, 1, 1])[sample["compute"]]
    writer = np.array([("s0", "s3").index(store) for _, store in commits])
    slack = (
        2.0 + inputs.read_choices.rtt.max() / 2.0
    )  # ms from a request's start until its store answers
    later, is_before = commit[1::2], 0
    for number, (first, last) in enumerate(zip(commit[0::2], later, strict=True)):
        after = (sample["start_ms"] > last + sync) & (sample["start_ms"] < first + ROUND_MS - slack)
        assert after.sum() > 20
        assert set(sample["kv_version"][after].tolist()) == {2 * number + 2}
        assert np.all(sample["kv_stale_ms"][after] == 0.0)
        before = (sample["start_ms"] > last) & (sample["start_ms"] < first + sync - slack)
        is_before += int(before.sum())
        own = np.where(writer[2 * number] == store_of, 2 * number + 1, 2 * number + 2)
        assert np.array_equal(sample["kv_version"][before], own[before])
    assert is_before > 100
    assert run.kv_by_space[0, K_STALE] > 0
    assert run.kv_by_space[0, K_OWN_STALE] == 0, "the control plane is no site"
    known, stale = sample["kv_version"] > 0, sample["kv_stale_ms"] > 0.0
    version = sample["kv_version"][known & stale]
    apart = sample["kv_age_ms"] - sample["kv_stale_ms"]
    np.testing.assert_allclose(
        apart[known & stale], commit[version] - commit[version - 1], atol=1e-6
    )
    began = commit[sample["kv_version"][known] - 1] + sample["kv_age_ms"][known]
    way = began - sample["start_ms"][known]
    assert np.all((way > 0.0) & (way < 2.0)), "an age counts from the commit to the read's begin"


def concurrent_writes(
    commits: list[tuple[float, str]], rounds: int
) -> Callable[[Control], Process]:
    """Return a process that writes at both stores, in random order and some ms apart, round after round."""

    def process(control: Control) -> Process:
        rng = np.random.default_rng(9)
        yield control.env.timeout(50.0)
        for number in range(rounds):
            stores = ["s0", "s3"] if rng.random() < 0.5 else ["s3", "s0"]
            for store in stores:
                control.write("k", store=store)
                commits.append((control.now, store))
                yield control.env.timeout(APART_MS * rng.random())
            yield control.env.timeout(50.0 + (number + 1) * ROUND_MS - control.now)

    return process
