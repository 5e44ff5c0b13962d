"""What a slot waits for, what follows an event, and the slots themselves."""

from __future__ import annotations

from popsim.engine.compiled.jit import helper

# What follows an event
NOTHING, SEND, ACQUIRE, BIND, RUN, MOVE, ENDED, NEXT_STEP = 0, 1, 2, 3, 4, 5, 6, 7
DONE, START = 8, 9  # the program is at its end; a step begins
# ... in a call of an object
CALL, CREATE, PLACE, SET_OUT, RESUME, GET_THREAD, GRANTED, END_CALL, LOST_CALL = range(10, 19)
SEND_MESSAGE, RING, CONNECT_AGAIN, CONNECTED, GET_REPLICA = 19, 20, 21, 22, 23
FAILED = 32  # FAILED + outcome: the request ends where it is
FAILED_STEP = 64  # FAILED_STEP + outcome: a step failed
GIVE_UP = 96  # GIVE_UP + outcome: the request leaves its instance and ends

# Stages: which event a slot waits for
S_INGRESS, S_COMPUTE, S_STEP, S_GRANTED, S_DEAD = 0, 1, 2, 3, 4
S_KV_LOCAL, S_KV_REGION, S_KV_STORE, S_KV_REGION_BACK, S_KV_EDGE_BACK = range(5, 10)
S_KV_EDGE_GIVEN, S_KV_REGION_GIVEN, S_KV_COMMIT, S_KV_WRITTEN = range(10, 14)
S_KV_LIST, S_KV_LISTED = 14, 15
S_OBJECT_ARRIVE, S_OBJECT_CAUGHT_UP, S_OBJECT_GRANTED, S_OBJECT_OPEN = 16, 17, 18, 19
S_OBJECT_STEP, S_OBJECT_GATED, S_OBJECT_BACK, S_ALARM, S_CONNECT = 20, 21, 22, 23, 24


@helper
def take_slot(st):
    """Return a free slot; the caller guarantees that there is one."""
    slot = st.run[0].free_slot
    if slot >= 0:
        st.run[0].free_slot = st.slots[slot].next
    else:
        slot = st.run[0].slot_top
        st.run[0].slot_top = slot + 1
    return slot


@helper
def give_back_slot(st, slot):
    """Free a slot."""
    st.slots[slot].next = st.run[0].free_slot
    st.run[0].free_slot = slot
