"""Bookkeeping of a key-value store, compiled; twin of specification/kv_recorder.py."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.caches import EPOCH_SHIFT, STATE_MASK
from popsim.engine.compiled.hashing import find_copy, tag_of
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.kv_state import (
    N_WATCHED,
    READ_UNIT,
    ROW_COUNTRY,
    ROW_SPACE,
    ROW_STALE,
    ROW_TIER,
    ROW_WRITE,
    WIDTH,
    WRITE_UNIT,
)
from popsim.engine.compiled.record import add, bucket_of
from popsim.engine.compiled.state import F_WARMUP
from popsim.engine.compiled.versions import newest_of, size_of, told_at
from popsim.engine.kv_books import SEEN_FIRST, SERVED_UNTIL, STALE_LAST
from popsim.engine.kv_layout import (
    FAILED,
    K_ABSENT,
    K_BYTES_MEMORY,
    K_BYTES_WRITTEN,
    K_DELETES,
    K_EDGE_REFRESHES,
    K_GETS,
    K_LIMITED,
    K_LISTS,
    K_OWN_STALE,
    K_PUTS,
    K_READ_UNITS,
    K_REFRESH_STORE_READS,
    K_REGION_REFRESHES,
    K_STALE,
    K_TRUNCATED,
    K_WRITE_UNITS,
    K_WRITES_FAILED,
    WATCHED,
)
from popsim.engine.layout import KV_DELETE, KV_LIMITED, OK, P_KV

NONE, MOST = np.int64(-1), np.int64(WATCHED)
READ_FAILED = np.int64(FAILED)


@helper
def count(st, slot, column, amount):
    """Add to what is counted by site and by key space."""
    request = st.slots[slot]
    add(st.kv_by_site, request.compute, column, amount)
    add(st.kv_by_space, request.space, column, amount)


@helper
def units(size, unit):
    """Return how many units of so many bytes are billed for a size: each that is begun, and one at least."""
    return max((size + unit - 1) // unit, np.int64(1))


@helper
def record_read(st, slot, time):
    """Record a request's read that is over."""
    request, width = st.slots[slot], st.kv_ints[WIDTH]
    took = time - request.began
    if st.slots[slot].depth == 0:
        st.phases[slot, P_KV] += took
    if request.start < st.floats[F_WARMUP]:
        return
    count(st, slot, np.int64(K_GETS), np.int64(1))
    worst = np.int64(0)
    for place in range(request.count):
        parcel = st.parcels[slot * width + place]
        if parcel.tier < 0:
            count(st, slot, READ_FAILED, np.int64(1))
            worst = READ_FAILED
            continue
        worst = max(worst, parcel.tier)
        count(st, slot, parcel.tier, np.int64(1))
        size = size_of(st, parcel.key, request.space)
        count(st, slot, K_BYTES_MEMORY + parcel.tier, size)
        if st.kv_ints[READ_UNIT] > 0:
            found = size * (1 - (parcel.state & 1))
            count(st, slot, np.int64(K_READ_UNITS), units(found, st.kv_ints[READ_UNIT]))
        count(st, slot, np.int64(K_ABSENT), parcel.state & 1)
        stale, age = staleness(st, slot, parcel.key, parcel.state >> 1)
        if place == 0:
            request.kv_tier, request.kv_version = parcel.tier, parcel.state >> 1
            request.kv_stale, request.kv_age = stale, age
    if worst == READ_FAILED:
        return
    bucket = bucket_of(took)
    ints, histogram = st.kv_ints, st.kv_histogram
    histogram[ints[ROW_TIER] + worst, bucket] += 1
    histogram[ints[ROW_SPACE] + request.space, bucket] += 1
    histogram[ints[ROW_COUNTRY] + st.clients[request.client].country, bucket] += 1


