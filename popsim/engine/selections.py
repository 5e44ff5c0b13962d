"""What is kept of some requests apart from all others: those of a place and a time, of a network, of a site.

Nothing is kept unless a claim or the scenario's ``selections`` asks for it; the compiled engine has the same in
``compiled/selections.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from popsim.engine.arrays import Ints
from popsim.engine.layout import OK, OUTCOMES, P_CONNECT, P_DNS, P_TLS, PHASE_COUNT
from popsim.engine.outputs import BUCKETS
from popsim.engine.selection_inputs import SelectionInputs
from popsim.engine.sums import add, no_sums

# Rows of a selection in its histograms; the phases follow
SELECTED_TOTAL, SELECTED_WITHOUT_SETUP, SELECTED_FIRST_BYTE, SELECTED_PHASE = 0, 1, 2, 3
SELECTED_ROWS = SELECTED_PHASE + PHASE_COUNT
# Columns of a selection's counts: answered, then failures by reason, as outcomes; then
SELECTED_COLD, SELECTED_LATENCY_NS = OUTCOMES, OUTCOMES + 1
SELECTED_COLUMNS = OUTCOMES + 2


@dataclass
class SelectionBooks:
    """What a run has kept of its selections."""

    histogram: Ints  # [W * SELECTED_ROWS, BUCKETS]
    phase_sum_ns: Ints  # sums [W * BUCKETS, PHASE_COUNT], row = bucket of the total
    counts: Ints  # sums [W, SELECTED_COLUMNS]

    @staticmethod
    def empty(count: int) -> SelectionBooks:
        """Return books of some selections with nothing in them."""
        return SelectionBooks(
            np.zeros((count * SELECTED_ROWS, BUCKETS), np.int64),
            no_sums(count * BUCKETS, PHASE_COUNT),
            no_sums(count, SELECTED_COLUMNS),
        )


def without_setup(request: Any, total: float) -> float:
    """Return a request's time without resolving the name and opening the connection."""
    phases: list[float] = request.phases
    return total - (phases[P_DNS] + (phases[P_CONNECT] + phases[P_TLS]))


def to_first_byte(request: Any, total: float) -> float:
    """Return a request's time until the first byte of its response: what slow start adds comes after it."""
    slow_start: float = request.slow_start
    return total - slow_start


class SelectionRecorder:
    """The specification's bookkeeping of selections."""

    def __init__(self, inputs: SelectionInputs, books: SelectionBooks) -> None:
        self.inputs, self.books = inputs, books

    def finish(self, request: Any, total: float, outcome: int) -> None:
        """Count a measured request in each selection that it belongs to."""
        for row in range(len(self.inputs)):
            if self._has(row, request):
                self.books.counts[row, outcome] += 1
                if outcome == OK:
                    self._answered(row, request, total)

    def _has(self, row: int, request: Any) -> bool:
        begin, end = self.inputs.windows[row]
        return bool(
            begin <= request.start < end
            and self.inputs.clients[row, request.client]
            and self.inputs.networks[row, request.network]
            and self.inputs.sites[row, request.ingress]  # -1 = none = the last column
        )

    def _answered(self, row: int, request: Any, total: float) -> None:
        from popsim.engine.recorder import bucket_of, nanoseconds

        books, first, bucket = self.books, row * SELECTED_ROWS, bucket_of(total)
        books.counts[row, SELECTED_COLD] += int(request.cold)
        add(books.counts, row, SELECTED_LATENCY_NS, nanoseconds(total))
        books.histogram[first + SELECTED_TOTAL, bucket] += 1
        for place, ms in (
            (SELECTED_WITHOUT_SETUP, without_setup(request, total)),
            (SELECTED_FIRST_BYTE, to_first_byte(request, total)),
        ):
            books.histogram[first + place, bucket_of(ms)] += 1
        for phase, ms in enumerate(request.phases):
            if ms > 0.0:
                books.histogram[first + SELECTED_PHASE + phase, bucket_of(ms)] += 1
                add(books.phase_sum_ns, row * BUCKETS + bucket, phase, nanoseconds(ms))
