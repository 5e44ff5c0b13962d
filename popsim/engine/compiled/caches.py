"""Copies of keys in caches: find, keep, evict, rebuild; twin of specification/caches.py."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.hashing import find_copy, home_of, insert_copy, tag_of
from popsim.engine.compiled.jit import entry, helper
from popsim.engine.compiled.kv_state import KEY_BITS, N_CACHE_NODES, N_COPIES, N_SITES
from popsim.engine.compiled.state import F_NOW
from popsim.engine.compiled.versions import told_since
from popsim.engine.kv_layout import PURGE, VALUE

BITS, NONE, ONE = np.int64(KEY_BITS), np.int64(-1), np.int64(1)


@helper
def find(st, cache, node, key, time, epoch):
    """Return a copy that may be served, brought up to date by what its node was told; -1 = none."""
    position = find_copy(st, tag_of(cache, key))
    if position < 0:
        return NONE
    copy = st.copies[position]
    if np.int64(copy.epoch) != epoch or not copy.expiry > time:
        return NONE
    action, version = told_since(st, node, key, copy.state >> ONE, time)
    if action == PURGE:
        return NONE
    if action == VALUE:
        item = st.versions[version]
        copy.state = item.number * 2 + item.absent
        copy.until = item.until
        copy.expiry = min(copy.expiry, item.until)
        if not copy.expiry > time:
            return NONE
    if st.caches[cache].limit > 0:
        unlink(st, cache, position)
        link_newest(st, cache, position)
    return position


@helper
def link_newest(st, cache, position):
    """Make a copy the most recently used of its cache."""
    item, newest = st.caches[cache], st.caches[cache].newest
    st.copies[position].older = newest
    st.copies[position].newer = NONE
    if newest >= 0:
        st.copies[newest].newer = position
    else:
        item.oldest = position
    item.newest = position


@helper
def unlink(st, cache, position):
    """Take a copy out of its cache's order of use."""
    older, newer = np.int64(st.copies[position].older), np.int64(st.copies[position].newer)
    if older >= 0:
        st.copies[older].newer = newer
    else:
        st.caches[cache].oldest = newer
    if newer >= 0:
        st.copies[newer].older = older
    else:
        st.caches[cache].newest = older


@helper
def move(st, source, target):
    """Move a copy to another position, with what points to it."""
    copies = st.copies
    st.tags[target] = st.tags[source]
    copies[target].state = copies[source].state
    copies[target].expiry = copies[source].expiry
    copies[target].refresh = copies[source].refresh
    copies[target].until = copies[source].until
    copies[target].epoch = copies[source].epoch
    copies[target].bytes = copies[source].bytes
    copies[target].older = copies[source].older
    copies[target].newer = copies[source].newer
    cache = (st.tags[target] - 1) >> BITS
    if st.caches[cache].limit <= 0:
        return
    older, newer = np.int64(copies[target].older), np.int64(copies[target].newer)
    if older >= 0:
        copies[older].newer = target
    else:
        st.caches[cache].oldest = target
    if newer >= 0:
        copies[newer].older = target
    else:
        st.caches[cache].newest = target


@helper
def evict_oldest(st, cache):
    """Remove the least recently used copy of a limited cache."""
    hole = st.caches[cache].oldest
    unlink(st, cache, hole)
    tags, length = st.tags, st.tags.shape[0]
    st.caches[cache].bytes -= np.int64(st.copies[hole].bytes)
    st.kv_ints[N_COPIES] -= 1
    tags[hole] = 0
    position = (hole + 1) & (length - 1)
    while tags[position] != 0:
        home = home_of(tags[position], length)
        if ((position - home) & (length - 1)) >= ((position - hole) & (length - 1)):
            move(st, position, hole)
            tags[position] = 0
            hole = position
        position = (position + 1) & (length - 1)


