"""Calls of objects, event by event: to the home, through its thread and gates, and back; twin of specification/objects.py.

The slot of a request carries its calls, one per level; an alarm and a session that connects again have slots of their
own. Each function handles one event or decision and says what follows; ``kernel.settle`` strings them together.
"""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.draw import STEP, quantile, two_words
from popsim.engine.compiled.heap import push
from popsim.engine.compiled.homes import (
    arrival_at,
    confirmation,
    distance,
    find_actor,
    is_host_up,
    nearest_replica,
    visible,
)
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.keys import key_of
from popsim.engine.compiled.kv import A_SESSION, AN_ALARM, event_key
from popsim.engine.compiled.object_record import (
    count_object,
    record_active,
    record_answer,
    record_commit,
    record_idle,
    record_replica_read,
    record_spawn,
)
from popsim.engine.compiled.object_state import (
    BASE,
    DEPTH,
    HIBERNATE_AFTER,
    IS_SERIAL,
    MESSAGE_CLASS,
    N_REPLICAS,
    N_TALLIED,
    QUEUE_LIMIT,
    TABLE_ACTIVATION,
    TABLE_EVICT,
    TABLE_MOVE,
    TALLIES,
    VOTES,
)
from popsim.engine.compiled.stages import (
    CONNECTED,
    CREATE,
    END_CALL,
    ENDED,
    FAILED,
    GET_REPLICA,
    GET_THREAD,
    GIVE_UP,
    GRANTED,
    LOST_CALL,
    MOVE,
    NOTHING,
    PLACE,
    RESUME,
    RING,
    RUN,
    S_ALARM,
    S_OBJECT_ARRIVE,
    S_OBJECT_BACK,
    S_OBJECT_CAUGHT_UP,
    S_OBJECT_GATED,
    S_OBJECT_GRANTED,
    S_OBJECT_OPEN,
    S_OBJECT_STEP,
    SET_OUT,
    START,
)
from popsim.engine.layout import (
    CPU,
    KILLED,
    OBJECT_LOST,
    OBJECT_OVERLOADED,
    OBJECT_UNAVAILABLE,
    OK,
    P_OBJECT,
    RANK,
    SLEEP,
    TRANSACTION,
    WAKE,
)
from popsim.engine.object_layout import (
    AWAIT,
    BACK,
    EXECUTE,
    GATE,
    HISTORY,
    O_ACTIVATIONS,
    O_ALARMS,
    O_FAILED,
    O_GETS,
    O_LOST,
    O_MOVES,
    O_OVERLOADED,
    O_TRANSACTIONS,
    O_UNAVAILABLE,
    OPEN,
    PARTS,
    QUEUE,
    STORAGE,
    TO_HOME,
)

KEY_WAKE = np.int64(WAKE * RANK)
ACTIVATION, STORED = np.uint64(draws.ACTIVATION), np.uint64(draws.STORED)
TAKEOVER = np.uint64(draws.TAKEOVER)
NONE, ZERO, ONE, KEPT = np.int64(-1), np.int64(0), np.int64(1), np.int64(HISTORY)
N_PARTS, OF_A_MOVE = np.int64(len(PARTS)), np.int64(1 << 32)
LOST, OVERLOADED = np.int64(OBJECT_LOST), np.int64(OBJECT_OVERLOADED)
UNAVAILABLE, FINE = np.int64(OBJECT_UNAVAILABLE), np.int64(OK)
C_ACTIVATIONS, C_MOVES, C_ALARMS = np.int64(O_ACTIVATIONS), np.int64(O_MOVES), np.int64(O_ALARMS)
C_GETS, C_TRANSACTIONS = np.int64(O_GETS), np.int64(O_TRANSACTIONS)
C_FAILED, C_LOST = np.int64(O_FAILED), np.int64(O_LOST)
C_OVERLOADED, C_UNAVAILABLE = np.int64(O_OVERLOADED), np.int64(O_UNAVAILABLE)


