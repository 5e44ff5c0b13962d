"""Gates of objects, compiled: nothing leaves before what was written is confirmed; twin of specification/objects.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.calls import current
from popsim.engine.compiled.draw import position_of
from popsim.engine.compiled.homes import confirmation, history
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.object_record import record_commit
from popsim.engine.compiled.object_state import IS_SERIAL, N_REPLICAS
from popsim.engine.compiled.stages import LOST_CALL, RUN
from popsim.engine.object_layout import GATE

DETAIL_BITS = np.int64(draws.DETAIL_BITS)
ZERO = np.int64(0)


@helper
def gate_of(st, number):
    """Return when all that was written is confirmed."""
    call = st.calls[number]
    return st.actors[call.actor].gate if st.object_ints[IS_SERIAL] != 0 else call.gate


@helper
def commit_writes(st, slot, time):
    """Send what was written to the followers; False if too few are up (rule 45)."""
    request = st.slots[slot]
    call = st.calls[current(st, slot)]
    call.is_dirty = ZERO
    actor = st.actors[call.actor]
    place = position_of(request) << DETAIL_BITS
    wait = confirmation(st, request.entity, call.host, place)
    if wait == np.inf:
        return False
    actor.version += 1
    if st.object_ints[N_REPLICAS] > 0:
        st.commits[call.actor, actor.version % history(st)] = time
    record_commit(st, slot, actor.object_class, call.host)
    if st.object_ints[IS_SERIAL] != 0:
        actor.gate = max(actor.gate, time + wait)
    else:
        call.gate = max(call.gate, time + wait)
    return True


@helper
def after_gate(st, slot, time):
    """What was written is confirmed: the request that waited for it may leave."""
    number = current(st, slot)
    call = st.calls[number]
    st.parts[number, GATE] += time - call.mark
    return RUN if call.generation == st.actors[call.actor].generation else LOST_CALL
