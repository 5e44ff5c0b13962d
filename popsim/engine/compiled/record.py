"""Bookkeeping, compiled; the specification's twin is popsim.engine.recorder."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws, outputs, recorder, sums
from popsim.engine import layout as lay
from popsim.engine.compiled import buckets, draw, selections, state
from popsim.engine.compiled.constants import ONE, ZERO
from popsim.engine.compiled.jit import helper
from popsim.scenario.units import LONGEST_MS

BUCKET_BITS = np.int64((outputs.BUCKETS - 1).bit_length())
COARSE_BITS = np.int64((outputs.COARSE - 1).bit_length())
BUCKET_MASK, COARSE_MASK = (ONE << BUCKET_BITS) - 1, (ONE << COARSE_BITS) - 1


add = helper(sums.add)


@helper
def add_instance_time(st, duration, start, end):
    """Count the microseconds of [start, end) that lie in the measured window."""
    low = max(start, st.rules[0].warmup)
    high = min(end, st.rules[0].duration)
    if high > low:
        add(st.durations, ZERO, duration, np.int64((high - low) * 1e3 + 0.5))


@helper
def finish(st, slot, total, outcome):
    """Record a request that ended, if it began after the warm-up."""
    request = st.slots[slot]
    if request.start < st.rules[0].warmup:
        return
    st.counters[recorder.C_REQUESTS] += 1
    st.counters[recorder.C_OK + outcome] += 1
    tick = min(
        np.int64(request.start * lay.TIMELINE_BINS / st.rules[0].duration),
        np.int64(lay.TIMELINE_BINS - 1),
    )
    st.timeline[tick, 0] += 1
    if outcome == lay.OK:
        finish_ok(st, slot, total, tick)
    else:
        st.timeline[tick, 1] += 1
        finish_failed(st, slot, outcome, tick)
    selections.count_selections(st, slot, total, outcome)
    threshold = st.rules[0].sample_threshold
    if (
        threshold >= 1.0
        or draw.uniform(draw.two_words(st, draws.SAMPLE, request.number, ZERO)[0]) < threshold
    ):
        keep(st, slot, total, outcome)


@helper
def finish_failed(st, slot, outcome, tick):
    """Count a failed request by its reason: by country and time, by client, site and network."""
    request, countries = st.slots[slot], st.rules[0].country_count
    failures, reason = st.failures, outcome - 1
    clients, sites = np.int64(st.clients.shape[0]), np.int64(st.sites.shape[0])
    site = request.ingress
    if site < 0:
        site = sites
    of_clients = lay.TIMELINE_BINS * countries
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
        for number in range(st.run[0].pending):
            place = pending[number, column]
            histogram[place >> BUCKET_BITS, place & BUCKET_MASK] += 1
    for number in range(st.run[0].pending):
        place = pending[number, 2]
        coarse[place >> COARSE_BITS, place & COARSE_MASK] += 1
    st.run[0].pending = 0


@helper
def finish_ok(st, slot, total, tick):
    """Add an answered request to the histograms and sums."""
    request = st.slots[slot]
    client, bucket = request.client, buckets.bucket_of(total)
    histogram, phases = st.histogram, st.phases
    histogram[0, bucket] += 1
    histogram[st.rows[0].network + request.network, bucket] += 1
    st.coarse[st.clients.shape[0] + tick, bucket >> outputs.COARSE_SHIFT] += 1
    add(st.durations, ZERO, recorder.D_LATENCY_NS, buckets.nanoseconds(total))
    st.counters[recorder.C_COLD] += request.cold
    st.timeline[tick, 2] += request.cold
    add(st.timeline, tick, recorder.LATENCY_US, np.int64(min(total, LONGEST_MS) * 1e3 + 0.5))
    count = st.run[0].pending
    country = st.rows[0].country + st.clients[client].country
    st.pending[count, 0] = (country << BUCKET_BITS) + bucket
    st.pending[count, 1] = ((st.rows[0].site + request.ingress) << BUCKET_BITS) + bucket
    st.pending[count, 2] = (client << COARSE_BITS) + (bucket >> outputs.COARSE_SHIFT)
    st.run[0].pending = count + 1
    if count + 1 == state.PENDING:
        count_groups(st)
    histogram[
        st.rows[0].without_setup, buckets.bucket_of(selections.without_setup(st, slot, total))
    ] += 1
    histogram[st.rows[0].first_byte, buckets.bucket_of(total - request.slow_start)] += 1
    row = st.rows[0].phase
    for phase in range(lay.PHASE_COUNT):
        ms = phases[slot, phase]
        if ms > 0.0:
            histogram[row + phase, buckets.bucket_of(ms)] += 1
            add(st.phase_sum_ns, bucket, phase, buckets.nanoseconds(ms))


@helper
def keep(st, slot, total, outcome):
    """Copy a whole request into the sample; the caller guarantees room."""
    request = st.slots[slot]
    row = st.run[0].sampled
    st.run[0].sampled = row + 1
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
    for phase in range(lay.PHASE_COUNT):
        st.sample_phases[row, phase] = st.phases[slot, phase]
