"""Calls of objects at their home: the thread, the gates, the memory; twin of specification/objects.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.alarms import stop_ringing
from popsim.engine.compiled.calls import current, way_back
from popsim.engine.compiled.draw import STEP, position_of, quantile, two_words
from popsim.engine.compiled.gates import gate_of
from popsim.engine.compiled.heap import push
from popsim.engine.compiled.homes import (
    arrival_at,
    distance,
    find_actor,
    history,
    is_host_up,
    visible,
)
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.kv import AN_ALARM, event_key
from popsim.engine.compiled.object_record import (
    count_object,
    record_lived,
    record_replica_read,
    record_spawn,
)
from popsim.engine.compiled.object_state import (
    HIBERNATE_AFTER,
    IS_SERIAL,
    QUEUE_LIMIT,
    TABLE_ACTIVATION,
    TABLE_EVICT,
    TABLE_MOVE,
    VOTES,
)
from popsim.engine.compiled.stages import (
    END_CALL,
    GET_REPLICA,
    GET_THREAD,
    GRANTED,
    LOST_CALL,
    MOVE,
    NOTHING,
    RUN,
    S_OBJECT_BACK,
    S_OBJECT_CAUGHT_UP,
    S_OBJECT_GATED,
    S_OBJECT_GRANTED,
    S_OBJECT_OPEN,
    S_OBJECT_STEP,
    START,
)
from popsim.engine.layout import (
    CPU,
    OBJECT_OVERLOADED,
    OK,
    RANK,
    SLEEP,
    TRANSACTION,
    WAKE,
)
from popsim.engine.object_layout import (
    AWAIT,
    EXECUTE,
    GATE,
    O_ACTIVATIONS,
    O_ALARMS,
    O_GETS,
    O_MOVES,
    O_TRANSACTIONS,
    OPEN,
    QUEUE,
    STORAGE,
    TO_HOME,
)

KEY_WAKE = np.int64(WAKE * RANK)
ACTIVATION, STORED = np.uint64(draws.ACTIVATION), np.uint64(draws.STORED)
OF_A_MOVE = np.uint64(draws.MOVE)
NONE, ZERO, ONE = np.int64(-1), np.int64(0), np.int64(1)
OVERLOADED = np.int64(OBJECT_OVERLOADED)
C_ACTIVATIONS, C_MOVES, C_ALARMS = np.int64(O_ACTIVATIONS), np.int64(O_MOVES), np.int64(O_ALARMS)
C_GETS, C_TRANSACTIONS = np.int64(O_GETS), np.int64(O_TRANSACTIONS)


@helper
def arrive_at_home(st, slot, time):
    """Arrive where the home was; follow it if it has moved (rules 40, 48, 49)."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    actor = st.actors[call.actor]
    if call.generation != actor.generation:
        return LOST_CALL
    if call.host != actor.home:
        old_site = st.host_sites[call.host]
        call.host = actor.home
        call.rtt = distance(st, call.site, call.host)
        request.due = time + distance(st, old_site, call.host) * 0.5
        return MOVE
    st.parts[number, TO_HOME] += time - call.mark
    if actor.replica > 0:
        return GET_REPLICA
    if request.job == 0 and st.object_ints[VOTES] > 0:
        vote(st, call.actor, st.nearest_host[call.site])
    return GET_THREAD


@helper
def vote(st, row, host):
    """Count a call for the host that would be nearest to its caller (rule 48)."""
    actor = st.actors[row]
    if host == actor.home:
        actor.votes = max(actor.votes - 1, ZERO)
    elif host == actor.candidate:
        actor.votes += 1
    elif actor.votes == 0:
        actor.candidate, actor.votes = host, ONE
    else:
        actor.votes -= 1


