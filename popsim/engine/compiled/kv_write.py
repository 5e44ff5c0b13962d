"""Writes and listings of a key-value store, event by event; twin of specification/kv_write.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import kv_layout as kvl
from popsim.engine import layout as lay
from popsim.engine.compiled import draw, keys, kv_record, stages, stores, versions
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import entry, helper


@helper
def name_of_write(request):
    """Return what names a request's write (rule 8)."""
    return (request.number << draws.WRITE_SHIFT) + draw.position_of(request)


@helper
def kind_and_lifetime(st, slot):
    """Return (what a step does, how long a written value lives); a trace decides for its rows."""
    request = st.slots[slot]
    step = st.steps[request.pc]
    if step.kind == lay.KV_TRACE:
        row = st.trace[request.number]
        return row.kind, row.expiry
    if step.expiry_row < 0:
        return step.kind, np.inf
    country = st.clients[request.client].country
    return step.kind, st.expiries[step.expiry_row * st.rules[0].country_count + country]


@helper
def prepare(st, slot):
    """Note which key a step is about; return what it does."""
    request = st.slots[slot]
    request.space = st.steps[request.pc].space
    request.failed = lay.OK
    parcel = st.parcels[slot * st.kv_rules[0].widest_get]
    parcel.key = keys.key_of(st, request.number, request.client, request.space, ZERO)
    kind, lifetime = kind_and_lifetime(st, slot)
    request.lifetime = lifetime
    request.absent = ONE if kind == lay.KV_GET else ZERO  # until the read knows better
    return kind


@helper
def begin_write(st, slot, time, kind):
    """Set out with a write, or a listing; return when it gets to its store."""
    request = st.slots[slot]
    request.began = time
    request.kind = kind
    node, part = request.compute, draws.AT_STORE
    request.stage = stages.S_KV_LIST
    if kind != lay.KV_LIST:
        node, part = st.kv_rules[0].cache_node_count + request.compute, draws.WRITING
        request.stage = stages.S_KV_COMMIT
    if stores.choose_store(st, slot, node * st.kv_rules[0].choices, part):
        return time + request.store_rtt * 0.5
    request.failed = lay.KV_UNAVAILABLE
    request.stage = stages.S_KV_LISTED if kind == lay.KV_LIST else stages.S_KV_WRITTEN
    return time


@helper
def at_commit(st, slot, time):
    """A write arrives at its store; return when the answer is back."""
    request = st.slots[slot]
    request.stage = stages.S_KV_WRITTEN
    parcel = st.parcels[slot * st.kv_rules[0].widest_get]
    if st.stores[request.store].up == 0:
        request.failed = lay.KV_UNAVAILABLE
    elif versions.is_too_soon(st, parcel.key, time, st.kv_rules[0].write_gap):
        request.failed = lay.KV_LIMITED
    if request.failed != lay.OK:
        return time + request.store_rtt * 0.5
    absent = ONE if request.kind == lay.KV_DELETE else ZERO
    entity = name_of_write(request)
    row = NONE
    if request.start >= st.rules[0].warmup:
        row = kv_record.watch(st, request.space, parcel.key, time)
    until = time + request.lifetime
    request.version = versions.commit(
        st, parcel.key, time, until, entity, request.store, request.compute, absent, row
    )
    kv_record.follow(st, request.version, parcel.key)
    parcel.state = st.versions[request.version].number * 2 + absent
    parcel.until = until
    return time + (request.service + request.store_rtt * 0.5)


@helper
def writes_through(st, slot):
    """Tell whether a write that is back is kept at its site; if so, make it look like a read that is back."""
    request = st.slots[slot]
    if request.failed != lay.OK or st.kv_rules[0].writes_through == 0:
        return False
    request.count, request.lifetime = ONE, st.kv_rules[0].edge_ttl
    parcel = st.parcels[slot * st.kv_rules[0].widest_get]
    parcel.tier, parcel.since = kvl.STORE, np.inf
    return True


@helper
def end_write(st, slot, time):
    """A site learns that its write is done, or refused."""
    request = st.slots[slot]
    if st.sites[request.compute].epoch != request.epoch:
        return stages.FAILED_STEP + lay.KILLED
    parcel = st.parcels[slot * st.kv_rules[0].widest_get]
    if request.failed == lay.OK:
        version = st.versions[request.version]
        if version.entity == name_of_write(request):
            version.acked = time
    size = versions.size_of(st, parcel.key, request.space)
    kv_record.record_write(st, slot, time, size)
    return stages.NEXT_STEP if request.failed == lay.OK else stages.FAILED_STEP + request.failed


@helper
def at_listing(st, slot, time):
    """A listing arrives at its store; return when the answer is back."""
    request = st.slots[slot]
    request.stage = stages.S_KV_LISTED
    if st.stores[request.store].up == 0:
        request.failed = lay.KV_UNAVAILABLE
        return time + request.store_rtt * 0.5
    drawn = stores.service(st, slot, st.kv_rules[0].list_table, draws.LISTING)
    return time + (drawn + request.store_rtt * 0.5)


@helper
def end_list(st, slot, time):
    """A listing is over."""
    request = st.slots[slot]
    if st.sites[request.compute].epoch != request.epoch:
        return stages.FAILED_STEP + lay.KILLED
    kv_record.record_list(st, slot, time)
    return stages.NEXT_STEP if request.failed == lay.OK else stages.FAILED_STEP + request.failed


@helper
def after_kv(st, slot, what):
    """Go on after a step of the store: where a hit jumps to, to the next step, or not at all (rule 28)."""
    request = st.slots[slot]
    step = st.steps[request.pc]
    if what == stages.FAILED_STEP + lay.KILLED:
        return ZERO + lay.KILLED
    if what != stages.NEXT_STEP and step.is_tolerant == 0:
        return np.int64(what - stages.FAILED_STEP)
    if (step.kind == lay.KV_GET or step.kind == lay.KV_TRACE) and request.absent == 0:
        request.pc = step.target
    else:
        request.pc += 1
    return ZERO


@entry
def write_now(st, key, time, store, entity, absent):
    """Commit a write of the control plane; the caller guarantees room."""
    row = NONE
    if time >= st.rules[0].warmup:
        row = kv_record.watch(st, NONE, key, time)
    kv_record.follow(
        st, versions.commit(st, key, time, np.inf, entity, store, NONE, absent, row), key
    )
