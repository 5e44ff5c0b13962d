"""The compiled data plane's event loop: what comes next, and what it is."""

from __future__ import annotations

from popsim.engine import layout as lay
from popsim.engine import recorder
from popsim.engine.compiled import (
    alarms,
    calendar,
    calls,
    constants,
    gates,
    kv,
    kv_write,
    life,
    object_state,
    settling,
    stages,
    threads,
)
from popsim.engine.compiled.constants import NONE
from popsim.engine.compiled.jit import entry, helper

# Why ``advance`` returned
REACHED, DRAINED, NEED_SLOTS, NEED_INSTANCES, NEED_SAMPLE = 0, 1, 2, 3, 4
NEED_COPIES, NEED_FETCHING, NEED_WRITTEN, NEED_VERSIONS = 5, 6, 7, 8
NEED_ACTORS, NEED_MEMBERS, NEED_INDEX, NEED_TALLY = 9, 10, 11, 12
NEED_POOLS, SPENT, LOOK_AT_DAYS = 13, 14, 15


@helper
def shortage(st):
    """Name what lacks room for one event's worst case, or REACHED if nothing does."""
    run = st.run[0]
    room = st.slots.shape[0] - run.slot_top
    if run.free_slot < 0 and room < 1:
        return NEED_SLOTS
    if run.free_instance < 0 and run.instance_top >= st.instances.shape[0]:
        return NEED_INSTANCES
    if run.sampled >= st.sample.shape[0]:
        return NEED_SAMPLE
    if run.pool_count >= run.pool_room:
        return NEED_POOLS
    if run.taken >= run.window:
        return LOOK_AT_DAYS
    if st.object_rules[0].depth > 0:
        lacking = object_shortage(st)
        if lacking != REACHED:
            return lacking
    return kv_shortage(st) if st.kv_by_site.shape[0] > 0 else REACHED


@helper
def object_shortage(st):
    """Name which table of objects is too full for one more event, or REACHED."""
    run = st.object_run[0]
    most = st.object_rules[0].most_participants
    if st.slots.shape[0] - st.run[0].slot_top < object_state.SPARE_SLOTS + most:
        return NEED_SLOTS
    if st.actors.shape[0] - run.actor_count < object_state.SPARE_ACTORS:
        return NEED_ACTORS
    if st.members.shape[0] - run.member_count < most:
        return NEED_MEMBERS
    if 5 * (run.indexed_count + object_state.SPARE_ACTORS) > 3 * st.object_index.shape[0]:
        return NEED_INDEX
    if run.tallies != 0 and run.tallied_count + 1 > st.tally.shape[0]:
        return NEED_TALLY
    return REACHED


@helper
def kv_shortage(st):
    """Name which table of the key-value store is too full for one more event, or REACHED."""
    run = st.kv_run[0]
    most_copies = 2 * st.kv_rules[0].widest_get + 2
    if 5 * (run.copy_count + most_copies) > 3 * st.copies.shape[0]:
        return NEED_COPIES
    if 5 * (run.fetching_count + 2) > 3 * st.fetching.shape[0]:
        return NEED_FETCHING
    if 5 * (run.written_count + 1) > 3 * st.written.shape[0]:
        return NEED_WRITTEN
    if run.free_version < 0 and run.version_top >= st.versions.shape[0]:
        return NEED_VERSIONS
    return REACHED


@helper
def is_arrival_next(st, slot):
    """Tell whether the next candidate comes before a slot's event; -1 = there is none."""
    run = st.run[0]
    if run.arrivals_done != 0:
        return False
    key = constants.KEY_NEW + run.next_number
    return slot < 0 or not calendar.is_before(st, slot, run.next_time, key)


@helper
def arrive(st):
    """Handle the next candidate: return (slot, time of what follows, what follows)."""
    time = st.run[0].next_time
    number, client = st.run[0].next_number, st.run[0].next_client
    st.run[0].now = time
    slot, after, what = NONE, time, stages.NOTHING
    if life.is_accepted(st, number, client, time):
        slot = stages.take_slot(st)
        st.run[0].in_flight += 1
        after, what = life.begin(st, slot, number, client, time)
    life.next_candidate(st)
    return slot, after, what


