"""Tables and JSON of key-value stores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from popsim.engine import kv_layout as kvl
from popsim.engine.kv_layout import TIERS
from popsim.engine.sums import total_of_runs
from popsim.models.kv_replication.contract import Prices
from popsim.models.registry import resolve
from popsim.results.groups import group_of
from popsim.results.intervals import Measure
from popsim.results.kv import VISIBILITY_SHARES, KvPool
from popsim.results.pooled import Pool
from popsim.results.statistics import finite
from popsim.scenario.schema import Scenario
from popsim.scenario.text import quoted

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
DIMENSIONS = ("space", "site", "country", "continent")


def metrics(pool: KvPool) -> dict[str, float]:
    """Return what there is to know of a store or a key space, as named numbers."""
    return {
        "reads": pool.reads,
        **{f"{tier}_ratio": pool.ratio(tier) for tier in TIERS},
        "hit_ratio": pool.hit_ratio,
        "miss_ratio": pool.miss_ratio,
        "region_share_of_misses": pool.region_share_of_misses,
        "absent_ratio": pool.absent_ratio,
        **{f"read_p{p:g}_ms": pool.read_p(p) for p in PERCENTILES},
        "read_mean_ms": pool.read_mean(),
        "stale_ratio": pool.stale_ratio,
        "own_stale_ratio": pool.own_stale_ratio,
        "truncated_ratio": pool.truncated_ratio,
        "staleness_p99_ms": pool.staleness_p(99.0),
        "staleness_max_ms": pool.staleness_max,
    }


def kv_summary(pools: Mapping[str, Pool]) -> pd.DataFrame:
    """Return one row per platform that has a store in use."""
    records = []
    for name, pool in pools.items():
        kv = pool.kv
        if not kv.is_used:
            continue
        records.append(
            {
                "platform": name,
                **metrics(kv),
                **{f"write_p{p:g}_ms": kv.write_p(p) for p in PERCENTILES},
                **{f"visible_p{100 * s:g}_ms": kv.visibility(s) for s in VISIBILITY_SHARES},
                **kv.operations(),
                **{f"{tier}_bytes": count for tier, count in kv.bytes().items()},
                "usd_per_million_requests": kv.cost_usd_per_million_requests(pool.prices),
            }
        )
    frame = pd.DataFrame(records)
    return frame.set_index("platform") if len(frame) else frame


def prices(scenario: Scenario, platform: str) -> Prices | None:
    """Return the price list of a platform's store; None if it is unknown."""
    spec = scenario.platforms[platform].kv
    return Prices() if spec is None else resolve("kv_replication", spec).rules().prices


def kv_by(pools: Mapping[str, Pool], dimension: str) -> pd.DataFrame:
    """Return one row per platform and key space, site, country or continent, most reads first.

    Raises:
        ValueError: an unknown dimension.
    """
    if dimension not in DIMENSIONS:
        raise ValueError(
            f"unknown group {quoted(dimension)}; expected one of {', '.join(DIMENSIONS)}"
        )
    rows = {"space": _by_space, "site": _by_site}.get(dimension, _by_place)
    records = [
        {"platform": name, **record}
        for name, pool in pools.items()
        if pool.kv.is_used
        for record in rows(pool.kv, dimension)
    ]
    return pd.DataFrame(records)


def _by_space(pool: KvPool, _: str) -> list[dict[str, Any]]:
    return [{"space": space, **metrics(KvPool(pool.runs, space))} for space in pool.spaces]


def _by_site(pool: KvPool, _: str) -> list[dict[str, Any]]:
    counts = total_of_runs(run.kv_by_site for run in pool.runs)
    reads = counts[:, : len(TIERS)].astype(np.int64).sum(axis=1)
    records = []
    for row in np.argsort(-reads, kind="stable"):
        if reads[row] == 0:
            break
        record: dict[str, Any] = {"site": pool.runs[0].labels["site"][row], "reads": reads[row]}
        for column, tier in enumerate(TIERS):
            record[f"{tier}_ratio"] = counts[row, column] / reads[row]
        answered = reads[row] - counts[row, TIERS.index("failed")]
        record["stale_ratio"] = counts[row, kvl.K_STALE] / answered if answered else np.nan
        record["writes"] = counts[row, kvl.K_PUTS] + counts[row, kvl.K_DELETES]
        records.append(record)
    return records


def _by_place(pool: KvPool, dimension: str) -> list[dict[str, Any]]:
    """Return latencies of read operations by where the client is."""
    members: dict[str, list[str]] = defaultdict(list)
    for country in pool.countries:
        members[group_of(dimension, country)].append(country)
    counts = pool.histograms.row_counts()
    first = pool.rows.country
    records = []
    for name, countries in members.items():
        operations = sum(int(counts[first + pool.countries.index(c)]) for c in countries)
        if operations == 0:
            continue
        record: dict[str, Any] = {dimension: name, "operations": operations}
        for percent in PERCENTILES:
            record[f"read_p{percent:g}_ms"] = pool.read_p(percent, countries=countries)
        records.append(record)
    return sorted(records, key=lambda record: -record["operations"])


def visibility_frame(pools: Mapping[str, Pool]) -> pd.DataFrame:
    """Return how long each share of sites takes to see a write: platform, share, time_ms."""
    shares = np.linspace(0.01, 1.0, 100)
    records = [
        {"platform": name, "share": share, "time_ms": pool.kv.visibility(float(share))}
        for name, pool in pools.items()
        if pool.kv.is_used
        for share in shares
    ]
    return pd.DataFrame(records, columns=["platform", "share", "time_ms"]).dropna()


def kv_json(pool: Pool) -> dict[str, Any] | None:
    """Return a platform's store as plain data; None if it has none in use."""
    kv = pool.kv
    if not kv.is_used:
        return None

    def ratio(name: str) -> dict[str, float | None]:
        return kv.share(name).estimate().to_json_dict()

    def percentiles(of: Callable[[float], Measure]) -> dict[str, dict[str, float | None]]:
        return {f"p{p:g}": of(p).estimate().to_json_dict() for p in PERCENTILES}

    return {
        "reads": kv.reads,
        "ratios": {tier: finite(kv.ratio(tier)) for tier in TIERS},
        "hit_ratio": ratio("hit_ratio"),
        "miss_ratio": ratio("miss_ratio"),
        "region_share_of_misses": finite(kv.region_share_of_misses),
        "absent_ratio": finite(kv.absent_ratio),
        "read_ms": percentiles(kv.read_percentile)
        | {"mean": kv.mean(KvPool.latency).estimate().to_json_dict()},
        "write_ms": percentiles(kv.write_percentile),
        "stale_ratio": ratio("stale_ratio"),
        "own_stale_ratio": finite(kv.own_stale_ratio),
        "truncated_ratio": finite(kv.truncated_ratio),
        "staleness_ms": percentiles(kv.staleness_percentile) | {"max": finite(kv.staleness_max)},
        "staleness_of_stale_ms": percentiles(kv.stale_percentile),
        "visibility_ms": {f"p{100 * s:g}": finite(kv.visibility(s)) for s in VISIBILITY_SHARES},
        "operations": kv.operations(),
        "bytes": kv.bytes(),
        "usd_per_million_requests": finite(kv.cost_usd_per_million_requests(pool.prices)),
        "spaces": {
            space: {key: finite(value) for key, value in metrics(KvPool(kv.runs, space)).items()}
            for space in kv.spaces
        },
    }
