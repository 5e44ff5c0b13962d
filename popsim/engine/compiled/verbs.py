"""Verbs of the control plane that touch much state, compiled; and what is counted at the end."""

from __future__ import annotations

import numpy as np

from popsim.engine import object_layout as obl
from popsim.engine import recorder
from popsim.engine.compiled import (
    calendar,
    constants,
    homes,
    instances,
    object_record,
    record,
    sessions,
    stages,
)
from popsim.engine.compiled.constants import NONE
from popsim.engine.compiled.jit import entry, helper


@entry
def fail_site(st, index, time):
    """Lose all that runs at a site; requests waiting there die now (rule 21)."""
    site = st.sites[index]
    site.up = 0
    site.epoch += 1
    functions = st.rules[0].function_count
    for number in range(st.pools.shape[0]):
        pool = st.pools[number]
        if pool.tag == 0 or (pool.tag - 1) // functions != index:
            continue
        waiter = pool.wait_head
        while waiter >= 0:
            st.slots[waiter].stage = stages.S_DEAD
            calendar.push(st, time, constants.KEY_DEAD + st.slots[waiter].number, waiter)
            waiter = st.slots[waiter].next
        pool.active = 0
        pool.waiting = 0
        pool.partly_used = NONE
        pool.idle = NONE
        pool.wait_head = NONE
        pool.wait_tail = NONE
    for instance in range(st.run[0].instance_top):
        item = st.instances[instance]
        if item.site == index:
            if item.active > 0:
                record.add_instance_time(st, recorder.D_BUSY_US, item.busy_since, time)
            else:
                record.add_instance_time(
                    st, recorder.D_IDLE_US, item.idle_since, min(time, item.expiry)
                )
            instances.forget(st, instance)
    site.lru_oldest = NONE
    site.lru_newest = NONE
    lose_objects(st, index, time)


@helper
def lose_objects(st, index, time):
    """Lose the objects whose home is a site, and cut the sessions that go through it (rules 50, 54)."""
    for row in range(st.object_run[0].actor_count):
        actor = st.actors[row]
        if actor.home >= 0 and st.host_sites[actor.home] == index:
            sessions.lose_actor(st, row, time)
            if actor.replica == 0:
                if actor.available <= time:  # else the one before still has it
                    actor.lost_from = actor.home
                actor.home, actor.available = NONE, time
    for row in range(st.object_run[0].member_count):
        if st.members[row].ingress == index:
            sessions.cut_session(st, row, time)


@entry
def restart_class(st, object_class, time):
    """Restart every object of a class, as a deployment does."""
    for row in range(st.object_run[0].actor_count):
        if st.actors[row].object_class == object_class and st.actors[row].home >= 0:
            sessions.lose_actor(st, row, time)
            object_record.count_at(st, time, object_class, obl.O_RESTARTS)


@entry
def rehash_index(st, old):
    """Fill the index of actors anew, from an old one."""
    for position in range(old.shape[0]):
        if old[position].tag != 0:
            homes.index_actor(st, old[position].tag, old[position].row)


@entry
def count_remaining(st):
    """Count what is still pending, and the idle time of what is still there when the run ends."""
    record.count_groups(st)
    for instance in range(st.run[0].instance_top):
        item = st.instances[instance]
        if item.site >= 0:
            record.add_instance_time(st, recorder.D_IDLE_US, item.idle_since, item.expiry)
    for row in range(st.object_run[0].actor_count):
        object_record.record_lived(st, row, np.inf)
        object_record.record_living(st, row)
