"""The compiled data plane's event loop, and the one verb that touches much state."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.heap import push, remove_first
from popsim.engine.compiled.instances import bind, forget, release
from popsim.engine.compiled.jit import entry, helper
from popsim.engine.compiled.kv import (
    at_region,
    at_the_store,
    back_at_edge,
    back_at_region,
    begin_get,
    end_get,
    event_key,
    given_at_region,
    keep_at_site,
)
from popsim.engine.compiled.kv_state import (
    FREE_VERSION,
    N_COPIES,
    N_FETCHING,
    N_VERSIONS,
    N_WRITTEN,
    WIDTH,
)
from popsim.engine.compiled.kv_write import (
    after_kv,
    at_commit,
    at_listing,
    begin_write,
    end_list,
    end_write,
    prepare,
    writes_through,
)
from popsim.engine.compiled.life import (
    acquire,
    after_front_door,
    after_step,
    after_wait,
    at_ingress,
    begin,
    branch,
    is_accepted,
    next_candidate,
    respond,
    run_step,
)
from popsim.engine.compiled.record import add_instance_time, count_groups, finish
from popsim.engine.compiled.stages import (
    ACQUIRE,
    BIND,
    ENDED,
    FAILED,
    FAILED_STEP,
    GIVE_UP,
    MOVE,
    NEXT_STEP,
    NOTHING,
    RUN,
    S_COMPUTE,
    S_DEAD,
    S_GRANTED,
    S_INGRESS,
    S_KV_COMMIT,
    S_KV_EDGE_BACK,
    S_KV_LIST,
    S_KV_LISTED,
    S_KV_REGION,
    S_KV_REGION_BACK,
    S_KV_REGION_GIVEN,
    S_KV_STORE,
    S_KV_WRITTEN,
    S_STEP,
    SEND,
    give_back_slot,
    take_slot,
)
from popsim.engine.compiled.state import (
    F_NEXT_TIME,
    F_NOW,
    I_DONE,
    I_FUNCTIONS,
    I_HEAP,
    I_IN_FLIGHT,
    I_INSTANCE_FREE,
    I_INSTANCE_TOP,
    I_NEXT_CLIENT,
    I_NEXT_NUMBER,
    I_ORIGINS,
    I_SAMPLED,
    I_SLOT_FREE,
    I_SLOT_TOP,
    I_UPSTREAMS,
)
from popsim.engine.layout import (
    DEAD,
    END,
    ENTER,
    KILLED,
    KV_GET,
    NEW,
    OK,
    ORDINARY,
    RANK,
    WAKE,
)
from popsim.engine.recorder import C_BUSY_US, C_EVENTS, C_IDLE_US

# Why ``advance`` returned
REACHED, DRAINED, NEED_SLOTS, NEED_INSTANCES, NEED_SAMPLE = 0, 1, 2, 3, 4
NEED_COPIES, NEED_FETCHING, NEED_WRITTEN, NEED_VERSIONS = 5, 6, 7, 8

KEY_DEAD, KEY_WAKE = np.int64(DEAD * RANK), np.int64(WAKE * RANK)
KEY_ORDINARY, KEY_ENTER = np.int64(ORDINARY * RANK), np.int64(ENTER * RANK)
KEY_NEW = np.int64(NEW * RANK)
ANSWERED = np.int64(OK)
BUSY_US, IDLE_US = np.int64(C_BUSY_US), np.int64(C_IDLE_US)
NONE = np.int64(-1)


@helper
def shortage(st):
    """Name what lacks room for one event's worst case, or REACHED if nothing does."""
    integers = st.integers
    if integers[I_SLOT_FREE] < 0 and integers[I_SLOT_TOP] >= st.slots.shape[0]:
        return NEED_SLOTS
    if integers[I_INSTANCE_FREE] < 0 and integers[I_INSTANCE_TOP] >= st.instances.shape[0]:
        return NEED_INSTANCES
    if integers[I_SAMPLED] >= st.sample.shape[0]:
        return NEED_SAMPLE
    return kv_shortage(st) if st.kv_by_site.shape[0] > 0 else REACHED


