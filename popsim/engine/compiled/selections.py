"""Bookkeeping of selections, compiled; the specification's twin is popsim.engine.selections."""

from __future__ import annotations

import numpy as np

from popsim.engine import sums
from popsim.engine.compiled.buckets import bucket_of, nanoseconds
from popsim.engine.compiled.jit import helper
from popsim.engine.layout import OK, P_CONNECT, P_DNS, P_TLS, PHASE_COUNT
from popsim.engine.outputs import BUCKETS
from popsim.engine.selections import (
    SELECTED_COLD,
    SELECTED_FIRST_BYTE,
    SELECTED_LATENCY_NS,
    SELECTED_PHASE,
    SELECTED_ROWS,
    SELECTED_TOTAL,
    SELECTED_WITHOUT_SETUP,
)

add = helper(sums.add)

COLD, LATENCY = np.int64(SELECTED_COLD), np.int64(SELECTED_LATENCY_NS)
ROWS, ROWS_OF_SUMS = np.int64(SELECTED_ROWS), np.int64(BUCKETS)
TOTAL, WITHOUT_SETUP = np.int64(SELECTED_TOTAL), np.int64(SELECTED_WITHOUT_SETUP)
FIRST_BYTE, PHASE = np.int64(SELECTED_FIRST_BYTE), np.int64(SELECTED_PHASE)


@helper
def without_setup(st, slot, total):
    """Return a request's time without resolving the name and opening the connection."""
    phases = st.phases
    return total - (phases[slot, P_DNS] + (phases[slot, P_CONNECT] + phases[slot, P_TLS]))


@helper
def count_selections(st, slot, total, outcome):
    """Count a measured request in each selection that it belongs to."""
    request = st.slots[slot]
    site = request.ingress
    if site < 0:
        site = np.int64(st.selected_sites.shape[1] - 1)
    for row in range(st.selected_windows.shape[0]):
        if not st.selected_windows[row, 0] <= request.start < st.selected_windows[row, 1]:
            continue
        if st.selected_clients[row, request.client] == 0 or st.selected_sites[row, site] == 0:
            continue
        if st.selected_networks[row, request.network] != 0:
            st.selected_counts[row, outcome] += 1
            if outcome == OK:
                count_answered(st, slot, total, np.int64(row))


@helper
def count_answered(st, slot, total, row):
    """Add an answered request to the histograms and sums of a selection."""
    request = st.slots[slot]
    histogram, first, bucket = st.selected_histogram, row * ROWS, bucket_of(total)
    st.selected_counts[row, COLD] += request.cold
    add(st.selected_counts, row, LATENCY, nanoseconds(total))
    histogram[first + TOTAL, bucket] += 1
    histogram[first + WITHOUT_SETUP, bucket_of(without_setup(st, slot, total))] += 1
    histogram[first + FIRST_BYTE, bucket_of(total - request.slow_start)] += 1
    for phase in range(PHASE_COUNT):
        ms = st.phases[slot, phase]
        if ms > 0.0:
            histogram[first + PHASE + phase, bucket_of(ms)] += 1
            add(st.selected_phase_sum_ns, row * ROWS_OF_SUMS + bucket, phase, nanoseconds(ms))
