"""Gates of objects, compiled: nothing leaves before what was written is confirmed; twin of specification/threads.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import object_layout as obl
from popsim.engine.compiled import calls, draw, homes, object_record, stages
from popsim.engine.compiled.constants import ZERO
from popsim.engine.compiled.jit import helper


@helper
def gate_of(st, number):
    """Return when all that was written is confirmed."""
    call = st.calls[number]
    return st.actors[call.actor].gate if st.object_rules[0].is_serial != 0 else call.gate


@helper
def commit_writes(st, slot, time):
    """Send what was written to the followers; False if too few are up (rule 45)."""
    request = st.slots[slot]
    call = st.calls[calls.current(st, slot)]
    call.is_dirty = ZERO
    actor = st.actors[call.actor]
    place = draw.position_of(request) << draws.DETAIL_BITS
    wait = homes.confirmation(st, request.entity, call.host, place)
    if wait == np.inf:
        return False
    actor.version += 1
    if st.object_rules[0].replica_count > 0:
        st.commits[call.actor, actor.version % homes.history(st)] = time
    object_record.record_commit(st, slot, actor.object_class, call.host)
    if st.object_rules[0].is_serial != 0:
        actor.gate = max(actor.gate, time + wait)
    else:
        call.gate = max(call.gate, time + wait)
    return True


@helper
def after_gate(st, slot, time):
    """What was written is confirmed: the request that waited for it may leave."""
    number = calls.current(st, slot)
    call = st.calls[number]
    st.parts[number, obl.GATE] += time - call.mark
    return stages.RUN if call.generation == st.actors[call.actor].generation else stages.LOST_CALL
