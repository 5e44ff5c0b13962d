"""Intervals of what is computed from several measures, and of decisions that were waited for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from popsim.results.effective import mean_error
from popsim.results.intervals import Measure

STEP = 1e-6  # for a derivative, relative
MOST_CORNERS = 8  # measures that are combined without pairs


def combined(
    value_of: Callable[[Sequence[float]], float],
    measures: Sequence[Measure],
    confidence: float,
    growth: float = 1.0,
) -> tuple[float, float]:
    """Return the interval of something that is computed from several measures of the same replications.

    One measure hands its interval on. Several are compared in pairs, replication by replication, where the errors of
    all are about normal: what replications have in common cancels out. Else each may lie anywhere in its interval.
    """
    if len(measures) == 1:
        return _extent(value_of, measures, confidence, growth)
    count = measures[0].replications
    are_paired = all(each.is_regular and each.replications == count for each in measures)
    if not are_paired or count < 2:
        return _extent(value_of, measures, confidence, growth)
    values = [each.value for each in measures]
    value, moves, slack = value_of(values), np.zeros(count), 0.0
    for place, each in enumerate(measures):
        step = STEP * max(abs(each.value), STEP)
        up, down = (
            value_of([*values[:place], each.value + side * step, *values[place + 1 :]])
            for side in (1.0, -1.0)
        )
        slope = (up - down) / (2.0 * step)
        moves += slope * each.influence()
        slack += abs(slope) * each.slack
    half = mean_error(moves, confidence, growth) + slack
    return value - half, value + half


def independent(
    value_of: Callable[[Sequence[float]], float], measures: Sequence[Measure], confidence: float
) -> tuple[float, float]:
    """Return the interval of what is computed from independent measures: the moves to their ends add up as squares.

    Intervals need not be symmetric (G. Y. Zou and A. Donner, Statistics in Medicine 27, 2008: MOVER).
    """
    values = [each.value for each in measures]
    value, down, up = value_of(values), 0.0, 0.0
    for place, each in enumerate(measures):
        moved = [
            value_of([*values[:place], end, *values[place + 1 :]]) - value
            for end in each.interval(confidence)
        ]
        if any(math.isnan(move) for move in moved):
            return math.nan, math.nan
        down += min(0.0, *moved) ** 2
        up += max(0.0, *moved) ** 2
    return value - math.sqrt(down), value + math.sqrt(up)


def _extent(
    value_of: Callable[[Sequence[float]], float],
    measures: Sequence[Measure],
    confidence: float,
    growth: float,
) -> tuple[float, float]:
    """Return the least and the most, if each measure may lie anywhere in its interval."""
    ends = [(*each.interval(confidence, growth), each.value) for each in measures]
    if any(math.isnan(end) for three in ends for end in three):
        return math.nan, math.nan
    if len(ends) > MOST_CORNERS:
        return -math.inf, math.inf
    found = [value_of(corner) for corner in product(*(dict.fromkeys(three) for three in ends))]
    if any(math.isnan(value) for value in found):
        return -math.inf, math.inf
    return min(found), max(found)


def after_looks(confidence: float, planned: int, replications: int) -> float:
    """Return the confidence of a decision after more replications than were planned.

    Who looks again and again, until chance decides, errs more often than one look does. In the k-th doubling of the
    planned number an error is allowed for one half to the power k + 1 of the share that the first look may err in. So
    all looks after the first, however many there are, err no more often than the first.

    >>> after_looks(0.95, 10, 10), after_looks(0.95, 10, 20), after_looks(0.95, 10, 21)
    (0.95, 0.9875, 0.99375)
    """
    if replications <= planned:
        return confidence
    doublings = math.ceil(math.log2(replications / planned) - 1e-9)
    return 1.0 - (1.0 - confidence) / 2.0 ** (doublings + 1)
