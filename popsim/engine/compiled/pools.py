"""Pools of instances, one per site and function that is in use: memory follows what lives, not functions x sites.

The table is open addressing with linear probing, like those of hashing.py. Where all pools there can be are few, each has a
place of its own, and looking it up costs one comparison.
"""

from __future__ import annotations

from popsim.engine.compiled import hashing, instances
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import entry, helper, prefetch


@helper
def pool_of(st, site, function):
    """Return the place of a pool, which is made if it is not there; the caller guarantees room."""
    tag = site * st.rules[0].function_count + function + ONE
    position = place_of(st, tag)
    if st.pools[position].tag == 0:
        make_pool(st, position, tag)
    return position


@helper
def expect(st, site, function):
    """Get a pool into the cache, which a request will ask for when it is there."""
    tag, shift = site * st.rules[0].function_count + function + ONE, st.run[0].pool_shift
    prefetch(st.pools, tag if shift == 0 else hashing.home_of(tag, shift))


@helper
def place_of(st, tag):
    """Return where the pool with a tag is, or would be."""
    shift = st.run[0].pool_shift
    if shift == 0:
        return tag
    pools, last = st.pools, st.pools.shape[0] - 1
    position = hashing.home_of(tag, shift)
    while pools[position].tag != 0 and pools[position].tag != tag:
        position = (position + 1) & last
    return position


@helper
def make_pool(st, position, tag):
    """Begin an empty pool."""
    pool = st.pools[position]
    pool.tag, pool.active, pool.waiting = tag, 0, 0
    pool.partly_used, pool.idle, pool.wait_head, pool.wait_tail = NONE, NONE, NONE, NONE
    st.run[0].pool_count += 1


@helper
def is_in_use(pool):
    """Tell whether anything is in a pool, or waits for it."""
    return pool.tag != 0 and (pool.active > 0 or pool.idle >= 0 or pool.waiting > 0)


@entry
def drop_expired(st, time):
    """Lose all idle instances that have expired; how long they were idle does not depend on when (rule 13)."""
    for instance in range(st.run[0].instance_top):
        item = st.instances[instance]
        if item.site >= 0 and item.active == 0 and item.expiry <= time:
            instances.drop_idle(st, instance, time)


@entry
def pools_in_use(st):
    """Count the pools that are worth keeping."""
    count = ZERO
    for position in range(st.pools.shape[0]):
        if is_in_use(st.pools[position]):
            count += ONE
    return count


@entry
def move_pools(st, old):
    """Fill an empty table with the pools of an old one that are in use."""
    st.run[0].pool_count = 0
    for before in range(old.shape[0]):
        was = old[before]
        if not is_in_use(was):
            continue
        position = place_of(st, was.tag)
        make_pool(st, position, was.tag)
        pool = st.pools[position]
        pool.active, pool.waiting = was.active, was.waiting
        pool.partly_used, pool.idle = was.partly_used, was.idle
        pool.wait_head, pool.wait_tail = was.wait_head, was.wait_tail
        was.moved = position
    for instance in range(st.run[0].instance_top):
        if st.instances[instance].site >= 0:
            st.instances[instance].pool = old[st.instances[instance].pool].moved
    for slot in range(st.run[0].slot_top):  # those of free slots mean nothing
        if 0 <= st.slots[slot].pool < old.shape[0]:
            st.slots[slot].pool = old[st.slots[slot].pool].moved
