"""Alarms of objects, compiled; twin of specification/alarms.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine import object_layout as obl
from popsim.engine.compiled import object_record, stages
from popsim.engine.compiled.constants import ONE, ZERO
from popsim.engine.compiled.jit import helper


@helper
def ring(st, slot):
    """An alarm goes off, unless another has taken its place (rule 47)."""
    request = st.slots[slot]
    actor = st.actors[request.actor]
    if actor.alarm_turn != request.turn:
        return stages.ENDED
    request.number += 1  # it does not ring any more, it runs
    if actor.alarm_runs != 0:
        actor.alarm_is_late = ONE
        return stages.ENDED
    actor.alarm_runs = ONE
    return stages.RING


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
            return stop_ringing(st, slot, time, lay.OBJECT_UNAVAILABLE)
        return stages.PLACE
    return stages.SET_OUT


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
    elif outcome == lay.OK or actor.alarm_turn != request.turn:
        return stages.ENDED
    elif request.tries >= st.object_rules[0].alarm_retries:
        object_record.count_object(st, slot, actor.object_class, obl.O_ALARMS_LOST)
        return stages.ENDED
    else:
        object_record.count_object(st, slot, actor.object_class, obl.O_ALARM_RETRIES)
        wait = st.object_rules[0].alarm_retry * np.float64(ONE << request.tries)
        request.due = time + wait
        request.tries += 1
    name_alarm(st, slot, request.actor, request.due)
    return stages.MOVE


@helper
def name_alarm(st, slot, row, time):
    """Let an alarm go off at a time, in this slot."""
    actor, job = st.actors[row], st.slots[slot]
    actor.alarm_turn += 1
    job.turn = actor.alarm_turn
    job.number = (actor.number - st.object_rules[0].first_number) << 1
    job.entity = draws.ALARM_ENTITY + actor.number
    job.start = time
    job.stage = stages.S_ALARM
