from __future__ import annotations

import math
from typing import Any

import pytest

import popsim
from popsim.claims import judge
from popsim.report.verdicts import observed_text
from popsim.results import Result, Verdict
from popsim.results.statistics import finite


def verdict_of(result: Result, expect: str | list[str], **keys: Any) -> Verdict:
    expects = [expect] if isinstance(expect, str) else expect
    claims = [{"id": "it", "says": "it", "source": "ours", "expect": expects, **keys}]
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


def test_a_claim_about_no_data_fails_and_others_are_judged(small_result: Result) -> None:
    """One platform answers nobody, because all of its sites are down."""
    claims = [
        {
            "id": "faster",
            "says": "it",
            "source": "ours",
            "expect": ["workers.p(50) < lambda.p(50)"],
        },
        {"id": "up", "says": "it", "source": "ours", "expect": ["lambda.failed_ratio < 1%"]},
        {"id": "fast", "says": "it", "source": "ours", "expect": ["workers.p(50) < 10s"]},
    ]
    scenario = small_result.scenario.changed(
        replications=2,
        warmup=0,
        duration="5s",
        claims=claims,
        platforms={"lambda": {"regions": ["us-east-1"]}},
        events=[{"at": 0, "fail": {"sites": "us-east-1", "platforms": "lambda"}}],
    )
    result = popsim.run(scenario, store=None, progress=False, workers=1)
    assert [verdict.verdict for verdict in result.verdicts] == ["fails", "fails", "holds"]
    faster = result.verdicts[0].deciding
    assert faster.reason == "no data: no request to lambda that it is about was answered"
    assert dict(faster.failed_ratio)["lambda"] == 1.0
    assert observed_text(faster).endswith("100 % of lambda failed")
    result.to_json()


def test_and_takes_the_worst_or_the_best(small_result: Result) -> None:
    p50 = small_result.latency("workers", 50)
    true, false = "workers.p(50) > 1ms", "workers.p(50) > 10s"
    open_ = f"workers.p(50) < {p50.value + (p50.high - p50.value) / 9}ms"
    expected = {
        f"{true} and {false}": "fails", f"{true} or {false}": "holds", f"{true} and {open_}": "undecided",
        f"{false} and {open_}": "fails", f"{false} or {open_}": "undecided", f"{true} or {open_}": "holds",
        f"{false} or {true} and {true}": "holds",
    }  # fmt: skip
    assert {text: verdict_of(small_result, text).verdict for text in expected} == expected


def test_counts_and_extremes(small_result: Result) -> None:
    pool = small_result.pools["workers"]
    seconds = (small_result.scenario.duration - small_result.scenario.warmup) / 1e3
    for text, value in (
        ("count", pool.answered / small_result.replications),
        ("rate", pool.answered / small_result.replications / seconds),
        ("instances", float(small_result.instances().loc["workers", ["running_mean", "idle_mean"]].sum())),
    ):  # fmt: skip
        found = verdict_of(small_result, f"workers.{text} > 0").deciding.observed.value
        assert found == pytest.approx(value)
    sample = small_result.requests().query("platform == 'workers' and outcome == 'ok'")["total_ms"]
    low, high = (
        verdict_of(small_result, f"workers.{name} > 0ms").deciding.observed.value
        for name in ("min", "max")
    )
    assert low <= sample.min()
    assert high >= sample.max()
    assert low < pool.p(1) < pool.p(99) < high


def test_more_confidence_decides_less(small_result: Result) -> None:
    p50 = small_result.latency("workers", 50)
    text = f"workers.p(50) < {p50.high * 1.0001}ms"
    assert verdict_of(small_result, text).verdict == "holds"
    assert verdict_of(small_result, text, confidence=0.9999).verdict == "undecided"
    widths = [
        (found.high - found.low)
        for level in (0.5, 0.95, 0.99)
        for found in [verdict_of(small_result, text, confidence=level).deciding.observed]
    ]
    assert widths == sorted(widths)


def test_undecided_says_how_many_replications_would_decide(small_result: Result) -> None:
    """If the margin is a fifth of the half-width, about 25 times as many, a little fewer as t gets smaller."""
    mean, count = small_result.latency("workers"), small_result.replications
    margin = (mean.high - mean.value) / 5
    found = verdict_of(small_result, f"workers.mean < {mean.value + margin!r}ms").deciding
    assert found.verdict == "undecided"
    assert found.replications is not None
    assert count < found.replications < 26 * count
    many = Result(
        small_result.scenario,
        {
            name: [run for run in runs for _ in range(math.ceil(found.replications / count))]
            for name, runs in small_result.runs.items()
        },
    )
    assert verdict_of(many, f"workers.mean < {mean.value + margin!r}ms").verdict == "holds"
    decided = verdict_of(small_result, "workers.p(50) > 1ms")
    assert decided.deciding.replications is None


def test_bounds_that_are_results_are_told(small_result: Result) -> None:
    value = {name: small_result.latency(name, 50).value for name in ("workers", "lambda")}
    compared = verdict_of(small_result, "workers.p(50) * 2 < lambda.p(50)").deciding
    assert compared.against == (value["lambda"],)
    assert observed_text(compared).endswith(f"), against {value['lambda']:.4g} ms")
    either = verdict_of(small_result, "workers.p(50) > 10s or workers.p(50) * 2 < lambda.p(50)")
    assert either.to_json_dict()["against"] == [finite(value["lambda"])]
    around = verdict_of(small_result, "workers.p(50) within 10% of lambda.p(50)").deciding
    assert around.against == pytest.approx((0.9 * value["lambda"], 1.1 * value["lambda"]))
    fixed = verdict_of(small_result, "workers.p(50) < 10s").deciding
    assert fixed.against == ()
    assert "against" not in observed_text(fixed)
