"""Calls of objects on their way: from the caller to the home, and back; twin of specification/objects.py.

The slot of a request carries its calls, one per level; an alarm and a session that connects again have slots of their
own. Each function handles one event or decision and says what follows; ``settling.settle`` strings them together.
"""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.alarms import stop_ringing
from popsim.engine.compiled.draw import STEP, position_of, quantile, two_words
from popsim.engine.compiled.homes import (
    distance,
    find_actor,
    nearest_replica,
)
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.keys import key_of
from popsim.engine.compiled.kv import A_SESSION, AN_ALARM
from popsim.engine.compiled.object_record import (
    count_object,
    count_payload,
    record_answer,
)
from popsim.engine.compiled.object_state import (
    DEPTH,
    MESSAGE_CLASS,
    N_REPLICAS,
    N_TALLIED,
    TALLIES,
)
from popsim.engine.compiled.stages import (
    CONNECTED,
    CREATE,
    FAILED,
    GET_THREAD,
    GIVE_UP,
    MOVE,
    PLACE,
    RESUME,
    RUN,
    S_OBJECT_ARRIVE,
    S_OBJECT_BACK,
    SET_OUT,
)
from popsim.engine.layout import (
    KILLED,
    OBJECT_LOST,
    OBJECT_OVERLOADED,
    OBJECT_UNAVAILABLE,
    OK,
    P_OBJECT,
)
from popsim.engine.object_layout import (
    BACK,
    O_FAILED,
    O_LOST,
    O_OVERLOADED,
    O_UNAVAILABLE,
    PARTS,
)

NONE, ZERO = np.int64(-1), np.int64(0)
N_PARTS = np.int64(len(PARTS))
LOST, FINE = np.int64(OBJECT_LOST), np.int64(OK)
UNAVAILABLE = np.int64(OBJECT_UNAVAILABLE)
C_FAILED, C_LOST = np.int64(O_FAILED), np.int64(O_LOST)
C_OVERLOADED, C_UNAVAILABLE = np.int64(O_OVERLOADED), np.int64(O_UNAVAILABLE)


@helper
def current(st, slot):
    """Return the row of the innermost call of a slot."""
    return slot * st.object_ints[DEPTH] + st.slots[slot].depth - 1


@helper
def begin_call(st, slot):
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
    call.caller_turn, call.turn = request.turn, request.turn
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
        call.turn = request.calls
        request.calls += 1
        call.entry = st.steps[request.pc].entry
        tally(st, actor.number, call.site)
        if actor.home < 0:
            call.outcome, call.host, call.rtt = UNAVAILABLE, NONE, 0.0
            request.stage = S_OBJECT_BACK
            request.due = time
            return MOVE
        word = two_words(st, STEP, request.entity, position_of(request))[0]
        sent = quantile(st, st.steps[request.pc].table, word)
        count_payload(st, slot, actor.object_class, sent)
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
        return stop_ringing(st, slot, time, outcome)
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
    request.turn = call.caller_turn
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
