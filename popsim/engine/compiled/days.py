"""How long the days of the calendar of events are: a guess at the start, then doubled or halved by what events have cost.

Short days cost steps over empty ones, long days cost steps along today's events, and few of either kind cost a heap for what lies
beyond the last day. None of it changes what comes next.
"""

from __future__ import annotations

import numpy as np

from popsim.engine.arrays import Row
from popsim.engine.draws import NODES
from popsim.engine.layout import MESSAGES, POISSON, T_GAP, Inputs

# Events between two looks: new days take a step for each day and each event
WINDOW, LONGEST_WINDOW = 1 << 12, 1 << 18
DAYS_PER_GAP = 4.0  # between two arrivals; a request has a few events
SHORTEST, LONGEST = 2.0**20, 2.0**-20  # days per ms
MOST_STEPS, MOST_SKIPS = 4, 8  # per event
MOST_FAR = 4  # one event of so many may lie beyond the last day


def days_per_ms(inputs: Inputs) -> float:
    """Return how many days a millisecond has at first: some per median gap between arrivals, where these have a law."""
    gap_ms = float(inputs.tables[T_GAP, NODES - 1])  # a negative one stands for pieces of a law
    if inputs.rules.arrivals not in (POISSON, MESSAGES) or gap_ms <= 0.0:
        return 1.0
    return float(np.clip(DAYS_PER_GAP / gap_ms, LONGEST, SHORTEST))


def better_days_per_ms(run: Row) -> float:
    """Return how many days a millisecond should have, by what the events since the last look have cost."""
    days, events = float(run.days_per_ms), int(run.taken)
    if run.walked > MOST_STEPS * events and run.skipped < MOST_SKIPS * events // 4:
        days *= 2.0
    elif run.skipped > MOST_SKIPS * events:
        days *= 0.5
    elif MOST_FAR * run.pushed_far > events and run.walked < events:
        days *= 0.5
    return min(max(days, LONGEST), SHORTEST)
