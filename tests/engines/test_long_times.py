"""Both engines give the same answer where times reach years and sums more than 64 bits, or refuse a run alike (rules 26, 55)."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from generate import Case
from generate_long import long_case
from run_case import differences, run_compiled, run_specification

from popsim.engine import cosimulation, recorder
from popsim.engine.layout import PHASE_COUNT
from popsim.engine.outputs import BUCKETS, bucket_edges
from popsim.engine.recorder import D_LATENCY_NS, LATENCY_US, Books
from popsim.engine.sums import CARRY, exact
from popsim.scenario.errors import RunError
from popsim.scenario.units import LONGEST_MS

CASES = int(os.environ.get("POPSIM_EQUALITY_CASES", "300")) // 5


def outcome(run: Callable[[Case], Books], case: Case) -> Books | str:
    """Return a run's books, or why it was refused."""
    try:
        return run(case)
    except RunError as error:
        return str(error)


def differ(one: Books | str, other: Books | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one != other
    return bool(differences(one, other))


def test_engines_agree_about_long_times() -> None:
    answers, refusals, carried = 0, 0, 0
    for seed in range(CASES):
        one = outcome(run_specification, long_case(seed))
        other = outcome(run_compiled, long_case(seed))
        assert not differ(one, other), f"long case {seed}"
        refusals += isinstance(other, str)
        if isinstance(other, Books):
            answers += 1
            carried += int(other.durations[1, D_LATENCY_NS] > 0)
            assert_sums_are_right(other)
    assert refusals > 0 and min(answers, carried) >= CASES // 5, (answers, refusals, carried)


def assert_sums_are_right(books: Books) -> None:
    """The generated runs keep every request whole: all sums can be told from these."""
    answered = books.sample["outcome"] == 0
    totals = books.sample["total_ms"][answered].tolist()
    assert exact(books.durations)[0, D_LATENCY_NS] == sum(int(t * 1e6 + 0.5) for t in totals)
    assert exact(books.timeline)[:, LATENCY_US].sum() == sum(int(t * 1e3 + 0.5) for t in totals)
    phases = books.sample_phases[answered]
    for phase in range(PHASE_COUNT):
        expected = sum(int(ms * 1e6 + 0.5) for ms in phases[:, phase].tolist() if ms > 0.0)
        assert sum(exact(books.phase_sum_ns)[:, phase].tolist()) == expected
    assert books.histogram[0].sum() == len(totals)
    if totals:
        low, high = bucket_edges(np.flatnonzero(books.histogram[0]))
        assert low[0] <= min(totals) < high[0]
        assert low[-1] <= max(totals) < high[-1]


def wraps(sums: np.ndarray, row: int, column: int, amount: int) -> None:
    """Rule 26: sums of 64 bits, which wrap."""
    with np.errstate(over="ignore"):
        sums[row, column] += np.int64(amount)


def test_rule_26_breach_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "add", wraps)
    cases = [long_case(seed) for seed in range(60)]
    assert any(differ(outcome(run_specification, c), outcome(run_compiled, c)) for c in cases)


def test_rule_55_breach_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SimPy engine runs on at what is the compiled one's end of time."""

    def unlimited(case: Case) -> Books:
        with monkeypatch.context() as patch:
            patch.setattr(cosimulation, "LONGEST_MS", np.inf)
            return run_specification(case)

    cases = [long_case(seed) for seed in range(40)]
    assert any(differ(outcome(unlimited, c), outcome(run_compiled, c)) for c in cases)


def test_a_time_beyond_the_last_bucket_is_refused() -> None:
    assert bucket_edges(BUCKETS - 1)[0] == LONGEST_MS
    below = np.nextafter(LONGEST_MS, 0.0)
    assert recorder.bucket_of(below) == BUCKETS - 2
    for ms in (LONGEST_MS, 2.0 * LONGEST_MS, np.inf, np.nan):
        with pytest.raises(RunError, match="longer than 138 years"):
            recorder.bucket_of(ms)
    assert int(LONGEST_MS * 1e6) < CARRY
