"""How much two sets of replications differ: the difference and the ratio, each with its 95 % interval.

Replications that share their users are compared in pairs, which removes what the users do to both (common
random numbers: Law, Simulation Modeling and Analysis, 5th ed. 2015, section 11.2). Others are compared by
Welch's t (B. L. Welch, Biometrika 34, 1947), or by ranks, which need no normal distribution.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np

from popsim.engine.outputs import Floats
from popsim.results.comparing import combined, independent
from popsim.results.intervals import Measure
from popsim.results.pooled import Metric, Pool
from popsim.results.statistics import CONFIDENCE, Estimate, finite
from popsim.scenario.own_files import own_files
from popsim.scenario.schema import Scenario

Method = Literal["paired", "welch", "ranks"]
NORMAL_Z = 1.959964  # quantile of the standard normal distribution at 0.975
LATENCIES: dict[str, Metric] = {
    **{f"p{p:g}_ms": lambda pool, p=p: pool.p(p) for p in (50.0, 95.0, 99.0)},  # type: ignore[misc]
    "mean_ms": lambda pool: pool.mean,
}
MEASURES: dict[str, Callable[[Pool], Measure]] = {
    **{f"p{p:g}_ms": lambda pool, p=p: pool.percentile(p) for p in (50.0, 95.0, 99.0)},  # type: ignore[misc]
    "mean_ms": lambda pool: pool.measure("mean"),
}
NOTHING = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Difference:
    """What a statistic was and is: after - before, after / before, and the p-value of no difference.

    Without an interval, low and high are nan; so is the p-value where nothing can be tested.
    """

    before: float
    after: float
    absolute: Estimate
    ratio: Estimate
    p_value: float

    @property
    def relative(self) -> Estimate:
        """The change as a share of before: the ratio less 1."""
        return Estimate(self.ratio.value - 1.0, self.ratio.low - 1.0, self.ratio.high - 1.0)

    def to_json_dict(self) -> dict[str, Any]:
        """Return all of it as plain data; None for what is not there."""
        return {
            "before": finite(self.before),
            "after": finite(self.after),
            "difference": self.absolute.to_json_dict(),
            "ratio": self.ratio.to_json_dict(),
            "p_value": finite(self.p_value),
        }


def paired(
    before: Sequence[float], after: Sequence[float], values: tuple[float, float] | None = None
) -> Difference:
    """Compare replications one by one, of which both sides have as many; ``values`` replace their means.

    The interval of the ratio is that of a ratio of means of pairs (Cochran, Sampling Techniques, 3rd ed. 1977,
    section 6.4): the spread of after - ratio * before, over the mean of before.
    """
    one, other = np.asarray(before, np.float64), np.asarray(after, np.float64)
    known = np.isfinite(one) & np.isfinite(other)
    one, other = one[known], other[known]
    if len(one) == 0:
        return _nothing(values)
    was, now = values or (float(one.mean()), float(other.mean()))
    freedom = len(one) - 1
    error = _standard_error(other - one)
    share = _over(now, was)
    share_error = _over(_standard_error(other - share * one), abs(was))
    return Difference(
        was,
        now,
        _around(now - was, error, freedom),
        _around(share, share_error, freedom),
        _p_value(now - was, error, freedom),
    )


def welch(
    before: Sequence[float], after: Sequence[float], values: tuple[float, float] | None = None
) -> Difference:
    """Compare independent replications of either side; ``values`` replace their means.

    The error of the ratio is propagated from those of both means (delta method).
    """
    one, other = _finite(before), _finite(after)
    if len(one) == 0 or len(other) == 0:
        return _nothing(values)
    was, now = values or (float(one.mean()), float(other.mean()))
    errors = (_standard_error(one), _standard_error(other))
    freedom = _freedom(errors, (len(one), len(other)))
    share = _over(now, was)
    shares = (_over(share * errors[0], was), _over(errors[1], was))
    shares_freedom = _freedom(shares, (len(one), len(other)))
    return Difference(
        was,
        now,
        _around(now - was, math.hypot(*errors), freedom),
        _around(share, math.hypot(*shares), shares_freedom),
        _p_value(now - was, math.hypot(*errors), freedom),
    )


def ranks(before: Sequence[float], after: Sequence[float]) -> Difference:
    """Compare independent replications by their ranks: medians, and the test of Mann and Whitney.

    The interval is that of a shift that belongs to the test, from the differences of all pairs (Hollander,
    Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed. 2014, section 4.3); with it the interval of the
    ratio is the interval of the difference over the median before, plus 1.
    """
    one, other = _finite(before), _finite(after)
    if len(one) == 0 or len(other) == 0:
        return _nothing(None)
    from scipy.stats import mannwhitneyu

    was, now = float(np.median(one)), float(np.median(other))
    pairs = np.sort((other[:, None] - one[None, :]).ravel())
    spread = math.sqrt(len(pairs) * (len(one) + len(other) + 1) / 12.0)
    rank = math.floor(len(pairs) / 2.0 - NORMAL_Z * spread)
    low, high = (pairs[rank - 1], pairs[-rank]) if rank >= 1 else (math.nan, math.nan)
    absolute = Estimate(now - was, float(low), float(high))
    shares = (_over(part, was) for part in (absolute.value, absolute.low, absolute.high))
    ratio = Estimate(*(1.0 + share for share in shares))
    p_value = 1.0 if pairs[0] == pairs[-1] == 0.0 else float(mannwhitneyu(one, other).pvalue)
    return Difference(was, now, absolute, ratio, p_value)


def least_rank_p(before: int, after: int) -> float:
    """Return the smallest p-value that ranks of so many replications can have: 2 of all orders."""
    return min(1.0, 2.0 / math.comb(before + after, before))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for how many there are (S. Holm, Scand. J. Statistics 6, 1979); nan counts as 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    plain = [1.0 if math.isnan(p) else p for p in p_values]
    adjusted, least = [1.0] * len(plain), 0.0
    for place, row in enumerate(sorted(range(len(plain)), key=plain.__getitem__)):
        least = max(least, min(1.0, (len(plain) - place) * plain[row]))
        adjusted[row] = least
    return adjusted


def users_id(scenario: Scenario) -> str:
    """Return 12 hex digits of all that decides who asks and when: seed, clients, arrivals, time, surges."""
    content = scenario.content()
    workload = content["workload"]
    named = {key: content.get(key) for key in ("seed", "start", "duration", "warmup", "clients")}
    named |= {key: workload.get(key) for key in ("arrivals", "functions")}
    named["surges"] = [event for event in content.get("events", ()) if "surge" in event]
    named["files"] = own_files([named["clients"], named["arrivals"]])
    return sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12]


def between(before: Pool, after: Pool, method: Method) -> dict[str, Difference]:
    """Return how p50, p95, p99 and mean of the latency in ms differ between two pools, by ``method``.

    In pairs, only replications count that both have. Values are those of all replications together.
    """
    if method == "paired":
        before, after = _in_common(before, after), _in_common(after, before)
    found = {}
    for name, metric in LATENCIES.items():
        one, other = ([metric(run) for run in pool.each] for pool in (before, after))
        values = metric(before), metric(after)
        if method == "ranks":
            found[name] = ranks(one, other)
            continue
        plain = (paired if method == "paired" else welch)(one, other, values)
        sides = [MEASURES[name](pool) for pool in (before, after)]
        found[name] = _measured(plain, sides, is_paired=method == "paired")
    return found


def _measured(plain: Difference, sides: Sequence[Measure], *, is_paired: bool) -> Difference:
    """Put the intervals of measures into a difference; its p-value is that of Student's t, where that is valid."""
    ends = combined if is_paired else independent
    absolute = ends(lambda values: values[1] - values[0], sides, CONFIDENCE)
    ratio = ends(lambda values: _over(values[1], values[0]), sides, CONFIDENCE)
    is_valid = all(side.is_regular for side in sides)
    return Difference(
        plain.before,
        plain.after,
        Estimate(plain.absolute.value, *absolute),
        Estimate(plain.ratio.value, *ratio),
        plain.p_value if is_valid else math.nan,
    )


