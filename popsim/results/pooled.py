"""One platform's replications, merged exactly: every count is an integer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from popsim.engine.outputs import (
    COLD_PHASES,
    PHASES,
    REASONS,
    Floats,
    Ints,
    PlatformRun,
    SparseHist,
    bucket_edges,
)
from popsim.engine.sums import Sums, in_units, total, total_of_runs
from popsim.models.kv_replication.contract import FREE, Prices
from popsim.results.functions import FunctionBill, FunctionPool
from popsim.results.intervals import (
    Count,
    Extreme,
    Mean,
    Measure,
    Percentile,
    Share,
    Spread,
)
from popsim.results.kv import KvPool
from popsim.results.means import MeanWithZeros, histogram_mean
from popsim.results.objects import FREE_OBJECTS, ObjectPool
from popsim.results.statistics import Estimate, mean_of, quantile
from popsim.scenario.objects import ObjectPrices

Metric = Callable[["Pool"], float]
Bools = NDArray[np.bool_]
SHARES = {"failed_ratio": "failed_of", "cold_start_ratio": "cold_of"}
COUNTS = ("sent_count", "count", "failed_count")
WITHOUT_SETUP, FIRST_BYTE = PARTS = ("without_setup", "first_byte")
SETUP = ("dns", "connect", "tls")
WINDOW = 0.005  # share of requests on either side whose phases stand for a quantile's


def part_histogram(run: PlatformRun, name: str) -> Ints:
    """Return the histogram of a phase where it took time, or of WITHOUT_SETUP or FIRST_BYTE of all requests."""
    if name in PARTS:
        histogram: Ints = getattr(run, name)
        return histogram
    return np.asarray(run.phase_hist[PHASES.index(name)])


class Pool:
    """The runs of one platform; one run is a pool, too. ``prices`` are those of its key-value store.

    ``function_bill`` is what running its functions costs; None if prices are unknown. ``countries`` are those of its clients, if they are
    the clients of some countries alone: runs keep reads of key-value stores by country.
    """

    countries: tuple[str, ...] | None = None

    def __init__(
        self,
        runs: Sequence[PlatformRun],
        prices: Prices | None = FREE,
        object_prices: ObjectPrices = FREE_OBJECTS,
        function_bill: FunctionBill | None = None,
    ) -> None:
        self.runs, self.prices, self.object_prices = tuple(runs), prices, object_prices
        self.function_bill = function_bill
        self._groups: dict[str, SparseHist] = {}  # merged once; tables, JSON and figures all ask

    def of_runs(self, runs: Sequence[PlatformRun]) -> Pool:
        """Return some of the platform's runs, with its prices."""
        return Pool(runs, self.prices, self.object_prices, self.function_bill)

    @cached_property
    def latency(self) -> Ints:
        """Histogram of answered requests, shape (BUCKETS,)."""
        return np.asarray(sum(run.latency for run in self.runs))

    @cached_property
    def requests(self) -> int:
        """Requests after warm-up, answered or failed."""
        return sum(run.requests for run in self.runs)

    @cached_property
    def failed(self) -> dict[str, int]:
        """Failed requests by reason."""
        counts = np.sum([run.failed for run in self.runs], axis=0)
        return {reason: int(count) for reason, count in zip(REASONS, counts, strict=True)}

    @cached_property
    def answered(self) -> int:
        """Requests that were answered."""
        return int(self.latency.sum())

    def failed_by(self, reason: str) -> float:
        """Return the failed requests of a reason, per replication."""
        return self.failed[reason] / len(self.runs)

    def failures_by(self, name: str, reason: str) -> Measure:
        """Return ``failed`` requests of a reason per replication, or their ``failed_ratio`` over all sent."""
        if name == "failed":
            return Count([pool.failed_by(reason) for pool in self.each])
        counts = [(pool.failed[reason], pool.requests) for pool in self.each]
        return Share(*zip(*counts, strict=True))

    def p(self, percent: float) -> float:
        """Return a percentile of the latency in ms; nan without answered requests."""
        return float(np.clip(quantile(self.latency, percent / 100.0), *self.extremes))

    @property
    def mean(self) -> float:
        """Mean latency in ms, exact; nan without answered requests."""
        return _ratio(sum(run.latency_sum_ns for run in self.runs) / 1e6, self.answered)

    @property
    def min(self) -> float:
        """The shortest latency in ms, up to 0.8 % too long; nan without answered requests."""
        found = np.flatnonzero(self.latency)
        return max(self._edge(found[0], 0), self.extremes[0]) if len(found) else float("nan")

    @property
    def max(self) -> float:
        """The longest latency in ms, up to 0.8 % too long; nan without answered requests."""
        found = np.flatnonzero(self.latency)
        return min(self._edge(found[-1], 1), self.extremes[1]) if len(found) else float("nan")

    def _edge(self, bucket: int, side: int) -> float:
        return float(bucket_edges(bucket, buckets=len(self.latency))[side])

    @property
    def sent_count(self) -> float:
        """Requests sent, answered or not, per replication."""
        return self.requests / len(self.runs)

    @property
    def failed_count(self) -> float:
        """Requests that failed, per replication."""
        return sum(self.failed.values()) / len(self.runs)

    @property
    def count(self) -> float:
        """Answered requests per replication."""
        return self.answered / len(self.runs)

    @property
    def rate(self) -> float:
        """Answered requests per second of simulated time after the warm-up."""
        return _ratio(self.answered, self.measured_ms / 1e3)

    @property
    def measured_ms(self) -> float:
        """Simulated time after the warm-up in ms, over all replications."""
        return sum(run.measured_ms for run in self.runs)

    @property
    def instances(self) -> float:
        """Mean number of instances alive, with requests inside or idle."""
        alive_us = sum(run.busy_us + run.idle_us for run in self.runs)
        return _ratio(alive_us / 1e3, sum(run.measured_ms for run in self.runs))

    @property
    def memory(self) -> float:
        """Mean number of bytes that instances hold, all sites together."""
        return self.instances * self.runs[0].instance_bytes

    @property
    def failed_ratio(self) -> float:
        """Failed over all requests."""
        return _ratio(*self.failed_of)

    @property
    def cold_start_ratio(self) -> float:
        """Answered requests that caused an instance's start, over answered requests."""
        return _ratio(*self.cold_of)

    @cached_property
    def phase_sums_ns(self) -> Sums:
        """Time per phase summed over requests, by bucket of their total: [BUCKETS, PHASES]."""
        return total_of_runs(run.phase_sum_ns for run in self.runs)

    def phase_means(self) -> dict[str, float]:
        """Return the mean of every phase in ms; they add up to the mean latency."""
        return self._phases_between(0, len(self.latency))

    def phases_at(self, percent: float) -> dict[str, float]:
        """Return the phases in ms of the requests around a percentile of the total, half a percent on either side."""
        if self.answered == 0:
            return dict.fromkeys(PHASES, np.nan)
        ranks = np.cumsum(self.latency)
        window = min(WINDOW, 1.0 - percent / 100.0) or WINDOW
        ends = np.clip(np.array([-window, window]) + percent / 100.0, 0.0, 1.0) * self.answered
        first, last = np.searchsorted(ranks, np.maximum(np.ceil(ends), 1.0))
        return self._phases_between(int(first), int(last) + 1)

    def _phases_between(self, first: int, end: int) -> dict[str, float]:
        count = int(self.latency[first:end].sum())
        sums = in_units(total(self.phase_sums_ns[first:end], axis=0), 1e6)
        return {name: _ratio(float(ms), count) for name, ms in zip(PHASES, sums, strict=True)}

    def phase_p(self, phase: str, percent: float) -> float:
        """Return a percentile of one phase, or of WITHOUT_SETUP or FIRST_BYTE, in ms; 0 where it did not occur."""
        if self.answered == 0:
            return float("nan")
        positive = np.asarray(sum(part_histogram(run, phase) for run in self.runs))
        without = self.answered - int(positive.sum())
        share = percent / 100.0 * self.answered - without
        return quantile(positive, share / positive.sum()) if share > 0.0 else 0.0

    def phase_mean(self, phase: str) -> float:
        """Return the mean of one phase, or of WITHOUT_SETUP (exact) or FIRST_BYTE (within 0.4 %), in ms."""
        if phase == FIRST_BYTE:
            return mean_of(np.asarray(sum(run.first_byte for run in self.runs)))
        if phase == WITHOUT_SETUP:
            return self.mean - sum(self.phase_mean(part) for part in SETUP)
        return _ratio(total(self.phase_sums_ns[:, PHASES.index(phase)]) / 1e6, self.answered)

    def phase_average(self, phase: str) -> Measure:
        """Return the mean that ``phase_mean`` has, with what is known of its error."""
        if phase == FIRST_BYTE:
            return histogram_mean([run.first_byte for run in self.runs])
        counts = [pool.answered for pool in self.each]
        sums = [
            pool.phase_mean(phase) * count if count else 0.0
            for pool, count in zip(self.each, counts, strict=True)
        ]
        seen = [int(part_histogram(run, phase).sum()) for run in self.runs]
        mean = Mean(sums, counts) if phase == WITHOUT_SETUP else MeanWithZeros(sums, counts, seen)
        mean.value = self.phase_mean(phase)  # exact
        return mean

    def cold_start_phases_ms(self) -> dict[str, float]:
        """Return the mean of placement, code fetch and init over instance starts, hidden or not."""
        sums = in_units(total_of_runs(run.cold_phase_sum_ns for run in self.runs), 1e6)
        starts = sum(run.starts for run in self.runs)
        return {name: _ratio(float(ms), starts) for name, ms in zip(COLD_PHASES, sums, strict=True)}

    def failed_by_row(self, dimension: str) -> Ints:
        """Return failed requests by ``country``, ``site`` (and, last, none), ``network`` or ``client``."""
        name = "failures_over_time" if dimension == "country" else f"failures_by_{dimension}"
        rows: Ints = np.sum([getattr(run, name).row_counts() for run in self.runs], axis=0)
        if dimension != "country":
            return rows
        by_bin = rows.reshape(-1, len(self.runs[0].labels["country"]))
        return np.asarray(by_bin.sum(axis=0), np.int64)

    def groups(self, dimension: str) -> SparseHist:
        """Return histograms of ``country``, ``site``, ``network`` or ``client`` (coarse).

        Raises:
            ValueError: these are the runs of a selection.
        """
        if not self.runs[0].by:
            raise ValueError("the groups of a selection are not kept: select each of them")
        if dimension not in self._groups:
            self._groups[dimension] = SparseHist.merged(
                [run.cells if dimension == "client" else run.by[dimension] for run in self.runs]
            )
        return self._groups[dimension]

    @cached_property
    def kept(self) -> Floats | None:
        """Latencies in ms of all answered requests, if their runs kept every request in the sample; None if not."""
        if any(len(run.sample) != run.requests for run in self.runs):
            return None
        parts = [run.sample["total_ms"][self._chosen(run)] for run in self.runs]
        return np.concatenate(parts)

    def _chosen(self, run: PlatformRun) -> Bools:
        """Return which requests in the sample of a run are answered ones of this pool."""
        return np.asarray(run.sample["outcome"] == 0)

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """The shortest and the longest latency in ms if they are known better than to a bucket; else 0 and infinity."""
        if self.kept is None or not len(self.kept):
            return 0.0, math.inf
        return float(self.kept.min()), float(self.kept.max())

    def percentile(self, percent: float) -> Percentile:
        """Return a percentile of the latency with what is known of its error."""
        return Percentile([pool.latency for pool in self.each], percent, extremes=self.extremes)

    def phase_percentile(self, phase: str, percent: float) -> Percentile:
        """Return a percentile of one phase over all answered requests."""
        positive = [part_histogram(run, phase) for run in self.runs]
        zeros = [
            pool.answered - int(part.sum()) for pool, part in zip(self.each, positive, strict=True)
        ]
        return Percentile(positive, percent, zeros)

    def measure(self, name: str) -> Measure:
        """Return a number of all runs by its name here, such as ``mean`` or ``failed_ratio``."""
        if name == "mean":
            return self._mean()
        if name in ("min", "max"):
            return self._extreme(is_max=name == "max")
        if name in SHARES:
            counts = [getattr(pool, SHARES[name]) for pool in self.each]
            return Share(*zip(*counts, strict=True))
        if name in COUNTS:
            return Count([float(getattr(pool, name)) for pool in self.each])
        if name == "rate":
            seconds = self.measured_ms / 1e3 / len(self.runs)
            return Count([pool.count for pool in self.each], seconds)
        return self.spread(lambda pool: float(getattr(pool, name)))

    def _extreme(self, *, is_max: bool) -> Extreme:
        """Return the extreme, and how far it is at least: what was seen lies within its bucket."""
        found = np.flatnonzero(self.latency)
        surely = self.max if is_max else self.min
        if len(found) and self.kept is None:
            surely = self._edge(found[-1 if is_max else 0], 0 if is_max else 1)
        value = self.max if is_max else self.min
        return Extreme(value, is_max=is_max, replications=len(self.runs), surely=surely)

    def spread(self, metric: Metric) -> Spread:
        """Return a number of which each run has its own."""
        return Spread(metric(self), [metric(pool) for pool in self.each])

    def _mean(self) -> Measure:
        return Mean(
            [sum(run.latency_sum_ns for run in pool.runs) / 1e6 for pool in self.each],
            [pool.answered for pool in self.each],
        )

    @property
    def failed_of(self) -> tuple[int, int]:
        """Requests that failed, and all."""
        return sum(self.failed.values()), self.requests

    @property
    def cold_of(self) -> tuple[int, int]:
        """Answered requests that caused an instance's start, and all answered."""
        return sum(run.cold_starts for run in self.runs), self.answered

    def estimate(self, metric: Metric) -> Estimate:
        """Return a number of which each run has its own, with Student's t interval."""
        return self.spread(metric).estimate()

    @cached_property
    def kv(self) -> KvPool:
        """The platform's key-value store."""
        return KvPool(self.runs)

    @cached_property
    def objects(self) -> ObjectPool:
        """The platform's objects."""
        return ObjectPool(self.runs)

    @cached_property
    def functions(self) -> FunctionPool:
        """The platform's functions."""
        return FunctionPool(self.runs)

    def cost_by_part(self) -> dict[str, float]:
        """Return what functions, kv and objects cost, in USD per million requests; nan for functions of no known price."""
        bill = self.function_bill
        return {
            "functions": self.functions.cost_usd_per_million_requests(bill) if bill else math.nan,
            "kv": self.kv.cost_usd_per_million_requests(self.prices) if self.kv.is_used else 0.0,
            "objects": self.objects.cost_usd_per_million_requests(self.object_prices)
            if self.objects.is_used
            else 0.0,
        }

    @cached_property
    def cost(self) -> float:
        """What all of it costs, in USD per million requests sent; nan if the prices of functions are unknown."""
        return sum(self.cost_by_part().values())

    @property
    def cost_answered(self) -> float:
        """The same bill per million requests answered: a platform that fails is not cheaper for it."""
        return _ratio(self.cost * self.requests, self.answered)

    @cached_property
    def each(self) -> tuple[Pool, ...]:
        """One pool per run."""
        return tuple(self.of_runs([run]) for run in self.runs)


def _ratio(total: float, count: float) -> float:
    return total / count if count else float("nan")
