"""Calls of objects on their way: from the caller to the home, and back; twin of specification/calls.py.

The slot of a request carries its calls, one per level; an alarm and a session that connects again have slots of their
own. Each function handles one event or decision and says what follows; ``settling.settle`` strings them together.
"""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine import object_layout as obl
from popsim.engine.compiled import alarms, draw, homes, keys, kv, object_record, stages
from popsim.engine.compiled.constants import NONE, ZERO
from popsim.engine.compiled.jit import helper


@helper
def current(st, slot):
    """Return the row of the innermost call of a slot."""
    return slot * st.object_rules[0].depth + st.slots[slot].depth - 1


@helper
def begin_call(st, slot):
    """Find out who answers a call: say what is missing, or set out (rule 38)."""
    request = st.slots[slot]
    step = st.steps[request.pc]
    number = request.addressee
    if number < 0 or step.object_class != st.object_rules[0].message_class:
        space = st.classes[step.object_class].space
        number = keys.key_of(st, request.number, request.client, space, ZERO)
    request.seek, request.seek_class, request.seek_replica = number, step.object_class, ZERO
    row = homes.find_actor(st, number, ZERO)
    if row < 0:
        return stages.CREATE
    actor = st.actors[row]
    request.actor = row
    replica = ZERO
    if step.only_reads != 0 and st.object_rules[0].replica_count > 0:
        replica = homes.nearest_replica(st, request.compute)
    if actor.home < 0 and (replica == 0 or actor.lost_from < 0) and request.is_placed == 0:
        return stages.PLACE
    if replica > 0:
        nearest = homes.distance(st, request.compute, st.replica_hosts[replica - 1])
        if actor.home < 0 or not homes.distance(st, request.compute, actor.home) <= nearest:
            request.seek_replica = replica
            row = homes.find_actor(st, number, replica)
            if row < 0:
                return stages.CREATE
            request.actor = row
    return stages.SET_OUT


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
    call.outcome = lay.OK
    for part in range(st.parts.shape[1]):
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
            call.outcome, call.host, call.rtt = lay.OBJECT_UNAVAILABLE, NONE, 0.0
            request.stage = stages.S_OBJECT_BACK
            request.due = time
            return stages.MOVE
        word = draw.two_words(st, draws.STEP, request.entity, draw.position_of(request))[0]
        sent = draw.quantile(st, st.steps[request.pc].table, word)
        object_record.count_payload(st, slot, actor.object_class, sent)
    call.host, call.generation = actor.home, actor.generation
    call.rtt = homes.distance(st, call.site, call.host)
    if request.job == kv.AN_ALARM:
        call.entry = st.classes[actor.object_class].alarm_entry
        return stages.GET_THREAD
    if request.job == kv.A_SESSION:
        call.entry = st.classes[actor.object_class].connect_entry
        out, call.home = request.rtt * 2.0 + request.rtt * 0.5, request.rtt * 0.5
    request.stage = stages.S_OBJECT_ARRIVE
    request.due = time + (out + call.rtt * 0.5)
    return stages.MOVE


@helper
def tally(st, number, site):
    """Count who calls an object, in a rehearsal."""
    if st.object_run[0].tallies != 0:
        st.tally[st.object_run[0].tallied_count] = (number << 16) | site
        st.object_run[0].tallied_count += 1


@helper
def way_back(st, slot, time, outcome):
    """Send an error of the runtime back to the caller; an alarm has none."""
    request = st.slots[slot]
    call = st.calls[current(st, slot)]
    if request.job == kv.AN_ALARM:
        request.depth -= 1
        return alarms.stop_ringing(st, slot, time, outcome)
    call.outcome = outcome
    request.stage = stages.S_OBJECT_BACK
    request.due = time + (call.rtt * 0.5 + call.home)
    return stages.MOVE


@helper
def at_caller(st, slot, time):
    """An answer, or an error, is back where the call came from."""
    request = st.slots[slot]
    number = current(st, slot)
    call = st.calls[number]
    request.depth -= 1
    if request.job != 0:
        return stages.CONNECTED
    record_call(st, slot, number, time)
    step = st.steps[call.pc]
    request.compute, request.epoch, request.pc = call.site, call.epoch, call.pc
    request.turn = call.caller_turn
    outcome = call.outcome
    if outcome == lay.OK or step.is_tolerant != 0:
        outcome = lay.OK
        request.pc += 1
    if request.depth > 0:
        request.failed = outcome
        return stages.RESUME
    st.phases[slot, lay.P_OBJECT] += time - call.began
    if st.sites[request.compute].epoch != request.epoch:
        return stages.FAILED + lay.KILLED
    return stages.RUN if outcome == lay.OK else stages.GIVE_UP + outcome


@helper
def record_call(st, slot, number, time):
    """Record how a request's call went."""
    request, call = st.slots[slot], st.calls[number]
    actor = st.actors[call.actor]
    if call.outcome == lay.OK:
        if call.is_answer != 0 and call.host >= 0:
            st.parts[number, obl.BACK] += time - call.mark
        request.object, request.object_version = actor.number, call.version
        if actor.replica == 0:
            request.seen_object, request.seen_version = actor.number, call.version
        object_record.record_answer(st, slot, number, time)
        return
    column = obl.O_FAILED
    if call.is_answer == 0:
        column = obl.O_UNAVAILABLE
        if call.outcome == lay.OBJECT_LOST:
            column = obl.O_LOST
        elif call.outcome == lay.OBJECT_OVERLOADED:
            column = obl.O_OVERLOADED
    object_record.count_object(st, slot, actor.object_class, column)
