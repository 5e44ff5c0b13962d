"""Some of a platform's requests: those of places, networks and sites, and those of a window of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from popsim.engine.outputs import (
    BUCKETS,
    REASONS,
    TIMELINE_COLUMNS,
    Floats,
    Ints,
    PlatformRun,
    SparseHist,
    bucket_index,
)
from popsim.engine.sums import total, total_of_runs
from popsim.results.intervals import Mean, Measure, Percentile
from popsim.results.means import histogram_mean
from popsim.results.pooled import Bools, Pool
from popsim.results.statistics import mean_of
from popsim.scenario.errors import InputError, Problem

# The column of the sample by which a group's requests are found
SAMPLE_COLUMNS = {"client": "client", "site": "ingress", "network": "network"}


class _Part(Pool):
    """Some of a platform's requests, as far as runs keep them by group: not their phases; ``selections`` keep these, too."""

    def _failed(self, run: PlatformRun) -> Ints:
        """Return failed requests by reason, shape (REASONS,)."""
        raise NotImplementedError

    @cached_property
    def failed(self) -> dict[str, int]:
        """Failed requests of the part by reason."""
        counts = np.sum([self._failed(run) for run in self.runs], axis=0)
        return {reason: int(count) for reason, count in zip(REASONS, counts, strict=True)}

    @cached_property
    def requests(self) -> int:
        """Requests of the part, answered or failed."""
        return self.answered + sum(self.failed.values())

    def phase_percentile(self, phase: str, percent: float) -> Percentile:
        """Raise InputError: phases are kept of selections alone."""
        raise _not_kept(phase)

    def phase_mean(self, phase: str) -> float:
        """Raise InputError: phases are kept of selections alone."""
        raise _not_kept(phase)

    def phase_average(self, phase: str) -> Measure:
        """Raise InputError: phases are kept of selections alone."""
        raise _not_kept(phase)


class Restricted(_Part):
    """A platform's requests from some groups alone."""

    def __init__(self, pool: Pool, dimension: str, rows: Sequence[int]) -> None:
        super().__init__(pool.runs, pool.prices, pool.object_prices, pool.function_bill)
        self.dimension, self.rows = dimension, tuple(rows)
        if dimension == "country":
            self.countries = tuple(self.runs[0].labels["country"][row] for row in self.rows)

    def _failed(self, run: PlatformRun) -> Ints:
        hist = run.failures_over_time
        groups = hist.rows % len(run.labels["country"])  # over all bins of time
        if self.dimension != "country":
            hist = getattr(run, f"failures_by_{self.dimension}")
            groups = hist.rows
        return _by_reason(hist, np.isin(groups, self.rows))

    @property
    def cold_of(self) -> tuple[int, int]:
        """Raise InputError: cold starts are kept of selections and over time."""
        raise _not_kept("cold_start_ratio")

    @cached_property
    def latency(self) -> Ints:
        """Histogram of the groups' answered requests: of clients coarse, unless all requests were kept."""
        if self.kept is not None:
            return _fine(self.kept)
        return self.groups(self.dimension).rows_merged(self.rows)

    @cached_property
    def kept(self) -> Floats | None:
        """Latencies of all requests, if all were kept; the sample does not say which country one came from."""
        return super().kept if self.dimension in SAMPLE_COLUMNS else None

    def _chosen(self, run: PlatformRun) -> Bools:
        inside = np.isin(run.sample[SAMPLE_COLUMNS[self.dimension]], self.rows)
        return np.asarray(inside & (run.sample["outcome"] == 0))

    @property
    def mean(self) -> float:
        """Mean latency in ms from the histogram's buckets, within 0.4 % (3 % if coarse)."""
        if self.kept is not None:
            return float(self.kept.mean()) if len(self.kept) else math.nan
        return mean_of(self.latency)

    def _mean(self) -> Measure:
        if self.kept is not None:
            kept = [pool.kept for pool in self.each]
            return Mean.of([(float(part.sum()), len(part)) for part in kept if part is not None])
        return histogram_mean([pool.latency for pool in self.each])

    @cached_property
    def each(self) -> tuple[Pool, ...]:
        """One pool per run."""
        parts = [self.of_runs([run]) for run in self.runs]
        return tuple(Restricted(part, self.dimension, self.rows) for part in parts)


class Windowed(_Part):
    """A platform's requests that began in some bins of the timeline; phases are not kept over time."""

    def __init__(self, pool: Pool, first: int, end: int) -> None:
        super().__init__(pool.runs, pool.prices, pool.object_prices, pool.function_bill)
        self.first, self.end = first, end

    @cached_property
    def latency(self) -> Ints:
        """Histogram of the bins' answered requests: coarse, unless all requests were kept."""
        if self.kept is not None:
            return _fine(self.kept)
        rows = range(self.first, self.end)
        return np.asarray(sum(run.timeline_hist.rows_merged(rows) for run in self.runs))

    def _chosen(self, run: PlatformRun) -> Bools:
        last = len(run.timeline) - 1
        bins = np.minimum((run.sample["start_ms"] / run.timeline_bin_ms).astype(np.int64), last)
        inside = (self.first <= bins) & (bins < self.end)
        return np.asarray(inside & (run.sample["outcome"] == 0))

    @cached_property
    def _sums(self) -> dict[str, int]:
        bins = total_of_runs(run.timeline[self.first : self.end] for run in self.runs)
        counts = total(bins, axis=0)
        return {name: int(n) for name, n in zip(TIMELINE_COLUMNS, counts, strict=True)}

    @property
    def mean(self) -> float:
        """Mean latency in ms, exact to a µs per request."""
        return _ratio(self._sums["latency_us"] / 1e3, self.answered)

    def _mean(self) -> Measure:
        parts = [(pool._sums["latency_us"] / 1e3, pool.answered) for pool in self._each]
        return Mean.of(parts)

    def _failed(self, run: PlatformRun) -> Ints:
        bins = run.failures_over_time.rows // len(run.labels["country"])
        return _by_reason(run.failures_over_time, (bins >= self.first) & (bins < self.end))

    @property
    def cold_of(self) -> tuple[int, int]:
        """Answered requests of the bins that caused an instance's start, and all answered."""
        return self._sums["cold"], self.answered

    @property
    def measured_ms(self) -> float:
        """Simulated time of the bins after the warm-up in ms, over all replications."""
        run = self.runs[0]
        begin = max(self.first * run.timeline_bin_ms, run.warmup_ms)
        return len(self.runs) * max(self.end * run.timeline_bin_ms - begin, 0.0)

    @cached_property
    def each(self) -> tuple[Pool, ...]:
        """One pool per run."""
        return self._each

    @cached_property
    def _each(self) -> tuple[Windowed, ...]:
        parts = [self.of_runs([run]) for run in self.runs]
        return tuple(Windowed(part, self.first, self.end) for part in parts)


def _by_reason(hist: SparseHist, chosen: Bools) -> Ints:
    counts = np.zeros(len(REASONS), np.int64)
    np.add.at(counts, hist.buckets[chosen], hist.counts[chosen])
    return counts


def _not_kept(what: str) -> InputError:
    message = f"{what} of these requests was not kept apart"
    hint = "run the scenario again with this claim, or with selections"
    return InputError([Problem(None, None, None, (), message, hint)])


def _fine(ms: Floats) -> Ints:
    """Return the histogram of latencies in ms."""
    return np.asarray(np.bincount(bucket_index(ms), minlength=BUCKETS), np.int64)


def _ratio(total: float, count: float) -> float:
    return total / count if count else float("nan")
