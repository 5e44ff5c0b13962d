"""Calls of objects at their home: the thread, the gates, the memory; twin of specification/threads.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine import object_layout as obl
from popsim.engine.compiled import (
    alarms,
    calendar,
    calls,
    constants,
    draw,
    gates,
    homes,
    kv,
    object_record,
    stages,
)
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import helper


@helper
def arrive_at_home(st, slot, time):
    """Arrive where the home was; follow it if it has moved (rules 40, 48, 49)."""
    request = st.slots[slot]
    number = calls.current(st, slot)
    call = st.calls[number]
    actor = st.actors[call.actor]
    if call.generation != actor.generation:
        return stages.LOST_CALL
    if call.host != actor.home:
        old_site = st.host_sites[call.host]
        call.host = actor.home
        call.rtt = homes.distance(st, call.site, call.host)
        request.due = time + homes.distance(st, old_site, call.host) * 0.5
        return stages.MOVE
    st.parts[number, obl.TO_HOME] += time - call.mark
    if actor.replica > 0:
        return stages.GET_REPLICA
    if request.job == 0 and st.object_rules[0].votes > 0:
        vote(st, call.actor, st.nearest_host[call.site])
    return stages.GET_THREAD


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
    number = calls.current(st, slot)
    call = st.calls[number]
    replica = st.actors[call.actor]
    row = homes.find_actor(st, replica.number, ZERO)
    primary = st.actors[row]
    is_waiting = request.stage == stages.S_OBJECT_CAUGHT_UP
    newest = homes.visible(st, row, call.actor, time)
    if request.seen_object == replica.number and newest < request.seen_version:
        if not is_waiting:
            call.mark = time
            request.due = max(time, homes.arrival_at(st, row, call.actor, request.seen_version))
            request.stage = stages.S_OBJECT_CAUGHT_UP
            return stages.MOVE
        newest = request.seen_version
    if is_waiting:
        st.parts[number, obl.AWAIT] += time - call.mark
        if call.generation != replica.generation:
            return stages.LOST_CALL
    call.version = newest
    stale, forgotten = -np.inf, primary.version - homes.history(st)
    if newest < primary.version:
        stale = time - st.commits[row, (max(newest, forgotten) + 1) % homes.history(st)]
    is_truncated = 0 < newest <= forgotten
    object_record.record_replica_read(st, slot, replica.object_class, stale, is_truncated)
    return stages.GET_THREAD


@helper
def get_thread(st, slot, time):
    """Take the object's thread, wait for it, or be refused (rule 41)."""
    request = st.slots[slot]
    call = st.calls[calls.current(st, slot)]
    actor = st.actors[call.actor]
    if st.object_rules[0].is_serial == 0:
        return stages.GRANTED
    if actor.busy == 0:
        actor.busy = ONE
        call.has_thread = ONE
        return stages.GRANTED
    limit = st.object_rules[0].queue_limit
    is_new = call.has_begun == 0 and request.job != kv.AN_ALARM
    if is_new and limit >= 0 and actor.waiting >= limit:
        return calls.way_back(st, slot, time, lay.OBJECT_OVERLOADED)
    call.mark = time
    request.stage = stages.S_OBJECT_GRANTED
    request.next = NONE
    if actor.wait_tail >= 0:
        st.slots[actor.wait_tail].next = slot
    else:
        actor.wait_head = slot
    actor.wait_tail = slot
    actor.waiting += 1
    return stages.NOTHING


@helper
def hand_over(st, slot, time):
    """Give the thread to the first who waits, at this same time (rule 41)."""
    call = st.calls[calls.current(st, slot)]
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
    calendar.push(st, time, wake_key(st, heir, constants.KEY_WAKE), heir)


@helper
def wake_key(st, slot, rank):
    """Return the key of a wake-up: a request's has a rank of its own."""
    return rank + st.slots[slot].number if st.slots[slot].job == 0 else kv.event_key(st, slot)


@helper
def after_queue(st, slot, time):
    """A waiter has the thread, or lost its object."""
    number = calls.current(st, slot)
    call = st.calls[number]
    st.parts[number, obl.QUEUE] += time - call.mark
    if call.generation != st.actors[call.actor].generation:
        return stages.LOST_CALL
    call.has_thread = ONE
    return stages.GRANTED


@helper
def has_thread_now(st, slot, time):
    """A call has the thread: go on, or begin and open the object if it is not in memory (rule 43)."""
    request = st.slots[slot]
    number = calls.current(st, slot)
    call = st.calls[number]
    if call.has_begun != 0:
        return stages.RUN
    actor = st.actors[call.actor]
    call.has_begun = ONE
    actor.calls += 1
    if actor.calls == 1:
        object_record.record_lived(st, call.actor, time)
        actor.ready = max(time, actor.available)
        if actor.deadline <= time:
            word = draw.two_words(st, draws.ACTIVATION, request.entity, call.turn)[0]
            actor.ready = actor.ready + draw.quantile(st, st.object_rules[0].activation_table, word)
            object_record.count_object(st, slot, actor.object_class, obl.O_ACTIVATIONS)
        actor.active_since, actor.idle_since = time, np.inf
    if actor.ready > time:
        call.mark = time
        request.stage = stages.S_OBJECT_OPEN
        request.due = actor.ready
        return stages.MOVE
    return enter(st, slot)


