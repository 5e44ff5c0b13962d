"""The calendar of events against a sorted list, whatever is pushed and however long its days are."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from popsim.engine.compiled import calendar
from popsim.engine.compiled.days import LONGEST, SHORTEST, better_days_per_ms
from popsim.engine.compiled.jit import IS_COMPILED, Boxed, entry
from popsim.engine.compiled.plane import CompiledPlane
from popsim.engine.compiled.state import initial_state
from popsim.engine.example import single_site, tiny_inputs
from popsim.engine.layout import IDLE_NEVER, T_GAP, UNBOUNDED, Growth, Rules
from popsim.engine.tables import quantile_table
from popsim.scenario.laws import parse_law

SLOTS = 256
Event = tuple[float, int, int]  # ms, key, slot
Law = Callable[[np.random.Generator, float], float]


@entry
def push(st: Any, time: float, key: int, slot: int) -> None:
    """Push one event."""
    calendar.push(st, time, key, slot)


@entry
def next_slot(st: Any, limit: float) -> int:
    """Return the slot of the first event up to ``limit``."""
    return int(calendar.next_slot(st, limit))


@entry
def remove(st: Any, slot: int) -> None:
    """Remove what was found."""
    calendar.remove(st, slot)


class Queue:
    """A calendar alone, and the sorted list that it must agree with."""

    def __init__(self, days: int) -> None:
        self.state = initial_state(tiny_inputs(), Growth(slots=SLOTS, days=days))
        self.boxed = Boxed(self.state) if IS_COMPILED else self.state
        self.run = self.state.run[0]
        self.events: list[Event] = []
        self.free = list(range(SLOTS))
        self.keys = 0

    def push(self, time: float, key: int) -> None:
        """Let a free slot wait for an event."""
        slot = self.free.pop()
        insort(self.events, (time, key, slot))
        push(self.boxed, np.float64(time), np.int64(key), np.int64(slot))

    def take(self, limit: float) -> bool:
        """Take the first event up to ``limit``, which must be the list's; False if there is none."""
        slot = next_slot(self.boxed, np.float64(limit))
        if not self.events or self.events[0][0] > limit:
            assert slot == -1 or self.state.slots.at[slot] > limit
            return False
        time, _, expected = self.events.pop(0)
        assert slot == expected
        self.run.now = time
        remove(self.boxed, np.int64(slot))
        self.free.append(expected)
        return True

    def set_days(self, days_per_ms: float) -> None:
        """Make days shorter or longer."""
        calendar.set_days(self.boxed, np.float64(days_per_ms))


def soon(rng: np.random.Generator, now: float) -> float:
    """Return times a few ms ahead."""
    return now + rng.exponential(3.0)


def at_once(rng: np.random.Generator, now: float) -> float:
    """Return times that are often equal: now, or a whole ms that comes."""
    return float(rng.choice([now, np.ceil(now), np.ceil(now) + 1.0, np.ceil(now) + 7.0]))


def far_ahead(rng: np.random.Generator, now: float) -> float:
    """Return times from a microsecond to months ahead, and some that never come."""
    return now + 10.0 ** rng.uniform(-3.0, 10.0) if rng.random() < 0.99 else np.inf


def clustered(rng: np.random.Generator, now: float) -> float:
    """Return times just before and after multiples of a second."""
    return max(now, (np.floor(now / 1e3) + rng.integers(0, 3)) * 1e3 + rng.normal(0.0, 1e-3))


def gone_by(rng: np.random.Generator, now: float) -> float:
    """Return times before those that were taken, too: their day has passed."""
    return max(0.0, now + rng.normal(0.0, 50.0))