@helper
def kv_shortage(st):
    """Name which table of the key-value store is too full for one more event, or REACHED."""
    ints = st.kv_ints
    most_copies = 2 * ints[WIDTH] + 2
    if 5 * (ints[N_COPIES] + most_copies) > 3 * st.copies.shape[0]:
        return NEED_COPIES
    if 5 * (ints[N_FETCHING] + 2) > 3 * st.fetching.shape[0]:
        return NEED_FETCHING
    if 5 * (ints[N_WRITTEN] + 1) > 3 * st.written.shape[0]:
        return NEED_WRITTEN
    if ints[FREE_VERSION] < 0 and ints[N_VERSIONS] >= st.versions.shape[0]:
        return NEED_VERSIONS
    return REACHED


@helper
def is_arrival_next(st):
    """Tell whether the next candidate comes before the first event of the heap."""
    if st.integers[I_DONE] != 0:
        return False
    if st.integers[I_HEAP] == 0:
        return True
    time, first = st.floats[F_NEXT_TIME], st.heap[0].time
    return time < first or (time == first and KEY_NEW + st.integers[I_NEXT_NUMBER] < st.heap[0].key)


@helper
def arrive(st):
    """Handle the next candidate: return (slot, time of what follows, what follows)."""
    time = st.floats[F_NEXT_TIME]
    number, client = st.integers[I_NEXT_NUMBER], st.integers[I_NEXT_CLIENT]
    st.floats[F_NOW] = time
    slot, after, what = NONE, time, NOTHING
    if is_accepted(st, number, client, time):
        slot = take_slot(st)
        st.integers[I_IN_FLIGHT] += 1
        after, what = begin(st, slot, number, client, time)
    next_candidate(st)
    return slot, after, what


@helper
def happen(st, slot, time):
    """Handle the event a slot waited for: return (time of what follows, what follows)."""
    st.integers[C_EVENTS] += 1
    stage = st.slots[slot].stage
    if stage == S_INGRESS:
        return at_ingress(st, slot, time)
    if stage == S_COMPUTE:
        return time, after_front_door(st, slot, time)
    if stage == S_STEP:
        return time, after_step(st, slot)
    if stage == S_GRANTED or stage == S_DEAD:
        return time, after_wait(st, slot, time)
    return happen_in_kv(st, slot, time, stage)


@helper
def happen_in_kv(st, slot, time, stage):
    """Handle an event of the key-value store: return (time of what follows, what follows)."""
    what = np.int64(MOVE)
    if stage == S_KV_EDGE_BACK or (stage == S_KV_WRITTEN and writes_through(st, slot)):
        keep_at_site(st, slot, time)
    if stage == S_KV_REGION:
        time, what = at_region(st, slot, time)
    elif stage == S_KV_STORE:
        time = at_the_store(st, slot, time)
    elif stage == S_KV_REGION_BACK:
        time, what = back_at_region(st, slot, time)
    elif stage == S_KV_REGION_GIVEN:
        time = given_at_region(st, slot, time)
    elif stage == S_KV_COMMIT:
        time = at_commit(st, slot, time)
    elif stage == S_KV_LIST:
        time = at_listing(st, slot, time)
    elif stage == S_KV_WRITTEN:
        what = end_write(st, slot, time)
    elif stage == S_KV_LISTED:
        what = end_list(st, slot, time)
    elif stage == S_KV_EDGE_BACK:
        what = back_at_edge(st, slot, time)
    else:
        what = end_get(st, slot, time)
    if what == NEXT_STEP or what >= FAILED_STEP:
        outcome = after_kv(st, slot, what)
        what = np.int64(RUN)
        if outcome == KILLED:
            what = np.int64(FAILED + KILLED)
        elif outcome != OK:
            what = GIVE_UP + outcome
    return time, what


