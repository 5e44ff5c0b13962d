"""Sessions of an object's participants, compiled; twin of specification/sessions.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import object_books as ob
from popsim.engine.compiled.alarms import name_alarm
from popsim.engine.compiled.calls import (
    current,
)
from popsim.engine.compiled.connection import pick
from popsim.engine.compiled.draw import (
    PC_BITS,
    STEP,
    USER,
    choose,
    position_of,
    quantile,
    two_words,
    uniform,
)
from popsim.engine.compiled.gates import gate_of
from popsim.engine.compiled.heap import push
from popsim.engine.compiled.homes import distance, find_actor, index_actor
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.keys import key_of
from popsim.engine.compiled.kv import A_SESSION, AN_ALARM, event_key
from popsim.engine.compiled.object_record import (
    add_of_message,
    add_value,
    count_at,
    count_object,
    is_measured,
    record_existence,
    record_lived,
)
from popsim.engine.compiled.object_state import (
    BASE,
    MESSAGE_CLASS,
    N_ACTORS,
    N_CLIENTS,
    N_INDEXED,
    N_MEMBERS,
    TABLE_RECONNECT,
)
from popsim.engine.compiled.stages import (
    CREATE,
    ENDED,
    FAILED,
    MOVE,
    PLACE,
    S_CONNECT,
    S_INGRESS,
    SEND,
    SET_OUT,
    take_slot,
)
from popsim.engine.compiled.threads import (
    wake_key,
)
from popsim.engine.layout import (
    DEAD,
    DISCONNECTED,
    OK,
    RANK,
    T_ACCESS,
    T_JITTER,
)
from popsim.engine.object_layout import (
    O_CUT,
    O_DELIVERED,
    O_MISSED,
    O_RECONNECT_FAILURES,
    O_RECONNECTED,
    REPLICA_BITS,
    SHORTEST_WAIT_MS,
)

MEMBER, MESSAGE = np.uint64(draws.MEMBER), np.uint64(draws.MESSAGE)
HEARD, CONNECT = np.uint64(draws.HEARD), np.uint64(draws.CONNECT)
ACCESS_JITTER = np.int64(draws.USER_ACCESS_JITTER)
CONNECT_ENTITY, MEMBER_BITS = np.int64(draws.CONNECT_ENTITY), np.int64(draws.MEMBER_BITS)
HEARD_SHIFT = np.int64(16)  # of what lies behind a position: a participant
ACCESS, JITTER = np.int64(T_ACCESS), np.int64(T_JITTER)
KEY_DEAD = np.int64(DEAD * RANK)
MEMBER_KEYS, MOST_DOUBLINGS = np.int64(1 << draws.MEMBER_BITS), np.int64(6)
BITS = np.int64(REPLICA_BITS)
VISIBLE, SEEN = np.int64(ob.VISIBLE), np.int64(ob.SEEN)
ACKNOWLEDGED = np.int64(ob.ACKNOWLEDGED)
AGAIN = np.int64(ob.RECONNECT)
CUT, DELIVERED, MISSED = np.int64(O_CUT), np.int64(O_DELIVERED), np.int64(O_MISSED)
C_RECONNECTED, C_FAILURES = np.int64(O_RECONNECTED), np.int64(O_RECONNECT_FAILURES)
NONE, ZERO, ONE = np.int64(-1), np.int64(0), np.int64(1)


# --- who they are ---------------------------------------------------------------------------------------------


@helper
def create_actor(st, slot, time):
    """Make the actor that a slot looks for, with its participants; the caller guarantees room."""
    request = st.slots[slot]
    row = st.object_ints[N_ACTORS]
    st.object_ints[N_ACTORS] = row + 1
    st.object_ints[N_INDEXED] += 1
    actor = st.actors[row]
    actor.number, actor.object_class = request.seek, request.seek_class
    actor.replica = request.seek_replica
    actor.home = NONE if actor.replica == 0 else st.replica_hosts[actor.replica - 1]
    actor.generation, actor.lost_from = ZERO, NONE
    actor.available, actor.ready, actor.gate = -np.inf, -np.inf, -np.inf
    actor.busy, actor.waiting, actor.calls = ZERO, ZERO, ZERO
    actor.wait_head, actor.wait_tail = NONE, NONE
    actor.idle_since, actor.deadline, actor.active_since = np.inf, -np.inf, np.inf
    actor.leaves = -np.inf
    actor.version, actor.candidate, actor.votes = ZERO, NONE, ZERO
    actor.alarm_turn = ZERO
    actor.alarm_runs, actor.alarm_is_late = ZERO, ZERO
    actor.spread, actor.members = ZERO, NONE
    index_actor(st, ((actor.number << BITS) | actor.replica) + ONE, row)
    if actor.replica > 0:
        record_existence(st, actor.object_class, time)
    elif st.classes[actor.object_class].participants > 0:
        begin_sessions(st, row)


@helper
def begin_sessions(st, row):
    """Connect the participants of a new object: all of them, from its first use on (rule 51)."""
    actor = st.actors[row]
    item = st.classes[actor.object_class]
    kind_word, anchor_word = two_words(st, MEMBER, actor.number, ZERO)
    position = uniform(kind_word)
    choice = item.first_spread
    while not position < st.spreads[choice].cumulative:
        choice += 1
    actor.spread = st.spreads[choice].spread
    anchor = choose(st.clients, anchor_word)
    actor.members = st.object_ints[N_MEMBERS]
    st.object_ints[N_MEMBERS] += item.participants
    base = actor.spread * st.object_ints[N_CLIENTS]
    group = st.member_cells[base + anchor]
    for number in range(item.participants):
        index = (ONE + number) << 1
        cell_word, network_word = two_words(st, MEMBER, actor.number, index)
        route_word, _ = two_words(st, MEMBER, actor.number, index + ONE)
        member = st.members[actor.members + number]
        member.client, member.actor, member.attempts = anchor, row, ZERO
        if number > 0:
            place = uniform(cell_word) * np.float64(group.width)
            cell = np.int64(place)
            first = base + group.first
            if not place - np.float64(cell) < st.member_cells[first + cell].threshold:
                cell = st.member_cells[first + cell].alias
            member.client = st.member_cells[first + cell].client
        member.network = choose(st.networks, network_word)
        member.position = uniform(route_word)
        site, path = pick(st, member.client, member.position)
        member.ingress, member.path = site, path
        member.since = -np.inf if site >= 0 else np.inf


@helper
def line(st, entity, position, number, row):
    """Draw a participant's RTT to its ingress."""
    member, index = st.members[row], (position << HEARD_SHIFT) | number
    access_word, jitter_word = two_words(st, HEARD, entity, index)
    access = quantile(st, ACCESS + member.network, access_word)
    return (member.path + access) + quantile(st, JITTER, jitter_word)


