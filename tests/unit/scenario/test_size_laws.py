"""Distributions of sizes: what they mean in bytes, and that their written form reads back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popsim.scenario.size_laws import Capped, parse_size_law, rarely_exceeded, size_law_to_yaml

HALF = np.array([0.5])
FORMS: list[tuple[Any, float]] = [  # with the median in bytes
    ("288B", 288),
    (0, 0),
    ({"constant": "2KiB"}, 2_048),
    ({"uniform": {"low": "1kB", "high": "3kB"}}, 2_000),
    ({"exponential": {"mean": "1kB"}}, 1_000 * np.log(2)),
    ({"gamma": {"shape": 1, "scale": "1kB"}}, 1_000 * np.log(2)),
    ({"gamma": {"shape": 1, "mean": "1kB"}}, 1_000 * np.log(2)),
    ({"weibull": {"shape": 1, "scale": "1kB"}}, 1_000 * np.log(2)),
    ({"lognormal": {"p50": "288B", "p99": "100kB"}}, 288),
    ({"lognormal": {"p50": "288B", "sigma": 1.3}}, 288),
    ({"lognormal": {"mean": "4kB", "p50": "1kB"}}, 1_000),
    ({"integers": {"low": "1B", "high": "9B"}}, 5),
    ({"integers": {"low": "1kB", "high": "9kB", "step": "2kB"}}, 5_000),
    ({"choices": {"values": ["1MB", "10B", "20B"], "weights": [1, 7, 2]}}, 10),
    ({"choices": {"values": ["1MB", "10B", "20B"]}}, 20),
    ({"percentiles": {"p0": "1B", "p50": "100B", "p100": "25MiB"}}, 100),
    ({"sample": ["1kB", "2kB", "2kB", "90kB"]}, 2_000),
    ({"shifted": {"by": "100B", "law": {"uniform": {"low": 0, "high": "2kB"}}}}, 1_100),
    ({"mixture": [{"weight": 9, "law": "1kB"}, {"weight": 1, "law": {"exponential": {"mean": "1MB"}}}]}, 1_000),
]  # fmt: skip


@pytest.mark.parametrize(("form", "median"), FORMS, ids=str)
def test_a_byte_counts_as_a_millisecond(form: Any, median: float) -> None:
    assert parse_size_law(form).quantile_lower(HALF)[0] == pytest.approx(median, rel=1e-9)


@pytest.mark.parametrize("form", [form for form, _ in FORMS], ids=str)
def test_the_written_form_reads_back(form: Any) -> None:
    law = parse_size_law(form)
    written = size_law_to_yaml(law)
    assert parse_size_law(written) == law
    assert size_law_to_yaml(parse_size_law(written)) == written
    assert "ms" not in str(written)
    assert parse_size_law(law) is law


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_whole_bytes_survive(size: int, more: int) -> None:
    law = parse_size_law({"uniform": {"low": f"{size}B", "high": f"{size + more}B"}})
    again = parse_size_law(size_law_to_yaml(law))
    ends = np.array([0.0])
    assert again.quantile_lower(ends)[0] == size
    assert again.quantile_upper(ends)[0] == size + more


@pytest.mark.parametrize(
    "wrong",
    [5, "5", "5ms", "-1B", True, None, [], {}, {"lognrmal": {"p50": "1B"}}, {"exponential": "1kB"},
     {"exponential": {"mean": "5ms"}}, {"uniform": {"low": 1, "high": "2B"}}, {"a": 1, "b": 2},
     {"lognormal": {"p50": "1kB"}}],
    ids=str,
)  # fmt: skip
def test_what_is_no_size_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"expected|unknown|no unit|exactly"):
        parse_size_law(wrong)


def test_larger_values_count_as_the_largest() -> None:
    law = parse_size_law({"uniform": {"low": "0B", "high": "100B"}})
    capped = Capped(law, 60)
    p = np.array([0.1, 0.59, 0.61, 0.9])
    assert capped.quantile_lower(p).tolist() == pytest.approx([10.0, 59.0, 60.0, 60.0])
    assert capped.quantile_upper(p).tolist() == pytest.approx([60.0, 41.0, 39.0, 10.0])
    assert capped.cdf(np.array([30.0, 59.9, 60.0])).tolist() == pytest.approx([0.3, 0.599, 1.0])
    assert capped.scaled(2.0).quantile_lower(np.array([0.9]))[0] == 120.0


def test_one_value_in_ten_thousand_exceeds() -> None:
    law = parse_size_law({"uniform": {"low": "0B", "high": "10kB"}})
    assert rarely_exceeded(law) == pytest.approx(9_999.0)
    assert rarely_exceeded(parse_size_law("288B")) == 288.0
