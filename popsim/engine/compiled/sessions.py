"""Sessions of an object's participants, compiled; twin of specification/sessions.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine import object_books as ob
from popsim.engine import object_layout as obl
from popsim.engine.compiled import (
    alarms,
    calendar,
    calls,
    connection,
    constants,
    draw,
    gates,
    homes,
    keys,
    kv,
    object_record,
    stages,
    threads,
)
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import helper

HEARD_SHIFT = np.int64(16)  # of what lies behind a position: a participant


MEMBER_KEYS, MOST_DOUBLINGS = np.int64(1 << draws.MEMBER_BITS), np.int64(6)


# --- who they are ---------------------------------------------------------------------------------------------


@helper
def create_actor(st, slot, time):
    """Make the actor that a slot looks for, with its participants; the caller guarantees room."""
    request = st.slots[slot]
    row = st.object_run[0].actor_count
    st.object_run[0].actor_count = row + 1
    st.object_run[0].indexed_count += 1
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
    homes.index_actor(st, ((actor.number << obl.REPLICA_BITS) | actor.replica) + ONE, row)
    if actor.replica > 0:
        object_record.record_existence(st, actor.object_class, time)
    elif st.classes[actor.object_class].participants > 0:
        begin_sessions(st, row)


@helper
def begin_sessions(st, row):
    """Connect the participants of a new object: all of them, from its first use on (rule 51)."""
    actor = st.actors[row]
    item = st.classes[actor.object_class]
    kind_word, anchor_word = draw.two_words(st, draws.MEMBER, actor.number, ZERO)
    position = draw.uniform(kind_word)
    choice = item.first_spread
    while not position < st.spreads[choice].cumulative:
        choice += 1
    actor.spread = st.spreads[choice].spread
    anchor = draw.choose(st.clients, anchor_word)
    actor.members = st.object_run[0].member_count
    st.object_run[0].member_count += item.participants
    base = actor.spread * st.rules[0].client_count
    group = st.member_cells[base + anchor]
    for number in range(item.participants):
        index = (ONE + number) << 1
        cell_word, network_word = draw.two_words(st, draws.MEMBER, actor.number, index)
        route_word, _ = draw.two_words(st, draws.MEMBER, actor.number, index + ONE)
        member = st.members[actor.members + number]
        member.client, member.actor, member.attempts = anchor, row, ZERO
        if number > 0:
            place = draw.uniform(cell_word) * np.float64(group.width)
            cell = np.int64(place)
            first = base + group.first
            if not place - np.float64(cell) < st.member_cells[first + cell].threshold:
                cell = st.member_cells[first + cell].alias
            member.client = st.member_cells[first + cell].client
        member.network = draw.choose(st.networks, network_word)
        member.position = draw.uniform(route_word)
        site, path = connection.pick(st, member.client, member.position)
        member.ingress, member.path = site, path
        member.since = -np.inf if site >= 0 else np.inf


@helper
def line(st, entity, position, number, row):
    """Draw a participant's RTT to its ingress."""
    member, index = st.members[row], (position << HEARD_SHIFT) | number
    access_word, jitter_word = draw.two_words(st, draws.HEARD, entity, index)
    access = draw.quantile(st, lay.T_ACCESS + member.network, access_word)
    return (member.path + access) + draw.quantile(st, lay.T_JITTER, jitter_word)


# --- what they send and see -----------------------------------------------------------------------------------


@helper
def send_message(st, slot, time):
    """Let a participant send a message over its session: say what follows, when in ``due`` (rule 52)."""
    request = st.slots[slot]
    object_class = st.object_rules[0].message_class
    space = st.classes[object_class].space
    request.addressee = keys.key_of(st, request.number, ZERO, space, ZERO)
    row = homes.find_actor(st, request.addressee, ZERO)
    if row < 0:
        request.seek, request.seek_class = request.addressee, object_class
        request.seek_replica = ZERO
        return stages.CREATE
    member_word, kind_word = draw.two_words(st, draws.MESSAGE, request.number, ZERO)
    participants = st.classes[object_class].participants
    request.member = np.int64(draw.uniform(member_word) * np.float64(participants))
    position = draw.uniform(kind_word)
    kind = ZERO
    while not position < st.messages[kind].cumulative:
        kind += 1
    request.message, request.pc = kind, st.messages[kind].entry
    member = st.members[st.actors[row].members + request.member]
    request.client, request.network = member.client, member.network
    if member.since > request.start:
        return stages.FAILED + lay.DISCONNECTED
    access_word, jitter_word = draw.two_words(
        st, draws.USER, request.number, draws.USER_ACCESS_JITTER
    )
    access = draw.quantile(st, lay.T_ACCESS + member.network, access_word)
    jitter = draw.quantile(st, lay.T_JITTER, jitter_word)
    request.rtt = (member.path + access) + jitter
    request.ingress, request.compute = member.ingress, member.ingress
    request.setup = 0.0
    request.stage = stages.S_INGRESS
    request.due = time + request.rtt * 0.5
    return stages.SEND


@helper
def tell(st, slot, time):
    """Send a message to all other participants: arithmetic, no events (rule 53)."""
    request = st.slots[slot]
    if not object_record.is_measured(st, slot):
        return
    number = calls.current(st, slot)
    call = st.calls[number]
    actor = st.actors[call.actor]
    leave = max(time, gates.gate_of(st, number))
    sender = request.member if request.addressee == actor.number else NONE
    row, position = actor.object_class, draw.position_of(request)
    told, missed = ZERO, ZERO
    for place in range(st.classes[row].participants):
        if place == sender:
            continue
        member = st.members[actor.members + place]
        if member.since > leave:
            missed += 1
            continue
        rtt = line(st, request.entity, position, place, actor.members + place)
        way = homes.distance(st, member.ingress, call.host) * 0.5 + rtt * 0.5
        told += 1
        seen = (leave + way) - request.start
        if sender >= 0:
            object_record.add_of_message(st, request.message, ob.SEEN + actor.spread, seen)
        else:
            object_record.add_value(st, row, ob.VISIBLE + actor.spread, seen)
    st.object_by_class[row, obl.O_DELIVERED] += told
    st.object_by_class[row, obl.O_MISSED] += missed


