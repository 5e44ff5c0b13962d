"""Keep the books of a run: histograms, sums, counters, timeline and a sample of whole requests.

Sums are integers (nanoseconds, microseconds) that never wrap (``sums``), so that neither the order of additions nor the
merging of runs changes a digit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popsim.engine.arrays import Floats, Ints
from popsim.engine.kv_books import KvBooks
from popsim.engine.layout import OK, PHASE_COUNT, TIMELINE_BINS, Inputs
from popsim.engine.object_books import ObjectBooks
from popsim.engine.outputs import (
    BUCKETS,
    COARSE,
    COARSE_SHIFT,
    FIRST_BUCKET,
    MANTISSA_SHIFT,
    REASONS,
)
from popsim.engine.selections import (
    SelectionBooks,
    SelectionRecorder,
    to_first_byte,
    without_setup,
)
from popsim.engine.sums import add, no_sums
from popsim.scenario.errors import RunError
from popsim.scenario.units import LONGEST_MS, LONGEST_TIME

# Counters
C_REQUESTS, C_OK, C_NO_ROUTE, C_SITE_DOWN, C_THROTTLED, C_KILLED = 0, 1, 2, 3, 4, 5
C_KV_UNAVAILABLE, C_KV_LIMITED = 6, 7
C_OBJECT_LOST, C_OBJECT_OVERLOADED, C_OBJECT_UNAVAILABLE, C_DISCONNECTED = 8, 9, 10, 11
C_COLD, C_STARTS, C_EVICTIONS, C_EVENTS, C_ARRIVALS = 12, 13, 14, 15, 16
COUNTER_COUNT = 17

# Times that are added up: of instances; of starts, by part; of answered requests
D_BUSY_US, D_IDLE_US, D_PLACEMENT_NS, D_CODE_FETCH_NS, D_INIT_NS, D_LATENCY_NS = range(6)
DURATION_COUNT = 6
LATENCY_US = 3  # column of the timeline

SAMPLE_DTYPE = np.dtype(
    [
        ("number", "i8"),
        ("start_ms", "f8"),
        ("client", "i8"),
        ("network", "i8"),
        ("function", "i8"),
        ("ingress", "i8"),
        ("compute", "i8"),
        ("outcome", "i8"),
        ("cold", "i8"),
        ("total_ms", "f8"),
        ("kv_tier", "i8"),  # of the last read from a key-value store; -1 = none
        ("kv_version", "i8"),
        ("kv_age_ms", "f8"),  # since that version was written; -1 = it was there from the start
        ("kv_stale_ms", "f8"),  # since a newer one was written; 0 = there is none
        ("object", "i8"),  # number of the object that the last call asked; -1 = none
        ("object_version", "i8"),  # how many commits it had when it answered
    ]
)


@dataclass(frozen=True)
class HistogramRows:
    """Where each group's rows start in the one fine histogram array."""

    country: int
    site: int
    network: int
    phase: int
    without_setup: int
    first_byte: int
    count: int

    @staticmethod
    def of(inputs: Inputs) -> HistogramRows:
        """Lay out: all requests, countries, sites, networks, phases, parts of the whole."""
        site = 1 + inputs.country_count
        network = site + inputs.site_count
        phase = network + len(inputs.networks)
        part = phase + PHASE_COUNT
        return HistogramRows(1, site, network, phase, part, part + 1, part + 2)


@dataclass(frozen=True)
class FailureRows:
    """Where each group's rows start in the array of failures; first are countries, by bin of the timeline."""

    client: int
    site: int
    network: int
    count: int

    @staticmethod
    def of(inputs: Inputs) -> FailureRows:
        """Lay out: countries over time, clients, sites and, for requests that reached none, one more, networks."""
        client = TIMELINE_BINS * inputs.country_count
        site = client + len(inputs.clients)
        network = site + inputs.site_count + 1
        return FailureRows(client, site, network, network + len(inputs.networks))


