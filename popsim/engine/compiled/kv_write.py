"""Writes and listings of a key-value store, event by event; twin of specification/kv.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.draw import position_of
from popsim.engine.compiled.jit import entry, helper
from popsim.engine.compiled.keys import key_of
from popsim.engine.compiled.kv_record import follow, record_list, record_write, watch
from popsim.engine.compiled.kv_state import (
    EDGE_TTL,
    N_CACHE_NODES,
    N_CHOICES,
    N_COUNTRIES,
    TABLE_LIST,
    WIDTH,
    WRITE_GAP,
    WRITES_THROUGH,
)
from popsim.engine.compiled.stages import (
    FAILED_STEP,
    NEXT_STEP,
    S_KV_COMMIT,
    S_KV_LIST,
    S_KV_LISTED,
    S_KV_WRITTEN,
)
from popsim.engine.compiled.state import F_WARMUP
from popsim.engine.compiled.stores import choose_store, service
from popsim.engine.compiled.versions import commit, is_too_soon, size_of
from popsim.engine.kv_layout import STORE
from popsim.engine.layout import (
    KILLED,
    KV_DELETE,
    KV_GET,
    KV_LIMITED,
    KV_LIST,
    KV_TRACE,
    KV_UNAVAILABLE,
    OK,
)

WRITING, AT_STORE = np.int64(draws.WRITING), np.int64(draws.AT_STORE)
LISTING = np.int64(draws.LISTING)
WRITE_SHIFT = np.int64(draws.WRITE_SHIFT)
NONE, ZERO, ONE, IN_STORE = np.int64(-1), np.int64(0), np.int64(1), np.int64(STORE)


@helper
def name_of_write(request):
    """Return what names a request's write (rule 8)."""
    return (request.number << WRITE_SHIFT) + position_of(request)


@helper
def kind_and_lifetime(st, slot):
    """Return (what a step does, how long a written value lives); a trace decides for its rows."""
    request = st.slots[slot]
    step = st.steps[request.pc]
    if step.kind == KV_TRACE:
        row = st.trace[request.number]
        return row.kind, row.expiry
    if step.expiry_row < 0:
        return step.kind, np.inf
    country = st.clients[request.client].country
    return step.kind, st.expiries[step.expiry_row * st.kv_ints[N_COUNTRIES] + country]


@helper
def prepare(st, slot):
    """Note which key a step is about; return what it does."""
    request = st.slots[slot]
    request.space = st.steps[request.pc].space
    request.failed = np.int64(OK)
    parcel = st.parcels[slot * st.kv_ints[WIDTH]]
    parcel.key = key_of(st, request.number, request.client, request.space, ZERO)
    kind, lifetime = kind_and_lifetime(st, slot)
    request.lifetime = lifetime
    request.absent = ONE if kind == KV_GET else ZERO  # until the read knows better
    return kind


@helper
def begin_write(st, slot, time, kind):
    """Set out with a write, or a listing; return when it gets to its store."""
    request = st.slots[slot]
    request.began = time
    request.kind = kind
    node, part = request.compute, AT_STORE
    request.stage = S_KV_LIST
    if kind != KV_LIST:
        node, part = st.kv_ints[N_CACHE_NODES] + request.compute, WRITING
        request.stage = S_KV_COMMIT
    if choose_store(st, slot, node * st.kv_ints[N_CHOICES], part):
        return time + request.store_rtt * 0.5
    request.failed = np.int64(KV_UNAVAILABLE)
    request.stage = S_KV_LISTED if kind == KV_LIST else S_KV_WRITTEN
    return time


@helper
def at_commit(st, slot, time):
    """A write arrives at its store; return when the answer is back."""
    request = st.slots[slot]
    request.stage = S_KV_WRITTEN
    parcel = st.parcels[slot * st.kv_ints[WIDTH]]
    if st.stores[request.store].up == 0:
        request.failed = np.int64(KV_UNAVAILABLE)
    elif is_too_soon(st, parcel.key, time, st.kv_floats[WRITE_GAP]):
        request.failed = np.int64(KV_LIMITED)
    if request.failed != OK:
        return time + request.store_rtt * 0.5
    absent = ONE if request.kind == KV_DELETE else ZERO
    entity = name_of_write(request)
    row = NONE
    if request.start >= st.floats[F_WARMUP]:
        row = watch(st, request.space, parcel.key, time)
    until = time + request.lifetime
    request.version = commit(
        st, parcel.key, time, until, entity, request.store, request.compute, absent, row
    )
    follow(st, request.version, parcel.key)
    parcel.state = st.versions[request.version].number * 2 + absent
    parcel.until = until
    return time + (request.service + request.store_rtt * 0.5)


@helper
def writes_through(st, slot):
    """Tell whether a write that is back is kept at its site; if so, make it look like a read that is back."""
    request = st.slots[slot]
    if request.failed != OK or st.kv_ints[WRITES_THROUGH] == 0:
        return False
    request.count, request.lifetime = ONE, st.kv_floats[EDGE_TTL]
    parcel = st.parcels[slot * st.kv_ints[WIDTH]]
    parcel.tier, parcel.since = IN_STORE, np.inf
    return True


@helper
def end_write(st, slot, time):
    """A site learns that its write is done, or refused."""
    request = st.slots[slot]
    if st.sites[request.compute].epoch != request.epoch:
        return FAILED_STEP + KILLED
    parcel = st.parcels[slot * st.kv_ints[WIDTH]]
    if request.failed == OK:
        version = st.versions[request.version]
        if version.entity == name_of_write(request):
            version.acked = time
    size = size_of(st, parcel.key, request.space)
    record_write(st, slot, time, size)
    return NEXT_STEP if request.failed == OK else FAILED_STEP + request.failed


@helper
def at_listing(st, slot, time):
    """A listing arrives at its store; return when the answer is back."""
    request = st.slots[slot]
    request.stage = S_KV_LISTED
    if st.stores[request.store].up == 0:
        request.failed = np.int64(KV_UNAVAILABLE)
        return time + request.store_rtt * 0.5
    drawn = service(st, slot, st.kv_ints[TABLE_LIST], LISTING)
    return time + (drawn + request.store_rtt * 0.5)


@helper
def end_list(st, slot, time):
    """A listing is over."""
    request = st.slots[slot]
    if st.sites[request.compute].epoch != request.epoch:
        return FAILED_STEP + KILLED
    record_list(st, slot, time)
    return NEXT_STEP if request.failed == OK else FAILED_STEP + request.failed


@helper
def after_kv(st, slot, what):
    """Go on after a step of the store: where a hit jumps to, to the next step, or not at all (rule 28)."""
    request = st.slots[slot]
    step = st.steps[request.pc]
    if what == FAILED_STEP + KILLED:
        return ZERO + KILLED
    if what != NEXT_STEP and step.is_tolerant == 0:
        return np.int64(what - FAILED_STEP)
    if (step.kind == KV_GET or step.kind == KV_TRACE) and request.absent == 0:
        request.pc = step.target
    else:
        request.pc += 1
    return ZERO


@entry
def write_now(st, key, time, store, entity, absent):
    """Commit a write of the control plane; the caller guarantees room."""
    row = NONE
    if time >= st.floats[F_WARMUP]:
        row = watch(st, NONE, key, time)
    follow(st, commit(st, key, time, np.inf, entity, store, NONE, absent, row), key)