@helper
def current(st, slot):
    """Return the row of the innermost call of a slot."""
    return slot * st.object_ints[DEPTH] + st.slots[slot].depth - 1


# --- calling --------------------------------------------------------------------------------------------------


@helper
def begin_call(st, slot, time):
    """Find out who answers a call: say what is missing, or set out (rule 38)."""
    request = st.slots[slot]
    step = st.steps[request.pc]
    number = request.addressee
    if number < 0 or step.object_class != st.object_ints[MESSAGE_CLASS]:
        space = st.classes[step.object_class].space
        number = key_of(st, request.number, request.client, space, ZERO)
    request.seek, request.seek_class, request.seek_replica = number, step.object_class, ZERO
    row = find_actor(st, number, ZERO)
    if row < 0:
        return CREATE
    actor = st.actors[row]
    request.actor = row
    replica = ZERO
    if step.only_reads != 0 and st.object_ints[N_REPLICAS] > 0:
        replica = nearest_replica(st, request.compute)
    if actor.home < 0 and (replica == 0 or actor.lost_from < 0) and request.is_placed == 0:
        return PLACE
    if replica > 0:
        nearest = distance(st, request.compute, st.replica_hosts[replica - 1])
        if actor.home < 0 or not distance(st, request.compute, actor.home) <= nearest:
            request.seek_replica = replica
            row = find_actor(st, number, replica)
            if row < 0:
                return CREATE
            request.actor = row
    return SET_OUT


@helper
def set_out(st, slot, time):
    """Set out for an object's home."""
    request = st.slots[slot]
    row = request.actor
    actor = st.actors[row]
    request.depth += 1
    number = current(st, slot)
    call = st.calls[number]
    call.actor, call.site, call.epoch, call.pc = row, request.compute, request.epoch, request.pc
    call.began, call.mark = time, time
    call.version, call.gate = ZERO, -np.inf
    call.is_dirty, call.is_answer, call.has_begun, call.has_thread = ZERO, ZERO, ZERO, ZERO
    call.outcome = FINE
    for part in range(N_PARTS):
        st.parts[number, part] = 0.0
    call.is_new = request.makes if actor.replica == 0 else ZERO
    request.makes, request.is_placed = ZERO, ZERO
    out, call.home = 0.0, 0.0
    if request.job == 0:
        call.entry = st.steps[request.pc].entry
        tally(st, actor.number, call.site)
        if actor.home < 0:
            call.outcome, call.host, call.rtt = UNAVAILABLE, NONE, 0.0
            request.stage = S_OBJECT_BACK
            request.due = time
            return MOVE
    call.host, call.generation = actor.home, actor.generation
    call.rtt = distance(st, call.site, call.host)
    if request.job == AN_ALARM:
        call.entry = st.classes[actor.object_class].alarm_entry
        return GET_THREAD
    if request.job == A_SESSION:
        call.entry = st.classes[actor.object_class].connect_entry
        out, call.home = request.rtt * 2.0 + request.rtt * 0.5, request.rtt * 0.5
    request.stage = S_OBJECT_ARRIVE
    request.due = time + (out + call.rtt * 0.5)
    return MOVE


@helper
def tally(st, number, site):
    """Count who calls an object, in a rehearsal."""
    if st.object_ints[TALLIES] != 0:
        st.tally[st.object_ints[N_TALLIED]] = (number << 16) | site
        st.object_ints[N_TALLIED] += 1


@helper
def way_back(st, slot, time, outcome):
    """Send an error of the runtime back to the caller; an alarm has none."""
    request = st.slots[slot]
    call = st.calls[current(st, slot)]
    if request.job == AN_ALARM:
        request.depth -= 1
        return RING if outcome == OBJECT_LOST else stop_ringing(st, slot, time)
    call.outcome = outcome
    request.stage = S_OBJECT_BACK
    request.due = time + (call.rtt * 0.5 + call.home)
    return MOVE


