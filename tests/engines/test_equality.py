"""Both engines give every request the same result, bit for bit.

``POPSIM_EQUALITY_CASES`` sets how many generated runs are compared (default 300; nightly: 10,000).
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from generate import case
from run_case import differences, run_compiled, run_specification

from popsim.engine.layout import Growth
from popsim.engine.recorder import C_ARRIVALS, C_KILLED, C_NO_ROUTE, C_OK, C_REQUESTS, C_SITE_DOWN

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


@pytest.mark.parametrize("seed", range(40))
def test_requests_are_conserved_and_phases_add_up(seed: int) -> None:
    books = run_compiled(case(seed))
    counters = books.counters
    failed = counters[C_NO_ROUTE : C_KILLED + 1].sum()
    assert counters[C_REQUESTS] == counters[C_OK] + failed == len(books.sample)
    answered = books.sample["outcome"] == 0
    total = books.sample["total_ms"][answered]
    np.testing.assert_allclose(books.sample_phases[answered].sum(axis=1), total, atol=1e-9)
    assert np.all(books.sample_phases >= 0.0)
    assert C_SITE_DOWN < C_KILLED


@pytest.mark.smoke
@pytest.mark.parametrize("seed", [2, 5, 8, 11])
def test_start_sizes_of_arrays_change_nothing(seed: int) -> None:
    assert differences(run_compiled(case(seed)), run_compiled(case(seed), Growth())) == []


@pytest.mark.smoke
def test_a_few_cases_agree() -> None:
    for seed in range(10):
        assert differences(run_specification(case(seed)), run_compiled(case(seed))) == []
