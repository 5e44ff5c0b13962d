"""Means of what histograms count, and of what most requests have nothing of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from popsim.engine.outputs import Ints
from popsim.results.effective import REGULAR_EVENTS
from popsim.results.intervals import RARE_EVENTS, Mean, Share, mean_slack
from popsim.results.statistics import mean_of


def histogram_mean(parts: Sequence[Ints]) -> Mean:
    """Return the mean of histograms by replication; how far off their buckets are is part of its interval."""
    counts = [int(part.sum()) for part in parts]
    sums = [n * mean_of(part) if n else 0.0 for n, part in zip(counts, parts, strict=True)]
    return Mean(sums, counts, mean_slack(np.asarray(sum(parts))))


class MeanWithZeros(Mean):
    """The mean over all requests of what takes time in some of them, such as a cold start; ``seen`` are these, by replication.

    Where they are rare, few replications show how much it varies, and none at all shows nothing. The interval then
    holds, too, what follows from how many there may be, each as long as those that were seen; how long one is of which none was
    seen is not known at all, unless ``is_possible`` is false: then there is none.
    """

    def __init__(
        self, sums: Sequence[float], counts: Sequence[float], seen: Sequence[float], slack: float = 0.0
    ) -> None:  # fmt: skip
        super().__init__(sums, counts, slack)
        self.seen = np.asarray(seen, np.float64)
        self.is_possible = True

    @property
    def is_regular(self) -> bool:  # type: ignore[override]
        """Tell whether those that take time are many in a replication, or that there can be none."""
        return float(self.seen.mean()) >= REGULAR_EVENTS or not (
            self.is_possible or self.seen.any()
        )

    @property
    def is_unseen(self) -> bool:
        """Tell whether none was seen, although there may be some."""
        return self.is_possible and not self.seen.any() and bool(self.counts.any())

    def interval(self, confidence: float, growth: float = 1.0) -> tuple[float, float]:
        """Return Student's t interval; with few that take time, wider by how many there may be."""
        low, high = super().interval(confidence, growth)
        if float(self.seen.mean()) >= RARE_EVENTS or self.replications < 2:
            return low, high
        if not self.seen.any():
            return low, math.inf if self.is_unseen else high
        share = Share(list(self.seen), list(self.counts))
        least, most = (self.value * end / share.value for end in share.interval(confidence, growth))
        return max(0.0, min(low, least)), max(high, most)


def with_zeros(parts: Sequence[Ints], counts: Sequence[int]) -> MeanWithZeros:
    """Return the mean over ``counts`` values by replication, of which those above 0 are in histograms."""
    above = histogram_mean(parts)
    total, seen = sum(counts), float(above.counts.sum())
    slack = above.slack * seen / total if total else 0.0
    return MeanWithZeros(list(above.sums), counts, list(above.counts), slack)
