from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popsim.engine.outputs import (
    BUCKETS,
    COARSE,
    SparseHist,
    bucket_edges,
    bucket_index,
    bucket_value,
)
from popsim.results.statistics import mean_of, quantile, row_quantiles


def histogram(values: np.ndarray, buckets: int = BUCKETS) -> np.ndarray:
    index = bucket_index(values) // (BUCKETS // buckets)
    return np.bincount(index, minlength=buckets)


@given(st.floats(min_value=2**-7, max_value=1e6))
def test_a_value_lies_in_its_bucket(ms: float) -> None:
    bucket = int(np.ravel(bucket_index(ms))[0])
    low, high = bucket_edges(bucket)
    assert low <= ms < high
    assert bucket == 0 or high / low <= 1.0 + 1.0 / 128


def test_quantiles_agree_with_numpy() -> None:
    values = np.random.default_rng(1).lognormal(3.0, 1.0, 200_000)
    for p in (0.01, 0.5, 0.9, 0.95, 0.99):
        assert quantile(histogram(values), p) == pytest.approx(np.quantile(values, p), rel=1e-3)
        assert quantile(histogram(values, COARSE), p) == pytest.approx(
            np.quantile(values, p), rel=0.01
        )
    assert mean_of(histogram(values)) == pytest.approx(values.mean(), rel=1e-3)


@pytest.mark.parametrize("atom", [0.02, 1.0, 13.0, 882.0])
def test_quantiles_of_an_atom_are_within_a_bucket(atom: float) -> None:
    counts = histogram(np.full(1_000, atom))
    for p in (0.001, 0.5, 0.999):
        assert quantile(counts, p) == pytest.approx(atom, rel=0.008)


def test_nothing_has_no_quantile() -> None:
    assert math.isnan(quantile(np.zeros(BUCKETS, np.int64), 0.5))
    assert math.isnan(mean_of(np.zeros(BUCKETS, np.int64)))


def test_sparse_histograms_merge_exactly() -> None:
    rng = np.random.default_rng(3)
    dense = [rng.poisson(0.1, (7, COARSE)) for _ in range(3)]
    parts = [SparseHist.from_dense(each) for each in dense]
    merged, whole = SparseHist.merged(parts), sum(dense)
    assert np.array_equal(merged.rows_merged(range(7)), whole.sum(axis=0))
    assert np.array_equal(merged.dense_row(3), whole[3])
    assert np.array_equal(merged.row_counts(), whole.sum(axis=1))
    assert len(merged.counts) == np.count_nonzero(whole)
    nothing = SparseHist.from_dense(np.zeros((7, COARSE), np.int64))
    assert not len(SparseHist.merged([nothing, nothing]).counts)
    with pytest.raises(ValueError, match="cannot merge"):
        SparseHist.merged([*parts, SparseHist.from_dense(dense[0][:3])])


def test_rows_add_up_to_those_of_their_groups() -> None:
    dense = np.random.default_rng(4).poisson(0.5, (7, COARSE))
    group = np.array([2, 0, 2, 1, 0, 0, 2])
    grouped = SparseHist.from_dense(dense).regrouped(group, 4)
    for number in range(4):
        assert np.array_equal(grouped.dense_row(number), dense[group == number].sum(axis=0))


def test_percentiles_of_many_rows_are_those_of_each() -> None:
    rng = np.random.default_rng(5)
    dense = rng.poisson(rng.choice([0.0, 0.001, 0.01, 3.0, 1e6], (200, 1)), (200, COARSE))
    dense[:50] *= dense[:50].cumsum(axis=1) <= 1  # nothing, or one request
    percents = (0.1, 10.0, 50.0, 90.0, 95.0, 99.0, 99.9)
    found = row_quantiles(SparseHist.from_dense(dense), percents)
    expected = [[quantile(row, percent / 100.0) for row in dense] for percent in percents]
    assert np.array_equal(found, expected, equal_nan=True)  # to the last digit
    assert 0 < np.isnan(found).sum() < found.size


def test_bucket_values_are_in_the_middle() -> None:
    low, high = bucket_edges(np.arange(1, BUCKETS))
    np.testing.assert_allclose(bucket_value(np.arange(1, BUCKETS)), (low + high) / 2)