@helper
def after_opening(st, slot, time):
    """The object is in memory."""
    number = calls.current(st, slot)
    call = st.calls[number]
    st.parts[number, obl.OPEN] += time - call.mark
    if call.generation != st.actors[call.actor].generation:
        return stages.LOST_CALL
    return enter(st, slot)


@helper
def enter(st, slot):
    """Begin the object's program."""
    request = st.slots[slot]
    number = calls.current(st, slot)
    call = st.calls[number]
    if call.is_new != 0:
        object_record.record_spawn(st, slot, number)
    request.compute = st.host_sites[call.host]
    request.epoch = st.sites[request.compute].epoch
    request.pc, request.turn = call.entry, call.turn
    request.stage = stages.S_OBJECT_STEP
    return stages.RUN


@helper
def on_thread(st, slot, time, kind):
    """Do something that nothing else of the object runs beside."""
    request = st.slots[slot]
    number = calls.current(st, slot)
    word = draw.two_words(st, draws.STEP, request.entity, draw.position_of(request))[0]
    drawn = draw.quantile(st, st.steps[request.pc].table, word)
    done = time + drawn
    part = obl.EXECUTE if kind == lay.CPU else obl.STORAGE
    st.parts[number, part] += done - time
    request.stage = stages.S_OBJECT_STEP
    request.due = done


@helper
def after_thread(st, slot):
    """Something on the object's thread is done."""
    request = st.slots[slot]
    call = st.calls[calls.current(st, slot)]
    actor = st.actors[call.actor]
    if call.generation != actor.generation:
        return stages.LOST_CALL
    kind = st.steps[request.pc].kind
    if kind != lay.CPU:
        if kind == lay.TRANSACTION:
            call.is_dirty = ONE
        column = obl.O_TRANSACTIONS if kind == lay.TRANSACTION else obl.O_GETS
        object_record.count_object(st, slot, actor.object_class, column)
    request.pc += 1
    return stages.RUN


@helper
def wait_elsewhere(st, slot, time, kind):
    """Let others in, and begin to wait, once nothing unconfirmed could leak (rule 44)."""
    request = st.slots[slot]
    number = calls.current(st, slot)
    call = st.calls[number]
    if request.stage != stages.S_OBJECT_GATED:
        hand_over(st, slot, time)
        gate = gates.gate_of(st, number)
        if kind != lay.SLEEP and gate > time:
            call.mark = time
            request.stage = stages.S_OBJECT_GATED
            request.due = gate
            return stages.MOVE
    request.stage = stages.S_OBJECT_STEP
    call.mark = time
    return stages.START


@helper
def resume(st, slot, time):
    """What a call waited for is over: it needs the thread again (rule 44)."""
    request = st.slots[slot]
    number = calls.current(st, slot)
    call = st.calls[number]
    if call.generation != st.actors[call.actor].generation:
        return stages.LOST_CALL
    st.parts[number, obl.AWAIT] += time - call.mark
    if request.failed != lay.OK:
        call.outcome = request.failed
        return stages.END_CALL
    return stages.GET_THREAD


@helper
def end_call(st, slot, time):
    """A call is done at the object, which may rest; the answer leaves through the gate (rule 46)."""
    request = st.slots[slot]
    number = calls.current(st, slot)
    call = st.calls[number]
    row = call.actor
    actor = st.actors[row]
    if actor.replica == 0:
        call.version = actor.version
    actor.calls -= 1
    actor.leaves = max(actor.leaves, time, gates.gate_of(st, number))
    if actor.calls == 0:
        rest(st, slot, time)
    hand_over(st, slot, time)
    call.is_answer = ONE
    if request.job == kv.AN_ALARM:
        if call.outcome == lay.OK:
            object_record.count_object(st, slot, actor.object_class, obl.O_ALARMS)
        request.depth -= 1
        return alarms.stop_ringing(st, slot, time, call.outcome)
    leave = max(time, gates.gate_of(st, number))
    st.parts[number, obl.GATE] += leave - time
    call.mark = leave
    request.stage = stages.S_OBJECT_BACK
    request.due = leave + (call.rtt * 0.5 + call.home)
    return stages.MOVE


@helper
def rest(st, slot, time):
    """An object has nothing to do: note when it will leave the memory; it may move (rules 43, 48)."""
    request = st.slots[slot]
    call = st.calls[calls.current(st, slot)]
    actor = st.actors[call.actor]
    actor.idle_since = actor.leaves
    if st.classes[actor.object_class].hibernates != 0:
        actor.deadline = actor.idle_since + st.object_rules[0].hibernate_after
    elif actor.members >= 0:
        actor.deadline = np.inf
    else:
        word = draw.two_words(st, draws.STORED, request.entity, call.turn)[0]
        actor.deadline = actor.idle_since + draw.quantile(st, st.object_rules[0].evict_table, word)
    votes = st.object_rules[0].votes
    is_free = actor.waiting == 0 and (call.has_thread != 0 or actor.busy == 0)
    if is_free and 0 < votes <= actor.votes and homes.is_host_up(st, actor.candidate):
        word = draw.two_words(st, draws.MOVE, request.entity, call.turn)[0]
        object_record.record_lived(st, call.actor, time)
        actor.lost_from, actor.home, actor.votes = actor.home, actor.candidate, ZERO
        actor.available = time + draw.quantile(st, st.object_rules[0].move_table, word)
        actor.deadline, actor.idle_since, actor.active_since = -np.inf, np.inf, np.inf
        object_record.count_object(st, slot, actor.object_class, obl.O_MOVES)
