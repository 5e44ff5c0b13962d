"""Sums do not wrap: what engines add up is what Python's whole numbers add up to, in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import made, with_objects

from popsim.engine import kv_layout as kvl
from popsim.engine import object_layout as obl
from popsim.engine.outputs import PHASES, TIMELINE_COLUMNS, PlatformRun
from popsim.engine.recorder import nanoseconds
from popsim.engine.sums import CARRY, add, exact, in_units, no_sums, total, total_of_runs
from popsim.results.kv import KvPool
from popsim.results.objects import ObjectPool
from popsim.results.pooled import Pool
from popsim.results.selected import Windowed
from popsim.scenario.units import LONGEST_MS

ADDENDS = st.one_of(
    st.integers(0, 10), st.integers(CARRY - 5, CARRY - 1), st.integers(0, CARRY - 1)
)
PROPERTY = settings(deadline=None, derandomize=True)


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), ADDENDS), max_size=40))
def test_engines_add_up_what_whole_numbers_do(additions: list[tuple[int, int, int]]) -> None:
    sums, expected = no_sums(2, 3), [[0] * 3 for _ in range(2)]
    for row, column, amount in additions:
        add(sums, row, column, np.int64(amount))
        expected[row][column] += amount
    assert exact(sums).tolist() == expected


@PROPERTY
@given(
    st.lists(st.lists(st.integers(0, 2**80), min_size=3, max_size=3), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_runs_merge_exactly_in_any_order(rows: list[list[int]], random: object) -> None:
    runs = [_sums(row) for row in rows]
    expected = [sum(column) for column in zip(*rows, strict=True)]
    assert total_of_runs(runs).tolist() == expected
    random.shuffle(runs)  # type: ignore[attr-defined]
    assert total_of_runs(runs).tolist() == expected
    assert total(total_of_runs(runs)) == sum(expected)
    halves = [total_of_runs(half) for half in (runs[::2], runs[1::2]) if half]
    assert total_of_runs(halves).tolist() == expected


@pytest.mark.parametrize("value", [2**63 - 1, 2**63, 2**62])
def test_sums_of_sums_widen_when_they_must(value: int) -> None:
    runs = [_sums([value, 1])] * 3
    assert total_of_runs(runs).tolist() == [3 * value, 3]
    assert total(_sums([value, value])) == 2 * value
    both = np.array([[2**62, 1], [2**62, 2]], dtype=np.int64)
    assert total(both, axis=0).tolist() == [2**63, 3]


def test_units_keep_sixteen_digits() -> None:
    assert in_units(_sums([2**80, 3]), 1e6).tolist() == pytest.approx(
        [2**80 / 1e6, 3e-6], rel=1e-15
    )


def test_an_addend_fits() -> None:
    assert 0 < nanoseconds(np.nextafter(LONGEST_MS, 0.0)) < CARRY


HUGE = 3 * 2**64


def test_results_of_huge_sums_are_right(tmp_path: Path) -> None:
    """Sums of 64 bits and more pass through files, pools, windows and bills as they are."""
    run = _huge_run()
    run.save(tmp_path / "run.run")
    again = PlatformRun.load(tmp_path / "run.run")
    assert again.phase_sum_ns.tolist() == run.phase_sum_ns.tolist()
    assert again.latency_sum_ns == 2 * HUGE
    for runs in ([run, again], [again, run]):
        pool = Pool(runs)
        assert pool.answered == 4
        assert pool.mean == pytest.approx(HUGE / 1e6, rel=1e-15)
        assert sum(pool.phase_means().values()) == pytest.approx(pool.mean, rel=1e-15)
        assert pool.phase_mean("sleep") == pytest.approx(HUGE / 1e6, rel=1e-15)
        assert pool.cold_start_phases_ms()["init"] == pytest.approx(HUGE / 1e6, rel=1e-15)
        assert Windowed(pool, 0, 1).mean == pytest.approx(HUGE / 1e3, rel=1e-15)
        assert pool.functions.execute_ms == pytest.approx(0.0)
        assert KvPool(runs).bytes()["store"] == 2 * HUGE
        objects = ObjectPool(runs)
        assert objects.active_s == pytest.approx(2 * HUGE / 1e6, rel=1e-15)
        assert objects.billed_idle_s == pytest.approx(2 * HUGE / 1e6, rel=1e-15)
        assert objects.by_host()[0].tolist() == [12, 160, 30, 2 * HUGE, 12]
        assert objects.spawn_mean_by_site().iloc[0] == pytest.approx(HUGE / 1e6 / 6, rel=1e-15)


def _huge_run() -> PlatformRun:
    empty = with_objects()
    latency = empty.latency.copy()
    latency[-2] = 2
    timeline = np.zeros((1, len(TIMELINE_COLUMNS)), dtype=object)
    timeline[0] = [2, 0, 1, 2 * HUGE]
    phases = np.zeros((len(latency), len(PHASES)), dtype=object)
    phases[-2, PHASES.index("sleep")] = 2 * HUGE
    by_class, by_host = empty.objects_by_class.astype(object), empty.objects_by_host.astype(object)
    by_class[:, obl.O_ACTIVE_US], by_class[:, obl.O_IDLE_US] = [HUGE, 0], [0, HUGE]
    by_host[0, obl.H_ACTIVE_US] = HUGE
    by_space = np.zeros((1, kvl.KV_COLUMNS), dtype=object)
    by_space[0, kvl.K_BYTES_STORE] = HUGE
    coarse = np.zeros((1, len(latency) // 8), np.int64)
    coarse[0, -1] = 2
    return with_objects(
        requests=2,
        latency=latency,
        latency_sum_ns=2 * HUGE,
        phase_sum_ns=phases,
        starts=1,
        cold_phase_sum_ns=_sums([0, 0, HUGE]),
        timeline=timeline,
        timeline_hist=type(empty.timeline_hist).from_dense(coarse),
        kv_by_space=by_space,
        objects_by_class=by_class,
        objects_by_host=by_host,
        objects_spawn_ns=_sums([HUGE, 0, 0, 0]),
        labels=empty.labels | {"space": ("k",)},
    )


def _sums(values: list[int]) -> np.ndarray:
    is_large = max(values) >= 2**63
    return np.array(values, dtype=object if is_large else np.int64)


def test_small_runs_stay_small() -> None:
    assert total_of_runs([made().phase_sum_ns] * 3).dtype == np.int64
