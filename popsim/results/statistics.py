"""Quantiles and means of histograms, and what a number with its interval is; ``intervals`` computes these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popsim.engine.outputs import Floats, Ints, SparseHist, bucket_edges, bucket_value
from popsim.scenario.text import quoted

CONFIDENCE = 0.95
MOST_REPLICATIONS = 10_000  # that a scenario may ask for


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % confidence interval.

    An end is infinite, or 0, where too few requests were seen to bound it; nan where one replication gives no interval.
    """

    value: float
    low: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """Half the interval's width over the value; infinite where there is no interval."""
        if not math.isfinite(self.high - self.low) or self.value <= 0.0:
            return math.inf
        return (self.high - self.low) / 2.0 / self.value

    @property
    def is_lopsided(self) -> bool:
        """Tell whether half of the width would say too little: one side is longer than twice the other, or open."""
        below, above = self.value - self.low, self.high - self.value
        return math.isfinite(below) and max(below, above) > 2.0 * min(below, above)

    def to_json_dict(self) -> dict[str, float | None]:
        """Return value, low and high; None for what is not there."""
        return {name: finite(getattr(self, name)) for name in ("value", "low", "high")}


def finite(value: float) -> float | None:
    """Return a number for JSON, which knows neither nan nor infinity; six significant digits."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def check_percent(percent: float) -> None:
    """Raise ValueError or TypeError for what is no percentile: 950 was meant as 95, and -5 as nothing."""
    try:
        is_one = 0.0 < percent < 100.0
    except TypeError:
        raise TypeError(f"a percentile is a number, got {quoted(percent)}") from None
    if not is_one:
        raise ValueError(f"a percentile lies between 0 and 100, got {quoted(percent)}")


def quantile(histogram: Ints, probability: float) -> float:
    """Return the value with that share of counts below it, in ms; nan if there is none.

    Counts are taken to lie evenly within their bucket: exact to well under 0.1 % for smooth distributions,
    within 0.8 % (6 % for coarse buckets) where many requests take exactly the same time.
    """
    total = int(histogram.sum())
    if total == 0:
        return math.nan
    ranks = np.cumsum(histogram)
    rank = min(max(probability * total, 0.5), total - 0.5)
    bucket = int(np.searchsorted(ranks, rank))
    within = (rank - (ranks[bucket] - histogram[bucket])) / histogram[bucket]
    low, high = bucket_edges(bucket, buckets=len(histogram))
    return float(low + within * (high - low))


def row_quantiles(histograms: SparseHist, percents: Sequence[float]) -> Floats:
    """Return percentiles in ms of every row, [percent, row]: the same as ``quantile`` of each; nan for empty rows."""
    totals = histograms.row_counts()
    filled = np.flatnonzero(totals)
    before, totals = (np.cumsum(totals) - totals)[filled], totals[filled]  # counts of earlier rows
    ranks = np.cumsum(histograms.counts)
    found = np.full((len(percents), histograms.n_rows), np.nan)
    for number, percent in enumerate(percents):
        rank = np.clip(percent / 100.0 * totals, 0.5, totals - 0.5)
        place = np.searchsorted(ranks, before + np.ceil(rank).astype(np.int64))
        inside = histograms.counts[place]
        within = (rank - (ranks[place] - before - inside)) / inside
        low, high = bucket_edges(histograms.buckets[place], buckets=histograms.n_buckets)
        found[number, filled] = low + within * (high - low)
    return found


def quantile_with_zeros(positive: Ints, count: int, percent: float) -> float:
    """Return a percentile of ``count`` values, of which those above 0 are in the histogram."""
    if count == 0:
        return float("nan")
    known = int(positive.sum())
    rank = percent / 100.0 * count - (count - known)
    return quantile(positive, rank / known) if rank > 0.0 else 0.0


def mean_with_zeros(positive: Ints, count: int) -> float:
    """Return the mean of ``count`` values, of which those above 0 are in the histogram."""
    known = int(positive.sum())
    if known == 0:
        return 0.0 if count else float("nan")
    return mean_of(positive) * known / count


def mean_of(histogram: Ints) -> float:
    """Return the mean of a histogram's buckets in ms; nan if it is empty."""
    total = int(histogram.sum())
    if total == 0:
        return math.nan
    values = bucket_value(np.arange(len(histogram)), buckets=len(histogram))
    return float(values @ histogram) / total