@helper
def staleness(st, slot, key, number):
    """Return for how long a newer version had been there when the read began, and the version's age (rule 37)."""
    request = st.slots[slot]
    site, began = request.compute, request.began
    version = newest_of(st, key)
    if version < 0:
        return 0.0, -1.0
    row = st.versions[version].watch
    if (
        row >= 0
        and number >= st.versions[version].number
        and st.kv_seen[row, site, SEEN_FIRST] < 0.0
    ):
        st.kv_seen[row, site, SEEN_FIRST] = began
    oldest_newer, is_own = NONE, np.int64(0)
    while version >= 0:
        item = st.versions[version]
        if item.number <= number:
            break
        if item.commit < began:
            oldest_newer = version
            if item.site == site and item.acked <= began:
                is_own = np.int64(1)
            if item.watch >= 0:
                last = st.kv_seen[item.watch, site, STALE_LAST]
                st.kv_seen[item.watch, site, STALE_LAST] = max(last, began)
                last = st.kv_seen[item.watch, site, SERVED_UNTIL]
                until = served_until(st, site, request.epoch, key, version)
                st.kv_seen[item.watch, site, SERVED_UNTIL] = max(last, until)
        version = item.older
    age = -1.0
    if version >= 0 and st.versions[version].number == number:
        age = began - st.versions[version].commit
    if oldest_newer < 0:
        return 0.0, age
    stale = began - st.versions[oldest_newer].commit
    count(st, slot, np.int64(K_STALE), np.int64(1))
    count(st, slot, np.int64(K_OWN_STALE), is_own)
    if st.versions[oldest_newer].number > number + 1:
        count(st, slot, np.int64(K_TRUNCATED), np.int64(1))
    st.kv_histogram[st.kv_ints[ROW_STALE] + request.space, bucket_of(stale)] += 1
    st.kv_stale_max[request.space] = max(st.kv_stale_max[request.space], stale)
    return stale, age


@helper
def served_until(st, site, epoch, key, version):
    """Return until when a site serves its copy from before a version, if it has one; -1 = it has none."""
    position = find_copy(st, tag_of(site, key))
    if position < 0:
        return -1.0
    copy = st.copies[position]
    number = (copy.state & STATE_MASK) >> 1
    if copy.state >> EPOCH_SHIFT != epoch or number >= st.versions[version].number:
        return -1.0
    return min(copy.expiry, told_at(st, version, site))


@helper
def follow(st, version, key):
    """Note until when each site serves the copy that it has when a write is committed, if the write is followed."""
    item = st.versions[version]
    if item.watch < 0:
        return
    for site in range(st.sites.shape[0]):
        until = served_until(st, site, st.sites[site].epoch, key, version)
        if until > item.commit:
            st.kv_seen[item.watch, site, SERVED_UNTIL] = until


@helper
def record_refresh(st, slot, is_edge):
    """Count a read that a cache starts for itself."""
    if st.slots[slot].start >= st.floats[F_WARMUP]:
        column = np.int64(K_EDGE_REFRESHES) if is_edge else np.int64(K_REGION_REFRESHES)
        count(st, slot, column, np.int64(1))


@helper
def record_store_read(st, slot):
    """Count a refresh that goes to a store."""
    if st.slots[slot].start >= st.floats[F_WARMUP]:
        count(st, slot, np.int64(K_REFRESH_STORE_READS), np.int64(1))


@helper
def record_write(st, slot, time, size):
    """Record a write that is over."""
    request = st.slots[slot]
    took = time - request.began
    if st.slots[slot].depth == 0:
        st.phases[slot, P_KV] += took
    if request.start < st.floats[F_WARMUP]:
        return
    if request.failed != OK:
        refused = request.failed == KV_LIMITED
        column = np.int64(K_LIMITED) if refused else np.int64(K_WRITES_FAILED)
        count(st, slot, column, np.int64(1))
        return
    deleted = request.kind == KV_DELETE
    count(st, slot, np.int64(K_DELETES) if deleted else np.int64(K_PUTS), np.int64(1))
    count(st, slot, np.int64(K_BYTES_WRITTEN), size)
    if st.kv_ints[WRITE_UNIT] > 0:
        count(st, slot, np.int64(K_WRITE_UNITS), units(size, st.kv_ints[WRITE_UNIT]))
    st.kv_histogram[st.kv_ints[ROW_WRITE], bucket_of(took)] += 1


@helper
def record_list(st, slot, time):
    """Record a listing."""
    request = st.slots[slot]
    if request.depth == 0:
        st.phases[slot, P_KV] += time - request.began
    if request.start >= st.floats[F_WARMUP]:
        count(st, slot, np.int64(K_LISTS), np.int64(1))


@helper
def watch(st, space, key, time):
    """Return the row in which a write's way to the sites is followed; -1 = it is not; space -1 = the control plane's."""
    row = st.kv_ints[N_WATCHED]
    if row >= MOST:
        return NONE
    if space >= 0 and (key - st.spaces[space].first) % st.spaces[space].count != 0:
        return NONE
    st.kv_ints[N_WATCHED] = row + 1
    st.kv_watched[row, 0] = time
    st.kv_watched[row, 1] = np.float64(key)
    return row
