"""Instances: acquire, start, reuse, release, expire, evict; twin of specification/instances.py."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.draw import IDLE, START, quantile, two_words
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.record import add, add_instance_time, nanoseconds
from popsim.engine.compiled.state import (
    F_IDLE_CONSTANT,
    F_WARMUP,
    I_CONCURRENCY,
    I_CPU_SERIAL,
    I_HAS_COLD,
    I_IDLE_KIND,
    I_IN_ORDER,
    I_INSTANCE_FREE,
    I_INSTANCE_TOP,
    I_MOST_INSTANCES,
)
from popsim.engine.layout import (
    IDLE_CONSTANT,
    IDLE_DESTROY,
    IDLE_LAW,
    P_COLD_START,
    P_QUEUE,
    T_CODE_FETCH,
    T_IDLE,
    T_INIT,
    T_PLACEMENT,
)
from popsim.engine.recorder import (
    C_EVICTIONS,
    C_STARTS,
    D_BUSY_US,
    D_CODE_FETCH_NS,
    D_IDLE_US,
    D_INIT_NS,
    D_PLACEMENT_NS,
)

NONE = np.int64(-1)
BUSY_US, IDLE_US = np.int64(D_BUSY_US), np.int64(D_IDLE_US)
PLACEMENT, CODE_FETCH = np.int64(T_PLACEMENT), np.int64(T_CODE_FETCH)
INIT, IDLE_TABLE = np.int64(T_INIT), np.int64(T_IDLE)
ZERO, ONE = np.int64(0), np.int64(1)


@helper
def link_partly_used(st, instance):
    """Put an instance in front of its pool's partly used ones."""
    pool = st.pools[st.instances[instance].pool]
    head = pool.partly_used
    st.instances[instance].newer = NONE
    st.instances[instance].older = head
    if head >= 0:
        st.instances[head].newer = instance
    pool.partly_used = instance


@helper
def unlink_partly_used(st, instance):
    """Take an instance out of its pool's partly used ones."""
    item = st.instances[instance]
    if item.newer >= 0:
        st.instances[item.newer].older = item.older
    else:
        st.pools[item.pool].partly_used = item.older
    if item.older >= 0:
        st.instances[item.older].newer = item.newer


@helper
def link_idle(st, instance):
    """Put an instance in front of its pool's idle ones."""
    pool = st.pools[st.instances[instance].pool]
    head = pool.idle
    st.instances[instance].newer = NONE
    st.instances[instance].older = head
    if head >= 0:
        st.instances[head].newer = instance
    pool.idle = instance


@helper
def unlink_idle(st, instance):
    """Take an instance out of its pool's idle ones, and out of its site's idle order."""
    item = st.instances[instance]
    if item.newer >= 0:
        st.instances[item.newer].older = item.older
    else:
        st.pools[item.pool].idle = item.older
    if item.older >= 0:
        st.instances[item.older].newer = item.newer
    if st.integers[I_IN_ORDER] == 0:
        return
    site = st.sites[item.site]
    if item.lru_older >= 0:
        st.instances[item.lru_older].lru_newer = item.lru_newer
    else:
        site.lru_oldest = item.lru_newer
    if item.lru_newer >= 0:
        st.instances[item.lru_newer].lru_older = item.lru_older
    else:
        site.lru_newest = item.lru_older


@helper
def forget(st, instance):
    """Free an instance's record and memory."""
    item = st.instances[instance]
    st.sites[item.site].instances -= 1
    item.site = NONE
    item.older = st.integers[I_INSTANCE_FREE]
    st.integers[I_INSTANCE_FREE] = instance


@helper
def drop_idle(st, instance, time):
    """Lose an idle instance."""
    unlink_idle(st, instance)
    item = st.instances[instance]
    add_instance_time(st, IDLE_US, item.idle_since, min(time, item.expiry))
    forget(st, instance)


@helper
def sweep(st, site, time):
    """Drop expired instances of any function, least recently used first (rule 13)."""
    while True:
        oldest = st.sites[site].lru_oldest
        if oldest < 0 or st.instances[oldest].expiry > time:
            return
        drop_idle(st, oldest, time)


@helper
def make_room(st, site, time):
    """Evict idle instances, least recently used first, until one more fits (rule 14)."""
    most = st.integers[I_MOST_INSTANCES]
    if most <= 0:
        return
    while st.sites[site].instances >= most and st.sites[site].lru_oldest >= 0:
        drop_idle(st, st.sites[site].lru_oldest, time)
        st.integers[C_EVICTIONS] += 1


