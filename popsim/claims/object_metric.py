"""Metrics of objects in expectations: ``workers.objects[document].visible.edit.continent.p(95)``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from popsim.claims.selector import Pools, Selector, pool_key
from popsim.claims.unit import Unit
from popsim.engine.object_layout import PARTS
from popsim.results.objects import COUNTS, ERRORS, MEMORY, ObjectPool

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

    def evaluate(self, pools: Pools) -> float:
        """Return the value; nan without objects or anything to say.

        Times are in ms, ``distance`` in km, costs in USD per million requests, counts per replication.
        """
        pool = pools[pool_key(self.platform, self.selector)]
        objects = ObjectPool(pool.runs, self.object_class)
        known = self.object_class is None or self.object_class in objects.classes
        known = known and (self.message is None or self.message in objects.messages)
        if not objects.is_used or not known:
            return math.nan
        if self.name in QUANTITIES:
            return self._mean_or_max(objects) if self.statistic != "p" else self._p(objects)
        if self.name == "cost":
            return objects.cost_usd_per_million_requests(pool.object_prices)
        if self.name == "calls_per_request":
            return objects.calls / pool.requests if pool.requests else math.nan
        if self.name in COUNTS:
            return objects.count(self.name) / len(objects.runs)
        error = self.name.removesuffix("_ratio")
        return objects.error_ratio(error) if error in ERRORS else float(getattr(objects, self.name))

    def _p(self, objects: ObjectPool) -> float:
        if self.name in PARTS:
            return objects.part_p(self.name, self.percent)
        if self.name in OF_SESSIONS:
            of: Callable[[float, str | None, str | None], float] = getattr(
                objects, f"{self.name}_p"
            )
            return of(self.percent, self.spread, self.message)
        percentile: Callable[[float], float] = getattr(objects, f"{self.name}_p")
        return percentile(self.percent)

    def _mean_or_max(self, objects: ObjectPool) -> float:
        if self.name in PARTS:
            return objects.part_mean(self.name)
        if self.name in OF_SESSIONS:
            of: Callable[[str | None, str | None], float] = getattr(objects, f"{self.name}_mean")
            return of(self.spread, self.message)
        return float(getattr(objects, f"{self.name}_{self.statistic}"))

    def can_select(self, kinds: tuple[str, ...]) -> bool:
        """Tell whether results keep it by place, network, site or over time: nothing of objects."""
        return False

    def metrics(self) -> tuple[ObjectMetric, ...]:
        """Return itself."""
        return (self,)
