"""Metrics of key-value stores in expectations: ``workers.kv[users].read.edge.p(99)``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from popsim.claims.selector import Pools, Selector, pool_key
from popsim.claims.unit import Unit
from popsim.engine.kv_layout import TIERS
from popsim.results.kv import KvPool
from popsim.results.pooled import Restricted

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

    def evaluate(self, pools: Pools) -> float:
        """Return the value, times in ms, ``cost`` in USD per million requests; nan without a store or anything to say."""
        pool = pools[pool_key(self.platform, self.selector)]
        kv = KvPool(pool.runs, self.space)
        if not kv.is_used or (self.space is not None and self.space not in kv.spaces):
            return math.nan
        if self.name == "read":
            countries = pool.countries if isinstance(pool, Restricted) else None
            if self.statistic == "mean":
                return kv.read_mean(self.tier, countries)
            return kv.read_p(self.percent, self.tier, countries)
        if self.name == "write":
            return kv.write_mean if self.statistic == "mean" else kv.write_p(self.percent)
        if self.name == "staleness":
            return kv.staleness_max if self.statistic == "max" else kv.staleness_p(self.percent)
        if self.name == "visibility":
            return kv.visibility(self.percent / 100.0)
        if self.name == "cost":
            return kv.cost_usd_per_million_requests(pool.prices)
        tier = self.name.removesuffix("_ratio")
        return kv.ratio(tier) if tier in TIERS else float(getattr(kv, self.name))

    def can_select(self, kinds: tuple[str, ...]) -> bool:
        """Tell whether results keep it so: reads of all tiers and key spaces, by country."""
        plain = self.name == "read" and self.tier is None and self.space is None
        return plain and kinds == ("place",)

    def metrics(self) -> tuple[KvMetric, ...]:
        """Return itself."""
        return (self,)
