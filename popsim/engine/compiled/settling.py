"""What follows an event at its own time and site, compiled: a program goes on, a call, an answer."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.alarms import answer_alarm
from popsim.engine.compiled.calls import (
    LOST,
    UNAVAILABLE,
    begin_call,
    current,
    set_out,
    way_back,
)
from popsim.engine.compiled.gates import commit_writes
from popsim.engine.compiled.heap import push
from popsim.engine.compiled.homes import give_home
from popsim.engine.compiled.instances import bind, release
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.kv import (
    A_SESSION,
    AN_ALARM,
    begin_get,
    event_key,
)
from popsim.engine.compiled.kv_write import (
    begin_write,
    prepare,
)
from popsim.engine.compiled.life import (
    acquire,
    branch,
    respond,
    run_step,
)
from popsim.engine.compiled.object_record import (
    count_at,
    count_object,
)
from popsim.engine.compiled.record import finish
from popsim.engine.compiled.sessions import (
    acknowledge,
    connect_again,
    create_actor,
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
    SEND,
    SEND_MESSAGE,
    SET_OUT,
    START,
    give_back_slot,
)
from popsim.engine.compiled.state import (
    I_IN_FLIGHT,
)
from popsim.engine.compiled.threads import (
    end_call,
    get_thread,
    has_thread_now,
    meet_replica,
    on_thread,
    resume,
    wait_elsewhere,
)
from popsim.engine.layout import (
    BROADCAST,
    CPU,
    END,
    ENTER,
    KV_GET,
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

# Why ``advance`` returned

KEY_WAKE = np.int64(WAKE * RANK)
KEY_ENTER = np.int64(ENTER * RANK)
ANSWERED = np.int64(OK)
ONE = np.int64(1)
C_PUTS, C_BROADCASTS = np.int64(O_PUTS), np.int64(O_BROADCASTS)
C_RESTARTS = np.int64(O_RESTARTS)


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
            create_actor(st, slot, time)
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
            what = begin_call(st, slot)
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
    is_new = st.actors[row].lost_from < 0 and request.job == 0
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
