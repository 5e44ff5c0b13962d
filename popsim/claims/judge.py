"""Judge claims: paired replications give an interval of what is compared, the interval a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from popsim.claims.expression import AnyMetric, Comparison, Condition, Expression, Metric
from popsim.claims.parse import parse_expectation
from popsim.claims.selector import PoolKey, Pools, in_places, select
from popsim.claims.unit import TIME
from popsim.results.one_draw import one_draw_reason
from popsim.results.pooled import Pool
from popsim.results.statistics import Estimate, half_width, replications_needed
from popsim.results.verdict import Expectation, Outcome, Verdict
from popsim.scenario.claims import ClaimSpec
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.schema import Scenario
from popsim.scenario.text import quoted
from popsim.world.clients import load_clients

WORST_FIRST: tuple[Outcome, ...] = ("fails", "undecided", "holds")
PHASES_WITHOUT_WAYS = (
    "front_door",
    "execute",
    "sleep",
)  # whose times no path between places enters


def judge(scenario: Scenario, pools: Mapping[str, Pool]) -> tuple[Verdict, ...]:
    """Return the verdict of every claim of a scenario on its platforms' results.

    Raises:
        InputError: a claim matches no data.
    """
    return tuple(
        _judge_claim(scenario, number, claim, pools) for number, claim in enumerate(scenario.claims)
    )


def _judge_claim(
    scenario: Scenario, number: int, claim: ClaimSpec, pools: Mapping[str, Pool]
) -> Verdict:
    clients = load_clients(scenario.clients.topology).select(scenario.clients.where)
    inside: dict[PoolKey, Pool] = {
        name: in_places(pool, claim.where, clients) for name, pool in pools.items()
    }
    found, messages = [], scenario.workload.messages
    for line, text in enumerate(claim.expect):
        condition = parse_expectation(text, list(pools), messages)
        chosen = dict(inside)
        for metric in condition.metrics():
            if metric.selector is not None:
                pool = select(pools[metric.platform], metric.selector, clients)
                chosen[metric.platform, metric.selector] = pool
        if not all(math.isfinite(side.evaluate(chosen)) for side in condition.sides()):
            path = ("claims", number, "expect", line)
            message = f"claim {quoted(claim.id)} matches no data: {text}"
            hint = "no request that it is about was answered, or it divides by 0"
            raise InputError([Problem(None, None, None, path, message, hint)])
        judged = _judge(condition, chosen, _paired(chosen), claim.confidence)
        found.append(_unless_one_draw_decides(scenario, condition, Expectation(text, *judged)))
    source = claim.source.model_dump() if claim.source else {}
    return Verdict(claim.id, claim.says, source, tuple(found), claim.severity, claim.confidence)


def _unless_one_draw_decides(
    scenario: Scenario, condition: Condition, judged: Expectation
) -> Expectation:
    """Leave a verdict about times open if their spread over planets is unknown: one draw decides all replications."""
    reason = one_draw_reason(scenario)
    if reason is None or not any(map(_has_ways, condition.metrics())):
        return judged
    return replace(judged, verdict="undecided", replications=None, reason=reason)


def _has_ways(metric: AnyMetric) -> bool:
    phase = metric.phase if isinstance(metric, Metric) else None
    return metric.unit == TIME and phase not in PHASES_WITHOUT_WAYS


class _Judged(NamedTuple):
    """What was found about a condition, by the comparison that decides it: an ``Expectation`` without its text."""

    outcome: Outcome
    observed: Estimate
    unit: str
    replications: int | None
    against: tuple[float, ...]


def _judge(condition: Condition, pools: Pools, each: Sequence[Pools], confidence: float) -> _Judged:
    """Judge a comparison, or the worst part of ``and``, the best of ``or``."""
    if isinstance(condition, Comparison):
        return _compare(condition, pools, each, confidence)
    parts = [_judge(part, pools, each, confidence) for part in condition.parts]
    order = WORST_FIRST if condition.operator == "and" else WORST_FIRST[::-1]
    return min(parts, key=lambda part: order.index(part.outcome))


def _compare(
    comparison: Comparison, pools: Pools, each: Sequence[Pools], confidence: float
) -> _Judged:
    observed = comparison.left.evaluate(pools)
    half = half_width([comparison.left.evaluate(one) for one in each], confidence)
    outcomes, needed = [], []
    for operator, bound in comparison.bounds:
        outcome, replications = _outcome(operator, comparison.left, bound, pools, each, confidence)
        outcomes.append(outcome)
        if outcome == "undecided":
            needed.append(replications)
    verdict = min(outcomes, key=WORST_FIRST.index)
    known = [count for count in needed if count is not None]
    replications = max(known) if verdict == "undecided" and len(known) == len(needed) else None
    estimate = Estimate(observed, observed - half, observed + half)
    against = tuple(bound.evaluate(pools) for _, bound in comparison.bounds if bound.metrics())
    return _Judged(verdict, estimate, comparison.unit, replications, against)


def _outcome(
    operator: str, left: Expression, bound: Expression, pools: Pools, each: Sequence[Pools], confidence: float
) -> tuple[Outcome, int | None]:  # fmt: skip
    """Compare by the interval of the paired difference; replications share their users and requests.

    If it is undecided, return how many replications would decide it, or None if nobody can tell.
    """
    sign = 1.0 if operator in (">", ">=") else -1.0
    margin = sign * (left.evaluate(pools) - bound.evaluate(pools))
    margins = [sign * (left.evaluate(one) - bound.evaluate(one)) for one in each]
    half = half_width(margins, confidence)
    if not math.isfinite(half):
        return "undecided", None
    strict = operator in ("<", ">")
    low, high = margin - half, margin + half
    if low > 0.0 or (low == 0.0 and not strict):
        return "holds", None
    if high < 0.0 or (high == 0.0 and strict):
        return "fails", None
    return "undecided", replications_needed(margins, margin, confidence)


def _paired(pools: Pools) -> list[Pools]:
    """Return one set of pools per replication that every platform has."""
    count = min(len(pool.runs) for pool in pools.values())
    return [{name: pool.each[row] for name, pool in pools.items()} for row in range(count)]