@helper
def at_caller(st, slot, time):
    """An answer, or an error, is back where the call came from."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    request.depth -= 1
    if request.job != 0:
        return CONNECTED
    record_call(st, slot, number, time)
    step = st.steps[call.pc]
    request.compute, request.epoch, request.pc = call.site, call.epoch, call.pc
    outcome = call.outcome
    if outcome == OK or step.is_tolerant != 0:
        outcome = FINE
        request.pc += 1
    if request.depth > 0:
        request.failed = outcome
        return RESUME
    st.phases[slot, P_OBJECT] += time - call.began
    if st.sites[request.compute].epoch != request.epoch:
        return FAILED + KILLED
    return RUN if outcome == OK else GIVE_UP + outcome


@helper
def record_call(st, slot, number, time):
    """Record how a request's call went."""
    request, call = st.slots[slot], st.calls[number]
    actor = st.actors[call.actor]
    if call.outcome == OK:
        if call.is_answer != 0 and call.host >= 0:
            st.parts[number, BACK] += time - call.mark
        request.object, request.object_version = actor.number, call.version
        if actor.replica == 0:
            request.seen_object, request.seen_version = actor.number, call.version
        record_answer(st, slot, number, time)
        return
    column = C_FAILED
    if call.is_answer == 0:
        column = C_UNAVAILABLE
        if call.outcome == OBJECT_LOST:
            column = C_LOST
        elif call.outcome == OBJECT_OVERLOADED:
            column = C_OVERLOADED
    count_object(st, slot, actor.object_class, column)


# --- at the home ------------------------------------------------------------------------------------------------


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
    stale = -np.inf
    if newest < primary.version:
        oldest = max(newest + 1, primary.version - KEPT + 1)
        stale = time - st.commits[row, oldest % KEPT]
    record_replica_read(st, slot, replica.object_class, stale)
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
        record_idle(st, call.actor, time)
        actor.ready = max(time, actor.available)
        if actor.deadline <= time:
            word = two_words(st, ACTIVATION, request.entity, request.depth - 1)[0]
            actor.ready = actor.ready + quantile(st, st.object_ints[TABLE_ACTIVATION], word)
            count_object(st, slot, actor.object_class, C_ACTIVATIONS)
        actor.active_since = time
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
    request.pc = call.entry
    request.stage = S_OBJECT_STEP
    return RUN


@helper
def on_thread(st, slot, time, kind):
    """Do something that nothing else of the object runs beside."""
    request = st.slots[slot]
    number = current(st, slot)
    drawn = quantile(
        st, st.steps[request.pc].table, two_words(st, STEP, request.entity, request.pc)[0]
    )
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
def gate_of(st, number):
    """Return when all that was written is confirmed."""
    call = st.calls[number]
    return st.actors[call.actor].gate if st.object_ints[IS_SERIAL] != 0 else call.gate