@helper
def acknowledge(st, slot, total):
    """Record that a message was answered."""
    request = st.slots[slot]
    if object_record.is_measured(st, slot):
        actor = st.actors[homes.find_actor(st, request.addressee, ZERO)]
        object_record.add_of_message(st, request.message, ob.ACKNOWLEDGED + actor.spread, total)


# --- being cut, and connecting again --------------------------------------------------------------------------


@helper
def lose_actor(st, row, time):
    """End all that runs in an object: calls find out at their next event there, who waits dies now (rule 50)."""
    actor = st.actors[row]
    actor.generation += 1
    waiter = actor.wait_head
    while waiter >= 0:
        calendar.push(st, time, threads.wake_key(st, waiter, constants.KEY_DEAD), waiter)
        waiter = st.slots[waiter].next
    object_record.record_lived(st, row, time)
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
    object_record.count_at(st, time, actor.object_class, obl.O_CUT)
    slot = stages.take_slot(st)
    job = st.slots[slot]
    job.job = kv.A_SESSION
    job.actor, job.member, job.start, job.client = member.actor, row, time, member.client
    job.number = (actor.number - st.object_rules[0].first_number) * MEMBER_KEYS + (
        row - actor.members
    )
    job.depth, job.attempt, job.makes, job.is_placed = ZERO, ZERO, ZERO, ZERO
    job.addressee, job.seen_object = NONE, NONE
    job.ingress, job.compute = NONE, NONE
    again = time + patience(st, slot)
    calendar.push(st, again, kv.event_key(st, slot), slot)


@helper
def patience(st, slot):
    """Return how long a session waits before it tries to connect again, and name that attempt's draws."""
    job = st.slots[slot]
    member, actor = st.members[job.member], st.actors[job.actor]
    place = job.member - actor.members
    job.entity = draws.CONNECT_ENTITY + (actor.number << draws.MEMBER_BITS) + place
    job.turn = member.attempts
    member.attempts += 1
    job.stage = stages.S_CONNECT
    word = draw.two_words(st, draws.CONNECT, actor.number, (place << 32) | job.turn)[0]
    wait = draw.quantile(st, st.object_rules[0].reconnect_table, word)
    if job.attempt > 0:
        wait = max(wait, obl.SHORTEST_WAIT_MS) * np.float64(ONE << min(job.attempt, MOST_DOUBLINGS))
    return wait


@helper
def try_again(st, slot, time):
    """An attempt to connect failed: wait longer."""
    job = st.slots[slot]
    object_record.count_object(
        st, slot, st.actors[job.actor].object_class, obl.O_RECONNECT_FAILURES
    )
    job.attempt += 1
    job.makes, job.is_placed = ZERO, ZERO
    job.due = time + patience(st, slot)
    return stages.MOVE


@helper
def connect_again(st, slot, time):
    """Shake hands with the ingress (two round trips) and set out for the object."""
    job = st.slots[slot]
    member, actor = st.members[job.member], st.actors[job.actor]
    if job.is_placed == 0:
        site, path = connection.pick(st, member.client, member.position)
        member.ingress, member.path = site, path
        if site < 0 or st.sites[site].up == 0:
            return try_again(st, slot, time)
        job.ingress, job.compute, job.epoch = site, site, st.sites[site].epoch
        if actor.home < 0:
            return stages.PLACE
    if actor.home < 0:
        return try_again(st, slot, time)
    job.rtt = line(st, job.entity, job.turn << draws.PC_BITS, ZERO, job.member)
    return stages.SET_OUT


@helper
def is_connected(st, slot, time):
    """The object has answered, or an error came: say whether the session is there."""
    job = st.slots[slot]
    call = st.calls[calls.current(st, slot) + 1]  # it is over already
    if call.outcome != lay.OK or st.sites[job.ingress].epoch != call.epoch:
        return try_again(st, slot, time)
    member = st.members[job.member]
    member.since = time
    row = st.actors[job.actor].object_class
    object_record.count_object(st, slot, row, obl.O_RECONNECTED)
    if object_record.is_measured(st, slot):
        object_record.add_value(st, row, ob.RECONNECT, time - job.start)
    return stages.ENDED


@helper
def set_alarm(st, slot, time):
    """Let an object's alarm go off at a time, in a slot of its own, instead of any other (rule 47)."""
    request = st.slots[slot]
    row = st.calls[calls.current(st, slot)].actor
    actor = st.actors[row]
    own = stages.take_slot(st)
    job = st.slots[own]
    job.job = kv.AN_ALARM
    job.actor, job.client = row, ZERO
    if actor.members >= 0:
        job.client = st.members[actor.members].client
    job.depth, job.makes, job.is_placed, job.member = ZERO, ZERO, ZERO, NONE
    job.tries = ZERO
    job.addressee, job.seen_object, job.ingress = NONE, NONE, NONE
    word = draw.two_words(st, draws.STEP, request.entity, draw.position_of(request))[0]
    after = draw.quantile(st, st.steps[request.pc].table, word)
    after = max(after, obl.SHORTEST_WAIT_MS)
    alarms.name_alarm(st, own, row, time + after)
    calendar.push(st, time + after, kv.event_key(st, own), own)
