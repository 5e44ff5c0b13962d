"""Numbers about objects with what is known of their errors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from popsim.engine import object_books as ob
from popsim.engine.object_layout import PARTS
from popsim.engine.outputs import Ints, bucket_edges
from popsim.results.intervals import Extreme, Mean, Percentile, Share
from popsim.results.means import MeanWithZeros, histogram_mean, with_zeros
from popsim.results.objects import ObjectPool

Histogram = Callable[[ObjectPool], Ints]


def share(objects: ObjectPool, name: str) -> Share:
    """Return one of ``objects.RATIOS``."""
    counts = [each.counted(name) for each in objects.each]
    return Share([hits for hits, _ in counts], [tries for _, tries in counts])


def percentile(objects: ObjectPool, histogram: Histogram, percent: float) -> Percentile:
    """Return a percentile of what a histogram counts."""
    return Percentile([histogram(each) for each in objects.each], percent)


def mean(objects: ObjectPool, histogram: Histogram) -> Mean:
    """Return the mean of what a histogram counts."""
    return histogram_mean([histogram(each) for each in objects.each])


def longest_reconnect(objects: ObjectPool) -> Extreme:
    """Return the longest time without a session; surely, it is as long as its bucket begins."""
    found = np.flatnonzero(objects.reconnect)
    surely = float(bucket_edges(found[-1])[0]) if len(found) else math.nan
    runs = len(objects.runs)
    return Extreme(objects.reconnect_max, is_max=True, replications=runs, surely=surely)


def part_mean(objects: ObjectPool, part: str) -> MeanWithZeros:
    """Return the mean of a part over all answered calls; 0 where it took no time."""
    row = ob.FIRST_PART + PARTS.index(part)
    calls = [each.count("calls") for each in objects.each]
    return with_zeros([each.histogram(row) for each in objects.each], calls)


def part_percentile(objects: ObjectPool, part: str, percent: float) -> Percentile:
    """Return a percentile of a part over all answered calls; 0 where it took no time."""
    return _with_zeros(objects, ob.FIRST_PART + PARTS.index(part), "calls", percent)


def staleness_percentile(objects: ObjectPool, percent: float) -> Percentile:
    """Return a percentile of the staleness of replicas' answers; 0 for fresh ones."""
    return _with_zeros(objects, ob.STALENESS, "replica_reads", percent)


def _with_zeros(objects: ObjectPool, row: int, count: str, percent: float) -> Percentile:
    positive = [each.histogram(row) for each in objects.each]
    zeros = [
        each.count(count) - int(part.sum())
        for each, part in zip(objects.each, positive, strict=True)
    ]
    return Percentile(positive, percent, zeros)