# --- what they send and see -----------------------------------------------------------------------------------


@helper
def send_message(st, slot, time):
    """Let a participant send a message over its session: say what follows, when in ``due`` (rule 52)."""
    request = st.slots[slot]
    object_class = st.object_ints[MESSAGE_CLASS]
    space = st.classes[object_class].space
    request.addressee = key_of(st, request.number, ZERO, space, ZERO)
    row = find_actor(st, request.addressee, ZERO)
    if row < 0:
        request.seek, request.seek_class = request.addressee, object_class
        request.seek_replica = ZERO
        return CREATE
    member_word, kind_word = two_words(st, MESSAGE, request.number, ZERO)
    participants = st.classes[object_class].participants
    request.member = np.int64(uniform(member_word) * np.float64(participants))
    position = uniform(kind_word)
    kind = ZERO
    while not position < st.messages[kind].cumulative:
        kind += 1
    request.message, request.pc = kind, st.messages[kind].entry
    member = st.members[st.actors[row].members + request.member]
    request.client, request.network = member.client, member.network
    if member.since > request.start:
        return FAILED + DISCONNECTED
    access_word, jitter_word = two_words(st, USER, request.number, ACCESS_JITTER)
    access = quantile(st, ACCESS + member.network, access_word)
    jitter = quantile(st, JITTER, jitter_word)
    request.rtt = (member.path + access) + jitter
    request.ingress, request.compute = member.ingress, member.ingress
    request.setup = 0.0
    request.stage = S_INGRESS
    request.due = time + request.rtt * 0.5
    return SEND


@helper
def tell(st, slot, time):
    """Send a message to all other participants: arithmetic, no events (rule 53)."""
    request = st.slots[slot]
    if not is_measured(st, slot):
        return
    number = current(st, slot)
    call = st.calls[number]
    actor = st.actors[call.actor]
    leave = max(time, gate_of(st, number))
    sender = request.member if request.addressee == actor.number else NONE
    row, position = actor.object_class, position_of(request)
    told, missed = ZERO, ZERO
    for place in range(st.classes[row].participants):
        if place == sender:
            continue
        member = st.members[actor.members + place]
        if member.since > leave:
            missed += 1
            continue
        rtt = line(st, request.entity, position, place, actor.members + place)
        way = distance(st, member.ingress, call.host) * 0.5 + rtt * 0.5
        told += 1
        seen = (leave + way) - request.start
        if sender >= 0:
            add_of_message(st, request.message, SEEN + actor.spread, seen)
        else:
            add_value(st, row, VISIBLE + actor.spread, seen)
    st.object_by_class[row, DELIVERED] += told
    st.object_by_class[row, MISSED] += missed


@helper
def acknowledge(st, slot, total):
    """Record that a message was answered."""
    request = st.slots[slot]
    if is_measured(st, slot):
        actor = st.actors[find_actor(st, request.addressee, ZERO)]
        add_of_message(st, request.message, ACKNOWLEDGED + actor.spread, total)


# --- being cut, and connecting again --------------------------------------------------------------------------


