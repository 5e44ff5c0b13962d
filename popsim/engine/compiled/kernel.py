"""The compiled data plane's event loop: what comes next, and what it is."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.alarms import ring
from popsim.engine.compiled.calls import (
    at_caller,
)
from popsim.engine.compiled.gates import after_gate
from popsim.engine.compiled.heap import push, remove_first
from popsim.engine.compiled.jit import entry, helper
from popsim.engine.compiled.kv import (
    at_region,
    at_the_store,
    back_at_edge,
    back_at_region,
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
    end_list,
    end_write,
    writes_through,
)
from popsim.engine.compiled.life import (
    after_front_door,
    after_step,
    after_wait,
    at_ingress,
    begin,
    is_accepted,
    next_candidate,
)
from popsim.engine.compiled.object_state import (
    DEPTH,
    MOST_PARTICIPANTS,
    N_ACTORS,
    N_INDEXED,
    N_MEMBERS,
    N_TALLIED,
    SPARE_ACTORS,
    SPARE_SLOTS,
    TALLIES,
)
from popsim.engine.compiled.settling import settle
from popsim.engine.compiled.stages import (
    CONNECT_AGAIN,
    FAILED,
    FAILED_STEP,
    GET_REPLICA,
    GIVE_UP,
    MOVE,
    NEXT_STEP,
    NOTHING,
    RESUME,
    RUN,
    S_ALARM,
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
    S_OBJECT_ARRIVE,
    S_OBJECT_BACK,
    S_OBJECT_CAUGHT_UP,
    S_OBJECT_GATED,
    S_OBJECT_GRANTED,
    S_OBJECT_OPEN,
    S_OBJECT_STEP,
    S_STEP,
    SEND,
    take_slot,
)
from popsim.engine.compiled.state import (
    F_NEXT_TIME,
    F_NOW,
    I_DONE,
    I_HEAP,
    I_IN_FLIGHT,
    I_INSTANCE_FREE,
    I_INSTANCE_TOP,
    I_NEXT_CLIENT,
    I_NEXT_NUMBER,
    I_POOL_ROOM,
    I_POOLS,
    I_SAMPLED,
    I_SLOT_FREE,
    I_SLOT_TOP,
)
from popsim.engine.compiled.threads import (
    after_opening,
    after_queue,
    after_thread,
    arrive_at_home,
)
from popsim.engine.layout import (
    ENTER,
    KILLED,
    NEW,
    OK,
    RANK,
)
from popsim.engine.recorder import C_EVENTS

# Why ``advance`` returned
REACHED, DRAINED, NEED_SLOTS, NEED_INSTANCES, NEED_SAMPLE = 0, 1, 2, 3, 4
NEED_COPIES, NEED_FETCHING, NEED_WRITTEN, NEED_VERSIONS = 5, 6, 7, 8
NEED_ACTORS, NEED_MEMBERS, NEED_INDEX, NEED_TALLY = 9, 10, 11, 12
NEED_POOLS, SPENT = 13, 14

KEY_ENTER = np.int64(ENTER * RANK)
KEY_NEW = np.int64(NEW * RANK)
NONE = np.int64(-1)


@helper
def shortage(st):
    """Name what lacks room for one event's worst case, or REACHED if nothing does."""
    integers = st.integers
    room = st.slots.shape[0] - integers[I_SLOT_TOP]
    if integers[I_SLOT_FREE] < 0 and room < 1:
        return NEED_SLOTS
    if integers[I_INSTANCE_FREE] < 0 and integers[I_INSTANCE_TOP] >= st.instances.shape[0]:
        return NEED_INSTANCES
    if integers[I_SAMPLED] >= st.sample.shape[0]:
        return NEED_SAMPLE
    if integers[I_POOLS] >= integers[I_POOL_ROOM]:
        return NEED_POOLS
    if st.object_ints[DEPTH] > 0:
        lacking = object_shortage(st)
        if lacking != REACHED:
            return lacking
    return kv_shortage(st) if st.kv_by_site.shape[0] > 0 else REACHED


@helper
def object_shortage(st):
    """Name which table of objects is too full for one more event, or REACHED."""
    ints = st.object_ints
    most = ints[MOST_PARTICIPANTS]
    if st.slots.shape[0] - st.integers[I_SLOT_TOP] < SPARE_SLOTS + most:
        return NEED_SLOTS
    if st.actors.shape[0] - ints[N_ACTORS] < SPARE_ACTORS:
        return NEED_ACTORS
    if st.members.shape[0] - ints[N_MEMBERS] < most:
        return NEED_MEMBERS
    if 5 * (ints[N_INDEXED] + SPARE_ACTORS) > 3 * st.object_index.shape[0]:
        return NEED_INDEX
    if ints[TALLIES] != 0 and ints[N_TALLIED] + 1 > st.tally.shape[0]:
        return NEED_TALLY
    return REACHED


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
    if stage >= S_OBJECT_ARRIVE:
        return happen_in_object(st, slot, time, stage)
    return happen_in_kv(st, slot, time, stage)


@helper
def happen_in_object(st, slot, time, stage):
    """Handle an event of an object: return (time of what follows, what follows)."""
    if stage == S_OBJECT_ARRIVE:
        what = arrive_at_home(st, slot, time)
    elif stage == S_OBJECT_STEP:
        what = after_thread(st, slot)
    elif stage == S_OBJECT_BACK:
        what = at_caller(st, slot, time)
    elif stage == S_OBJECT_GRANTED:
        what = after_queue(st, slot, time)
    elif stage == S_OBJECT_OPEN:
        what = after_opening(st, slot, time)
    elif stage == S_OBJECT_GATED:
        what = after_gate(st, slot, time)
    elif stage == S_OBJECT_CAUGHT_UP:
        what = GET_REPLICA
    elif stage == S_ALARM:
        what = ring(st, slot)
    else:
        what = np.int64(CONNECT_AGAIN)
    return (st.slots[slot].due if what == MOVE else time), what


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
        if st.slots[slot].depth > 0:
            st.slots[slot].failed = outcome
            what = np.int64(RESUME)
        elif outcome == KILLED:
            what = np.int64(FAILED + KILLED)
        elif outcome != OK:
            what = GIVE_UP + outcome
    return time, what


@entry
def advance(st, until, most):
    """Run every event before ``until``, up to so many; return why it stopped."""
    if st.integers[I_NEXT_NUMBER] < 0:
        next_candidate(st)
    for _ in range(most):
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
    return SPENT
