"""Reads of a key-value store, event by event; twin of specification/kv.py.

A read climbs from the site's caches to its regional tier and to a store, and stores what it found on its way back.
The slot of a request carries its read; a refresh has a slot of its own.
"""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import kv_layout as kvl
from popsim.engine import layout as lay
from popsim.engine.compiled import (
    ages,
    caches,
    calendar,
    constants,
    draw,
    hashing,
    keys,
    kv_record,
    kv_state,
    stages,
    stores,
    versions,
)
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import helper

# Whose a slot is
A_REQUEST, EDGE_REFRESH, REGION_REFRESH, AN_ALARM, A_SESSION = 0, 1, 2, 3, 4


@helper
def event_key(st, slot):
    """Return the key of a slot's events: a request's, a refresh's (rule 35), or of an object's own doing (rule 47)."""
    request = st.slots[slot]
    if request.job == A_REQUEST:
        return constants.KEY_ORDINARY + request.number
    if request.job > REGION_REFRESH:
        return (
            constants.KEY_ALARM if request.job == AN_ALARM else constants.KEY_RECONNECT
        ) + request.number
    level = request.job - EDGE_REFRESH
    return constants.KEY_REFRESH + (
        (request.number << draws.REFRESH_SHIFT) + (draw.position_of(request) << 1) + level
    )


@helper
def begin_get(st, slot, time):
    """Look keys up at the site; return (when the read's next event is, what follows)."""
    request, width = st.slots[slot], st.kv_rules[0].widest_get
    step = st.steps[request.pc]
    request.began = time
    request.failed = ZERO
    request.count = ONE if step.count == 0 else step.count
    request.edge_waiters, request.region_waiters = NONE, NONE
    request.lifetime = step.lifetime if step.lifetime > 0.0 else st.kv_rules[0].edge_ttl
    worst, missing = kvl.MEMORY, ZERO
    for place in range(request.count):
        parcel = st.parcels[slot * width + place]
        if place > 0:
            parcel.key = keys.key_of(st, request.number, request.client, request.space, place)
        parcel.tier = NONE
        look_up_at_site(st, slot, place, time)
        worst = max(worst, parcel.tier)
        if parcel.tier < 0:
            missing += 1
    table = st.kv_rules[0].edge_table
    if missing == 0 and worst == kvl.MEMORY:
        table = st.kv_rules[0].memory_table
    leave = stores.service(st, slot, table, draws.AT_EDGE)
    if missing == 0:
        request.stage = stages.S_KV_LOCAL
        return time + leave, stages.MOVE
    if request.count == 1 and st.kv_rules[0].coalesces != 0:
        tag = hashing.tag_of(request.compute, st.parcels[slot * width].key)
        oldest = np.inf if ages.vouches(st, slot) else request.lifetime
        if wait_for(st, slot, tag, request.epoch, oldest, True):
            request.stage = stages.S_KV_EDGE_GIVEN
            return time, stages.NOTHING
        hashing.set_out(st, tag, slot, request.epoch)
    return climb(st, slot, time, leave), stages.MOVE


@helper
def look_up_at_site(st, slot, place, time):
    """Look a key up in the site's memory, then in its edge cache."""
    request = st.slots[slot]
    parcel = st.parcels[slot * st.kv_rules[0].widest_get + place]
    key, site = parcel.key, request.compute
    first = ZERO if st.kv_rules[0].memory_bytes != 0 else ONE
    last = ONE if st.kv_rules[0].has_edge != 0 else ZERO
    for tier in range(first, last + 1):
        cache = site if tier == kvl.EDGE else st.kv_rules[0].cache_node_count + site
        position = caches.find(st, cache, site, key, time, request.epoch, request.lifetime)
        if position < 0:
            continue
        copy = st.copies[position]
        parcel.state, parcel.until = copy.state & kv_state.STATE_MASK, copy.until
        parcel.tier = np.int64(tier)
        if tier == kvl.EDGE:
            copy.expiry = min(copy.since + request.lifetime, copy.until)
            is_due = ages.is_old(st, copy, request.lifetime, time)
            if is_due and may_refresh(st, slot, site, key, request.epoch):
                copy.state |= kv_state.REFRESHED
                refresh(st, slot, key, time, EDGE_REFRESH)
            if first == 0:
                ages.keep_in_memory(st, slot, place, copy.since, copy.expiry, time)
        return


@helper
def wait_for(st, slot, tag, epoch, longest, is_edge):
    """Join the read that is under way for a cache, if there is one with a TTL of at most ``longest``."""
    position = hashing.find_fetching(st, tag)
    if position < 0 or st.fetching[position].epoch != epoch:
        return False
    carrier = st.slots[st.fetching[position].slot]
    if carrier.lifetime > longest:
        return False
    if is_edge:
        st.slots[slot].next = carrier.edge_waiters
        carrier.edge_waiters = slot
    else:
        st.slots[slot].next = carrier.region_waiters
        carrier.region_waiters = slot
    return True


