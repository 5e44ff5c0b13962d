from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from popsim.engine.outputs import BUCKETS, COARSE, Ints, bucket_edges, bucket_index
from popsim.results.comparing import after_looks, combined
from popsim.results.effective import clopper_pearson, effective_tries
from popsim.results.intervals import (
    Count,
    Extreme,
    Mean,
    Measure,
    Percentile,
    Share,
    Spread,
    mean_slack,
)
from popsim.results.means import MeanWithZeros, histogram_mean
from popsim.results.statistics import quantile


def histogram(values: np.ndarray, buckets: int = BUCKETS) -> Ints:
    return np.bincount(bucket_index(values) // (BUCKETS // buckets), minlength=buckets)


@pytest.mark.parametrize(("hits", "tries"), [(0, 30), (1, 500), (7, 9), (50, 50)])
def test_shares_have_the_exact_binomial_interval(hits: int, tries: int) -> None:
    exact = binomtest(hits, tries).proportion_ci(0.95, method="exact")
    assert clopper_pearson(hits, tries, 0.95) == pytest.approx((exact.low, exact.high))


def test_nothing_seen_is_not_zero() -> None:
    """Of 500 requests none failed: up to 0.735 % may, by the exact interval."""
    low, high = Share([0] * 5, [100] * 5).interval(0.95)
    assert (low, high) == (0.0, pytest.approx(1.0 - 0.025 ** (1 / 500)))
    low, high = Share([100] * 5, [100] * 5).interval(0.95)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 500)), 1.0)


def test_failures_that_come_in_clusters_count_for_less() -> None:
    """50 failures in one of ten replications say less than 5 in each."""
    even, odd = Share([5] * 10, [1_000] * 10), Share([50] + [0] * 9, [1_000] * 10)
    assert even.value == odd.value
    assert odd.interval(0.95)[1] > 3.0 * even.interval(0.95)[1]
    hits, tries = np.array([50.0] + [0.0] * 9), np.full(10, 1e3)
    assert effective_tries(hits, tries, 0.95) < 300.0


def test_replications_that_agree_beyond_chance_count_for_more() -> None:
    """Fixed users: 300 to 302 of 1,000 in each replication are no binomial counts."""
    fixed = Share([300, 301, 302, 301, 300, 301], [1_000] * 6)
    low, high = fixed.interval(0.95)
    assert high - low < 0.002
    chance = Share([300, 310, 290, 305, 315, 288], [1_000] * 6)
    low, high = chance.interval(0.95)
    assert high - low > 0.023


def test_a_percentile_beyond_what_was_seen_has_an_open_end() -> None:
    values = np.linspace(10.0, 20.0, 60)
    found = Percentile([histogram(values[::2]), histogram(values[1::2])], 99.9)
    low, high = found.interval(0.95)
    assert math.isinf(high)
    assert low > 0.0
    needed = found.requests_needed(0.95)
    assert needed is not None
    assert needed >= 3_688  # 0.999 ** 3,688 < 2.5 %
    enough = [np.linspace(10.0, 20.0, 4_000)] * 2
    assert Percentile(map(histogram, enough), 99.9).requests_needed(0.95) is None


@pytest.mark.parametrize("buckets", [BUCKETS, COARSE])
def test_a_bucket_that_may_hold_one_value_is_part_of_the_interval(buckets: int) -> None:
    counts = [histogram(np.full(100, 611.0), buckets)] * 5
    low, high = bucket_edges(np.flatnonzero(counts[0])[0], buckets=buckets)
    assert Percentile(counts, 95).interval(0.95) == (low, high)
    assert low <= 611.0 < high
    assert Percentile(counts, 95, extremes=(611.0, 611.0)).interval(0.95) == (611.0, 611.0)
    assert mean_slack(counts[0]) * 2 >= (high - low if buckets == BUCKETS else 0.0) * 0.99
    assert mean_slack(counts[0], (611.0, 611.0)) == 0.0


def test_where_requests_lie_evenly_buckets_are_interpolated() -> None:
    """With a million requests the interval of p50 is a tenth of a bucket."""
    rng = np.random.default_rng(1)
    parts = [histogram(rng.exponential(50.0, 100_000)) for _ in range(10)]
    low, high = Percentile(parts, 50).interval(0.95)
    assert low <= 50.0 * math.log(2.0) <= high
    assert high - low < 0.35


def test_values_that_are_exactly_zero_count() -> None:
    """Of 1,000 reads 980 are fresh: p99 lies in the middle of the stale ones, p95 is 0."""
    stale = [histogram(np.linspace(1_000.0, 2_000.0, 20))] * 10
    p99 = Percentile(stale, 99, [980] * 10)
    assert p99.value == pytest.approx(1_500.0, rel=0.05)
    low, high = p99.interval(0.95)
    assert 1_000.0 < low < 1_500.0 < high < 2_000.0
    assert Percentile(stale, 95, [980] * 10).interval(0.95) == (0.0, 0.0)


def test_a_percentile_is_that_of_all_counts_together() -> None:
    rng = np.random.default_rng(4)
    parts = [histogram(rng.lognormal(3.0, 1.0, 500)) for _ in range(4)]
    for percent in (0.1, 50.0, 95.0, 99.9):
        assert Percentile(parts, percent).value == pytest.approx(
            quantile(np.sum(parts, axis=0), percent / 100.0)
        )


def test_means_weigh_replications_by_their_requests() -> None:
    found = Mean([100.0, 400.0, 260.0], [10, 40, 20])
    assert found.value == pytest.approx(760.0 / 70.0)
    low, high = found.interval(0.95)
    assert low < found.value < high
    assert found.influence().sum() == pytest.approx(0.0)


