"""How old copies are, and how long they serve; twin of parts of specification/kv.py and caches.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled import caches, draw, kv_state, versions
from popsim.engine.compiled.jit import helper


@helper
def begun(words, time, cycle):
    """Return from when on the age of what is stored in the first cycle counts, whose draws ``words`` are (rule 30)."""
    renewal, empty = draw.uniform(words[0]) * cycle, draw.uniform(words[1])
    if time < renewal:
        later = empty / (1.0 - empty) * cycle
        return renewal - cycle if time < later else time - later
    return time


@helper
def since_when(st, cache, key, time, cycle):
    """Return from when on the age of a copy counts that is stored now and renewed every ``cycle`` ms (rule 30)."""
    if time < cycle:
        return begun(draw.two_words(st, draws.CACHE_PHASE, key, cache), time, cycle)
    return time


@helper
def vouches(st, slot):
    """Tell whether nothing between a site and the stores hands on an age (rule 30)."""
    link = st.tier_links[st.slots[slot].compute]
    return link.region < 0 or link.vouches != 0


@helper
def is_old(st, copy, ttl, time):
    """Tell whether a copy is older than its share of a TTL, and nobody has asked for a new one."""
    if (copy.state & kv_state.REFRESHED) != 0:
        return False
    return copy.since + st.kv_rules[0].refresh_after * ttl <= time


@helper
def cycle_of(st, ttl):
    """Return how often a copy that is read all the time is renewed."""
    share = st.kv_rules[0].refresh_after
    return ttl if share == np.inf else share * ttl


@helper
def keep_in_memory(st, slot, place, since, expiry, time):
    """Put what was found into the site's in-memory set."""
    request = st.slots[slot]
    parcel = st.parcels[slot * st.kv_rules[0].widest_get + place]
    ttl = st.kv_rules[0].memory_ttl
    cache = st.kv_rules[0].cache_node_count + request.compute
    end = min(since_when(st, cache, parcel.key, time, ttl) + ttl, expiry)
    size = versions.size_of(st, parcel.key, request.space)
    state, until = parcel.state, parcel.until
    caches.keep(st, cache, parcel.key, state, until, time, since, end, request.epoch, size)