@helper
def climb(st, slot, time, leave):
    """Go up from the site after ``leave`` ms; return when the read gets there."""
    request = st.slots[slot]
    link = st.tier_links[request.compute]
    if link.region < 0:
        return to_store(st, slot, request.compute, time, leave)
    request.stage = stages.S_KV_REGION
    return time + (leave + link.rtt * 0.5)


@helper
def to_store(st, slot, node, time, leave):
    """Set out for a store; return when the read gets there, or learns that none answers."""
    request = st.slots[slot]
    if stores.choose_store(st, slot, node * st.kv_rules[0].choices, draws.AT_STORE):
        request.stage = stages.S_KV_STORE
        return time + (leave + request.store_rtt * 0.5)
    request.failed = ONE
    back_from_store(st, slot)
    return time + leave


@helper
def back_from_store(st, slot):
    """Let the next event be the return to the regional tier, or to the site where there is none."""
    request = st.slots[slot]
    region = st.tier_links[request.compute].region
    request.stage = stages.S_KV_REGION_BACK if region >= 0 else stages.S_KV_EDGE_BACK


@helper
def at_region(st, slot, time):
    """A read arrives at its regional tier."""
    request, width = st.slots[slot], st.kv_rules[0].widest_get
    link = st.tier_links[request.compute]
    node = st.rules[0].site_count + link.region
    missing = ZERO
    vouched = ages.vouches(st, slot)
    oldest = np.inf if vouched else request.lifetime
    for place in range(request.count):
        parcel = st.parcels[slot * width + place]
        if parcel.tier >= 0:
            continue
        position = caches.find(st, node, node, parcel.key, time, ZERO, oldest)
        if position < 0:
            missing += 1
            continue
        copy = st.copies[position]
        parcel.state, parcel.until = copy.state & kv_state.STATE_MASK, copy.until
        parcel.tier, parcel.since = kvl.REGION, np.inf if vouched else copy.since
        is_due = ages.is_old(st, copy, st.kv_rules[0].region_ttl, time)
        if is_due and may_refresh(st, slot, node, parcel.key, ZERO):
            copy.state |= kv_state.REFRESHED
            refresh(st, slot, parcel.key, time, REGION_REFRESH)
    leave = stores.service(st, slot, st.kv_rules[0].region_table, draws.AT_REGION)
    if missing == 0:
        request.stage = stages.S_KV_EDGE_BACK
        return time + (leave + link.rtt * 0.5), stages.MOVE
    if request.count == 1 and st.kv_rules[0].coalesces != 0:
        tag = hashing.tag_of(node, st.parcels[slot * width].key)
        if wait_for(st, slot, tag, ZERO, np.inf, False):
            request.stage = stages.S_KV_REGION_GIVEN
            return time, stages.NOTHING
        hashing.set_out(st, tag, slot, ZERO)
    return to_store(st, slot, node, time, leave), stages.MOVE


@helper
def at_the_store(st, slot, time):
    """A read arrives at its store: what is there now counts."""
    request, width = st.slots[slot], st.kv_rules[0].widest_get
    back_from_store(st, slot)
    if st.stores[request.store].up == 0:
        request.failed = ONE
        return time + request.store_rtt * 0.5
    if request.job != A_REQUEST:
        kv_record.record_store_read(st, slot)
    for place in range(request.count):
        parcel = st.parcels[slot * width + place]
        if parcel.tier >= 0:
            continue
        parcel.tier, parcel.until, parcel.since = kvl.STORE, np.inf, np.inf
        version = versions.at_store(st, parcel.key, request.store, time)
        if version < 0:
            parcel.state = versions.is_absent_at_start(st, parcel.key, request.space)
        elif st.versions[version].until <= time:
            parcel.state = st.versions[version].number * 2 + 1
        else:
            parcel.state = st.versions[version].number * 2 + st.versions[version].absent
            parcel.until = st.versions[version].until
    return time + (request.service + request.store_rtt * 0.5)


@helper
def back_at_region(st, slot, time):
    """A read returns to its regional tier: store what a store said, and wake who waits."""
    request, width = st.slots[slot], st.kv_rules[0].widest_get
    link = st.tier_links[request.compute]
    node = st.rules[0].site_count + link.region
    if request.failed == 0:
        vouched, ttl = ages.vouches(st, slot), st.kv_rules[0].region_ttl
        cycle = ages.cycle_of(st, ttl if vouched else min(ttl, request.lifetime))
        for place in range(request.count):
            parcel = st.parcels[slot * width + place]
            if parcel.tier == kvl.STORE:
                size = versions.size_of(st, parcel.key, request.space)
                key, state, until = parcel.key, parcel.state, parcel.until
                since = ages.since_when(st, node, key, time, cycle)
                caches.keep(st, node, key, state, until, time, since, since + ttl, ZERO, size)
                parcel.since = np.inf if vouched else since
    if request.count == 1 and st.kv_rules[0].coalesces != 0:
        hashing.come_back(st, hashing.tag_of(node, st.parcels[slot * width].key), slot)
        wake(st, slot, request.region_waiters, time)
        request.region_waiters = NONE
    if request.job == REGION_REFRESH:
        return time, stages.ENDED
    request.stage = stages.S_KV_EDGE_BACK
    return time + link.rtt * 0.5, stages.MOVE