@helper
def meet_replica(st, slot, time):
    """Wait until a replica has what this very request wrote before, and read what it has (rule 49)."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    replica = st.actors[call.actor]
    row = find_actor(st, replica.number, ZERO)
    primary = st.actors[row]
    is_waiting = request.stage == S_OBJECT_CAUGHT_UP
    newest = visible(st, row, call.actor, time)
    if request.seen_object == replica.number and newest < request.seen_version:
        if not is_waiting:
            call.mark = time
            request.due = max(time, arrival_at(st, row, call.actor, request.seen_version))
            request.stage = S_OBJECT_CAUGHT_UP
            return MOVE
        newest = request.seen_version
    if is_waiting:
        st.parts[number, AWAIT] += time - call.mark
        if call.generation != replica.generation:
            return LOST_CALL
    call.version = newest
    stale, forgotten = -np.inf, primary.version - history(st)
    if newest < primary.version:
        stale = time - st.commits[row, (max(newest, forgotten) + 1) % history(st)]
    is_truncated = 0 < newest <= forgotten
    record_replica_read(st, slot, replica.object_class, stale, is_truncated)
    return GET_THREAD


@helper
def get_thread(st, slot, time):
    """Take the object's thread, wait for it, or be refused (rule 41)."""
    request = st.slots[slot]
    call = st.calls[current(st, slot)]
    actor = st.actors[call.actor]
    if st.object_ints[IS_SERIAL] == 0:
        return GRANTED
    if actor.busy == 0:
        actor.busy = ONE
        call.has_thread = ONE
        return GRANTED
    limit = st.object_ints[QUEUE_LIMIT]
    is_new = call.has_begun == 0 and request.job != AN_ALARM
    if is_new and limit >= 0 and actor.waiting >= limit:
        return way_back(st, slot, time, OVERLOADED)
    call.mark = time
    request.stage = S_OBJECT_GRANTED
    request.next = NONE
    if actor.wait_tail >= 0:
        st.slots[actor.wait_tail].next = slot
    else:
        actor.wait_head = slot
    actor.wait_tail = slot
    actor.waiting += 1
    return NOTHING


@helper
def hand_over(st, slot, time):
    """Give the thread to the first who waits, at this same time (rule 41)."""
    call = st.calls[current(st, slot)]
    if call.has_thread == 0:
        return
    call.has_thread = ZERO
    actor = st.actors[call.actor]
    heir = actor.wait_head
    if heir < 0:
        actor.busy = ZERO
        return
    actor.wait_head = st.slots[heir].next
    if actor.wait_head < 0:
        actor.wait_tail = NONE
    actor.waiting -= 1
    push(st, time, wake_key(st, heir, KEY_WAKE), heir)


@helper
def wake_key(st, slot, rank):
    """Return the key of a wake-up: a request's has a rank of its own."""
    return rank + st.slots[slot].number if st.slots[slot].job == 0 else event_key(st, slot)


@helper
def after_queue(st, slot, time):
    """A waiter has the thread, or lost its object."""
    number = current(st, slot)
    call = st.calls[number]
    st.parts[number, QUEUE] += time - call.mark
    if call.generation != st.actors[call.actor].generation:
        return LOST_CALL
    call.has_thread = ONE
    return GRANTED


@helper
def has_thread_now(st, slot, time):
    """A call has the thread: go on, or begin and open the object if it is not in memory (rule 43)."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    if call.has_begun != 0:
        return RUN
    actor = st.actors[call.actor]
    call.has_begun = ONE
    actor.calls += 1
    if actor.calls == 1:
        record_lived(st, call.actor, time)
        actor.ready = max(time, actor.available)
        if actor.deadline <= time:
            word = two_words(st, ACTIVATION, request.entity, call.turn)[0]
            actor.ready = actor.ready + quantile(st, st.object_ints[TABLE_ACTIVATION], word)
            count_object(st, slot, actor.object_class, C_ACTIVATIONS)
        actor.active_since, actor.idle_since = time, np.inf
    if actor.ready > time:
        call.mark = time
        request.stage = S_OBJECT_OPEN
        request.due = actor.ready
        return MOVE
    return enter(st, slot)


@helper
def after_opening(st, slot, time):
    """The object is in memory."""
    number = current(st, slot)
    call = st.calls[number]
    st.parts[number, OPEN] += time - call.mark
    if call.generation != st.actors[call.actor].generation:
        return LOST_CALL
    return enter(st, slot)


@helper
def enter(st, slot):
    """Begin the object's program."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    if call.is_new != 0:
        record_spawn(st, slot, number)
    request.compute = st.host_sites[call.host]
    request.epoch = st.sites[request.compute].epoch
    request.pc, request.turn = call.entry, call.turn
    request.stage = S_OBJECT_STEP
    return RUN


