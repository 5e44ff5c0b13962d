"""Place SimPy events at an exact time and rank: the only user of SimPy's private queue.

``env.timeout(delay)`` schedules at ``now + delay`` and orders equal times by insertion. Two engines can
only agree bit for bit if an event's time is stored as computed and equal times are ordered by
(rank, request number) (rule 1). SimPy compares (time, priority, insertion number); the key is given as
the priority, which exceeds SimPy's own URGENT (0) and NORMAL (1), so control events come first.
"""

from __future__ import annotations

from heapq import heappush
from typing import Any

import simpy

from popsim.engine.layout import RANK


def trigger_at(event: simpy.Event, time: float, rank: int, number: int) -> simpy.Event:
    """Trigger ``event`` at absolute ``time`` (ms), after everything of lower rank or number then."""
    env = event.env
    event._ok = True
    event._value = None
    queue: list[Any] = env._queue
    heappush(queue, (time, rank * RANK + number, next(env._eid), event))
    return event


def at(env: simpy.Environment, time: float, rank: int, number: int) -> simpy.Event:
    """Return a new event at absolute ``time`` (ms)."""
    return trigger_at(simpy.Event(env), time, rank, number)