def test_an_extreme_is_known_on_one_side() -> None:
    assert Extreme(60.4, is_max=True, replications=1).interval(0.9999) == (60.4, math.inf)
    assert Extreme(3.0, is_max=False, replications=9).interval(0.5) == (0.0, 3.0)


def test_rare_events_have_poisson_bounds() -> None:
    assert Count([0, 0, 0, 0]).interval(0.95) == (0.0, pytest.approx(3.689 / 4, rel=1e-3))
    assert Count([10_000] * 4).interval(0.95) == (10_000, 10_000)


def test_counts_that_are_no_chance_have_no_poisson_bounds() -> None:
    """Three replications of 20 probes: of independent ones they would be equal in 0.5 of 100 cases; two in 6."""
    assert Count([20, 20, 20]).interval(0.95) == (20, 20)
    low, high = Count([20, 20]).interval(0.95)
    assert low < 15 < 25 < high
    assert Count([0, 0, 0, 0], per=10.0).interval(0.95) == (0.0, pytest.approx(3.689 / 40, rel=1e-3))  # fmt: skip
    assert Count([100, 120, 80], per=10.0).value == 10.0


def test_a_mean_of_buckets_knows_how_wide_they_are() -> None:
    equal = histogram_mean([histogram(np.full(100, 600.9))] * 3)
    low, high = equal.interval(0.95)
    assert low <= 600.9 <= high
    assert high - low < 0.01 * 600.9


@pytest.mark.parametrize("replications", [3, 5, 10])
def test_the_mean_of_what_is_rare_is_in_its_interval(replications: int) -> None:
    """One request in 2,500 waits 1 s, 500 are seen by replication: Student's t held the mean of 0.4 ms in 44 to 84 %."""
    rng = np.random.default_rng(replications)
    held = 0
    for _ in range(200):
        seen = rng.binomial(500, 0.0004, replications)
        mean = MeanWithZeros(list(1_000.0 * seen), [500] * replications, list(seen))
        low, high = mean.interval(0.95)
        held += low <= 0.4 <= high
    assert held >= 0.93 * 200


def test_what_was_never_seen_may_take_any_time_unless_there_is_none() -> None:
    mean = MeanWithZeros([0.0] * 4, [500] * 4, [0] * 4)
    assert mean.interval(0.95) == (0.0, math.inf)
    assert not mean.is_regular
    mean.is_possible = False
    assert mean.interval(0.95) == (0.0, 0.0)
    assert mean.is_regular


@pytest.mark.parametrize(
    "measure", [Spread(1.0, [1.0]), Share([1], [10]), Percentile([histogram(np.ones(9))], 50)]
)
def test_one_replication_has_no_interval(measure: Measure) -> None:
    assert all(math.isnan(end) for end in measure.interval(0.95))
    assert measure.estimate().to_json_dict()["low"] is None


def test_what_replications_have_in_common_cancels_out() -> None:
    rng = np.random.default_rng(5)
    base = [rng.lognormal(3.0 + shift, 0.5, 2_000) for shift in rng.normal(0.0, 0.2, 10)]
    one, other = ([histogram(factor * part) for part in base] for factor in (1.0, 1.1))
    pair = [Percentile(one, 95), Percentile(other, 95)]
    low, high = combined(lambda values: values[1] / values[0], pair, 0.95)
    assert 1.08 < low < 1.1 < high < 1.12
    alone = pair[0].interval(0.95)
    assert alone[1] / alone[0] > 1.2


def test_gapped_percentiles_are_not_paired() -> None:
    """Near the edge of a gap no error is normal: each side may lie anywhere in its interval."""
    rng = np.random.default_rng(6)

    def parts(share: float) -> list[Ints]:
        return [
            histogram(np.where(rng.random(1_000) < share, 500.0 + 20 * rng.random(1_000), 20.0))
            for _ in range(10)
        ]

    pair = [Percentile(parts(0.049), 95), Percentile(parts(0.049), 95)]
    assert not all(each.is_regular for each in pair)
    low, high = combined(lambda values: values[1] - values[0], pair, 0.95)
    assert low <= 0.0 <= high


def test_a_ratio_over_what_may_be_nothing_is_open() -> None:
    rare = Share([0, 1, 0, 0, 0], [1_000] * 5)
    mean = Spread(10.0, [9.0, 10.0, 11.0, 10.0, 10.0])
    low, high = combined(lambda v: v[0] / v[1] if v[1] else math.nan, [mean, rare], 0.95)
    assert low > 0.0 or math.isinf(low)
    assert math.isinf(high) or high > 1e4


@pytest.mark.parametrize(("planned", "step", "most"), [(10, 10, 100), (5, 1, 80), (2, 1, 64)])
def test_looking_again_errs_no_more_often_than_promised(planned: int, step: int, most: int) -> None:
    """Who extends until chance decides says *holds* wrongly in at most 5 of 100 results, on the very bound."""
    rng, trials, confidence = np.random.default_rng(8), 4_000, 0.95
    values = rng.normal(0.0, 1.0, (trials, most))
    wrong, is_open = 0, np.ones(trials, bool)
    for count in range(planned, most + 1, step):
        part = values[:, :count]
        mean, error = part.mean(axis=1), part.std(axis=1, ddof=1) / math.sqrt(count)
        half = error * half_of(count, after_looks(confidence, planned, count))
        holds = is_open & (mean - half > 0.0)
        wrong += int(holds.sum())
        is_open &= ~holds & (mean + half >= 0.0)
    assert wrong / trials <= 0.05
    assert wrong / trials > 0.02  # the first look alone


def half_of(count: int, confidence: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, 0.5 + confidence / 2.0))
