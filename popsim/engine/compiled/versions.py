"""Which version of a key can be seen where, and when; twin of specification/versions.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import kv_layout as kvl
from popsim.engine.compiled import draw, hashing
from popsim.engine.compiled.constants import NONE, ONE, ZERO
from popsim.engine.compiled.jit import helper


@helper
def newest_of(st, key):
    """Return the newest version of a key, -1 if it was never written."""
    row = hashing.find_written(st, key)
    return st.written[row].newest if row >= 0 else NONE


@helper
def has_arrived(st, version, node, table, time):
    """Tell whether a node has a version by now (rule 31)."""
    if st.versions[version].commit + st.kv_rules[0].longest_lag <= time:
        return True
    return arrival(st, version, node, table) <= time


@helper
def arrival(st, version, node, table):
    """Return when the news of a version gets to a node."""
    item = st.versions[version]
    rtt = st.lag_rtt[item.store * st.kv_rules[0].node_count + node]
    lag = rtt * 0.5 + draw.quantile(
        st, table, draw.two_words(st, draws.KV_LAG, item.entity, node)[0]
    )
    return item.commit + lag


@helper
def told_at(st, version, node):
    """Return when a tier is told of a version; infinite if it never is."""
    item = st.versions[version]
    if st.told[item.store * st.kv_rules[0].cache_node_count + node] == kvl.NOTHING:
        return np.inf
    longest = item.commit + st.kv_rules[0].longest_lag
    return min(longest, arrival(st, version, node, st.kv_rules[0].lag_table))


@helper
def at_store(st, key, store, time):
    """Return the newest version that a store has, -1 for what was there at the start."""
    version = newest_of(st, key)
    node = st.kv_rules[0].cache_node_count + store
    while version >= 0:
        item = st.versions[version]
        if item.store == store or has_arrived(st, version, node, st.kv_rules[0].sync_table, time):
            return version
        if item.older < 0:
            return version if item.number > 1 else NONE
        version = item.older
    return NONE


@helper
def told_since(st, node, key, number, time):
    """Return (action, version) that a tier has been told of since version ``number``."""
    version = newest_of(st, key)
    while version >= 0:
        item = st.versions[version]
        if item.number <= number:
            break
        action = st.told[item.store * st.kv_rules[0].cache_node_count + node]
        if action != kvl.NOTHING and has_arrived(st, version, node, st.kv_rules[0].lag_table, time):
            return action, version
        version = item.older
    return ZERO, NONE


@helper
def is_too_soon(st, key, time, gap):
    """Tell whether the key was written less than the gap ago; if not, note this write."""
    row = hashing.find_written(st, key)
    if row < 0:
        row = hashing.insert_written(st, key)
    if time < st.written[row].accepted + gap:
        return True
    st.written[row].accepted = time
    return False


@helper
def commit(st, key, time, until, entity, store, site, absent, watch):
    """Add a version; forget those that no cache can hold any more; the caller guarantees room."""
    row = hashing.find_written(st, key)
    if row < 0:
        row = hashing.insert_written(st, key)
    written = st.written[row]
    version = st.kv_run[0].free_version
    if version >= 0:
        st.kv_run[0].free_version = st.versions[version].older
    else:
        version = st.kv_run[0].version_top
        st.kv_run[0].version_top = version + 1
    item, newest = st.versions[version], written.newest
    item.number = st.versions[newest].number + 1 if newest >= 0 else ONE
    item.commit, item.until, item.acked = time, until, np.inf
    item.entity, item.store, item.site = entity, store, site
    item.absent, item.watch = absent, watch
    item.older, item.newer = newest, NONE
    if newest >= 0:
        st.versions[newest].newer = version
    else:
        written.oldest = version
    written.newest = version
    written.count += 1
    while written.count > 1:
        second = st.versions[written.oldest].newer
        is_over = st.versions[second].commit + st.kv_rules[0].horizon <= time
        if not is_over and written.count <= kvl.MAX_VERSIONS:
            break
        st.versions[written.oldest].number = ZERO
        st.versions[written.oldest].older = st.kv_run[0].free_version
        st.kv_run[0].free_version = written.oldest
        written.oldest = second
        st.versions[second].older = NONE
        written.count -= 1
    return version


@helper
def is_absent_at_start(st, key, space):
    """Tell whether a key has no value when the run begins."""
    filled = st.spaces[space].filled
    if filled >= 1.0:
        return ZERO
    word = draw.two_words(st, draws.KEY_VALUE, key, ZERO)[1]
    return ZERO if draw.uniform(word) < filled else ONE


@helper
def size_of(st, key, space):
    """Return the bytes of a key and its value."""
    item = st.spaces[space]
    if item.size_table == kvl.SIZE_CONSTANT:
        return item.bytes
    if item.size_table == kvl.SIZE_OF_TRACE:
        return st.trace_sizes[key - item.first]
    drawn = draw.quantile(st, item.size_table, draw.two_words(st, draws.KEY_VALUE, key, ZERO)[0])
    return item.bytes + np.int64(drawn + 0.5)