@helper
def settle(st, slot, time, what):
    """Do all that follows an event at its own time and site."""
    if what == ACQUIRE:
        what = acquire(st, slot, time)
    if what == BIND:
        bind(st, slot, time)
        st.slots[slot].pc = 0
        what = RUN
    if what == RUN:
        branch(st, slot)
        kind = st.steps[st.slots[slot].pc].kind
        if kind != END:
            start_step(st, slot, time, kind)
            return
    if what == RUN or what >= GIVE_UP:
        heir = release(st, slot, time)
        if heir >= 0:
            push(st, time, KEY_WAKE + st.slots[heir].number, heir)
    total, outcome = 0.0, ANSWERED
    if what == RUN:
        total = respond(st, slot, time)
    elif what >= FAILED:
        total = time - st.slots[slot].start
        outcome = np.int64(what - GIVE_UP if what >= GIVE_UP else what - FAILED)
    else:
        if what == ENDED:
            give_back_slot(st, slot)
        return
    finish(st, slot, total, outcome)
    st.integers[I_IN_FLIGHT] -= 1
    give_back_slot(st, slot)


@helper
def start_step(st, slot, time, kind):
    """Start the step at the program counter."""
    what = np.int64(MOVE)
    if kind < KV_GET:
        after = run_step(st, slot, time)
    else:
        kind = prepare(st, slot)
        if kind == KV_GET:
            after, what = begin_get(st, slot, time)
        else:
            after = begin_write(st, slot, time, kind)
    if what == MOVE:
        push(st, after, KEY_ORDINARY + st.slots[slot].number, slot)


@entry
def advance(st, until):
    """Run every event before ``until``; return why it stopped."""
    if st.integers[I_NEXT_NUMBER] < 0:
        next_candidate(st)
    while True:
        lacking = shortage(st)
        if lacking != REACHED:
            return lacking
        if is_arrival_next(st):
            if st.floats[F_NEXT_TIME] >= until:
                return REACHED
            slot, time, what = arrive(st)
        elif st.integers[I_HEAP] > 0:
            time = st.heap[0].time
            if time >= until:
                return REACHED
            slot = st.heap[0].slot
            st.floats[F_NOW] = time
            remove_first(st)
            time, what = happen(st, slot, time)
        else:
            return DRAINED if st.integers[I_DONE] != 0 else REACHED
        if what == SEND:
            push(st, time, KEY_ENTER + st.slots[slot].number, slot)
        elif what == MOVE:
            push(st, time, event_key(st, slot), slot)
        elif what != NOTHING:
            settle(st, slot, time, what)
        if st.integers[I_DONE] != 0 and st.integers[I_IN_FLIGHT] == 0:
            return DRAINED


@entry
def fail_site(st, index, time):
    """Lose all that runs at a site; requests waiting there die now (rule 21)."""
    site = st.sites[index]
    site.up = 0
    site.epoch += 1
    functions = st.integers[I_FUNCTIONS]
    for number in range(index * functions, (index + 1) * functions):
        pool = st.pools[number]
        waiter = pool.wait_head
        while waiter >= 0:
            st.slots[waiter].stage = S_DEAD
            push(st, time, KEY_DEAD + st.slots[waiter].number, waiter)
            waiter = st.slots[waiter].next
        pool.active = 0
        pool.waiting = 0
        pool.partly_used = NONE
        pool.idle = NONE
        pool.wait_head = NONE
        pool.wait_tail = NONE
    for instance in range(st.integers[I_INSTANCE_TOP]):
        item = st.instances[instance]
        if item.site == index:
            if item.active > 0:
                add_instance_time(st, BUSY_US, item.busy_since, time)
            else:
                add_instance_time(st, IDLE_US, item.idle_since, min(time, item.expiry))
            forget(st, instance)
    site.lru_oldest = NONE
    site.lru_newest = NONE
    for link in range(index * st.integers[I_UPSTREAMS], (index + 1) * st.integers[I_UPSTREAMS]):
        st.upstreams[link].used = -np.inf
    for link in range(index * st.integers[I_ORIGINS], (index + 1) * st.integers[I_ORIGINS]):
        st.fetches[link].used = -np.inf


@entry
def count_remaining(st):
    """Count what is still pending, and the idle time of what is still there when the run ends."""
    count_groups(st)
    for instance in range(st.integers[I_INSTANCE_TOP]):
        item = st.instances[instance]
        if item.site >= 0:
            add_instance_time(st, IDLE_US, item.idle_since, item.expiry)
