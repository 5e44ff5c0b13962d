from __future__ import annotations

from typing import Any

import pytest

import popsim
from popsim.claims import judge
from popsim.results import Result, Verdict


def verdict_of(result: Result, expect: str | list[str], **keys: Any) -> Verdict:
    expects = [expect] if isinstance(expect, str) else expect
    claims = [{"id": "it", "says": "it", "expect": expects, **keys}]
    return judge(result.scenario.changed(claims=claims), result.pools)[0]


def test_three_verdicts(small_result: Result) -> None:
    p50 = small_result.latency("workers", 50)
    assert verdict_of(small_result, f"workers.p(50) < {p50.high * 1.1}ms").verdict == "holds"
    assert verdict_of(small_result, f"workers.p(50) < {p50.low * 0.9}ms").verdict == "fails"
    undecided = verdict_of(
        small_result, f"workers.p(50) < {p50.value + (p50.high - p50.value) / 9}ms"
    )
    assert undecided.verdict == "undecided"
    observed = undecided.deciding.observed
    assert (observed.value, observed.low, observed.high) == (p50.value, p50.low, p50.high)


def test_the_worst_expectation_decides(small_result: Result) -> None:
    found = verdict_of(small_result, ["workers.p(50) > 1ms", "workers.p(50) > 10s"])
    assert found.verdict == "fails"
    assert found.deciding.expect == "workers.p(50) > 10s"


def test_differences_are_paired(small_result: Result) -> None:
    """Replications share their users: the difference is known better than both sides."""
    found = verdict_of(small_result, "lambda.p(50) - workers.p(50) > 0ms").deciding.observed
    half = (found.high - found.low) / 2
    apart = [small_result.latency(name, 50) for name in ("lambda", "workers")]
    assert half < sum((e.high - e.low) / 2 for e in apart)


def test_where_restricts_to_places(small_result: Result) -> None:
    everywhere = verdict_of(small_result, "lambda.p(50) > 0ms").deciding.observed.value
    us = verdict_of(small_result, "lambda.p(50) > 0ms", where={"country": "US"}).deciding.observed
    city = verdict_of(
        small_result, "lambda.p(50) > 0ms", where={"city": "New York"}
    ).deciding.observed
    assert city.value < us.value < everywhere
    by = small_result.by("country").query("platform == 'lambda' and country == 'US'")
    assert us.value == by["p50_ms"].item()


def test_between_needs_both_bounds(small_result: Result) -> None:
    value = small_result.latency("workers", 50).value
    assert (
        verdict_of(small_result, f"workers.p(50) between {value / 2}ms and {value * 2}ms").verdict
        == "holds"
    )
    assert (
        verdict_of(small_result, f"workers.p(50) between {value * 2}ms and {value * 3}ms").verdict
        == "fails"
    )


def test_one_replication_decides_nothing(small_result: Result) -> None:
    one = Result(small_result.scenario, {k: v[:1] for k, v in small_result.runs.items()})
    assert verdict_of(one, "workers.p(50) > 0ms").verdict == "undecided"


def test_a_claim_about_no_data_is_an_error(small_result: Result) -> None:
    """The two platforms answer nobody when all sites are down."""
    scenario = small_result.scenario.changed(
        replications=2,
        warmup=0,
        platforms={"lambda": {"regions": ["us-east-1"]}},
        events=[{"at": 0, "fail": {"sites": "us-east-1", "platforms": "lambda"}}],
    )
    with pytest.raises(popsim.InputError, match="claim 'faster' matches no data"):
        popsim.run(scenario, store=None, progress=False, workers=1)