@helper
def keep(st, cache, key, state, until, time, ttl, refresh_after, epoch, size):
    """Store a copy, unless a newer one is there; evict the least recently used for it (rule 33)."""
    tag = tag_of(cache, key)
    position = find_copy(st, tag)
    limit = st.caches[cache].limit
    if position >= 0:
        old = st.copies[position]
        if np.int64(old.epoch) == epoch and old.expiry > time and (old.state >> 1) > (state >> 1):
            return
        if limit > 0:
            unlink(st, cache, position)
            link_newest(st, cache, position)
    else:
        if limit > 0:
            if size > limit:
                return
            while st.caches[cache].bytes + size > limit:
                evict_oldest(st, cache)
            st.caches[cache].bytes += size
        position = insert_copy(st, tag)
        if limit > 0:
            link_newest(st, cache, position)
    copy = st.copies[position]
    copy.state, copy.until, copy.expiry = state, until, min(time + ttl, until)
    copy.refresh = np.inf if refresh_after == np.inf else time + refresh_after * ttl
    copy.epoch, copy.bytes = epoch, size


@helper
def is_dead(st, tag, copy):
    """Tell whether a copy can never be served again, and is in no order of use."""
    cache = (tag - 1) >> BITS
    if st.caches[cache].limit > 0:
        return False
    if not copy.expiry > st.floats[F_NOW]:
        return True
    sites, nodes = st.kv_ints[N_SITES], st.kv_ints[N_CACHE_NODES]
    if sites <= cache < nodes:
        return False
    site = cache if cache < sites else cache - nodes
    return np.int64(copy.epoch) != st.sites[site].epoch


@entry
def count_living(st):
    """Return how many copies are worth keeping."""
    count = np.int64(0)
    for position in range(st.tags.shape[0]):
        tag = st.tags[position]
        if tag != 0 and not is_dead(st, tag, st.copies[position]):
            count += 1
    return count


@entry
def rebuild(st, old_tags, old):
    """Fill the empty table of copies from an old one, without what is dead; the old one is spoilt."""
    st.kv_ints[N_COPIES] = 0
    for number in range(old.shape[0]):
        if old_tags[number] == 0 or is_dead(st, old_tags[number], old[number]):
            old_tags[number] = 0
            continue
        position = insert_copy(st, old_tags[number])
        copy = st.copies[position]
        copy.state, copy.expiry, copy.refresh = (
            old[number].state,
            old[number].expiry,
            old[number].refresh,
        )
        copy.until, copy.epoch, copy.bytes = old[number].until, old[number].epoch, old[number].bytes
        copy.older, copy.newer = old[number].older, old[number].newer
        old[number].state = position
    for number in range(old.shape[0]):
        if old_tags[number] == 0:
            continue
        cache = (old_tags[number] - 1) >> BITS
        if st.caches[cache].limit <= 0:
            continue
        copy = st.copies[old[number].state]
        if old[number].older >= 0:
            copy.older = old[np.int64(old[number].older)].state
        else:
            st.caches[cache].oldest = old[number].state
        if old[number].newer >= 0:
            copy.newer = old[np.int64(old[number].newer)].state
        else:
            st.caches[cache].newest = old[number].state


@entry
def rehash_fetching(st, old):
    """Fill the empty table of reads under way from an old one."""
    length = st.fetching.shape[0]
    for number in range(old.shape[0]):
        if old[number].tag != 0:
            position = home_of(old[number].tag, length)
            while st.fetching[position].tag != 0:
                position = (position + 1) & (length - 1)
            st.fetching[position].tag = old[number].tag
            st.fetching[position].slot = old[number].slot
            st.fetching[position].epoch = old[number].epoch


@entry
def rehash_written(st, old):
    """Fill the empty table of written keys from an old one."""
    length = st.written.shape[0]
    for number in range(old.shape[0]):
        if old[number].tag != 0:
            position = home_of(old[number].tag, length)
            while st.written[position].tag != 0:
                position = (position + 1) & (length - 1)
            row = st.written[position]
            row.tag, row.newest, row.oldest = (
                old[number].tag,
                old[number].newest,
                old[number].oldest,
            )
            row.count, row.accepted = old[number].count, old[number].accepted
