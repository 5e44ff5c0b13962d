"""Expectations as trees, computed from the values of the metrics in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from popsim.claims.kv_metric import KvMetric
from popsim.claims.object_metric import ObjectMetric
from popsim.claims.selector import Pools, Selector, is_apart, pool_key
from popsim.claims.unit import BYTES, NONE, TIME, Unit
from popsim.results.intervals import Measure

TIMES = ("mean", "min", "max")  # of the latency
# Per replication: sent, answered (``count``, too) and failed requests; ``rate`` is of answered ones, per s
COUNTS = ("sent", "answered", "failed", "count", "rate")
BY_REASON = {"failed": "failed_by", "failed_ratio": "failed_ratio_by"}
PROPERTIES = {"sent": "sent_count", "answered": "count", "failed": "failed_count"}
RATIOS = ("failed_ratio", "cold_start_ratio")
# In USD per million requests sent, or answered: functions, key-value store and objects
COST, COST_ANSWERED = "cost", "cost_answered"
UNITS = {
    **dict.fromkeys(TIMES, TIME),
    **dict.fromkeys((*RATIOS, *COUNTS, "instances", COST, COST_ANSWERED), NONE),
    "memory": BYTES,
}  # of what has no percentiles


@dataclass(frozen=True)
class Number:
    """A constant, in ms or bytes if it has a unit."""

    value: float
    unit: Unit

    def evaluate(self, values: Values) -> float:
        """Return the constant."""
        return self.value

    def metrics(self) -> tuple[AnyMetric, ...]:
        """Return no metric."""
        return ()

    def divisors(self) -> tuple[Expression, ...]:
        """Return nothing that is divided by."""
        return ()


@dataclass(frozen=True)
class Metric:
    """A platform's percentile, or one of UNITS; a percentile or the mean of a phase, or of a part of the time, if given.

    ``reason`` is that of the failures in BY_REASON; all, if there is none.
    """

    platform: str
    phase: str | None
    name: str
    percent: float
    unit: Unit
    selector: Selector | None = None
    reason: str | None = None

    def evaluate(self, values: Values) -> float:
        """Return the value."""
        return values[self]

    def measure(self, pools: Pools) -> Measure:
        """Return the value with what is known of its error; nan if no request answers."""
        pool = pools[pool_key(self.platform, self.selector)]
        if self.name == "p":
            if self.phase is None:
                return pool.percentile(self.percent)
            return pool.phase_percentile(self.phase, self.percent)
        if self.phase is not None:
            return pool.phase_average(self.phase)
        if self.reason is not None:
            return pool.failures_by(self.name, self.reason)
        return pool.measure(PROPERTIES.get(self.name, self.name))

    def failed_ratio(self, pools: Pools) -> float | None:
        """Return how many requests the latency leaves out, because they failed; None if this is no latency."""
        if self.unit != TIME:
            return None
        return pools[pool_key(self.platform, self.selector)].failed_ratio

    def can_select(self, kinds: tuple[str, ...]) -> bool:
        """Tell whether results can keep it by place, network, site and time: all that is of requests."""
        return self.name in (*TIMES, *COUNTS, *RATIOS, "p")

    def is_apart(self, selector: Selector) -> bool:
        """Tell whether a selector's requests have to be kept apart for it."""
        kept = self.phase is None and self.name != "cold_start_ratio"
        return is_apart(selector) or not kept

    def metrics(self) -> tuple[AnyMetric, ...]:
        """Return itself."""
        return (self,)

    def divisors(self) -> tuple[Expression, ...]:
        """Return nothing that is divided by."""
        return ()


@dataclass(frozen=True)
class Operation:
    """Two expressions and ``+ - * /``."""

    operator: str
    left: Expression
    right: Expression
    unit: Unit

    def evaluate(self, values: Values) -> float:
        """Return the value; nan for a division by zero."""
        left, right = self.left.evaluate(values), self.right.evaluate(values)
        if self.operator == "+":
            return left + right
        if self.operator == "-":
            return left - right
        if self.operator == "*":
            return left * right
        return left / right if right != 0.0 else math.nan

    def metrics(self) -> tuple[AnyMetric, ...]:
        """Return the metrics of both sides."""
        return self.left.metrics() + self.right.metrics()

    def divisors(self) -> tuple[Expression, ...]:
        """Return everything observed that is divided by."""
        own = (self.right,) if self.operator == "/" and self.right.metrics() else ()
        return (*own, *self.left.divisors(), *self.right.divisors())


AnyMetric = Metric | KvMetric | ObjectMetric
Values = Mapping["AnyMetric", float]  # of each metric in an expression
Expression = Number | AnyMetric | Operation


@dataclass(frozen=True)
class Comparison:
    """An expression and its bounds: one, or two for ``between``."""

    left: Expression
    bounds: tuple[tuple[str, Expression], ...]

    def metrics(self) -> tuple[AnyMetric, ...]:
        """Return every metric in it."""
        return self.left.metrics() + tuple(m for _, bound in self.bounds for m in bound.metrics())

    def sides(self) -> tuple[Expression, ...]:
        """Return what is compared, and its bounds."""
        return (self.left, *(bound for _, bound in self.bounds))

    @property
    def unit(self) -> str:
        """The unit of what is compared."""
        return str(self.left.unit)


@dataclass(frozen=True)
class Combination:
    """Conditions of which all (``and``) or at least one (``or``) must hold."""

    operator: str
    parts: tuple[Condition, ...]

    def metrics(self) -> tuple[AnyMetric, ...]:
        """Return every metric in it."""
        return tuple(metric for part in self.parts for metric in part.metrics())

    def sides(self) -> tuple[Expression, ...]:
        """Return all that is compared."""
        return tuple(side for part in self.parts for side in part.sides())


Condition = Comparison | Combination
