"""Copies of keys in caches: find, keep, evict, rebuild; twin of specification/caches.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import kv_layout as kvl
from popsim.engine.compiled import hashing, kv_state, versions
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import entry, helper


@helper
def find(st, cache, node, key, time, epoch, ttl):
    """Return a copy younger than ``ttl`` that may be served, brought up to date by what its node was told; -1 = none."""
    position = hashing.find_copy(st, hashing.tag_of(cache, key))
    if position < 0:
        return NONE
    copy = st.copies[position]
    if copy.state >> kv_state.EPOCH_BIT != epoch or not copy.expiry > time:
        return NONE
    if not copy.since + ttl > time:
        return NONE
    action, version = versions.told_since(
        st, node, key, (copy.state & kv_state.STATE_MASK) >> ONE, time
    )
    if action == kvl.PURGE:
        return NONE
    if action == kvl.VALUE:
        item = st.versions[version]
        refreshed = copy.state & kv_state.REFRESHED
        copy.state = (epoch << kv_state.EPOCH_BIT) | refreshed | (item.number * 2 + item.absent)
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
    st.order[position].older = newest
    st.order[position].newer = NONE
    if newest >= 0:
        st.order[newest].newer = position
    else:
        item.oldest = position
    item.newest = position


@helper
def unlink(st, cache, position):
    """Take a copy out of its cache's order of use."""
    older, newer = np.int64(st.order[position].older), np.int64(st.order[position].newer)
    if older >= 0:
        st.order[older].newer = newer
    else:
        st.caches[cache].oldest = newer
    if newer >= 0:
        st.order[newer].older = older
    else:
        st.caches[cache].newest = older


@helper
def move(st, source, target):
    """Move a copy to another position, with what points to it."""
    copies, order = st.copies, st.order
    st.tags[target] = st.tags[source]
    copies[target].state = copies[source].state
    copies[target].expiry = copies[source].expiry
    copies[target].since = copies[source].since
    copies[target].until = copies[source].until
    cache = (st.tags[target] - 1) >> kv_state.KEY_BITS
    if st.caches[cache].limit <= 0:
        return
    older, newer = np.int64(order[source].older), np.int64(order[source].newer)
    order[target].older, order[target].newer = older, newer
    order[target].bytes = order[source].bytes
    if older >= 0:
        order[older].newer = target
    else:
        st.caches[cache].oldest = target
    if newer >= 0:
        order[newer].older = target
    else:
        st.caches[cache].newest = target


@helper
def evict_oldest(st, cache):
    """Remove the least recently used copy of a limited cache."""
    hole = st.caches[cache].oldest
    unlink(st, cache, hole)
    tags, length = st.tags, st.tags.shape[0]
    st.caches[cache].bytes -= np.int64(st.order[hole].bytes)
    st.kv_run[0].copy_count -= 1
    tags[hole] = 0
    position = (hole + 1) & (length - 1)
    while tags[position] != 0:
        home = hashing.home_of(tags[position], st.kv_run[0].copy_shift)
        if ((position - home) & (length - 1)) >= ((position - hole) & (length - 1)):
            move(st, position, hole)
            tags[position] = 0
            hole = position
        position = (position + 1) & (length - 1)


@helper
def keep(st, cache, key, state, until, time, since, expiry, epoch, size):
    """Store a copy, unless a newer one is there; evict the least recently used for it (rule 33)."""
    tag = hashing.tag_of(cache, key)
    position = hashing.find_copy(st, tag)
    limit = st.caches[cache].limit
    if position >= 0:
        old = st.copies[position]
        is_newer = (old.state & kv_state.STATE_MASK) >> ONE > state >> ONE
        if old.state >> kv_state.EPOCH_BIT == epoch and old.expiry > time and is_newer:
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
        position = hashing.insert_copy(st, tag)
        if limit > 0:
            st.order[position].bytes = size
            link_newest(st, cache, position)
    copy = st.copies[position]
    copy.state = (epoch << kv_state.EPOCH_BIT) | state
    copy.until, copy.expiry, copy.since = until, min(expiry, until), since


@helper
def is_dead(st, tag, copy):
    """Tell whether a copy can never be served again, and is in no order of use."""
    cache = (tag - 1) >> kv_state.KEY_BITS
    if st.caches[cache].limit > 0:
        return False
    if not copy.expiry > st.run[0].now:
        return True
    sites, nodes = st.rules[0].site_count, st.kv_rules[0].cache_node_count
    if sites <= cache < nodes:
        return False
    site = cache if cache < sites else cache - nodes
    return copy.state >> kv_state.EPOCH_BIT != st.sites[site].epoch


@entry
def count_living(st):
    """Return how many copies are worth keeping."""
    count = ZERO
    for position in range(st.tags.shape[0]):
        tag = st.tags[position]
        if tag != 0 and not is_dead(st, tag, st.copies[position]):
            count += 1
    return count


@entry
def rebuild(st, old_tags, old, old_order):
    """Fill the empty table of copies from an old one, without what is dead; the old one is spoilt."""
    st.kv_run[0].copy_count = 0
    is_ordered = old_order.shape[0] > 1
    for number in range(old.shape[0]):
        tag = old_tags[number]
        if tag == 0 or is_dead(st, tag, old[number]):
            old_tags[number] = 0
            continue
        position = hashing.insert_copy(st, tag)
        copy = st.copies[position]
        copy.state, copy.expiry = old[number].state, old[number].expiry
        copy.since, copy.until = old[number].since, old[number].until
        if is_ordered:
            st.order[position].bytes = old_order[number].bytes
            old_order[number].moved_to = position
    if not is_ordered:
        return
    for number in range(old.shape[0]):
        tag = old_tags[number]
        if tag == 0 or st.caches[(tag - 1) >> kv_state.KEY_BITS].limit <= 0:
            continue
        own, cache = old_order[number], st.caches[(tag - 1) >> kv_state.KEY_BITS]
        place = st.order[np.int64(own.moved_to)]
        if own.older >= 0:
            place.older = old_order[np.int64(own.older)].moved_to
        else:
            place.older = NONE
            cache.oldest = own.moved_to
        if own.newer >= 0:
            place.newer = old_order[np.int64(own.newer)].moved_to
        else:
            place.newer = NONE
            cache.newest = own.moved_to


@entry
def rehash_fetching(st, old):
    """Fill the empty table of reads under way from an old one."""
    length = st.fetching.shape[0]
    for number in range(old.shape[0]):
        if old[number].tag != 0:
            position = hashing.home_of(old[number].tag, st.kv_run[0].fetching_shift)
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
            position = hashing.home_of(old[number].tag, st.kv_run[0].written_shift)
            while st.written[position].tag != 0:
                position = (position + 1) & (length - 1)
            row = st.written[position]
            row.tag, row.newest, row.oldest = (
                old[number].tag,
                old[number].newest,
                old[number].oldest,
            )
            row.count, row.accepted = old[number].count, old[number].accepted