@helper
def commit_writes(st, slot, time):
    """Send what was written to the followers; False if too few are up (rule 45)."""
    request = st.slots[slot]
    call = st.calls[current(st, slot)]
    call.is_dirty = ZERO
    actor = st.actors[call.actor]
    place = (request.pc << 20) | ((request.depth - 1) << 16)
    wait = confirmation(st, request.entity, call.host, place)
    if wait == np.inf:
        return False
    actor.version += 1
    if st.object_ints[N_REPLICAS] > 0:
        st.commits[call.actor, actor.version % KEPT] = time
    record_commit(st, slot, actor.object_class, call.host)
    if st.object_ints[IS_SERIAL] != 0:
        actor.gate = max(actor.gate, time + wait)
    else:
        call.gate = max(call.gate, time + wait)
    return True


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
def after_gate(st, slot, time):
    """What was written is confirmed: the request that waited for it may leave."""
    number = current(st, slot)
    call = st.calls[number]
    st.parts[number, GATE] += time - call.mark
    return RUN if call.generation == st.actors[call.actor].generation else LOST_CALL


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
    """A call is done at the object, which may rest or move; the answer leaves through the gate (rules 46 to 48)."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    row = call.actor
    actor = st.actors[row]
    if actor.replica == 0:
        call.version = actor.version
    actor.calls -= 1
    if actor.calls == 0:
        rest(st, slot, time)
    hand_over(st, slot, time)
    call.is_answer = ONE
    if request.job == AN_ALARM:
        if call.outcome == OK:
            count_object(st, slot, actor.object_class, C_ALARMS)
        request.depth -= 1
        return stop_ringing(st, slot, time)
    leave = max(time, gate_of(st, number))
    st.parts[number, GATE] += leave - time
    call.mark = leave
    request.stage = S_OBJECT_BACK
    request.due = leave + (call.rtt * 0.5 + call.home)
    return MOVE


@helper
def rest(st, slot, time):
    """An object has nothing to do: when will it leave the memory, and does it move?"""
    request = st.slots[slot]
    call = st.calls[current(st, slot)]
    actor = st.actors[call.actor]
    level = request.depth - 1
    record_active(st, call.actor, time)
    actor.idle_since = time
    actor.deadline = time + st.object_floats[HIBERNATE_AFTER]
    if st.classes[actor.object_class].hibernates == 0:
        word = two_words(st, STORED, request.entity, level)[0]
        actor.deadline = time + quantile(st, st.object_ints[TABLE_EVICT], word)
    votes = st.object_ints[VOTES]
    is_free = actor.waiting == 0 and (call.has_thread != 0 or actor.busy == 0)
    if is_free and 0 < votes <= actor.votes and is_host_up(st, actor.candidate):
        word = two_words(st, TAKEOVER, request.entity, OF_A_MOVE | level)[0]
        actor.home, actor.votes = actor.candidate, ZERO
        actor.available = time + quantile(st, st.object_ints[TABLE_MOVE], word)
        actor.deadline, actor.idle_since = -np.inf, np.inf
        count_object(st, slot, actor.object_class, C_MOVES)


# --- alarms -----------------------------------------------------------------------------------------------------


@helper
def ring(st, slot):
    """An alarm goes off, unless another has taken its place (rule 47)."""
    request = st.slots[slot]
    actor = st.actors[request.actor]
    if actor.alarm_turn != request.attempt:
        return ENDED
    request.number += 1  # it does not ring any more, it runs
    if actor.alarm_runs != 0:
        actor.alarm_is_late = ONE
        return ENDED
    actor.alarm_runs = ONE
    return RING


@helper
def answer_alarm(st, slot, time):
    """Run an object's alarm where it lives, or give it a home first."""
    request = st.slots[slot]
    actor = st.actors[request.actor]
    host = actor.home if actor.home >= 0 else actor.lost_from
    request.compute = st.host_sites[host]
    if actor.home < 0:
        if request.is_placed != 0:
            request.is_placed = ZERO
            return stop_ringing(st, slot, time)
        return PLACE
    return SET_OUT


@helper
def stop_ringing(st, slot, time):
    """An alarm's run is over; one that came meanwhile runs now."""
    request = st.slots[slot]
    actor = st.actors[request.actor]
    actor.alarm_runs = ZERO
    if actor.alarm_is_late == 0:
        return ENDED
    actor.alarm_is_late = ZERO
    name_alarm(st, slot, request.actor, time)
    request.due = time
    return MOVE


@helper
def name_alarm(st, slot, row, time):
    """Let an alarm go off at a time, in this slot."""
    actor, job = st.actors[row], st.slots[slot]
    actor.alarm_turn += 1
    job.attempt = actor.alarm_turn
    job.number = (actor.number - st.object_ints[BASE]) << 1
    job.entity = ALARM_ENTITY + (actor.number << TURN_BITS) + (actor.alarm_turn & TURN_MASK)
    job.start = time
    job.stage = S_ALARM


ALARM_ENTITY, TURN_BITS = np.int64(draws.ALARM_ENTITY), np.int64(draws.TURN_BITS)
TURN_MASK = np.int64((1 << draws.TURN_BITS) - 1)
