"""What was kept of some requests apart: runs of those alone, so that all that can be asked of a run can be asked of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from popsim.engine.layout import OUTCOMES
from popsim.engine.outputs import BUCKETS, PHASES, PlatformRun, SparseHist
from popsim.engine.selections import (
    SELECTED_COLD,
    SELECTED_FIRST_BYTE,
    SELECTED_LATENCY_NS,
    SELECTED_PHASE,
    SELECTED_ROWS,
    SELECTED_TOTAL,
    SELECTED_WITHOUT_SETUP,
)
from popsim.results.pooled import Pool
from popsim.scenario.selections import Selection


def is_kept_apart(pool: Pool, selection: Selection) -> bool:
    """Tell whether runs have kept these requests apart."""
    return all(selection.key in run.labels.get("selection", ()) for run in pool.runs)


def selected(pool: Pool, selection: Selection) -> Pool:
    """Return a platform's requests that a selection keeps; what instances, stores and objects did is not kept so."""
    return pool.of_runs([selected_run(run, selection) for run in pool.runs])


def selected_run(run: PlatformRun, selection: Selection) -> PlatformRun:
    """Return a run in which nothing but the requests of a selection was counted.

    Raises:
        KeyError: the run has not kept it.
    """
    if selection.key not in run.labels.get("selection", ()):
        raise KeyError(f"these requests were not kept apart: {selection.key}")
    row = run.labels["selection"].index(selection.key)
    first = row * SELECTED_ROWS
    counts = run.selected_counts[row]
    duration = run.timeline_bin_ms * len(run.timeline)
    begin, end = selection.window(duration)
    latency_ns = int(counts[SELECTED_LATENCY_NS])
    asked, failed = int(counts[:OUTCOMES].sum()), int(counts[1:OUTCOMES].sum())
    cold = int(counts[SELECTED_COLD])

    def histogram(place: int) -> np.ndarray:
        return run.selected_hist.dense_row(first + place)

    return replace(
        run,
        requests=asked,
        failed=counts[1:OUTCOMES].astype(np.int64),
        latency=histogram(SELECTED_TOTAL),
        by={},
        cells=_nothing(run.cells),
        phase_hist=np.stack([histogram(SELECTED_PHASE + number) for number in range(len(PHASES))]),
        without_setup=histogram(SELECTED_WITHOUT_SETUP),
        first_byte=histogram(SELECTED_FIRST_BYTE),
        phase_sum_ns=run.selected_phase_sum_ns[row * BUCKETS : (row + 1) * BUCKETS],
        latency_sum_ns=latency_ns,
        cold_starts=cold,
        timeline=np.array([[asked, failed, cold, latency_ns // 1000]]),
        timeline_hist=_nothing(run.timeline_hist),
        timeline_bin_ms=min(end, duration),
        warmup_ms=min(max(begin, run.warmup_ms), min(end, duration)),
        failures_over_time=_nothing(run.failures_over_time),
        failures_by_client=_nothing(run.failures_by_client),
        failures_by_site=_nothing(run.failures_by_site),
        failures_by_network=_nothing(run.failures_by_network),
        sample=run.sample[:0],
        sample_phases=run.sample_phases[:0],
    )


def _nothing(hist: SparseHist) -> SparseHist:
    return replace(hist, rows=hist.rows[:0], buckets=hist.buckets[:0], counts=hist.counts[:0])
