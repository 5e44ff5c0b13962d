from __future__ import annotations

import pytest

from popsim.claims import ClaimSyntaxError, parse_expectation
from popsim.claims.expression import Metric, Number, Operation

PLATFORMS = ["workers", "lambda"]


def test_percentiles_have_two_spellings() -> None:
    one = parse_expectation("workers.p(95) <= 40ms", PLATFORMS)
    assert one == parse_expectation("workers.p95 <= 0.04s", PLATFORMS)
    assert one.left == Metric("workers", None, "p", 95.0, 1)
    assert one.bounds == (("<=", Number(40.0, 1)),)


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


def test_phases_and_ratios() -> None:
    assert parse_expectation("workers.tls.p(99) < 10ms", PLATFORMS).left == Metric(
        "workers", "tls", "p", 99.0, 1
    )
    assert parse_expectation("workers.cold_start.mean < 1ms", PLATFORMS).unit == "ms"
    assert parse_expectation("workers.cold_start_ratio < 1%", PLATFORMS).bounds[0][1] == Number(
        0.01, 0
    )


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("wokers.p(95) < 1ms", 0, "there is no platform 'wokers'"),
        ("workers.p(95) < 1", 0, "the units differ"),
        ("workers.p(95) < 1 ms", 18, "expected the end"),
        ("workers.p(95)", 13, "expected <, <=, >, >= or between"),
        ("workers.p(105) < 1ms", 10, "between 0 and 100"),
        ("workers.p(0) < 1ms", 10, "between 0 and 100"),
        ("workers.median < 1ms", 8, "there is no metric 'median'"),
        ("workers.tls.failed_ratio < 1", 12, "there is no metric 'failed_ratio'"),
        ("workers.p(95) < 1parsec", 16, "unknown unit 'parsec'"),
        ("workers.p(95) between 1ms", 25, "expected 'and'"),
        ("1ms < 2ms", 0, "no platform's metric"),
        ("workers.p(95) + 1 < 3ms", 14, "the units differ"),
        ("(workers.p(95) < 3ms", 15, "expected ')'"),
        ("workers.p(95) < 1ms ; import os", 20, "unexpected ';'"),
        ("", 0, "expected a number or a metric"),
    ],
)
def test_mistakes_have_a_column(text: str, column: int, message: str) -> None:
    with pytest.raises(
        ClaimSyntaxError, match=message.replace("(", r"\(").replace(")", r"\)")
    ) as caught:
        parse_expectation(text, PLATFORMS)
    assert caught.value.column == column