@dataclass
class Books:
    """What a run has recorded; ``histogram`` rows are those of :class:`HistogramRows`."""

    counters: Ints
    durations: Ints  # sums of D_BUSY_US and so on, one column each
    histogram: Ints  # [rows, BUCKETS]
    coarse: Ints  # [clients + TIMELINE_BINS, COARSE]
    phase_sum_ns: Ints  # sums [BUCKETS, PHASE_COUNT], row = bucket of the total
    timeline: Ints  # sums [TIMELINE_BINS, 4]: requests, failed, cold, latency in us
    failures: Ints  # [FailureRows, REASONS]
    kv: KvBooks
    objects: ObjectBooks
    selected: SelectionBooks
    sample: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, SAMPLE_DTYPE))
    sample_phases: Floats = field(default_factory=lambda: np.zeros((0, PHASE_COUNT)))  # ms

    @staticmethod
    def empty(inputs: Inputs) -> Books:
        """Return books with nothing in them."""
        return Books(
            counters=np.zeros(COUNTER_COUNT, np.int64),
            durations=no_sums(1, DURATION_COUNT),
            histogram=np.zeros((HistogramRows.of(inputs).count, BUCKETS), np.int64),
            coarse=np.zeros((len(inputs.clients) + TIMELINE_BINS, COARSE), np.int64),
            phase_sum_ns=no_sums(BUCKETS, PHASE_COUNT),
            timeline=no_sums(TIMELINE_BINS, 4),
            failures=np.zeros((FailureRows.of(inputs).count, len(REASONS)), np.int64),
            kv=KvBooks.empty(
                spaces=len(inputs.kv.space_names),
                countries=inputs.country_count,
                sites=inputs.site_count,
                is_used=inputs.kv.is_used,
            ),
            objects=ObjectBooks.empty(inputs.objects, sites=inputs.site_count),
            selected=SelectionBooks.empty(len(inputs.selections)),
        )

    def set_sample(self, sample: NDArray[np.void], phases: Floats) -> None:
        """Keep the sampled requests in order of their numbers."""
        order = np.argsort(sample["number"], kind="stable")
        self.sample, self.sample_phases = sample[order], phases[order]


def nanoseconds(ms: float) -> int:
    """Round a duration to integer nanoseconds."""
    return int(ms * 1e6 + 0.5)


def window_us(start: float, end: float, inputs: Inputs) -> int:
    """Return the microseconds of [start, end) that lie after warm-up and before the end of the run."""
    low = max(start, inputs.rules.warmup)
    high = min(end, inputs.rules.duration)
    return int((high - low) * 1e3 + 0.5) if high > low else 0


def timeline_bin(start: float, duration: float) -> int:
    """Return the bin of the timeline that a request starting at ``start`` belongs to."""
    return min(int(start * TIMELINE_BINS / duration), TIMELINE_BINS - 1)


