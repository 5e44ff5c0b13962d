"""What follows an event at its own time and site, compiled: a program goes on, a call, an answer."""

from __future__ import annotations

import numpy as np

from popsim.engine import layout as lay
from popsim.engine import object_layout as obl
from popsim.engine.compiled import (
    alarms,
    calendar,
    calls,
    constants,
    gates,
    homes,
    instances,
    kv,
    kv_write,
    life,
    object_record,
    record,
    sessions,
    stages,
    threads,
)
from popsim.engine.compiled.constants import ONE
from popsim.engine.compiled.jit import helper


@helper
def settle(st, slot, time, what):
    """Do all that follows an event at its own time and site."""
    if what == stages.ACQUIRE:
        what = life.acquire(st, slot, time)
    if what == stages.BIND:
        instances.bind(st, slot, time)
        st.slots[slot].pc = 0
        what = stages.RUN
    if what >= stages.CALL and what < stages.FAILED:
        what = settle_in_object(st, slot, time, what)
    while what == stages.RUN:
        what = go_on(st, slot, time)
        if what == stages.START:
            what = start_step(st, slot, time)
        if what >= stages.CALL and what < stages.FAILED:
            what = settle_in_object(st, slot, time, what)
    if what == stages.MOVE:
        calendar.push(st, st.slots[slot].due, kv.event_key(st, slot), slot)
    elif what == stages.SEND:
        calendar.push(st, st.slots[slot].due, constants.KEY_ENTER + st.slots[slot].number, slot)
    elif what == stages.ENDED:
        stages.give_back_slot(st, slot)
    elif what != stages.NOTHING:
        end_request(st, slot, time, what)


@helper
def end_request(st, slot, time, what):
    """Answer a request, or end it where it is."""
    request = st.slots[slot]
    if (what == stages.DONE or what >= stages.GIVE_UP) and request.member < 0:
        heir = instances.release(st, slot, time)
        if heir >= 0:
            calendar.push(st, time, constants.KEY_WAKE + st.slots[heir].number, heir)
    total, outcome = 0.0, lay.OK
    if what == stages.DONE:
        total = life.respond(st, slot, time)
        if request.member >= 0:
            sessions.acknowledge(st, slot, total)
    else:
        total = time - request.start
        outcome = np.int64(
            what - stages.GIVE_UP if what >= stages.GIVE_UP else what - stages.FAILED
        )
    record.finish(st, slot, total, outcome)
    st.run[0].in_flight -= 1
    stages.give_back_slot(st, slot)


@helper
def settle_in_object(st, slot, time, what):
    """Do what follows in the life of a call, a session or an alarm, until it is RUN, waits, or is over."""
    after = what
    while what >= stages.CALL and what < stages.FAILED:
        if what == stages.CREATE:
            sessions.create_actor(st, slot, time)
            what = after
        if what == stages.PLACE:
            what = place(st, slot, time)
        if what == stages.RESUME:
            what = threads.resume(st, slot, time)
        if what == stages.SEND_MESSAGE:
            after = what
            what = sessions.send_message(st, slot, time)
        if what == stages.CALL:
            after = what
            what = calls.begin_call(st, slot)
        if what == stages.CONNECTED:
            what = sessions.is_connected(st, slot, time)
        if what == stages.CONNECT_AGAIN:
            after = what
            what = sessions.connect_again(st, slot, time)
        if what == stages.LOST_CALL:
            what = calls.way_back(st, slot, time, lay.OBJECT_LOST)
        if what == stages.RING:
            after = what
            what = alarms.answer_alarm(st, slot, time)
        if what == stages.SET_OUT:
            what = calls.set_out(st, slot, time)
        if what == stages.GET_REPLICA:
            what = threads.meet_replica(st, slot, time)
        if what == stages.GET_THREAD:
            what = threads.get_thread(st, slot, time)
        if what == stages.GRANTED:
            what = threads.has_thread_now(st, slot, time)
        if what == stages.END_CALL:
            what = threads.end_call(st, slot, time)
    return what


@helper
def place(st, slot, time):
    """Ask for a home; say who asked."""
    request = st.slots[slot]
    row = request.actor
    is_new = st.actors[row].lost_from < 0 and request.job == 0
    request.is_placed = ONE
    if homes.give_home(st, slot, row, request.compute, time) and is_new:
        request.makes = ONE
    if request.job == kv.A_SESSION:
        return stages.CONNECT_AGAIN
    return stages.RING if request.job == kv.AN_ALARM else stages.CALL


@helper
def go_on(st, slot, time):
    """Follow the program to the next step that takes time; in an object, do what leads to it (rules 43 to 46)."""
    request = st.slots[slot]
    while True:
        life.branch(st, slot)
        kind = st.steps[request.pc].kind
        if request.depth == 0:
            return stages.DONE if kind == lay.END else stages.START
        if kind == lay.CPU or kind == lay.STORAGE_GET or kind == lay.TRANSACTION:
            threads.on_thread(st, slot, time, kind)
            return stages.MOVE
        call = st.calls[calls.current(st, slot)]
        if kind == lay.STORAGE_PUT:
            object_record.count_object(st, slot, st.actors[call.actor].object_class, obl.O_PUTS)
            call.is_dirty = ONE
        elif kind == lay.SET_ALARM:
            sessions.set_alarm(st, slot, time)
        else:
            if call.is_dirty != 0 and not gates.commit_writes(st, slot, time):
                row = call.actor
                sessions.lose_actor(st, row, time)
                object_record.count_at(st, time, st.actors[row].object_class, obl.O_RESTARTS)
                return calls.way_back(st, slot, time, lay.OBJECT_UNAVAILABLE)
            if kind == lay.END:
                return stages.END_CALL
            if kind != lay.BROADCAST:
                return threads.wait_elsewhere(st, slot, time, kind)
            object_record.count_object(
                st, slot, st.actors[call.actor].object_class, obl.O_BROADCASTS
            )
            sessions.tell(st, slot, time)
        request.pc += 1


@helper
def start_step(st, slot, time):
    """Start the step at the program counter: say what follows, when in ``due``."""
    request = st.slots[slot]
    kind = st.steps[request.pc].kind
    if kind == lay.OBJECT_CALL:
        return stages.CALL
    what = stages.MOVE
    if kind < lay.KV_GET:
        request.due = life.run_step(st, slot, time)
        return what
    kind = kv_write.prepare(st, slot)
    if kind == lay.KV_GET:
        request.due, what = kv.begin_get(st, slot, time)
    else:
        request.due = kv_write.begin_write(st, slot, time, kind)
    return what
