"""Metrics of objects in expectations: ``workers.objects[document].visible.edit.continent.p(95)``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from popsim.claims.selector import Pools, Selector, pool_key
from popsim.claims.unit import Unit
from popsim.engine.object_layout import PARTS
from popsim.engine.outputs import Ints
from popsim.results import object_measures as om
from popsim.results.intervals import Count, Measure, Spread
from popsim.results.object_counts import ANY_ERROR, COUNTS, ERRORS, MEMORY
from popsim.results.object_counts import RATIOS as COUNTED_RATIOS
from popsim.results.objects import ObjectPool
from popsim.results.pooled import Pool

# What has percentiles, and what else each of them has
QUANTITIES = {
    "call": ("p", "mean"),
    **dict.fromkeys(PARTS, ("p", "mean")),
    "distance": ("p", "mean"),
    "spawn": ("p", "mean"),
    "ack": ("p", "mean"),
    "visible": ("p", "mean"),
    "reconnect": ("p", "max"),
    "staleness": ("p",),
}
STATISTICS = frozenset(word for words in QUANTITIES.values() for word in words)
OF_SESSIONS = ("ack", "visible")  # by kind of message and spread of the participants
LENGTHS = ("distance",)  # in km, a bare number
RATIOS = (
    "in_region_ratio",
    *(f"{error}_ratio" for error in ERRORS),
    "stale_ratio",
    "missed_ratio",
    *(f"{state}_ratio" for state in MEMORY),
)
NUMBERS = (*RATIOS, *COUNTS, "calls_per_request", "cost")  # what has no percentiles


@dataclass(frozen=True)
class ObjectMetric:
    """A number about a platform's objects, or one class of them."""

    platform: str
    object_class: str | None
    name: str  # of QUANTITIES or NUMBERS
    statistic: str  # "p", "mean", "max"; "" for NUMBERS
    percent: float
    spread: str | None
    unit: Unit
    selector: Selector | None = None
    message: str | None = None  # kind of message

    def evaluate(self, values: Mapping[Any, float]) -> float:
        """Return the value."""
        return values[self]

    def measure(self, pools: Pools) -> Measure:
        """Return the value with what is known of its error; nan if there are no objects or nothing was observed.

        Times are in ms, ``distance`` in km, costs in USD per million requests, counts per replication.
        """
        pool = pools[pool_key(self.platform, self.selector)]
        objects = self._objects(pool)
        if objects is None:
            return Spread(math.nan, [])
        if self.name in QUANTITIES:
            return self._p(objects) if self.statistic == "p" else self._mean_or_max(objects)
        if self.name in COUNTED_RATIOS:
            return om.share(objects, self.name)
        if self.name in COUNTS:
            return Count([each.count(self.name) for each in objects.each])
        return pool.spread(self._number)

    def _objects(self, pool: Pool) -> ObjectPool | None:
        objects = ObjectPool(pool.runs, self.object_class)
        known = self.object_class is None or self.object_class in objects.classes
        known = known and (self.message is None or self.message in objects.messages)
        return objects if objects.is_used and known else None

    def _number(self, pool: Pool) -> float:
        objects = ObjectPool(pool.runs, self.object_class)
        if self.name == "cost":
            return objects.cost_usd_per_million_requests(pool.object_prices)
        if self.name == "calls_per_request":
            return objects.calls / pool.requests if pool.requests else math.nan
        return float(getattr(objects, self.name))

    def _histogram(self, objects: ObjectPool) -> Ints:
        """Return the histogram of a quantity that is no part of a call."""
        if self.name == "ack":
            return objects.acknowledged(self.spread, self.message)
        if self.name == "visible":
            return objects.visible(self.spread, self.message)
        found: Ints = getattr(objects, self.name)
        return found

    def _p(self, objects: ObjectPool) -> Measure:
        if self.name in PARTS:
            return om.part_percentile(objects, self.name, self.percent)
        if self.name == "staleness":
            return om.staleness_percentile(objects, self.percent)
        return om.percentile(objects, self._histogram, self.percent)

    def _mean_or_max(self, objects: ObjectPool) -> Measure:
        if self.name in PARTS:
            return om.part_mean(objects, self.name)
        if self.statistic == "max":
            return om.longest_reconnect(objects)
        return om.mean(objects, self._histogram)

    def failed_ratio(self, pools: Pools) -> float | None:
        """Return the share of requests, or of calls, that failed and have no latency; None if this is none."""
        if self.name not in QUANTITIES or self.name in LENGTHS:
            return None
        pool = pools[pool_key(self.platform, self.selector)]
        objects = self._objects(pool)
        ratios = [pool.failed_ratio] + ([] if objects is None else [objects.error_ratio(ANY_ERROR)])
        return max((ratio for ratio in ratios if math.isfinite(ratio)), default=math.nan)

    def can_select(self, kinds: tuple[str, ...]) -> bool:
        """Tell whether results keep it by place, network, site or over time: nothing of objects."""
        return False

    def metrics(self) -> tuple[ObjectMetric, ...]:
        """Return itself."""
        return (self,)

    def divisors(self) -> tuple[()]:
        """Return nothing that is divided by."""
        return ()