@helper
def start_up(st, number, is_measured):
    """Return placement + code fetch + init in ms; the entity is who caused the start (rule 8)."""
    placement_word, fetch_word = two_words(st, START, number, ZERO)
    init_word, _ = two_words(st, START, number, ONE)
    placement = quantile(st, PLACEMENT, placement_word)
    code_fetch = quantile(st, CODE_FETCH, fetch_word)
    init = quantile(st, INIT, init_word)
    if is_measured:
        add(st.durations, 0, D_PLACEMENT_NS, nanoseconds(placement))
        add(st.durations, 0, D_CODE_FETCH_NS, nanoseconds(code_fetch))
        add(st.durations, 0, D_INIT_NS, nanoseconds(init))
    return (placement + code_fetch) + init


@helper
def start(st, slot, site, pool, time):
    """Start an instance for a request; the caller guarantees a free record."""
    request = st.slots[slot]
    make_room(st, site, time)
    is_measured = request.start >= st.floats[F_WARMUP]
    visible = 0.0
    if st.integers[I_HAS_COLD] != 0:
        visible = max(0.0, start_up(st, request.number, is_measured) - request.hidden)
    instance = st.integers[I_INSTANCE_FREE]
    if instance >= 0:
        st.integers[I_INSTANCE_FREE] = st.instances[instance].older
    else:
        instance = st.integers[I_INSTANCE_TOP]
        st.integers[I_INSTANCE_TOP] = instance + 1
    item = st.instances[instance]
    item.site = site
    item.pool = pool
    item.active = 0
    item.ready = time + visible
    item.busy = time + visible
    st.sites[site].instances += 1
    request.cold = st.integers[I_HAS_COLD]
    if is_measured:
        st.integers[C_STARTS] += 1
    return instance


@helper
def newest_idle(st, pool, time):
    """Take the newest idle instance that has not expired, or -1."""
    while True:
        instance = st.pools[pool].idle
        if instance < 0:
            return NONE
        item = st.instances[instance]
        unlink_idle(st, instance)
        add_instance_time(st, IDLE_US, item.idle_since, min(time, item.expiry))
        if item.expiry > time:
            return instance
        forget(st, instance)


@helper
def bind(st, slot, time):
    """Give a request an instance: partly used, else idle (newest first), else a new one."""
    request = st.slots[slot]
    site = request.compute
    sweep(st, site, time)
    pool = request.pool
    instance = st.pools[pool].partly_used
    if instance < 0:
        instance = newest_idle(st, pool, time)
        if instance < 0:
            instance = start(st, slot, site, pool, time)
        st.instances[instance].busy_since = time
    item = st.instances[instance]
    item.active += 1
    if item.active == st.integers[I_CONCURRENCY]:
        if item.active > 1:
            unlink_partly_used(st, instance)
    elif item.active == 1:
        link_partly_used(st, instance)
    request.instance = instance


@helper
def retire(st, instance, site, number, time):
    """Put an instance without requests among the idle ones, or destroy it."""
    kind = st.integers[I_IDLE_KIND]
    item = st.instances[instance]
    if kind == IDLE_DESTROY:
        forget(st, instance)
        return
    item.idle_since = time
    if kind == IDLE_CONSTANT:
        item.expiry = time + st.floats[F_IDLE_CONSTANT]
    elif kind == IDLE_LAW:
        item.expiry = time + quantile(st, IDLE_TABLE, two_words(st, IDLE, number, ZERO)[0])
    else:
        item.expiry = np.inf
    link_idle(st, instance)
    if st.integers[I_IN_ORDER] != 0:
        newest = st.sites[site].lru_newest
        item.lru_older = newest
        item.lru_newer = NONE
        if newest >= 0:
            st.instances[newest].lru_newer = instance
        else:
            st.sites[site].lru_oldest = instance
        st.sites[site].lru_newest = instance


@helper
def release(st, slot, time):
    """Take a request out of its instance; return the waiter who inherits its place, or -1."""
    request = st.slots[slot]
    instance = request.instance
    item = st.instances[instance]
    item.active -= 1
    concurrency = st.integers[I_CONCURRENCY]
    if item.active == 0:
        if concurrency > 1:
            unlink_partly_used(st, instance)
        add_instance_time(st, BUSY_US, item.busy_since, time)
        retire(st, instance, request.compute, request.number, time)
    elif item.active == concurrency - 1:
        link_partly_used(st, instance)
    pool = st.pools[request.pool]
    heir = pool.wait_head
    if heir < 0:
        pool.active -= 1
        return NONE
    pool.wait_head = st.slots[heir].next
    if pool.wait_head < 0:
        pool.wait_tail = NONE
    pool.waiting -= 1
    return heir


@helper
def run_cpu(st, slot, duration, time):
    """Return when a CPU step finishes, and record what it waited for (rules 7, 15)."""
    item = st.instances[st.slots[slot].instance]
    serial = st.integers[I_CPU_SERIAL] != 0
    begin = max(time, item.busy if serial else item.ready)
    end = begin + duration
    if serial:
        item.busy = end
    cold = max(0.0, min(begin, item.ready) - time)
    st.phases[slot, P_COLD_START] += cold
    st.phases[slot, P_QUEUE] += (begin - time) - cold
    return begin, end
