"""Bookkeeping of objects, compiled; the specification's twin is specification/object_recorder.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import object_books as ob
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.object_state import N_HOSTS
from popsim.engine.compiled.record import add, bucket_of, nanoseconds
from popsim.engine.compiled.state import F_DURATION, F_WARMUP
from popsim.engine.object_layout import (
    H_ACTIVE_US,
    H_CALLS,
    H_COMMITS,
    H_CREATED,
    H_LIVING,
    O_ACTIVE_US,
    O_CALLS,
    O_COMMITS,
    O_CREATED,
    O_EXISTED_US,
    O_IDLE_US,
    O_IN_REGION,
    O_PAYLOAD_BYTES,
    O_REPLICA_READS,
    O_STALE,
    O_TRUNCATED,
    OPEN,
    PARTS,
    TO_HOME,
)

ROWS = np.int64(ob.ROWS_PER_CLASS)
CALL, FIRST_PART, DISTANCE = np.int64(ob.CALL), np.int64(ob.FIRST_PART), np.int64(ob.DISTANCE)
SPAWN, STALENESS = np.int64(ob.SPAWN), np.int64(ob.STALENESS)
N_PARTS = np.int64(len(PARTS))
PAYLOAD, EXISTED = np.int64(O_PAYLOAD_BYTES), np.int64(O_EXISTED_US)
IDLE, ACTIVE = np.int64(O_IDLE_US), np.int64(O_ACTIVE_US)
ACTIVE_OF_HOST = np.int64(H_ACTIVE_US)
ROWS_OF_MESSAGE = np.int64(ob.ROWS_PER_MESSAGE)


@helper
def is_measured(st, slot):
    """Tell whether a request or job began after the warm-up."""
    return st.slots[slot].start >= st.floats[F_WARMUP]


@helper
def count_object(st, slot, object_class, column):
    """Count something that a request or job did."""
    if is_measured(st, slot):
        st.object_by_class[object_class, column] += 1


@helper
def count_payload(st, slot, object_class, amount):
    """Count bytes that a request sends with a call."""
    if is_measured(st, slot):
        add(st.object_by_class, object_class, PAYLOAD, np.int64(amount + 0.5))


@helper
def count_at(st, time, object_class, column):
    """Count something that happens without a request."""
    if time >= st.floats[F_WARMUP]:
        st.object_by_class[object_class, column] += 1


@helper
def add_value(st, object_class, row, amount):
    """Add to a histogram of a class."""
    st.object_histogram[object_class * ROWS + row, bucket_of(amount)] += 1


@helper
def add_of_message(st, kind, row, amount):
    """Add to a histogram of a kind of message."""
    st.object_by_message[kind * ROWS_OF_MESSAGE + row, bucket_of(amount)] += 1


@helper
def record_created(st, object_class, site, host, time):
    """Count a new object by who asked first and its home; in the warm-up, too: it stays there."""
    st.object_by_class[object_class, O_CREATED] += 1
    st.object_created[site, host] += 1
    st.object_by_host[host, H_CREATED] += 1
    record_existence(st, object_class, time)


@helper
def record_existence(st, object_class, since):
    """Count the time that there is an object, or a replica of one."""
    amount = window_us(st, since, st.floats[F_DURATION])
    add(st.object_by_class, object_class, EXISTED, amount)


@helper
def record_commit(st, slot, object_class, host):
    """Count a commit."""
    if is_measured(st, slot):
        st.object_by_class[object_class, O_COMMITS] += 1
        st.object_by_host[host, H_COMMITS] += 1


@helper
def record_spawn(st, slot, number):
    """Record how long it took until a new object was open."""
    if is_measured(st, slot):
        call = st.calls[number]
        time = st.parts[number, TO_HOME] + st.parts[number, OPEN]
        add_value(st, st.actors[call.actor].object_class, SPAWN, time)
        add(st.object_spawn_ns, call.site, np.int64(0), nanoseconds(time))


@helper
def record_replica_read(st, slot, object_class, stale, is_truncated):
    """Record a read that a replica answers; ``stale`` ms, negative = fresh."""
    if is_measured(st, slot):
        st.object_by_class[object_class, O_REPLICA_READS] += 1
        if is_truncated:
            st.object_by_class[object_class, O_TRUNCATED] += 1
        if stale >= 0.0:
            st.object_by_class[object_class, O_STALE] += 1
            add_value(st, object_class, STALENESS, stale)


@helper
def record_answer(st, slot, number, time):
    """Record a call that was answered."""
    if not is_measured(st, slot):
        return
    call = st.calls[number]
    row, hosts = st.actors[call.actor].object_class, st.object_ints[N_HOSTS]
    st.object_by_class[row, O_CALLS] += 1
    st.object_by_host[call.host, H_CALLS] += 1
    if st.site_regions[call.site] == st.site_regions[st.host_sites[call.host]]:
        st.object_by_class[row, O_IN_REGION] += 1
    add_value(st, row, CALL, time - call.began)
    add_value(st, row, DISTANCE, st.host_km[call.site * hosts + call.host])
    for part in range(N_PARTS):
        ms = st.parts[number, part]
        if ms > 0.0:
            add_value(st, row, FIRST_PART + part, ms)


@helper
def window_us(st, start, end):
    """Return the microseconds of [start, end) that lie in the measured window."""
    low, high = max(start, st.floats[F_WARMUP]), min(end, st.floats[F_DURATION])
    return np.int64((high - low) * 1e3 + 0.5) if high > low else np.int64(0)


@helper
def record_lived(st, row, end):
    """Count the time with work in progress, and that in memory without, since the last count."""
    actor = st.actors[row]
    idle = window_us(st, actor.idle_since, min(end, actor.deadline))
    add(st.object_by_class, actor.object_class, IDLE, idle)
    active = window_us(st, actor.active_since, min(end, actor.idle_since))
    if active > 0:
        add(st.object_by_class, actor.object_class, ACTIVE, active)
        add(st.object_by_host, actor.home, ACTIVE_OF_HOST, active)


@helper
def record_living(st, row):
    """Count an object where its home is when the run ends."""
    actor = st.actors[row]
    if actor.replica == 0 and actor.home >= 0:
        st.object_by_host[actor.home, H_LIVING] += 1
