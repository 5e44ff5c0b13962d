"""Bookkeeping of selections, compiled; the specification's twin is popsim.engine.selections."""

from __future__ import annotations

import numpy as np

from popsim.engine import layout as lay
from popsim.engine import outputs, selections, sums
from popsim.engine.compiled import buckets
from popsim.engine.compiled.jit import helper

add = helper(sums.add)


@helper
def without_setup(st, slot, total):
    """Return a request's time without resolving the name and opening the connection."""
    phases = st.phases
    return total - (
        phases[slot, lay.P_DNS] + (phases[slot, lay.P_CONNECT] + phases[slot, lay.P_TLS])
    )


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
            if outcome == lay.OK:
                count_answered(st, slot, total, np.int64(row))


@helper
def count_answered(st, slot, total, row):
    """Add an answered request to the histograms and sums of a selection."""
    request = st.slots[slot]
    histogram, first, bucket = (
        st.selected_histogram,
        row * selections.SELECTED_ROWS,
        buckets.bucket_of(total),
    )
    st.selected_counts[row, selections.SELECTED_COLD] += request.cold
    add(st.selected_counts, row, selections.SELECTED_LATENCY_NS, buckets.nanoseconds(total))
    histogram[first + selections.SELECTED_TOTAL, bucket] += 1
    histogram[
        first + selections.SELECTED_WITHOUT_SETUP, buckets.bucket_of(without_setup(st, slot, total))
    ] += 1
    histogram[
        first + selections.SELECTED_FIRST_BYTE, buckets.bucket_of(total - request.slow_start)
    ] += 1
    for phase in range(lay.PHASE_COUNT):
        ms = st.phases[slot, phase]
        if ms > 0.0:
            histogram[first + selections.SELECTED_PHASE + phase, buckets.bucket_of(ms)] += 1
            add(
                st.selected_phase_sum_ns,
                row * outputs.BUCKETS + bucket,
                phase,
                buckets.nanoseconds(ms),
            )