@helper
def on_thread(st, slot, time, kind):
    """Do something that nothing else of the object runs beside."""
    request = st.slots[slot]
    number = current(st, slot)
    word = two_words(st, STEP, request.entity, position_of(request))[0]
    drawn = quantile(st, st.steps[request.pc].table, word)
    done = time + drawn
    part = EXECUTE if kind == CPU else STORAGE
    st.parts[number, part] += done - time
    request.stage = S_OBJECT_STEP
    request.due = done


@helper
def after_thread(st, slot):
    """Something on the object's thread is done."""
    request = st.slots[slot]
    call = st.calls[current(st, slot)]
    actor = st.actors[call.actor]
    if call.generation != actor.generation:
        return LOST_CALL
    kind = st.steps[request.pc].kind
    if kind != CPU:
        if kind == TRANSACTION:
            call.is_dirty = ONE
        column = C_TRANSACTIONS if kind == TRANSACTION else C_GETS
        count_object(st, slot, actor.object_class, column)
    request.pc += 1
    return RUN


@helper
def wait_elsewhere(st, slot, time, kind):
    """Let others in, and begin to wait, once nothing unconfirmed could leak (rule 44)."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    if request.stage != S_OBJECT_GATED:
        hand_over(st, slot, time)
        gate = gate_of(st, number)
        if kind != SLEEP and gate > time:
            call.mark = time
            request.stage = S_OBJECT_GATED
            request.due = gate
            return MOVE
    request.stage = S_OBJECT_STEP
    call.mark = time
    return START


@helper
def resume(st, slot, time):
    """What a call waited for is over: it needs the thread again (rule 44)."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    if call.generation != st.actors[call.actor].generation:
        return LOST_CALL
    st.parts[number, AWAIT] += time - call.mark
    if request.failed != OK:
        call.outcome = request.failed
        return END_CALL
    return GET_THREAD


@helper
def end_call(st, slot, time):
    """A call is done at the object, which may rest; the answer leaves through the gate (rule 46)."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    row = call.actor
    actor = st.actors[row]
    if actor.replica == 0:
        call.version = actor.version
    actor.calls -= 1
    actor.leaves = max(actor.leaves, time, gate_of(st, number))
    if actor.calls == 0:
        rest(st, slot, time)
    hand_over(st, slot, time)
    call.is_answer = ONE
    if request.job == AN_ALARM:
        if call.outcome == OK:
            count_object(st, slot, actor.object_class, C_ALARMS)
        request.depth -= 1
        return stop_ringing(st, slot, time, call.outcome)
    leave = max(time, gate_of(st, number))
    st.parts[number, GATE] += leave - time
    call.mark = leave
    request.stage = S_OBJECT_BACK
    request.due = leave + (call.rtt * 0.5 + call.home)
    return MOVE


@helper
def rest(st, slot, time):
    """An object has nothing to do: note when it will leave the memory; it may move (rules 43, 48)."""
    request = st.slots[slot]
    call = st.calls[current(st, slot)]
    actor = st.actors[call.actor]
    actor.idle_since = actor.leaves
    if st.classes[actor.object_class].hibernates != 0:
        actor.deadline = actor.idle_since + st.object_floats[HIBERNATE_AFTER]
    elif actor.members >= 0:
        actor.deadline = np.inf
    else:
        word = two_words(st, STORED, request.entity, call.turn)[0]
        actor.deadline = actor.idle_since + quantile(st, st.object_ints[TABLE_EVICT], word)
    votes = st.object_ints[VOTES]
    is_free = actor.waiting == 0 and (call.has_thread != 0 or actor.busy == 0)
    if is_free and 0 < votes <= actor.votes and is_host_up(st, actor.candidate):
        word = two_words(st, OF_A_MOVE, request.entity, call.turn)[0]
        record_lived(st, call.actor, time)
        actor.lost_from, actor.home, actor.votes = actor.home, actor.candidate, ZERO
        actor.available = time + quantile(st, st.object_ints[TABLE_MOVE], word)
        actor.deadline, actor.idle_since, actor.active_since = -np.inf, np.inf, np.inf
        count_object(st, slot, actor.object_class, C_MOVES)
