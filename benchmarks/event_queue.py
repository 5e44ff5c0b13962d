"""Measure the calendar of events alone, next to its own heap: ``python -m benchmarks.event_queue``.

The hold model (Vaucher and Duval, CACM 1975): so many events wait; the first is taken, and one is pushed at a random time after it.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from popsim.engine.compiled import calendar
from popsim.engine.compiled.days import better_days_per_ms
from popsim.engine.compiled.jit import Boxed, entry
from popsim.engine.compiled.state import initial_state
from popsim.engine.example import tiny_inputs
from popsim.engine.layout import Growth

SIZES = (20, 100, 1_000, 10_000, 100_000)
HOLDS = 1 << 20


def _gaps(law: str, rng: np.random.Generator, count: int) -> Any:
    """Return gaps in ms, of mean 1 but for the last law."""
    if law == "exponential":
        return rng.exponential(1.0, count)
    if law == "constant":
        return np.ones(count)
    if law == "bimodal":
        return np.where(rng.random(count) < 0.9, 0.1, 9.1) * rng.random(count) * 2.0
    return 10.0 ** rng.uniform(-4.0, 4.0, count)


LAWS = ("exponential", "constant", "bimodal", "over 8 decades")


@entry
def hold(st: Any, gaps: Any, most: int) -> None:
    """Take the first event and push it again after a gap, so many times."""
    for number in range(most):
        slot = calendar.next_slot(st, np.inf)
        now = st.slots[slot].at
        st.run[0].now = now
        calendar.remove(st, slot)
        later = now + gaps[number % gaps.shape[0]]
        calendar.push(st, later, st.slots[slot].key + gaps.shape[0], slot)


@entry
def hold_in_heap(st: Any, gaps: Any, most: int) -> None:
    """Do the same with all events in the heap."""
    for number in range(most):
        now, key, slot = st.heap[0].time, st.heap[0].key, st.heap[0].slot
        calendar.remove_first_far(st)
        later = now + gaps[number % gaps.shape[0]]
        calendar.push_far(st, later, key + gaps.shape[0], slot)


@entry
def fill(st: Any, times: Any, in_heap: int) -> None:
    """Push one event a slot."""
    for slot in range(times.shape[0]):
        if in_heap != 0:
            calendar.push_far(st, times[slot], slot, slot)
        else:
            calendar.push(st, times[slot], slot, slot)


def measured(law: str, size: int, *, in_heap: bool) -> float:
    """Return the ns of CPU time of one hold, the best of some stretches."""
    rng = np.random.default_rng(1)
    gaps = _gaps(law, rng, 1 << 16)
    state = initial_state(tiny_inputs(), Growth(slots=size))
    boxed, run = Boxed(state), state.run[0]
    fill(boxed, gaps[rng.integers(0, len(gaps), size)] * rng.random(size), np.int64(in_heap))
    least, stretch = float("inf"), 1 << 15
    for _ in range(HOLDS // stretch):
        began = time.process_time()
        (hold_in_heap if in_heap else hold)(boxed, gaps, np.int64(stretch))
        if not in_heap:  # as the plane does
            if (better := better_days_per_ms(run)) != run.days_per_ms:
                calendar.set_days(boxed, np.float64(better))
            run.taken, run.walked, run.skipped, run.pushed_far = 0, 0, 0, 0
        least = min(least, time.process_time() - began)
    return least / stretch * 1e9


def main() -> None:
    """Print ns a hold by how many events wait."""
    for law in LAWS:
        for size in SIZES:
            heap, days = (measured(law, size, in_heap=each) for each in (True, False))
            print(f"{law}, {size:,} events: heap {heap:.0f}, calendar {days:.0f} ns")


if __name__ == "__main__":
    main()
