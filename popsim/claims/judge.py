"""Judge claims: paired replications give an interval of what is compared, the interval a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from popsim.claims.expression import Comparison, Expression, Pools
from popsim.claims.parse import parse_expectation
from popsim.results.pooled import Pool, Restricted
from popsim.results.statistics import Estimate, half_width
from popsim.results.verdict import Expectation, Outcome, Verdict
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.parts import Where
from popsim.scenario.schema import ClaimSpec, Scenario
from popsim.world.clients import load_clients
from popsim.world.places import matching


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
    chosen = _where(scenario, claim.where, pools)
    found = []
    for line, text in enumerate(claim.expect):
        comparison = parse_expectation(text, list(pools))
        observed = comparison.left.evaluate(chosen)
        sides = (observed, *(bound.evaluate(chosen) for _, bound in comparison.bounds))
        if not all(map(math.isfinite, sides)):
            path = ("claims", number, "expect", line)
            message = f"claim {claim.id!r} matches no data: {text}"
            hint = "no request that it is about was answered, or it divides by 0"
            raise InputError([Problem(None, None, None, path, message, hint)])
        found.append(_expectation(text, comparison, observed, chosen))
    source = claim.source.model_dump() if claim.source else {}
    return Verdict(claim.id, claim.says, source, tuple(found))


def _expectation(text: str, comparison: Comparison, observed: float, pools: Pools) -> Expectation:
    each = _paired(pools)
    half = half_width([comparison.left.evaluate(one) for one in each])
    outcomes = [
        _outcome(operator, comparison.left, bound, pools, each)
        for operator, bound in comparison.bounds
    ]
    verdict: Outcome = "undecided" if "undecided" in outcomes else "holds"
    if "fails" in outcomes:
        verdict = "fails"
    estimate = Estimate(observed, observed - half, observed + half)
    return Expectation(text, verdict, estimate, comparison.unit)


def _outcome(
    operator: str, left: Expression, bound: Expression, pools: Pools, each: Sequence[Pools]
) -> Outcome:
    """Compare by the interval of the paired difference; replications share their users and requests."""
    sign = 1.0 if operator in (">", ">=") else -1.0
    margin = sign * (left.evaluate(pools) - bound.evaluate(pools))
    half = half_width([sign * (left.evaluate(one) - bound.evaluate(one)) for one in each])
    if not math.isfinite(half):
        return "undecided"
    strict = operator in ("<", ">")
    low, high = margin - half, margin + half
    if low > 0.0 or (low == 0.0 and not strict):
        return "holds"
    if high < 0.0 or (high == 0.0 and strict):
        return "fails"
    return "undecided"


def _paired(pools: Pools) -> list[Pools]:
    """Return one set of pools per replication that every platform has."""
    count = min(len(pool.runs) for pool in pools.values())
    return [{name: pool.each[row] for name, pool in pools.items()} for row in range(count)]


def _where(scenario: Scenario, where: Where, pools: Mapping[str, Pool]) -> Mapping[str, Pool]:
    """Restrict all platforms to the clients that match; by country where that is enough, it is finer."""
    if where == Where():
        return pools
    clients = load_clients(scenario.clients.topology).select(scenario.clients.where)
    mask = matching(clients, where)
    inside = {clients.countries[row] for row in np.flatnonzero(mask)}
    outside = {clients.countries[row] for row in np.flatnonzero(~mask)}
    restricted = {}
    for name, pool in pools.items():
        labels = pool.runs[0].labels
        if inside.isdisjoint(outside):
            rows = [row for row, country in enumerate(labels["country"]) if country in inside]
            restricted[name] = Restricted(pool, "country", rows)
        else:
            rows = [int(row) for row in np.flatnonzero(mask)]
            restricted[name] = Restricted(pool, "client", rows)
    return restricted
