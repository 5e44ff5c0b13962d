"""Alarms of objects, compiled; twin of specification/objects.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.object_record import count_object
from popsim.engine.compiled.object_state import (
    ALARM_RETRIES,
    ALARM_RETRY,
    BASE,
)
from popsim.engine.compiled.stages import (
    ENDED,
    MOVE,
    PLACE,
    RING,
    S_ALARM,
    SET_OUT,
)
from popsim.engine.layout import OBJECT_UNAVAILABLE, OK
from popsim.engine.object_layout import O_ALARM_RETRIES, O_ALARMS_LOST

ZERO, ONE = np.int64(0), np.int64(1)
UNAVAILABLE = np.int64(OBJECT_UNAVAILABLE)
C_RETRIES, C_ALARMS_LOST = np.int64(O_ALARM_RETRIES), np.int64(O_ALARMS_LOST)
ALARM_ENTITY = np.int64(draws.ALARM_ENTITY)


@helper
def ring(st, slot):
    """An alarm goes off, unless another has taken its place (rule 47)."""
    request = st.slots[slot]
    actor = st.actors[request.actor]
    if actor.alarm_turn != request.turn:
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
            return stop_ringing(st, slot, time, UNAVAILABLE)
        return PLACE
    return SET_OUT


@helper
def stop_ringing(st, slot, time, outcome):
    """An alarm's run is over; one that came meanwhile runs now, and one that failed is tried again."""
    request = st.slots[slot]
    actor = st.actors[request.actor]
    actor.alarm_runs = ZERO
    request.due = time
    if actor.alarm_is_late != 0:
        actor.alarm_is_late = ZERO
        request.tries = ZERO
    elif outcome == OK or actor.alarm_turn != request.turn:
        return ENDED
    elif request.tries >= st.object_ints[ALARM_RETRIES]:
        count_object(st, slot, actor.object_class, C_ALARMS_LOST)
        return ENDED
    else:
        count_object(st, slot, actor.object_class, C_RETRIES)
        wait = st.object_floats[ALARM_RETRY] * np.float64(ONE << request.tries)
        request.due = time + wait
        request.tries += 1
    name_alarm(st, slot, request.actor, request.due)
    return MOVE


@helper
def name_alarm(st, slot, row, time):
    """Let an alarm go off at a time, in this slot."""
    actor, job = st.actors[row], st.slots[slot]
    actor.alarm_turn += 1
    job.turn = actor.alarm_turn
    job.number = (actor.number - st.object_ints[BASE]) << 1
    job.entity = ALARM_ENTITY + actor.number
    job.start = time
    job.stage = S_ALARM
