"""Verbs of the control plane that touch much state, compiled; and what is counted at the end."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.heap import push
from popsim.engine.compiled.homes import index_actor
from popsim.engine.compiled.instances import forget
from popsim.engine.compiled.jit import entry, helper
from popsim.engine.compiled.object_record import (
    count_at,
    record_lived,
    record_living,
)
from popsim.engine.compiled.object_state import (
    N_ACTORS,
    N_MEMBERS,
)
from popsim.engine.compiled.record import add_instance_time, count_groups
from popsim.engine.compiled.sessions import (
    cut_session,
    lose_actor,
)
from popsim.engine.compiled.stages import (
    S_DEAD,
)
from popsim.engine.compiled.state import (
    I_FUNCTIONS,
    I_INSTANCE_TOP,
)
from popsim.engine.layout import (
    DEAD,
    RANK,
)
from popsim.engine.object_layout import O_RESTARTS
from popsim.engine.recorder import D_BUSY_US, D_IDLE_US

# Why ``advance`` returned

KEY_DEAD = np.int64(DEAD * RANK)
BUSY_US, IDLE_US = np.int64(D_BUSY_US), np.int64(D_IDLE_US)
NONE = np.int64(-1)
C_RESTARTS = np.int64(O_RESTARTS)


@entry
def fail_site(st, index, time):
    """Lose all that runs at a site; requests waiting there die now (rule 21)."""
    site = st.sites[index]
    site.up = 0
    site.epoch += 1
    functions = st.integers[I_FUNCTIONS]
    for number in range(st.pools.shape[0]):
        pool = st.pools[number]
        if pool.tag == 0 or (pool.tag - 1) // functions != index:
            continue
        waiter = pool.wait_head
        while waiter >= 0:
            st.slots[waiter].stage = S_DEAD
            push(st, time, KEY_DEAD + st.slots[waiter].number, waiter)
            waiter = st.slots[waiter].next
        pool.active = 0
        pool.waiting = 0
        pool.partly_used = NONE
        pool.idle = NONE
        pool.wait_head = NONE
        pool.wait_tail = NONE
    for instance in range(st.integers[I_INSTANCE_TOP]):
        item = st.instances[instance]
        if item.site == index:
            if item.active > 0:
                add_instance_time(st, BUSY_US, item.busy_since, time)
            else:
                add_instance_time(st, IDLE_US, item.idle_since, min(time, item.expiry))
            forget(st, instance)
    site.lru_oldest = NONE
    site.lru_newest = NONE
    lose_objects(st, index, time)


@helper
def lose_objects(st, index, time):
    """Lose the objects whose home is a site, and cut the sessions that go through it (rules 50, 54)."""
    for row in range(st.object_ints[N_ACTORS]):
        actor = st.actors[row]
        if actor.home >= 0 and st.host_sites[actor.home] == index:
            lose_actor(st, row, time)
            if actor.replica == 0:
                if actor.available <= time:  # else the one before still has it
                    actor.lost_from = actor.home
                actor.home, actor.available = NONE, time
    for row in range(st.object_ints[N_MEMBERS]):
        if st.members[row].ingress == index:
            cut_session(st, row, time)


@entry
def restart_class(st, object_class, time):
    """Restart every object of a class, as a deployment does."""
    for row in range(st.object_ints[N_ACTORS]):
        if st.actors[row].object_class == object_class and st.actors[row].home >= 0:
            lose_actor(st, row, time)
            count_at(st, time, object_class, C_RESTARTS)


@entry
def rehash_index(st, old):
    """Fill the index of actors anew, from an old one."""
    for position in range(old.shape[0]):
        if old[position].tag != 0:
            index_actor(st, old[position].tag, old[position].row)


@entry
def count_remaining(st):
    """Count what is still pending, and the idle time of what is still there when the run ends."""
    count_groups(st)
    for instance in range(st.integers[I_INSTANCE_TOP]):
        item = st.instances[instance]
        if item.site >= 0:
            add_instance_time(st, IDLE_US, item.idle_since, item.expiry)
    for row in range(st.object_ints[N_ACTORS]):
        record_lived(st, row, np.inf)
        record_living(st, row)
