from __future__ import annotations

from typing import Any

import pytest

from popsim.claims import ClaimSyntaxError, parse_expectation
from popsim.claims.expression import Combination, Comparison, Metric, Number, Operation
from popsim.claims.unit import NONE, TIME

PLATFORMS = ["workers", "lambda"]


def test_percentiles_have_two_spellings() -> None:
    one = parse_expectation("workers.p(95) <= 40ms", PLATFORMS)
    assert one == parse_expectation("workers.p95 <= 0.04s", PLATFORMS)
    assert one.left == Metric("workers", None, "p", 95.0, TIME)
    assert one.bounds == (("<=", Number(40.0, TIME)),)


def test_operators_bind_as_usual() -> None:
    found = parse_expectation("workers.mean + lambda.mean * 2 > (10ms + 5ms) / 3", PLATFORMS).left
    assert isinstance(found, Operation)
    assert found.operator == "+"
    assert isinstance(found.right, Operation)
    assert found.right.operator == "*"


def test_between_has_two_bounds() -> None:
    found = parse_expectation("lambda.p(95) / workers.p(95) between 3.5 and 7.5", PLATFORMS)
    assert [operator for operator, _ in found.bounds] == [">=", "<="]
    assert found.unit == ""


def test_other_names_for_the_same() -> None:
    for one, other in (("med", "p(50)"), ("avg", "mean"), ("tls.med", "tls.p(50)"), ("tls.avg", "tls.mean")):  # fmt: skip
        text = "workers.{} < 1ms"
        first, second = (parse_expectation(text.format(name), PLATFORMS) for name in (one, other))
        assert first == second


def test_extremes_are_times_and_counts_are_numbers() -> None:
    for name in ("min", "max"):
        assert parse_expectation(f"workers.{name} < 1ms", PLATFORMS).metrics()[0].unit == TIME
    for name in ("count", "rate", "instances", "cost"):
        assert parse_expectation(f"workers.{name} > 3", PLATFORMS).metrics()[0].unit == NONE


def test_within_is_a_band_around_what_follows() -> None:
    found = parse_expectation("workers.p95 within 10% of 2 * lambda.p95 - 3ms", PLATFORMS)
    assert isinstance(found, Comparison)
    values = {"workers": 1.0, "lambda": 50.0}
    low, high = (bound.evaluate(values_of(found, values)) for _, bound in found.bounds)
    assert (low, high) == (pytest.approx(0.9 * 97.0), pytest.approx(1.1 * 97.0))
    assert [operator for operator, _ in found.bounds] == [">=", "<="]


def values_of(found: Comparison, values: dict[str, float]) -> dict[Any, float]:
    return {metric: values[metric.platform] for metric in found.metrics()}


def test_and_binds_tighter_than_or() -> None:
    text = "workers.p50 between 1ms and 2ms and lambda.p50 > 1ms or workers.mean < 3ms"
    found = parse_expectation(text, PLATFORMS)
    assert isinstance(found, Combination)
    assert found.operator == "or"
    first, second = found.parts
    assert isinstance(first, Combination)
    assert (first.operator, len(first.parts)) == ("and", 2)
    assert isinstance(second, Comparison)
    assert len(found.metrics()) == 3
    assert len(found.sides()) == 7


def test_phases_and_ratios() -> None:
    assert parse_expectation("workers.tls.p(99) < 10ms", PLATFORMS).left == Metric(
        "workers", "tls", "p", 99.0, TIME
    )
    assert parse_expectation("workers.cold_start.mean < 1ms", PLATFORMS).unit == "ms"
    assert parse_expectation("workers.cold_start_ratio < 1%", PLATFORMS).bounds[0][1] == Number(
        0.01, NONE
    )


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("wokers.p(95) < 1ms", 0, "there is no platform 'wokers'"),
        ("workers.p(95) < 1", 0, "the units differ"),
        ("workers.p(95) < 1 ms", 18, "expected the end"),
        ("workers.p(95)", 13, "expected <, <=, >, >=, between or within"),
        ("workers.p(105) < 1ms", 10, "between 0 and 100"),
        ("workers.p(0) < 1ms", 10, "between 0 and 100"),
        ("workers.median < 1ms", 8, "there is no metric 'median'"),
        ("workers.tls.failed_ratio < 1", 12, "there is no metric 'failed_ratio'"),
        ("workers.p(95) < 1parsec", 16, "unknown unit 'parsec'"),
        ("workers.p(95) between 1ms", 25, "expected 'and'"),
        ("1ms < 2ms", 0, "no platform's metric"),
        ("workers.p50 < 1ms and 1ms < 2ms", 22, "no platform's metric"),
        ("workers.p50 < 1ms or workers.p50 < 2", 21, "the units differ"),
        ("workers.p50 < 1ms and", 21, "expected a number or a metric"),
        ("workers.p50 within 10 of 1ms", 19, "expected a share such as 10%, got '10'"),
        ("workers.p50 within 10% 1ms", 23, "expected 'of', got '1'"),
        ("workers.p50 within 10% of 1", 0, "the units differ"),
        ("workers.tls.max < 1ms", 12, "there is no metric 'max'"),
        ("workers.count < 1ms", 0, "the units differ"),
        ("workers.p(95) + 1 < 3ms", 14, "the units differ"),
        ("(workers.p(95) < 3ms", 15, "expected ')'"),
        ("workers.p(95) < 1ms ; import os", 20, "unexpected ';'"),
        ("", 0, "expected a number or a metric"),
        ("(" * 2_000 + "workers.p50", 500, "expected at most 500 names"),
        ("workers.p50" + " + 1s" * 3_000 + " < 1s", 1_254, "expected at most 500 names"),
        ("workers.p50 > " + "(" * 51 + "1s" + ")" * 51, 64, "nested more than 50 deep"),
    ],
)
def test_mistakes_have_a_column(text: str, column: int, message: str) -> None:
    with pytest.raises(
        ClaimSyntaxError, match=message.replace("(", r"\(").replace(")", r"\)")
    ) as caught:
        parse_expectation(text, PLATFORMS)
    assert caught.value.column == column


def test_what_is_just_not_too_long_is_read_and_evaluated() -> None:
    nested = "(" * 50 + "workers.p(95)" + ")" * 50 + " < 1s"
    assert parse_expectation(nested, PLATFORMS) == parse_expectation("workers.p95 < 1s", PLATFORMS)
    beside = " + ".join(["(1ms)"] * 60) + " < workers.p95"
    assert parse_expectation(beside, PLATFORMS).metrics()
    long = parse_expectation("workers.p50" + " + 1ms" * 247 + " < 1s", PLATFORMS)  # 499 tokens
    assert isinstance(long, Comparison)
    assert long.left.evaluate(values_of(long, {"workers": 3.0})) == 250.0
    assert len(long.metrics()) == 1
