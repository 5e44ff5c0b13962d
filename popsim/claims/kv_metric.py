"""Metrics of key-value stores in expectations: ``workers.kv[users].read.edge.p(99)``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from popsim.claims.selector import Pools, Selector, pool_key
from popsim.claims.unit import Unit
from popsim.engine.kv_layout import TIERS
from popsim.results.intervals import Measure, Spread
from popsim.results.kv import KvPool
from popsim.results.pooled import Pool

# What has percentiles, and what else each of them has
QUANTITIES = {
    "read": ("p", "mean"),
    "write": ("p", "mean"),
    "staleness": ("p", "max"),
    "visibility": ("p",),
}
RATIOS = (
    *(f"{tier}_ratio" for tier in TIERS),
    "hit_ratio",
    "miss_ratio",
    "absent_ratio",
    "stale_ratio",
    "own_stale_ratio",
    "region_share_of_misses",
)
NUMBERS = (*RATIOS, "cost")  # what is no time
READ_TIERS = tuple(tier for tier in TIERS if tier != "failed")


@dataclass(frozen=True)
class KvMetric:
    """A number about a platform's store, or one of its key spaces."""

    platform: str
    space: str | None
    name: str  # of QUANTITIES or NUMBERS
    statistic: str  # "p", "mean", "max"; "" for NUMBERS
    percent: float
    tier: str | None
    unit: Unit
    selector: Selector | None = None

    def evaluate(self, values: Mapping[Any, float]) -> float:
        """Return the value."""
        return values[self]

    def measure(self, pools: Pools) -> Measure:
        """Return the value with what is known of its error; nan if there is no store or nothing was observed.

        Times are in ms, ``cost`` in USD per million requests.
        """
        pool = pools[pool_key(self.platform, self.selector)]
        kv = self._store(pool)
        if kv is None:
            return Spread(math.nan, [])
        if self.name in QUANTITIES:
            return self._time(kv, pool)
        if self.name == "cost":
            return Spread(
                *_of_each(kv, lambda each: each.cost_usd_per_million_requests(pool.prices))
            )
        return kv.share(self.name)

    def _store(self, pool: Pool) -> KvPool | None:
        kv = KvPool(pool.runs, self.space)
        is_there = kv.is_used and (self.space is None or self.space in kv.spaces)
        return kv if is_there else None

    def _time(self, kv: KvPool, pool: Pool) -> Measure:
        if self.name == "read":
            countries = pool.countries
            if self.statistic == "mean":
                return kv.mean(lambda each: each.latency(self.tier, countries))
            return kv.read_percentile(self.percent, self.tier, countries)
        if self.name == "write":
            is_mean = self.statistic == "mean"
            return (
                kv.mean(lambda each: each.writes) if is_mean else kv.write_percentile(self.percent)
            )
        if self.name == "staleness":
            is_max = self.statistic == "max"
            return kv.stalest if is_max else kv.staleness_percentile(self.percent)
        return kv.visible(self.percent / 100.0)

    def failed_ratio(self, pools: Pools) -> float | None:
        """Return the share of requests, or of keys read, that failed and have no latency; None if this is none."""
        if self.name not in QUANTITIES:
            return None
        pool = pools[pool_key(self.platform, self.selector)]
        kv = self._store(pool)
        failed = pool.failed_ratio
        return failed if kv is None or self.name == "write" else max(failed, kv.ratio("failed"))

    def can_select(self, kinds: tuple[str, ...]) -> bool:
        """Tell whether results keep it so: reads of all tiers and key spaces, by country."""
        plain = self.name == "read" and self.tier is None and self.space is None
        return plain and kinds == ("place",)

    def metrics(self) -> tuple[KvMetric, ...]:
        """Return itself."""
        return (self,)

    def divisors(self) -> tuple[()]:
        """Return nothing that is divided by."""
        return ()


def _of_each(kv: KvPool, metric: Callable[[KvPool], float]) -> tuple[float, list[float]]:
    return metric(kv), [metric(each) for each in kv.each]
