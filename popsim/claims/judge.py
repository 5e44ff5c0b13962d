"""Judge claims: the interval of what is compared, on one side of its bound or not, is the verdict.

A verdict is certain only if the interval is. It is *undecided*, with the reason, where no interval can be had: of an
extreme whose bound was not broken yet, of a percentile beyond the requests that were seen, of a value whose bucket
holds the bound, of a latency where too many requests fail and have none, and where one draw decided for all replications.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from popsim.claims.expression import AnyMetric, Comparison, Condition, Expression, Metric
from popsim.claims.parse import parse_expectation
from popsim.claims.possible import can_take_time
from popsim.claims.selector import PoolKey, Pools, in_places, pool_key, select
from popsim.claims.unit import TIME
from popsim.results.comparing import after_looks, combined
from popsim.results.intervals import Extreme, Measure
from popsim.results.means import MeanWithZeros
from popsim.results.one_draw import one_draw_reason
from popsim.results.pooled import Pool
from popsim.results.statistics import MOST_REPLICATIONS, Estimate
from popsim.results.verdict import Expectation, Outcome, Verdict
from popsim.scenario.claims import ClaimSpec
from popsim.scenario.schema import Scenario
from popsim.world.clients import load_clients

WORST_FIRST: tuple[Outcome, ...] = ("fails", "undecided", "holds")
Ends = tuple[float, float]
PHASES_WITHOUT_WAYS = (
    "front_door",
    "execute",
    "sleep",
)  # no path between places enters their times


def judge(
    scenario: Scenario, pools: Mapping[str, Pool], planned: int | None = None
) -> tuple[Verdict, ...]:
    """Return the verdict of every claim of a scenario on its platforms' results.

    ``planned`` is for how many replications a verdict was first asked, if there are more now because of it.
    """
    return tuple(_judge_claim(scenario, claim, pools, planned) for claim in scenario.claims)


def _judge_claim(
    scenario: Scenario, claim: ClaimSpec, pools: Mapping[str, Pool], planned: int | None
) -> Verdict:
    clients = load_clients(scenario.clients.topology).select(scenario.clients.where)
    inside: dict[PoolKey, Pool] = {
        name: in_places(pool, claim.where, clients) for name, pool in pools.items()
    }
    found, messages = [], scenario.workload.messages
    for text in claim.expect:
        condition = parse_expectation(text, list(pools), messages, claim.where)
        chosen = dict(inside)
        for metric in condition.metrics():
            if metric.selector is not None:
                pool = select(pools[metric.platform], metric.selector, clients)
                chosen[metric.platform, metric.selector] = pool
        case = _Case(scenario, claim, chosen, planned)
        found.append(replace(case.judged(condition), expect=text))
    source = claim.source.model_dump() if claim.source else {}
    return Verdict(claim.id, claim.says, source, tuple(found), claim.severity, claim.confidence)


@dataclass
class _Case:
    """A claim, and the results that one of its expectations is about."""

    scenario: Scenario
    claim: ClaimSpec
    pools: Pools
    planned: int | None

    def judged(self, condition: Condition) -> Expectation:
        """Judge a comparison, or the worst part of ``and``, the best of ``or``: the one that decides."""
        if isinstance(condition, Comparison):
            return self.compared(condition)
        parts = [self.judged(part) for part in condition.parts]
        order = WORST_FIRST if condition.operator == "and" else WORST_FIRST[::-1]
        return min(parts, key=lambda part: order.index(part.verdict))

    def compared(self, comparison: Comparison) -> Expectation:
        """Judge a comparison: by what hides its latencies, then by intervals."""
        metrics = tuple(dict.fromkeys(comparison.metrics()))
        failed = self.failures(metrics)
        measures = {metric: self.measured(metric) for metric in metrics}
        values = {metric: measure.value for metric, measure in measures.items()}
        known = Expectation(
            "",
            "undecided",
            self.observed(comparison.left, measures),
            comparison.unit,
            against=tuple(b.evaluate(values) for _, b in comparison.bounds if b.metrics()),
            failed_ratio=failed,
        )
        silent = self.silent(comparison, metrics, values)
        if silent is not None:
            return replace(known, verdict=silent[0], reason=silent[1])
        hidden = self.hidden(failed) or self.drawn_once(metrics)
        if hidden is not None:
            return replace(known, reason=hidden)
        parts = [
            self.bounded(operator, comparison.left, bound, measures)
            for operator, bound in comparison.bounds
        ]
        verdict = min((part[0] for part in parts), key=WORST_FIRST.index)
        if verdict != "undecided":
            return replace(known, verdict=verdict)
        opens = [part for part in parts if part[0] == "undecided"]
        needed = [part[1] for part in opens]
        counts = [count for count in needed if count is not None]
        reason = next((part[2] for part in opens if part[2] is not None), None)
        replications = max(counts) if len(counts) == len(needed) else None
        return replace(known, replications=replications, reason=reason)

    def measured(self, metric: AnyMetric) -> Measure:
        """Return a metric's value with what is known of its error, which depends on what the scenario rules out."""
        measure = metric.measure(self.pools)
        if isinstance(measure, MeanWithZeros):
            measure.is_possible = can_take_time(self.scenario, metric)
        return measure

    # --- what no interval tells -------------------------------------------------------------------------

    def failures(self, metrics: Sequence[AnyMetric]) -> tuple[tuple[str, float], ...]:
        """Return the share that failed of every platform of which a latency is compared."""
        found: dict[str, float] = {}
        for metric in metrics:
            ratio = metric.failed_ratio(self.pools)
            if ratio is not None and not ratio <= found.get(metric.platform, -1.0):
                found[metric.platform] = ratio
        return tuple(found.items())

    def hidden(self, failed: Sequence[tuple[str, float]]) -> str | None:
        """Say which platforms fail more than a latency claim allows."""
        allowed = self.claim.failures
        over = [f"{100.0 * ratio:.3g} % of {name}" for name, ratio in failed if ratio > allowed]
        if not over:
            return None
        return f"by failures: {' and '.join(over)}, more than the {100.0 * allowed:.3g} % that the claim allows"

    def drawn_once(self, metrics: Sequence[AnyMetric]) -> str | None:
        """Say what one draw decided about latencies in all replications, so that their spread does not tell."""
        return one_draw_reason(self.scenario) if any(map(_has_ways, metrics)) else None

    def silent(
        self,
        comparison: Comparison,
        metrics: Sequence[AnyMetric],
        values: Mapping[AnyMetric, float],
    ) -> tuple[Outcome, str] | None:
        """Return the verdict and the reason if there is nothing to compare."""
        if all(math.isfinite(side.evaluate(values)) for side in comparison.sides()):
            return None
        for metric in metrics:
            pool = self.pools[pool_key(metric.platform, metric.selector)]
            if not math.isfinite(values[metric]) and pool.answered == 0:
                told = f"no data: no request to {metric.platform} that it is about was"
                return ("fails", f"{told} answered") if pool.requests else ("undecided", f"{told} sent")  # fmt: skip
        return "undecided", "no data: nothing that it is about happened, or it divides by 0"

    # --- what intervals tell ----------------------------------------------------------------------------

    def confidence(self, replications: int) -> float:
        """Return the level at which so many replications decide."""
        if self.planned is None:
            return self.claim.confidence
        return after_looks(self.claim.confidence, self.planned, replications)

    def ends(
        self, value_of: Callable[[Mapping[AnyMetric, float]], float], measures: Mapping[AnyMetric, Measure], growth: float = 1.0
    ) -> Ends:  # fmt: skip
        """Return the interval of what is computed from metrics, with ``growth`` times as many replications."""
        metrics = tuple(measures)
        replications = min((m.replications for m in measures.values()), default=0)
        confidence = self.confidence(round(replications * growth))
        return combined(
            lambda values: value_of(dict(zip(metrics, values, strict=True))),
            list(measures.values()),
            confidence,
            growth,
        )

    def observed(self, left: Expression, measures: Mapping[AnyMetric, Measure]) -> Estimate:
        """Return the left side with the interval at the claim's level."""
        own = {metric: measures[metric] for metric in left.metrics()}
        value = left.evaluate({metric: measure.value for metric, measure in own.items()})
        if not own or not math.isfinite(value):
            return Estimate(value, value, value)
        return Estimate(value, *self.ends(left.evaluate, own))

    def bounded(
        self, operator: str, left: Expression, bound: Expression, measures: Mapping[AnyMetric, Measure]
    ) -> tuple[Outcome, int | None, str | None]:  # fmt: skip
        """Compare both sides: the outcome; if undecided, how many replications would decide it, or why none would."""
        sign = 1.0 if operator in (">", ">=") else -1.0
        used = dict.fromkeys((*left.metrics(), *bound.metrics()))
        own = {metric: measures[metric] for metric in used}

        def margin(values: Mapping[AnyMetric, float]) -> float:
            return sign * (left.evaluate(values) - bound.evaluate(values))

        divisors = (*left.divisors(), *bound.divisors())

        def outcome(growth: float) -> Outcome:
            if self.may_vanish(divisors, own, growth):
                return "undecided"
            return _side(self.ends(margin, own, growth), is_strict=operator in ("<", ">"))

        found = outcome(1.0) if own else _side((margin({}),) * 2, is_strict=operator in ("<", ">"))
        if found != "undecided":
            return found, None, None
        replications = min(measure.replications for measure in own.values())
        if any(isinstance(measure, Extreme) for measure in own.values()):
            return (
                found,
                None,
                "an extreme: what was seen does not break the bound, and no number of runs rules out more",
            )
        if replications < 2:
            return found, None, "one replication has no interval"
        if any(
            isinstance(measure, MeanWithZeros) and measure.is_unseen for measure in own.values()
        ):
            return found, None, "none was seen, so that nothing is known of how long one takes"
        needed = _needed(replications, outcome)
        return found, needed, self.too_few(own) or (None if needed else self.in_bucket(margin, own))

    def may_vanish(
        self, divisors: Sequence[Expression], measures: Mapping[AnyMetric, Measure], growth: float
    ) -> bool:
        """Tell whether something that is divided by may be 0: what is divided may then be anything, on either side."""
        for divisor in divisors:
            own = {metric: measures[metric] for metric in divisor.metrics()}
            low, high = self.ends(divisor.evaluate, own, growth)
            if not (low > 0.0 or high < 0.0):
                return True
        return False

    def too_few(self, measures: Mapping[AnyMetric, Measure]) -> str | None:
        """Say how many requests percentiles need that lie beyond all that were seen."""
        needed = [
            measure.requests_needed(self.confidence(measure.replications))
            for measure in measures.values()
        ]
        most = max((count for count in needed if count is not None), default=None)
        return None if most is None else f"too few requests: a bound needs about {most:,}"

    def in_bucket(
        self,
        margin: Callable[[Mapping[AnyMetric, float]], float],
        measures: Mapping[AnyMetric, Measure],
    ) -> str | None:
        """Say so if the bound lies in the bucket of a histogram that holds the value."""
        if any(measure.slack for measure in measures.values()):
            low, high = self.ends(margin, measures, MOST_REPLICATIONS)
            if low <= 0.0 <= high:
                return "the bound lies in the bucket of the histogram that holds the value"
        return None


def _has_ways(metric: AnyMetric) -> bool:
    phase = metric.phase if isinstance(metric, Metric) else None
    return metric.unit == TIME and phase not in PHASES_WITHOUT_WAYS


def _side(ends: Ends, *, is_strict: bool) -> Outcome:
    """Return on which side of 0 an interval of margins lies."""
    low, high = ends
    if low > 0.0 or (low == 0.0 and not is_strict):
        return "holds"
    if high < 0.0 or (high == 0.0 and is_strict):
        return "fails"
    return "undecided"


def _needed(replications: int, outcome: Callable[[float], Outcome]) -> int | None:
    """Return how many replications would decide, if they look like those that there are; None if none would."""
    few, many = replications, 2 * replications
    while outcome(many / replications) == "undecided":
        few, many = many, 2 * many
        if few > MOST_REPLICATIONS:
            return None
    while many - few > max(1, few // 50):
        middle = (few + many) // 2
        if outcome(middle / replications) == "undecided":
            few = middle
        else:
            many = middle
    return many if many <= MOST_REPLICATIONS else None
