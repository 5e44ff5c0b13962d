"""Bookkeeping of a key-value store, compiled; twin of specification/kv_recorder.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import kv_books
from popsim.engine import kv_layout as kvl
from popsim.engine import layout as lay
from popsim.engine.compiled import buckets, hashing, kv_state, record, versions
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import helper


@helper
def count(st, slot, column, amount):
    """Add to what is counted by site and by key space."""
    request = st.slots[slot]
    record.add(st.kv_by_site, request.compute, column, amount)
    record.add(st.kv_by_space, request.space, column, amount)


@helper
def units(size, unit):
    """Return how many units of so many bytes are billed for a size: each that is begun, and one at least."""
    return max((size + unit - 1) // unit, ONE)


@helper
def record_read(st, slot, time):
    """Record a request's read that is over."""
    request, width = st.slots[slot], st.kv_rules[0].widest_get
    took = time - request.began
    if st.slots[slot].depth == 0:
        st.phases[slot, lay.P_KV] += took
    if request.start < st.rules[0].warmup:
        return
    count(st, slot, kvl.K_GETS, ONE)
    worst = ZERO
    for place in range(request.count):
        parcel = st.parcels[slot * width + place]
        if parcel.tier < 0:
            count(st, slot, kvl.FAILED, ONE)
            worst = kvl.FAILED
            continue
        worst = max(worst, parcel.tier)
        count(st, slot, parcel.tier, ONE)
        size = versions.size_of(st, parcel.key, request.space)
        count(st, slot, kvl.K_BYTES_MEMORY + parcel.tier, size)
        if st.kv_rules[0].read_unit > 0:
            found = size * (1 - (parcel.state & 1))
            count(st, slot, kvl.K_READ_UNITS, units(found, st.kv_rules[0].read_unit))
        count(st, slot, kvl.K_ABSENT, parcel.state & 1)
        stale, age = staleness(st, slot, parcel.key, parcel.state >> 1)
        if place == 0:
            request.kv_tier, request.kv_version = parcel.tier, parcel.state >> 1
            request.kv_stale, request.kv_age = stale, age
    if worst == kvl.FAILED:
        return
    bucket = buckets.bucket_of(took)
    rows, histogram = st.kv_rows[0], st.kv_histogram
    histogram[rows.tier + worst, bucket] += 1
    histogram[rows.space + request.space, bucket] += 1
    histogram[rows.country + st.clients[request.client].country, bucket] += 1


@helper
def staleness(st, slot, key, number):
    """Return for how long a newer version had been there when the read began, and the version's age (rule 37)."""
    request = st.slots[slot]
    site, began = request.compute, request.began
    version = versions.newest_of(st, key)
    if version < 0:
        return 0.0, -1.0
    row = st.versions[version].watch
    if (
        row >= 0
        and number >= st.versions[version].number
        and st.kv_seen[row, site, kv_books.SEEN_FIRST] < 0.0
    ):
        st.kv_seen[row, site, kv_books.SEEN_FIRST] = began
    oldest_newer, is_own = NONE, ZERO
    while version >= 0:
        item = st.versions[version]
        if item.number <= number:
            break
        if item.commit < began:
            oldest_newer = version
            if item.site == site and item.acked <= began:
                is_own = ONE
            if item.watch >= 0:
                last = st.kv_seen[item.watch, site, kv_books.STALE_LAST]
                st.kv_seen[item.watch, site, kv_books.STALE_LAST] = max(last, began)
                last = st.kv_seen[item.watch, site, kv_books.SERVED_UNTIL]
                until = served_until(st, site, request.epoch, key, version)
                st.kv_seen[item.watch, site, kv_books.SERVED_UNTIL] = max(last, until)
        version = item.older
    age = -1.0
    if version >= 0 and st.versions[version].number == number:
        age = began - st.versions[version].commit
    if oldest_newer < 0:
        return 0.0, age
    stale = began - st.versions[oldest_newer].commit
    count(st, slot, kvl.K_STALE, ONE)
    count(st, slot, kvl.K_OWN_STALE, is_own)
    if st.versions[oldest_newer].number > number + 1:
        count(st, slot, kvl.K_TRUNCATED, ONE)
    st.kv_histogram[st.kv_rows[0].stale + request.space, buckets.bucket_of(stale)] += 1
    st.kv_stale_max[request.space] = max(st.kv_stale_max[request.space], stale)
    return stale, age


@helper
def served_until(st, site, epoch, key, version):
    """Return until when a site serves its copy from before a version, if it has one; -1 = it has none."""
    position = hashing.find_copy(st, hashing.tag_of(site, key))
    if position < 0:
        return -1.0
    copy = st.copies[position]
    number = (copy.state & kv_state.STATE_MASK) >> 1
    if copy.state >> kv_state.EPOCH_BIT != epoch or number >= st.versions[version].number:
        return -1.0
    return min(copy.expiry, versions.told_at(st, version, site))


@helper
def follow(st, version, key):
    """Note until when each site serves the copy that it has when a write is committed, if the write is followed."""
    item = st.versions[version]
    if item.watch < 0:
        return
    for site in range(st.sites.shape[0]):
        until = served_until(st, site, st.sites[site].epoch, key, version)
        if until > item.commit:
            st.kv_seen[item.watch, site, kv_books.SERVED_UNTIL] = until


@helper
def record_refresh(st, slot, is_edge):
    """Count a read that a cache starts for itself."""
    if st.slots[slot].start >= st.rules[0].warmup:
        column = kvl.K_EDGE_REFRESHES if is_edge else kvl.K_REGION_REFRESHES
        count(st, slot, column, ONE)


@helper
def record_store_read(st, slot):
    """Count a refresh that goes to a store."""
    if st.slots[slot].start >= st.rules[0].warmup:
        count(st, slot, kvl.K_REFRESH_STORE_READS, ONE)


@helper
def record_write(st, slot, time, size):
    """Record a write that is over."""
    request = st.slots[slot]
    took = time - request.began
    if st.slots[slot].depth == 0:
        st.phases[slot, lay.P_KV] += took
    if request.start < st.rules[0].warmup:
        return
    if request.failed != lay.OK:
        refused = request.failed == lay.KV_LIMITED
        column = kvl.K_LIMITED if refused else kvl.K_WRITES_FAILED
        count(st, slot, column, ONE)
        return
    deleted = request.kind == lay.KV_DELETE
    count(st, slot, kvl.K_DELETES if deleted else kvl.K_PUTS, ONE)
    count(st, slot, kvl.K_BYTES_WRITTEN, size)
    if st.kv_rules[0].write_unit > 0:
        count(st, slot, kvl.K_WRITE_UNITS, units(size, st.kv_rules[0].write_unit))
    st.kv_histogram[st.kv_rows[0].write, buckets.bucket_of(took)] += 1


@helper
def record_list(st, slot, time):
    """Record a listing."""
    request = st.slots[slot]
    if request.depth == 0:
        st.phases[slot, lay.P_KV] += time - request.began
    if request.start >= st.rules[0].warmup:
        count(st, slot, kvl.K_LISTS, ONE)


@helper
def watch(st, space, key, time):
    """Return the row in which a write's way to the sites is followed; -1 = it is not; space -1 = the control plane's."""
    row = st.kv_run[0].watched_count
    if row >= kvl.WATCHED:
        return NONE
    if space >= 0 and (key - st.spaces[space].first) % st.spaces[space].count != 0:
        return NONE
    st.kv_run[0].watched_count = row + 1
    st.kv_watched[row, 0] = time
    st.kv_watched[row, 1] = np.float64(key)
    return row
