"""The compiled data plane's event loop, and the one verb that touches much state."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.heap import push, remove_first
from popsim.engine.compiled.homes import give_home, index_actor
from popsim.engine.compiled.instances import bind, forget, release
from popsim.engine.compiled.jit import entry, helper
from popsim.engine.compiled.kv import (
    A_SESSION,
    AN_ALARM,
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
from popsim.engine.compiled.object_record import (
    count_at,
    count_object,
    record_active,
    record_idle,
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
from popsim.engine.compiled.objects import (
    LOST,
    UNAVAILABLE,
    after_gate,
    after_opening,
    after_queue,
    after_thread,
    answer_alarm,
    arrive_at_home,
    at_caller,
    begin_call,
    commit_writes,
    current,
    end_call,
    get_thread,
    has_thread_now,
    meet_replica,
    on_thread,
    resume,
    ring,
    set_out,
    wait_elsewhere,
    way_back,
)
from popsim.engine.compiled.record import add_instance_time, count_groups, finish
from popsim.engine.compiled.sessions import (
    acknowledge,
    connect_again,
    create_actor,
    cut_session,
    is_connected,
    lose_actor,
    send_message,
    set_alarm,
    tell,
)
from popsim.engine.compiled.stages import (
    ACQUIRE,
    BIND,
    CALL,
    CONNECT_AGAIN,
    CONNECTED,
    CREATE,
    DONE,
    END_CALL,
    ENDED,
    FAILED,
    FAILED_STEP,
    GET_REPLICA,
    GET_THREAD,
    GIVE_UP,
    GRANTED,
    LOST_CALL,
    MOVE,
    NEXT_STEP,
    NOTHING,
    PLACE,
    RESUME,
    RING,
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
    SEND_MESSAGE,
    SET_OUT,
    START,
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
    BROADCAST,
    CPU,
    DEAD,
    END,
    ENTER,
    KILLED,
    KV_GET,
    NEW,
    OBJECT_CALL,
    OK,
    RANK,
    SET_ALARM,
    STORAGE_GET,
    STORAGE_PUT,
    TRANSACTION,
    WAKE,
)
from popsim.engine.object_layout import O_BROADCASTS, O_PUTS, O_RESTARTS
from popsim.engine.recorder import C_BUSY_US, C_EVENTS, C_IDLE_US

# Why ``advance`` returned
REACHED, DRAINED, NEED_SLOTS, NEED_INSTANCES, NEED_SAMPLE = 0, 1, 2, 3, 4
NEED_COPIES, NEED_FETCHING, NEED_WRITTEN, NEED_VERSIONS = 5, 6, 7, 8
NEED_ACTORS, NEED_MEMBERS, NEED_INDEX, NEED_TALLY = 9, 10, 11, 12

KEY_DEAD, KEY_WAKE = np.int64(DEAD * RANK), np.int64(WAKE * RANK)
KEY_ENTER = np.int64(ENTER * RANK)
KEY_NEW = np.int64(NEW * RANK)
ANSWERED = np.int64(OK)
BUSY_US, IDLE_US = np.int64(C_BUSY_US), np.int64(C_IDLE_US)
NONE, ONE = np.int64(-1), np.int64(1)
C_PUTS, C_BROADCASTS = np.int64(O_PUTS), np.int64(O_BROADCASTS)
C_RESTARTS = np.int64(O_RESTARTS)


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


@helper
def settle(st, slot, time, what):
    """Do all that follows an event at its own time and site."""
    if what == ACQUIRE:
        what = acquire(st, slot, time)
    if what == BIND:
        bind(st, slot, time)
        st.slots[slot].pc = 0
        what = RUN
    if what >= CALL and what < FAILED:
        what = settle_in_object(st, slot, time, what)
    while what == RUN:
        what = go_on(st, slot, time)
        if what == START:
            what = start_step(st, slot, time)
        if what >= CALL and what < FAILED:
            what = settle_in_object(st, slot, time, what)
    if what == MOVE:
        push(st, st.slots[slot].due, event_key(st, slot), slot)
    elif what == SEND:
        push(st, st.slots[slot].due, KEY_ENTER + st.slots[slot].number, slot)
    elif what == ENDED:
        give_back_slot(st, slot)
    elif what != NOTHING:
        end_request(st, slot, time, what)


@helper
def end_request(st, slot, time, what):
    """Answer a request, or end it where it is."""
    request = st.slots[slot]
    if (what == DONE or what >= GIVE_UP) and request.member < 0:
        heir = release(st, slot, time)
        if heir >= 0:
            push(st, time, KEY_WAKE + st.slots[heir].number, heir)
    total, outcome = 0.0, ANSWERED
    if what == DONE:
        total = respond(st, slot, time)
        if request.member >= 0:
            acknowledge(st, slot, total)
    else:
        total = time - request.start
        outcome = np.int64(what - GIVE_UP if what >= GIVE_UP else what - FAILED)
    finish(st, slot, total, outcome)
    st.integers[I_IN_FLIGHT] -= 1
    give_back_slot(st, slot)


@helper
def settle_in_object(st, slot, time, what):
    """Do what follows in the life of a call, a session or an alarm, until it is RUN, waits, or is over."""
    after = what
    while what >= CALL and what < FAILED:
        if what == CREATE:
            create_actor(st, slot)
            what = after
        if what == PLACE:
            what = place(st, slot, time)
        if what == RESUME:
            what = resume(st, slot, time)
        if what == SEND_MESSAGE:
            after = what
            what = send_message(st, slot, time)
        if what == CALL:
            after = what
            what = begin_call(st, slot, time)
        if what == CONNECTED:
            what = is_connected(st, slot, time)
        if what == CONNECT_AGAIN:
            after = what
            what = connect_again(st, slot, time)
        if what == LOST_CALL:
            what = way_back(st, slot, time, LOST)
        if what == RING:
            after = what
            what = answer_alarm(st, slot, time)
        if what == SET_OUT:
            what = set_out(st, slot, time)
        if what == GET_REPLICA:
            what = meet_replica(st, slot, time)
        if what == GET_THREAD:
            what = get_thread(st, slot, time)
        if what == GRANTED:
            what = has_thread_now(st, slot, time)
        if what == END_CALL:
            what = end_call(st, slot, time)
    return what


@helper
def place(st, slot, time):
    """Ask for a home; say who asked."""
    request = st.slots[slot]
    row = request.actor
    is_new = st.actors[row].lost_from < 0
    request.is_placed = ONE
    if give_home(st, slot, row, request.compute, time) and is_new:
        request.makes = ONE
    if request.job == A_SESSION:
        return CONNECT_AGAIN
    return RING if request.job == AN_ALARM else CALL


@helper
def go_on(st, slot, time):
    """Follow the program to the next step that takes time; in an object, do what leads to it (rules 43 to 46)."""
    request = st.slots[slot]
    while True:
        branch(st, slot)
        kind = st.steps[request.pc].kind
        if request.depth == 0:
            return DONE if kind == END else START
        if kind == CPU or kind == STORAGE_GET or kind == TRANSACTION:
            on_thread(st, slot, time, kind)
            return MOVE
        call = st.calls[current(st, slot)]
        if kind == STORAGE_PUT:
            count_object(st, slot, st.actors[call.actor].object_class, C_PUTS)
            call.is_dirty = ONE
        elif kind == SET_ALARM:
            set_alarm(st, slot, time)
        else:
            if call.is_dirty != 0 and not commit_writes(st, slot, time):
                row = call.actor
                lose_actor(st, row, time)
                count_at(st, time, st.actors[row].object_class, C_RESTARTS)
                return way_back(st, slot, time, UNAVAILABLE)
            if kind == END:
                return END_CALL
            if kind != BROADCAST:
                return wait_elsewhere(st, slot, time, kind)
            count_object(st, slot, st.actors[call.actor].object_class, C_BROADCASTS)
            tell(st, slot, time)
        request.pc += 1


@helper
def start_step(st, slot, time):
    """Start the step at the program counter: say what follows, when in ``due``."""
    request = st.slots[slot]
    kind = st.steps[request.pc].kind
    if kind == OBJECT_CALL:
        return CALL
    what = np.int64(MOVE)
    if kind < KV_GET:
        request.due = run_step(st, slot, time)
        return what
    kind = prepare(st, slot)
    if kind == KV_GET:
        request.due, what = begin_get(st, slot, time)
    else:
        request.due = begin_write(st, slot, time, kind)
    return what


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
    lose_objects(st, index, time)


@helper
def lose_objects(st, index, time):
    """Lose the objects whose home is a site, and cut the sessions that go through it (rules 50, 54)."""
    for row in range(st.object_ints[N_ACTORS]):
        actor = st.actors[row]
        if actor.home >= 0 and st.host_sites[actor.home] == index:
            lose_actor(st, row, time)
            if actor.replica == 0:
                actor.lost_from, actor.home, actor.available = actor.home, NONE, time
    for row in range(st.object_ints[N_MEMBERS]):
        if st.members[row].ingress == index:
            cut_session(st, row, time)


@entry
def restart_class(st, object_class, time):
    """Restart every object of a class, as a deployment does."""
    for row in range(st.object_ints[N_ACTORS]):
        if st.actors[row].object_class == object_class and st.actors[row].home >= 0:
            lose_actor(st, row, time)
            count_at(st, time, object_class, C_RESTARTS)


@entry
def rehash_index(st, old):
    """Fill the index of actors anew, from an old one."""
    for position in range(old.shape[0]):
        if old[position].tag != 0:
            index_actor(st, old[position].tag, old[position].row)


@entry
def count_remaining(st):
    """Count what is still pending, and the idle time of what is still there when the run ends."""
    count_groups(st)
    for instance in range(st.integers[I_INSTANCE_TOP]):
        item = st.instances[instance]
        if item.site >= 0:
            add_instance_time(st, IDLE_US, item.idle_since, item.expiry)
    for row in range(st.object_ints[N_ACTORS]):
        if st.actors[row].calls > 0:
            record_active(st, row, np.inf)
        else:
            record_idle(st, row, np.inf)