@helper
def happen(st, slot, time):
    """Handle the event a slot waited for: return (time of what follows, what follows)."""
    st.counters[recorder.C_EVENTS] += 1
    stage = st.slots[slot].stage
    if stage == stages.S_INGRESS:
        return life.at_ingress(st, slot, time)
    if stage == stages.S_COMPUTE:
        return time, life.after_front_door(st, slot, time)
    if stage == stages.S_STEP:
        return time, life.after_step(st, slot)
    if stage == stages.S_GRANTED or stage == stages.S_DEAD:
        return time, life.after_wait(st, slot, time)
    if stage >= stages.S_OBJECT_ARRIVE:
        return happen_in_object(st, slot, time, stage)
    return happen_in_kv(st, slot, time, stage)


@helper
def happen_in_object(st, slot, time, stage):
    """Handle an event of an object: return (time of what follows, what follows)."""
    if stage == stages.S_OBJECT_ARRIVE:
        what = threads.arrive_at_home(st, slot, time)
    elif stage == stages.S_OBJECT_STEP:
        what = threads.after_thread(st, slot)
    elif stage == stages.S_OBJECT_BACK:
        what = calls.at_caller(st, slot, time)
    elif stage == stages.S_OBJECT_GRANTED:
        what = threads.after_queue(st, slot, time)
    elif stage == stages.S_OBJECT_OPEN:
        what = threads.after_opening(st, slot, time)
    elif stage == stages.S_OBJECT_GATED:
        what = gates.after_gate(st, slot, time)
    elif stage == stages.S_OBJECT_CAUGHT_UP:
        what = stages.GET_REPLICA
    elif stage == stages.S_ALARM:
        what = alarms.ring(st, slot)
    else:
        what = stages.CONNECT_AGAIN
    return (st.slots[slot].due if what == stages.MOVE else time), what


@helper
def happen_in_kv(st, slot, time, stage):
    """Handle an event of the key-value store: return (time of what follows, what follows)."""
    what = stages.MOVE
    if stage == stages.S_KV_EDGE_BACK or (
        stage == stages.S_KV_WRITTEN and kv_write.writes_through(st, slot)
    ):
        kv.keep_at_site(st, slot, time)
    if stage == stages.S_KV_REGION:
        time, what = kv.at_region(st, slot, time)
    elif stage == stages.S_KV_STORE:
        time = kv.at_the_store(st, slot, time)
    elif stage == stages.S_KV_REGION_BACK:
        time, what = kv.back_at_region(st, slot, time)
    elif stage == stages.S_KV_REGION_GIVEN:
        time = kv.given_at_region(st, slot, time)
    elif stage == stages.S_KV_COMMIT:
        time = kv_write.at_commit(st, slot, time)
    elif stage == stages.S_KV_LIST:
        time = kv_write.at_listing(st, slot, time)
    elif stage == stages.S_KV_WRITTEN:
        what = kv_write.end_write(st, slot, time)
    elif stage == stages.S_KV_LISTED:
        what = kv_write.end_list(st, slot, time)
    elif stage == stages.S_KV_EDGE_BACK:
        what = kv.back_at_edge(st, slot, time)
    else:
        what = kv.end_get(st, slot, time)
    if what == stages.NEXT_STEP or what >= stages.FAILED_STEP:
        outcome = kv_write.after_kv(st, slot, what)
        what = stages.RUN
        if st.slots[slot].depth > 0:
            st.slots[slot].failed = outcome
            what = stages.RESUME
        elif outcome == lay.KILLED:
            what = stages.FAILED + lay.KILLED
        elif outcome != lay.OK:
            what = stages.GIVE_UP + outcome
    return time, what


@entry
def advance(st, until, most):
    """Run every event before ``until``, up to so many; return why it stopped."""
    if st.run[0].next_number < 0:
        life.next_candidate(st)
    for _ in range(most):
        lacking = shortage(st)
        if lacking != REACHED:
            return lacking
        run = st.run[0]
        limit = until if run.arrivals_done != 0 else min(until, run.next_time)
        slot = calendar.next_slot(st, limit)
        if is_arrival_next(st, slot):
            if run.next_time >= until:
                return REACHED
            slot, time, what = arrive(st)
        elif slot >= 0:
            time = st.slots[slot].at
            if time >= until:
                return REACHED
            run.now = time
            calendar.remove(st, slot)
            time, what = happen(st, slot, time)
        else:
            return DRAINED if run.arrivals_done != 0 and run.on_days == 0 else REACHED
        if what == stages.SEND:
            calendar.push(st, time, constants.KEY_ENTER + st.slots[slot].number, slot)
        elif what == stages.MOVE:
            calendar.push(st, time, kv.event_key(st, slot), slot)
        elif what != stages.NOTHING:
            settling.settle(st, slot, time, what)
        if st.run[0].arrivals_done != 0 and st.run[0].in_flight == 0:
            return DRAINED
    return SPENT
