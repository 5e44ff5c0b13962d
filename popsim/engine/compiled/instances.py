"""Instances: acquire, start, reuse, release, expire, evict; twin of specification/instances.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws, recorder
from popsim.engine import layout as lay
from popsim.engine.compiled import buckets, draw, record
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import helper


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
    if st.rules[0].keeps_idle_in_order == 0:
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
    item.older = st.run[0].free_instance
    st.run[0].free_instance = instance


@helper
def drop_idle(st, instance, time):
    """Lose an idle instance."""
    unlink_idle(st, instance)
    item = st.instances[instance]
    record.add_instance_time(st, recorder.D_IDLE_US, item.idle_since, min(time, item.expiry))
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
    most = st.rules[0].most_instances
    if most <= 0:
        return
    while st.sites[site].instances >= most and st.sites[site].lru_oldest >= 0:
        drop_idle(st, st.sites[site].lru_oldest, time)
        st.counters[recorder.C_EVICTIONS] += 1


@helper
def start_up(st, number, is_measured):
    """Return placement + code fetch + init in ms; the entity is who caused the start (rule 8)."""
    placement_word, fetch_word = draw.two_words(st, draws.START, number, ZERO)
    init_word, _ = draw.two_words(st, draws.START, number, ONE)
    placement = draw.quantile(st, lay.T_PLACEMENT, placement_word)
    code_fetch = draw.quantile(st, lay.T_CODE_FETCH, fetch_word)
    init = draw.quantile(st, lay.T_INIT, init_word)
    if is_measured:
        record.add(st.durations, ZERO, recorder.D_PLACEMENT_NS, buckets.nanoseconds(placement))
        record.add(st.durations, ZERO, recorder.D_CODE_FETCH_NS, buckets.nanoseconds(code_fetch))
        record.add(st.durations, ZERO, recorder.D_INIT_NS, buckets.nanoseconds(init))
    return (placement + code_fetch) + init


@helper
def start(st, slot, site, pool, time):
    """Start an instance for a request; the caller guarantees a free record."""
    request = st.slots[slot]
    make_room(st, site, time)
    is_measured = request.start >= st.rules[0].warmup
    visible = 0.0
    if st.rules[0].has_cold_start != 0:
        visible = max(0.0, start_up(st, request.number, is_measured) - request.hidden)
    instance = st.run[0].free_instance
    if instance >= 0:
        st.run[0].free_instance = st.instances[instance].older
    else:
        instance = st.run[0].instance_top
        st.run[0].instance_top = instance + 1
    item = st.instances[instance]
    item.site = site
    item.pool = pool
    item.active = 0
    item.ready = time + visible
    item.busy = time + visible
    st.sites[site].instances += 1
    request.cold = st.rules[0].has_cold_start
    if is_measured:
        st.counters[recorder.C_STARTS] += 1
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
        record.add_instance_time(st, recorder.D_IDLE_US, item.idle_since, min(time, item.expiry))
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
    if item.active == st.rules[0].concurrency:
        if item.active > 1:
            unlink_partly_used(st, instance)
    elif item.active == 1:
        link_partly_used(st, instance)
    request.instance = instance


@helper
def retire(st, instance, site, number, time):
    """Put an instance without requests among the idle ones, or destroy it."""
    kind = st.rules[0].idle_kind
    item = st.instances[instance]
    if kind == lay.IDLE_DESTROY:
        forget(st, instance)
        return
    item.idle_since = time
    if kind == lay.IDLE_CONSTANT:
        item.expiry = time + st.rules[0].idle_constant
    elif kind == lay.IDLE_LAW:
        item.expiry = time + draw.quantile(
            st, lay.T_IDLE, draw.two_words(st, draws.IDLE, number, ZERO)[0]
        )
    else:
        item.expiry = np.inf
    link_idle(st, instance)
    if st.rules[0].keeps_idle_in_order != 0:
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
    concurrency = st.rules[0].concurrency
    if item.active == 0:
        if concurrency > 1:
            unlink_partly_used(st, instance)
        record.add_instance_time(st, recorder.D_BUSY_US, item.busy_since, time)
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
    serial = st.rules[0].cpu_serial != 0
    begin = max(time, item.busy if serial else item.ready)
    end = begin + duration
    if serial:
        item.busy = end
    cold = max(0.0, min(begin, item.ready) - time)
    st.phases[slot, lay.P_COLD_START] += cold
    st.phases[slot, lay.P_QUEUE] += (begin - time) - cold
    return begin, end