@helper
def back_at_edge(st, slot, time):
    """A read has returned to its site, which has stored what came from above: wake who waits."""
    request, width = st.slots[slot], st.kv_rules[0].widest_get
    if request.count == 1 and st.kv_rules[0].coalesces != 0:
        hashing.come_back(st, hashing.tag_of(request.compute, st.parcels[slot * width].key), slot)
        wake(st, slot, request.edge_waiters, time)
    return stages.ENDED if request.job == EDGE_REFRESH else end_get(st, slot, time)


@helper
def keep_at_site(st, slot, time):
    """Store what came from above at the site, if it has not failed since."""
    request, width = st.slots[slot], st.kv_rules[0].widest_get
    is_lost = st.sites[request.compute].epoch != request.epoch or request.failed != 0
    if is_lost or st.kv_rules[0].has_edge == 0:
        return
    ttl = request.lifetime
    for place in range(request.count):
        parcel = st.parcels[slot * width + place]
        if parcel.tier <= kvl.EDGE:
            continue
        size = versions.size_of(st, parcel.key, request.space)
        key, state, until, site = parcel.key, parcel.state, parcel.until, request.compute
        since = min(ages.since_when(st, site, key, time, ages.cycle_of(st, ttl)), parcel.since)
        caches.keep(st, site, key, state, until, time, since, since + ttl, request.epoch, size)
        if st.kv_rules[0].memory_bytes != 0:
            ages.keep_in_memory(st, slot, place, since, since + ttl, time)


@helper
def end_get(st, slot, time):
    """A request's read is over."""
    request, width = st.slots[slot], st.kv_rules[0].widest_get
    if st.sites[request.compute].epoch != request.epoch:
        return stages.FAILED_STEP + lay.KILLED
    kv_record.record_read(st, slot, time)
    request.absent = ZERO
    for place in range(request.count):
        parcel = st.parcels[slot * width + place]
        if parcel.tier < 0 or (parcel.state & 1) != 0:
            request.absent = ONE
    return stages.FAILED_STEP + lay.KV_UNAVAILABLE if request.failed != 0 else stages.NEXT_STEP


@helper
def given_at_region(st, slot, time):
    """A read that waited at its regional tier was given what another found; it goes back to its site."""
    st.slots[slot].stage = stages.S_KV_EDGE_BACK
    return time + st.tier_links[st.slots[slot].compute].rtt * 0.5


@helper
def wake(st, slot, waiter, time):
    """Give all who waited for a read what it found, or its failure (rule 34)."""
    width = st.kv_rules[0].widest_get
    found = st.parcels[slot * width]
    while waiter >= 0:
        given = st.parcels[waiter * width]
        st.slots[waiter].failed = st.slots[slot].failed
        if found.tier >= 0:
            given.state, given.until, given.tier = found.state, found.until, kvl.COALESCED
            given.since = found.since
        following = st.slots[waiter].next
        key = event_key(st, waiter)
        if st.slots[waiter].job == A_REQUEST:
            key = constants.KEY_WAKE + st.slots[waiter].number
        calendar.push(st, time, key, waiter)
        waiter = following


@helper
def may_refresh(st, slot, cache, key, epoch):
    """Tell whether a read may set off a refresh: single ones do, if none is under way (rule 35)."""
    if st.slots[slot].count != 1:
        return False
    position = hashing.find_fetching(st, hashing.tag_of(cache, key))
    return position < 0 or st.fetching[position].epoch != epoch


@helper
def refresh(st, slot, key, time, job):
    """Start a read by a cache itself, in the background, in a slot of its own."""
    cause, width = st.slots[slot], st.kv_rules[0].widest_get
    kv_record.record_refresh(st, slot, job == EDGE_REFRESH)
    own = stages.take_slot(st)
    read = st.slots[own]
    read.job = job
    read.number, read.pc, read.turn = cause.number, cause.pc, cause.turn
    read.start = cause.start
    read.compute, read.epoch, read.space = cause.compute, cause.epoch, cause.space
    read.lifetime, read.count, read.failed = cause.lifetime, ONE, ZERO
    read.edge_waiters, read.region_waiters = NONE, NONE
    parcel = st.parcels[own * width]
    parcel.key, parcel.tier = key, NONE
    node, epoch = cause.compute, cause.epoch
    if job == REGION_REFRESH:
        node, epoch = st.rules[0].site_count + st.tier_links[cause.compute].region, ZERO
    if st.kv_rules[0].coalesces != 0:
        hashing.set_out(st, hashing.tag_of(node, key), own, epoch)
    if job == REGION_REFRESH:
        arrival = to_store(st, own, node, time, 0.0)
    else:
        arrival = climb(st, own, time, 0.0)
    calendar.push(st, arrival, event_key(st, own), own)