class Recorder:
    """The specification's bookkeeping; the compiled engine has the same in ``compiled/record.py``."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.rows = HistogramRows.of(inputs)
        self.books = Books.empty(inputs)
        self.failure_rows = FailureRows.of(inputs)
        self.selections = SelectionRecorder(inputs.selections, self.books.selected)
        self.sample: list[tuple[Any, ...]] = []
        self.sample_phases: list[list[float]] = []

    def count(self, counter: int, amount: int = 1) -> None:
        """Add to a counter."""
        self.books.counters[counter] += amount

    def add(self, duration: int, amount: int) -> None:
        """Add to one of the sums of durations."""
        add(self.books.durations, 0, duration, amount)

    def instance_time(self, duration: int, start: float, end: float) -> None:
        """Add an instance's busy or idle time."""
        self.add(duration, window_us(start, end, self.inputs))

    def finish(self, request: Any, total: float, outcome: int, *, sampled: bool) -> None:
        """Record a request that ended, if it began after the warm-up."""
        if request.start < self.inputs.rules.warmup:
            return
        books = self.books
        books.counters[C_REQUESTS] += 1
        books.counters[C_OK + outcome] += 1
        tick = timeline_bin(request.start, self.inputs.rules.duration)
        books.timeline[tick, 0] += 1
        if outcome == OK:
            self._finish_ok(request, total, tick)
        else:
            books.timeline[tick, 1] += 1
            self._finish_failed(request, outcome, tick)
        self.selections.finish(request, total, outcome)
        if sampled:
            self.sample.append(
                (
                    request.number,
                    request.start,
                    request.client,
                    request.network,
                    request.function,
                    request.ingress,
                    request.compute,
                    outcome,
                    int(request.cold),
                    total,
                    request.kv_tier,
                    request.kv_version,
                    request.kv_age,
                    request.kv_stale,
                    request.object,
                    request.object_version,
                )
            )
            self.sample_phases.append(request.phases)

    def _finish_failed(self, request: Any, outcome: int, tick: int) -> None:
        failures, rows, reason = self.books.failures, self.failure_rows, outcome - 1
        country = int(self.inputs.clients[request.client].country)
        site = self.inputs.site_count if request.ingress < 0 else request.ingress
        failures[tick * self.inputs.country_count + country, reason] += 1
        failures[rows.client + request.client, reason] += 1
        failures[rows.site + site, reason] += 1
        failures[rows.network + request.network, reason] += 1

    def _finish_ok(self, request: Any, total: float, tick: int) -> None:
        books, rows = self.books, self.rows
        bucket = bucket_of(total)
        histogram = books.histogram
        histogram[0, bucket] += 1
        country = int(self.inputs.clients[request.client].country)
        histogram[rows.country + country, bucket] += 1
        histogram[rows.site + request.ingress, bucket] += 1
        histogram[rows.network + request.network, bucket] += 1
        books.coarse[request.client, bucket >> COARSE_SHIFT] += 1
        books.coarse[len(self.inputs.clients) + tick, bucket >> COARSE_SHIFT] += 1
        self.add(D_LATENCY_NS, nanoseconds(total))
        books.counters[C_COLD] += int(request.cold)
        books.timeline[tick, 2] += int(request.cold)
        add(books.timeline, tick, LATENCY_US, int(total * 1e3 + 0.5))
        histogram[rows.without_setup, bucket_of(without_setup(request, total))] += 1
        histogram[rows.first_byte, bucket_of(to_first_byte(request, total))] += 1
        for phase, ms in enumerate(request.phases):
            if ms > 0.0:
                histogram[rows.phase + phase, bucket_of(ms)] += 1
                add(books.phase_sum_ns, bucket, phase, nanoseconds(ms))

    def close(self) -> Books:
        """Return the books with the sample in order of request numbers."""
        self.books.set_sample(
            np.array(self.sample, dtype=SAMPLE_DTYPE),
            np.array(self.sample_phases, dtype=np.float64).reshape(-1, PHASE_COUNT),
        )
        return self.books


def bucket_of(ms: float) -> int:
    """Return the histogram bucket of a duration: 128 linear buckets per octave from 2**-7 ms."""
    if not ms < LONGEST_MS:
        raise too_long()
    bits = int(np.float64(ms).view(np.int64))
    return max((bits >> MANTISSA_SHIFT) - FIRST_BUCKET, 0)


def too_long() -> RunError:
    """Return why a run is refused in which a time came out that nothing can keep (rule 55)."""
    return RunError(
        f"something takes longer than {LONGEST_TIME}, which is the longest that popsim keeps: a queue that grows for ever, or "
        "steps, starts or gates that take for ever; lower the rate, shorten duration, or bound the laws"
    )


def refuse_too_long(books: Books) -> None:
    """Raise RunError if a time was recorded that belongs beyond the histograms' end (rule 55)."""
    parts = (books.histogram, books.kv.histogram, books.objects.histogram, books.objects.by_message)
    if any(part[:, BUCKETS - 1].any() for part in parts):
        raise too_long()
