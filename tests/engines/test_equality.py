"""Both engines give every request the same result, bit for bit.

``POPSIM_EQUALITY_CASES`` sets how many generated runs are compared (default 300; nightly: 10,000).
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from generate import case
from run_case import differences, run_compiled, run_specification

from popsim.engine.kv_layout import FAILED, TIERS
from popsim.engine.layout import Growth
from popsim.engine.recorder import C_ARRIVALS, C_DISCONNECTED, C_NO_ROUTE, C_OK, C_REQUESTS

CASES = int(os.environ.get("POPSIM_EQUALITY_CASES", "300"))
CHUNK = 25


@pytest.mark.parametrize("first", range(0, CASES, CHUNK))
def test_engines_agree_bit_for_bit(first: int) -> None:
    for seed in range(first, min(first + CHUNK, CASES)):
        one = run_specification(case(seed))
        other = run_compiled(case(seed))
        assert differences(one, other) == [], f"case {seed}"


def test_generator_reaches_every_outcome_and_many_requests() -> None:
    counters = np.sum([run_compiled(case(seed)).counters for seed in range(60)], axis=0)
    assert counters[C_ARRIVALS] > 15_000
    assert np.all(counters > 0), f"some counter never moves: {counters}"


def test_generator_reaches_everything_that_objects_count() -> None:
    books = [run_compiled(case(seed)).objects for seed in range(240)]
    columns = np.sum([each.by_class.sum(axis=0) for each in books], axis=0)
    assert np.all(columns > 0), f"some column never moves: {columns}"


def test_generator_reaches_everything_that_a_store_counts() -> None:
    books = [run_compiled(case(seed)).kv for seed in range(120)]
    columns = np.sum([each.by_space.sum(axis=0) for each in books], axis=0)
    assert np.all(columns > 0), f"some column never moves: {columns}"
    watched = [each for each in books if len(each.watched)]
    assert sum(int((each.seen >= 0.0).sum()) for each in watched) > 100


@pytest.mark.parametrize("seed", range(0, 120, 3))
def test_reads_are_conserved(seed: int) -> None:
    """Every key that is read is found at one tier, or not at all; places and key spaces add up to the same."""
    books = run_compiled(case(seed)).kv
    np.testing.assert_array_equal(books.by_space.sum(axis=0), books.by_site.sum(axis=0))
    reads = books.by_space[:, : len(TIERS)].sum()
    by_tier = books.histogram[: len(TIERS)].sum() if len(books.histogram) else 0
    failed = books.by_space[:, FAILED].sum()
    assert by_tier <= reads
    assert by_tier + failed > 0 or reads == 0


@pytest.mark.parametrize("seed", range(40))
def test_requests_are_conserved_and_phases_add_up(seed: int) -> None:
    books = run_compiled(case(seed))
    counters = books.counters
    failed = counters[C_NO_ROUTE : C_DISCONNECTED + 1].sum()
    assert counters[C_REQUESTS] == counters[C_OK] + failed == len(books.sample)
    answered = books.sample["outcome"] == 0
    total = books.sample["total_ms"][answered]
    np.testing.assert_allclose(books.sample_phases[answered].sum(axis=1), total, atol=1e-9)
    assert np.all(books.sample_phases >= 0.0)


@pytest.mark.smoke
@pytest.mark.parametrize("seed", [2, 5, 8, 11])
def test_start_sizes_of_arrays_change_nothing(seed: int) -> None:
    assert differences(run_compiled(case(seed)), run_compiled(case(seed), Growth())) == []


@pytest.mark.smoke
def test_a_few_cases_agree() -> None:
    for seed in range(10):
        assert differences(run_specification(case(seed)), run_compiled(case(seed))) == []