@helper
def lose_actor(st, row, time):
    """End all that runs in an object: calls find out at their next event there, who waits dies now (rule 50)."""
    actor = st.actors[row]
    actor.generation += 1
    waiter = actor.wait_head
    while waiter >= 0:
        push(st, time, wake_key(st, waiter, KEY_DEAD), waiter)
        waiter = st.slots[waiter].next
    record_lived(st, row, time)
    actor.busy, actor.calls, actor.votes, actor.waiting = ZERO, ZERO, ZERO, ZERO
    actor.wait_head, actor.wait_tail = NONE, NONE
    actor.deadline, actor.leaves = -np.inf, -np.inf
    actor.idle_since, actor.active_since = np.inf, np.inf
    if actor.members >= 0:
        for place in range(st.classes[actor.object_class].participants):
            cut_session(st, actor.members + place, time)


@helper
def cut_session(st, row, time):
    """Cut a participant's session; it connects again after a while (rule 54)."""
    member = st.members[row]
    if member.since == np.inf:
        return  # it is connecting already
    member.since = np.inf
    actor = st.actors[member.actor]
    count_at(st, time, actor.object_class, CUT)
    slot = take_slot(st)
    job = st.slots[slot]
    job.job = np.int64(A_SESSION)
    job.actor, job.member, job.start, job.client = member.actor, row, time, member.client
    job.number = (actor.number - st.object_ints[BASE]) * MEMBER_KEYS + (row - actor.members)
    job.depth, job.attempt, job.makes, job.is_placed = ZERO, ZERO, ZERO, ZERO
    job.addressee, job.seen_object = NONE, NONE
    job.ingress, job.compute = NONE, NONE
    again = time + patience(st, slot)
    push(st, again, event_key(st, slot), slot)


@helper
def patience(st, slot):
    """Return how long a session waits before it tries to connect again, and name that attempt's draws."""
    job = st.slots[slot]
    member, actor = st.members[job.member], st.actors[job.actor]
    place = job.member - actor.members
    job.entity = CONNECT_ENTITY + (actor.number << MEMBER_BITS) + place
    job.turn = member.attempts
    member.attempts += 1
    job.stage = S_CONNECT
    word = two_words(st, CONNECT, actor.number, (place << 32) | job.turn)[0]
    wait = quantile(st, st.object_ints[TABLE_RECONNECT], word)
    if job.attempt > 0:
        wait = max(wait, SHORTEST_WAIT_MS) * np.float64(ONE << min(job.attempt, MOST_DOUBLINGS))
    return wait


@helper
def try_again(st, slot, time):
    """An attempt to connect failed: wait longer."""
    job = st.slots[slot]
    count_object(st, slot, st.actors[job.actor].object_class, C_FAILURES)
    job.attempt += 1
    job.makes, job.is_placed = ZERO, ZERO
    job.due = time + patience(st, slot)
    return MOVE


@helper
def connect_again(st, slot, time):
    """Shake hands with the ingress (two round trips) and set out for the object."""
    job = st.slots[slot]
    member, actor = st.members[job.member], st.actors[job.actor]
    if job.is_placed == 0:
        site, path = pick(st, member.client, member.position)
        member.ingress, member.path = site, path
        if site < 0 or st.sites[site].up == 0:
            return try_again(st, slot, time)
        job.ingress, job.compute, job.epoch = site, site, st.sites[site].epoch
        if actor.home < 0:
            return PLACE
    if actor.home < 0:
        return try_again(st, slot, time)
    job.rtt = line(st, job.entity, job.turn << PC_BITS, ZERO, job.member)
    return SET_OUT


@helper
def is_connected(st, slot, time):
    """The object has answered, or an error came: say whether the session is there."""
    job = st.slots[slot]
    call = st.calls[current(st, slot) + 1]  # it is over already
    if call.outcome != OK or st.sites[job.ingress].epoch != call.epoch:
        return try_again(st, slot, time)
    member = st.members[job.member]
    member.since = time
    row = st.actors[job.actor].object_class
    count_object(st, slot, row, C_RECONNECTED)
    if is_measured(st, slot):
        add_value(st, row, AGAIN, time - job.start)
    return ENDED


@helper
def set_alarm(st, slot, time):
    """Let an object's alarm go off at a time, in a slot of its own, instead of any other (rule 47)."""
    request = st.slots[slot]
    row = st.calls[current(st, slot)].actor
    actor = st.actors[row]
    own = take_slot(st)
    job = st.slots[own]
    job.job = np.int64(AN_ALARM)
    job.actor, job.client = row, ZERO
    if actor.members >= 0:
        job.client = st.members[actor.members].client
    job.depth, job.makes, job.is_placed, job.member = ZERO, ZERO, ZERO, NONE
    job.tries = ZERO
    job.addressee, job.seen_object, job.ingress = NONE, NONE, NONE
    word = two_words(st, STEP, request.entity, position_of(request))[0]
    after = quantile(st, st.steps[request.pc].table, word)
    after = max(after, SHORTEST_WAIT_MS)
    name_alarm(st, own, row, time + after)
    push(st, time + after, event_key(st, own), own)
