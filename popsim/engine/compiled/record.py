"""Bookkeeping, compiled; the specification's twin is popsim.engine.recorder."""

from __future__ import annotations

import numpy as np

from popsim.engine import sums
from popsim.engine.compiled.buckets import bucket_of, nanoseconds
from popsim.engine.compiled.draw import SAMPLE, two_words, uniform
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.selections import count_selections, without_setup
from popsim.engine.compiled.state import (
    F_DURATION,
    F_SAMPLE_THRESHOLD,
    F_WARMUP,
    I_COUNTRIES,
    I_PENDING,
    I_ROW_COUNTRY,
    I_ROW_FIRST_BYTE,
    I_ROW_NETWORK,
    I_ROW_PHASE,
    I_ROW_SITE,
    I_ROW_WITHOUT_SETUP,
    I_SAMPLED,
    PENDING,
)
from popsim.engine.layout import OK, PHASE_COUNT, TIMELINE_BINS
from popsim.engine.outputs import BUCKETS, COARSE, COARSE_SHIFT
from popsim.engine.recorder import C_COLD, C_OK, C_REQUESTS, D_LATENCY_NS, LATENCY_US
from popsim.scenario.units import LONGEST_MS

TO_COARSE = np.int64(COARSE_SHIFT)
BUCKET_BITS = np.int64((BUCKETS - 1).bit_length())
COARSE_BITS = np.int64((COARSE - 1).bit_length())
BUCKET_MASK, COARSE_MASK = (np.int64(1) << BUCKET_BITS) - 1, (np.int64(1) << COARSE_BITS) - 1
PENDING_ROWS = np.int64(PENDING)
TIME_BINS = np.int64(TIMELINE_BINS)
LATENCY, LATENCY_OF_BIN = np.int64(D_LATENCY_NS), np.int64(LATENCY_US)

add = helper(sums.add)


@helper
def add_instance_time(st, duration, start, end):
    """Count the microseconds of [start, end) that lie in the measured window."""
    low = max(start, st.floats[F_WARMUP])
    high = min(end, st.floats[F_DURATION])
    if high > low:
        add(st.durations, 0, duration, np.int64((high - low) * 1e3 + 0.5))


@helper
def finish(st, slot, total, outcome):
    """Record a request that ended, if it began after the warm-up."""
    request = st.slots[slot]
    if request.start < st.floats[F_WARMUP]:
        return
    st.integers[C_REQUESTS] += 1
    st.integers[C_OK + outcome] += 1
    tick = min(
        np.int64(request.start * TIMELINE_BINS / st.floats[F_DURATION]), np.int64(TIMELINE_BINS - 1)
    )
    st.timeline[tick, 0] += 1
    if outcome == OK:
        finish_ok(st, slot, total, tick)
    else:
        st.timeline[tick, 1] += 1
        finish_failed(st, slot, outcome, tick)
    count_selections(st, slot, total, outcome)
    threshold = st.floats[F_SAMPLE_THRESHOLD]
    if threshold >= 1.0 or uniform(two_words(st, SAMPLE, request.number, 0)[0]) < threshold:
        keep(st, slot, total, outcome)


@helper
def finish_failed(st, slot, outcome, tick):
    """Count a failed request by its reason: by country and time, by client, site and network."""
    request, countries = st.slots[slot], st.integers[I_COUNTRIES]
    failures, reason = st.failures, outcome - 1
    clients, sites = np.int64(st.clients.shape[0]), np.int64(st.sites.shape[0])
    site = request.ingress
    if site < 0:
        site = sites
    of_clients = TIME_BINS * countries
    of_sites = of_clients + clients
    failures[tick * countries + st.clients[request.client].country, reason] += 1
    failures[of_clients + request.client, reason] += 1
    failures[of_sites + site, reason] += 1
    failures[of_sites + sites + 1 + request.network, reason] += 1


@helper
def count_groups(st):
    """Count the pending requests in the histograms of their groups, whose rows lie far apart."""
    histogram, coarse, pending = st.histogram, st.coarse, st.pending
    for column in range(2):
        for number in range(st.integers[I_PENDING]):
            place = pending[number, column]
            histogram[place >> BUCKET_BITS, place & BUCKET_MASK] += 1
    for number in range(st.integers[I_PENDING]):
        place = pending[number, 2]
        coarse[place >> COARSE_BITS, place & COARSE_MASK] += 1
    st.integers[I_PENDING] = 0


@helper
def finish_ok(st, slot, total, tick):
    """Add an answered request to the histograms and sums."""
    request = st.slots[slot]
    client, bucket = request.client, bucket_of(total)
    histogram, phases = st.histogram, st.phases
    histogram[0, bucket] += 1
    histogram[st.integers[I_ROW_NETWORK] + request.network, bucket] += 1
    st.coarse[st.clients.shape[0] + tick, bucket >> TO_COARSE] += 1
    add(st.durations, 0, LATENCY, nanoseconds(total))
    st.integers[C_COLD] += request.cold
    st.timeline[tick, 2] += request.cold
    add(st.timeline, tick, LATENCY_OF_BIN, np.int64(min(total, LONGEST_MS) * 1e3 + 0.5))
    count = st.integers[I_PENDING]
    country = st.integers[I_ROW_COUNTRY] + st.clients[client].country
    st.pending[count, 0] = (country << BUCKET_BITS) + bucket
    st.pending[count, 1] = ((st.integers[I_ROW_SITE] + request.ingress) << BUCKET_BITS) + bucket
    st.pending[count, 2] = (client << COARSE_BITS) + (bucket >> TO_COARSE)
    st.integers[I_PENDING] = count + 1
    if count + 1 == PENDING_ROWS:
        count_groups(st)
    histogram[st.integers[I_ROW_WITHOUT_SETUP], bucket_of(without_setup(st, slot, total))] += 1
    histogram[st.integers[I_ROW_FIRST_BYTE], bucket_of(total - request.slow_start)] += 1
    row = st.integers[I_ROW_PHASE]
    for phase in range(PHASE_COUNT):
        ms = phases[slot, phase]
        if ms > 0.0:
            histogram[row + phase, bucket_of(ms)] += 1
            add(st.phase_sum_ns, bucket, phase, nanoseconds(ms))


@helper
def keep(st, slot, total, outcome):
    """Copy a whole request into the sample; the caller guarantees room."""
    request = st.slots[slot]
    row = st.integers[I_SAMPLED]
    st.integers[I_SAMPLED] = row + 1
    kept = st.sample[row]
    kept.number = request.number
    kept.start_ms = request.start
    kept.client = request.client
    kept.network = request.network
    kept.function = request.function
    kept.ingress = request.ingress
    kept.compute = request.compute
    kept.outcome = outcome
    kept.cold = request.cold
    kept.total_ms = total
    kept.kv_tier = request.kv_tier
    kept.kv_version = request.kv_version
    kept.kv_age_ms = request.kv_age
    kept.kv_stale_ms = request.kv_stale
    kept.object = request.object
    kept.object_version = request.object_version
    for phase in range(PHASE_COUNT):
        st.sample_phases[row, phase] = st.phases[slot, phase]