def _in_common(pool: Pool, other: Pool) -> Pool:
    both = {run.replication for run in other.runs}
    runs = [run for run in pool.runs if run.replication in both]
    return pool.of_runs(runs)


def _finite(values: Sequence[float]) -> Floats:
    known = np.asarray(values, np.float64)
    return known[np.isfinite(known)]


def _nothing(values: tuple[float, float] | None) -> Difference:
    was, now = values or (math.nan, math.nan)
    return Difference(was, now, NOTHING, NOTHING, math.nan)


def _over(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _standard_error(values: Floats) -> float:
    if len(values) < 2:
        return math.nan
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _freedom(errors: tuple[float, float], counts: tuple[int, int]) -> float:
    """Return the degrees of freedom of a sum of two errors (Welch and Satterthwaite)."""
    parts = sum(
        error**4 / (count - 1)
        for error, count in zip(errors, counts, strict=True)
        if error and count > 1
    )
    return math.hypot(*errors) ** 4 / parts if parts else float(min(counts) - 1)


def _around(value: float, error: float, freedom: float) -> Estimate:
    if not math.isfinite(error) or freedom <= 0.0:
        return Estimate(value, math.nan, math.nan)
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2.0)) * error
    return Estimate(value, value - half, value + half)


def _p_value(difference: float, error: float, freedom: float) -> float:
    """Return the two-sided p-value of Student's t; what differs without any spread differs surely."""
    if difference == 0.0:
        return 1.0
    if not math.isfinite(error) or freedom <= 0.0:
        return math.nan
    if error == 0.0:
        return 0.0
    from scipy.special import stdtr

    return 2.0 * float(stdtr(freedom, -abs(difference) / error))
