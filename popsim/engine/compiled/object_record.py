"""Bookkeeping of objects, compiled; the specification's twin is specification/object_recorder.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import object_books as ob
from popsim.engine import object_layout as obl
from popsim.engine.compiled import buckets, record
from popsim.engine.compiled.constants import ZERO
from popsim.engine.compiled.jit import helper


@helper
def is_measured(st, slot):
    """Tell whether a request or job began after the warm-up."""
    return st.slots[slot].start >= st.rules[0].warmup


@helper
def count_object(st, slot, object_class, column):
    """Count something that a request or job did."""
    if is_measured(st, slot):
        st.object_by_class[object_class, column] += 1


@helper
def count_payload(st, slot, object_class, amount):
    """Count bytes that a request sends with a call."""
    if is_measured(st, slot):
        record.add(st.object_by_class, object_class, obl.O_PAYLOAD_BYTES, np.int64(amount + 0.5))


@helper
def count_at(st, time, object_class, column):
    """Count something that happens without a request."""
    if time >= st.rules[0].warmup:
        st.object_by_class[object_class, column] += 1


@helper
def add_value(st, object_class, row, amount):
    """Add to a histogram of a class."""
    st.object_histogram[object_class * ob.ROWS_PER_CLASS + row, buckets.bucket_of(amount)] += 1


@helper
def add_of_message(st, kind, row, amount):
    """Add to a histogram of a kind of message."""
    st.object_by_message[kind * ob.ROWS_PER_MESSAGE + row, buckets.bucket_of(amount)] += 1


@helper
def record_created(st, object_class, site, host, time):
    """Count a new object by who asked first and its home; in the warm-up, too: it stays there."""
    st.object_by_class[object_class, obl.O_CREATED] += 1
    st.object_created[site, host] += 1
    st.object_by_host[host, obl.H_CREATED] += 1
    record_existence(st, object_class, time)


@helper
def record_existence(st, object_class, since):
    """Count the time that there is an object, or a replica of one."""
    amount = window_us(st, since, st.rules[0].duration)
    record.add(st.object_by_class, object_class, obl.O_EXISTED_US, amount)


@helper
def record_commit(st, slot, object_class, host):
    """Count a commit."""
    if is_measured(st, slot):
        st.object_by_class[object_class, obl.O_COMMITS] += 1
        st.object_by_host[host, obl.H_COMMITS] += 1


@helper
def record_spawn(st, slot, number):
    """Record how long it took until a new object was open."""
    if is_measured(st, slot):
        call = st.calls[number]
        time = st.parts[number, obl.TO_HOME] + st.parts[number, obl.OPEN]
        add_value(st, st.actors[call.actor].object_class, ob.SPAWN, time)
        record.add(st.object_spawn_ns, call.site, ZERO, buckets.nanoseconds(time))


@helper
def record_replica_read(st, slot, object_class, stale, is_truncated):
    """Record a read that a replica answers; ``stale`` ms, negative = fresh."""
    if is_measured(st, slot):
        st.object_by_class[object_class, obl.O_REPLICA_READS] += 1
        if is_truncated:
            st.object_by_class[object_class, obl.O_TRUNCATED] += 1
        if stale >= 0.0:
            st.object_by_class[object_class, obl.O_STALE] += 1
            add_value(st, object_class, ob.STALENESS, stale)


@helper
def record_answer(st, slot, number, time):
    """Record a call that was answered."""
    if not is_measured(st, slot):
        return
    call = st.calls[number]
    row, hosts = st.actors[call.actor].object_class, st.object_rules[0].host_count
    st.object_by_class[row, obl.O_CALLS] += 1
    st.object_by_host[call.host, obl.H_CALLS] += 1
    if st.site_regions[call.site] == st.site_regions[st.host_sites[call.host]]:
        st.object_by_class[row, obl.O_IN_REGION] += 1
    add_value(st, row, ob.CALL, time - call.began)
    add_value(st, row, ob.DISTANCE, st.host_km[call.site * hosts + call.host])
    for part in range(st.parts.shape[1]):
        ms = st.parts[number, part]
        if ms > 0.0:
            add_value(st, row, ob.FIRST_PART + part, ms)


@helper
def window_us(st, start, end):
    """Return the microseconds of [start, end) that lie in the measured window."""
    low, high = max(start, st.rules[0].warmup), min(end, st.rules[0].duration)
    return np.int64((high - low) * 1e3 + 0.5) if high > low else ZERO


@helper
def record_lived(st, row, end):
    """Count the time with work in progress, and that in memory without, since the last count."""
    actor = st.actors[row]
    idle = window_us(st, actor.idle_since, min(end, actor.deadline))
    record.add(st.object_by_class, actor.object_class, obl.O_IDLE_US, idle)
    active = window_us(st, actor.active_since, min(end, actor.idle_since))
    if active > 0:
        record.add(st.object_by_class, actor.object_class, obl.O_ACTIVE_US, active)
        record.add(st.object_by_host, actor.home, obl.H_ACTIVE_US, active)


@helper
def record_living(st, row):
    """Count an object where its home is when the run ends."""
    actor = st.actors[row]
    if actor.replica == 0 and actor.home >= 0:
        st.object_by_host[actor.home, obl.H_LIVING] += 1
