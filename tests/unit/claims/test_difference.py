from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from popsim.claims.difference import between, holm, least_rank_p, paired, ranks, welch
from popsim.results import Result
from popsim.results.pooled import Pool

BEFORE = [10.0, 12.0, 11.0, 13.0, 12.5, 10.5]
AFTER = [10.6, 12.4, 11.7, 13.5, 13.1, 10.9]


def test_pairs_are_compared_by_the_t_of_their_differences() -> None:
    found = paired(BEFORE, AFTER)
    test = stats.ttest_rel(AFTER, BEFORE)
    interval = test.confidence_interval(0.95)
    assert found.p_value == pytest.approx(test.pvalue)
    assert (found.absolute.low, found.absolute.high) == pytest.approx((interval.low, interval.high))
    assert found.relative.value == pytest.approx(np.mean(AFTER) / np.mean(BEFORE) - 1.0)
    assert found.relative.low < found.relative.value < found.relative.high


def test_a_constant_ratio_has_no_spread() -> None:
    found = paired(BEFORE, [1.1 * value for value in BEFORE])
    assert found.ratio.low == pytest.approx(1.1) == found.ratio.high
    assert found.absolute.low < found.absolute.high


def test_independent_ones_are_compared_by_welch() -> None:
    found = welch(BEFORE, AFTER[:4])
    test = stats.ttest_ind(AFTER[:4], BEFORE, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert found.p_value == pytest.approx(test.pvalue)
    assert (found.absolute.low, found.absolute.high) == pytest.approx((interval.low, interval.high))
    assert found.ratio.low < np.mean(AFTER[:4]) / np.mean(BEFORE) < found.ratio.high


def test_values_replace_means() -> None:
    for compare in (paired, welch):
        found = compare(BEFORE, AFTER, (20.0, 30.0))
        assert (found.before, found.after) == (20.0, 30.0)
        assert (found.absolute.value, found.ratio.value) == (10.0, 1.5)


def test_ratio_intervals_cover_the_true_ratio() -> None:
    draw = np.random.default_rng(1)
    hits = {"paired": 0, "welch": 0}
    for _ in range(400):
        users, one, other = draw.normal(0.0, 2.0, 10), draw.normal(0, 1, 10), draw.normal(0, 1, 10)
        pairs = paired(50.0 + users + one, 1.2 * (50.0 + users) + other)  # type: ignore[arg-type]
        free = welch(50.0 + one, 60.0 + 3.0 * other)  # type: ignore[arg-type]
        for name, found in (("paired", pairs), ("welch", free)):
            hits[name] += found.ratio.low <= 1.2 <= found.ratio.high
    low, high = stats.binom.interval(0.999, 400, 0.95)
    assert all(low <= count <= high for count in hits.values()), hits


def test_ranks_are_those_of_mann_and_whitney() -> None:
    found = ranks(BEFORE, [value + 20.0 for value in AFTER])
    assert found.p_value == pytest.approx(2.0 / math.comb(12, 6)) == least_rank_p(6, 6)
    assert found.absolute.value == pytest.approx(np.median(AFTER) + 20.0 - np.median(BEFORE))
    assert found.absolute.low < 20.5 < found.absolute.high
    assert ranks(BEFORE, BEFORE).p_value > 0.9
    assert ranks([0.0] * 5, [0.0] * 5).p_value == 1.0


def test_what_cannot_be_told() -> None:
    one = paired([1.0], [2.0])
    assert (one.absolute.value, one.ratio.value) == (1.0, 2.0)
    assert math.isnan(one.p_value)
    assert math.isnan(one.absolute.low)
    assert paired([1.0, 2.0], [1.0, 2.0]).p_value == 1.0
    assert paired([1.0, 2.0], [2.0, 3.0]).p_value == 0.0  # no spread at all
    assert math.isnan(welch([1.0], [2.0, 3.0]).p_value)
    for compare in (paired, welch, ranks):
        assert math.isnan(compare([math.nan], [1.0]).absolute.value)
    assert math.isnan(paired([0.0, 0.0], [0.1, 0.2]).ratio.value)
    assert math.isnan(ranks([1.0, 2.0], [3.0, 4.0]).absolute.low)


def test_holm_corrects_in_order() -> None:
    assert holm([0.01, 0.04, 0.03, math.nan]) == pytest.approx([0.04, 0.09, 0.09, 1.0])
    assert holm([]) == []


def test_platforms_are_compared_by_their_latencies(small_result: Result) -> None:
    workers, faraway = small_result.pools["workers"], small_result.pools["lambda"]
    found = between(workers, faraway, "paired")
    assert list(found) == ["p50_ms", "p95_ms", "p99_ms", "mean_ms"]
    for name, percent in (("p95_ms", 95.0), ("mean_ms", None)):
        value = small_result.latency("lambda", percent).value
        assert found[name].after == pytest.approx(value)
        assert found[name].absolute.low > 0.0
    free = between(workers, faraway, "welch")["mean_ms"]
    assert free.absolute.value == found["mean_ms"].absolute.value
    assert between(workers, faraway, "ranks")["mean_ms"].before == pytest.approx(workers.mean, rel=0.1)  # fmt: skip
    fewer = between(Pool(workers.runs[1:]), faraway, "paired")["mean_ms"]
    assert fewer.after == Pool(faraway.runs[1:]).mean