@pytest.mark.parametrize("days", [2, 16, 1 << 14])
@pytest.mark.parametrize("law", [soon, at_once, far_ahead, clustered, gone_by])
def test_calendar_is_a_sorted_list(days: int, law: Law) -> None:
    rng = np.random.default_rng(days)
    queue, now = Queue(days), 0.0
    for turn in range(600):
        for _ in range(min(int(rng.integers(0, 8)), len(queue.free))):
            queue.keys += 1
            key = queue.keys if rng.random() < 0.5 else (1 << 40) - queue.keys
            queue.push(law(rng, now), key)
        if turn % 50 == 49:
            queue.run.now = now
            queue.set_days(float(2.0 ** rng.integers(-20, 21)))
        limit = now + float(rng.choice([0.0, rng.exponential(5.0), rng.exponential(5e3)]))
        for _ in range(int(rng.integers(0, 10))):
            if not queue.take(limit):
                break
        now = max(now, min(limit, queue.events[0][0]) if queue.events else limit)
    while queue.events:
        assert queue.take(np.inf)
    assert not queue.take(np.inf)
    assert (queue.run.first, queue.run.on_days, queue.run.heap_size) == (-1, 0, 0)


def test_long_empty_stretches_are_crossed_at_once() -> None:
    """Nothing waits on any day for a year: the next event is found, and what follows it is near again."""
    queue, year_ms = Queue(16), 365 * 86_400e3
    queue.set_days(2.0**10)
    for number in range(20):
        queue.push(number * year_ms, number)
        queue.push(number * year_ms + 1e-3, 100 + number)
        assert queue.take(np.inf) and queue.take(np.inf)
    assert queue.run.skipped < 20 * 16


def test_events_at_one_time_cost_no_more_than_a_heap() -> None:
    """However many fall on one day in the worst order, nobody walks along all of them."""
    queue = Queue(16)
    for key in range(SLOTS):
        queue.push(5.0, key)
    assert next_slot(queue.boxed, np.float64(10.0)) >= 0
    assert queue.run.walked <= SLOTS * calendar.LONGEST_WALK
    assert queue.run.heap_size > SLOTS // 2
    while queue.events:
        assert queue.take(10.0)


def cost(**costs: float) -> Any:
    """Return what better_days_per_ms looks at."""
    nothing = {"days_per_ms": 1.0, "taken": 1000, "walked": 0, "skipped": 0, "pushed_far": 0}
    return SimpleNamespace(**nothing | costs)


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ({}, 1.0),
        ({"walked": 5_000}, 2.0),
        ({"skipped": 9_000}, 0.5),
        ({"pushed_far": 300}, 0.5),
        ({"pushed_far": 300, "walked": 2_000}, 1.0),  # longer days would cost more steps
        (
            {"walked": 5_000, "skipped": 3_000},
            1.0,
        ),  # bursts: shorter days would cost more empty ones
        ({"skipped": 9_000, "days_per_ms": LONGEST}, LONGEST),
        ({"walked": 5_000, "days_per_ms": SHORTEST}, SHORTEST),
    ],
)
def test_days_are_halved_or_doubled_by_what_events_cost(
    costs: dict[str, float], expected: float
) -> None:
    assert better_days_per_ms(cost(**costs)) == expected


@pytest.mark.skipif(not IS_COMPILED, reason="takes many events: needs the JIT")
@pytest.mark.parametrize("wrong", [2.0**-12, 2.0**12])
def test_days_of_a_wrong_length_are_mended_while_a_run_goes_on(wrong: float) -> None:
    """200 requests at a time: a run comes back to days that cost few steps, and has the same books."""
    laws = {T_GAP: quantile_table(parse_law({"exponential": {"mean": "0.05ms"}}))}
    service = quantile_table(parse_law({"exponential": {"mean": "10ms"}}))
    rules = Rules(
        duration=3_000.0,
        warmup=0.0,
        concurrency=UNBOUNDED,
        has_cold_start=False,
        idle_kind=IDLE_NEVER,
    )
    inputs = single_site(rules, laws, service)
    right, plane = CompiledPlane(inputs), CompiledPlane(inputs)
    calendar.set_days(plane.boxed, np.float64(plane.state.run[0].days_per_ms * wrong))
    right.advance(np.inf)
    plane.advance(2_500.0)
    run = plane.state.run[0]
    run.taken, run.walked, run.skipped, run.pushed_far = 0, 0, 0, 0
    plane.advance(2_900.0)
    assert run.walked < 5 * run.taken and run.skipped < 9 * run.taken
    assert 4 * run.pushed_far < run.taken
    plane.advance(np.inf)
    assert np.array_equal(plane.close().histogram, right.close().histogram)
