"""How old copies are, and how long they serve; twin of parts of specification/kv.py and caches.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.caches import REFRESHED, keep
from popsim.engine.compiled.draw import two_words, uniform
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.kv_state import MEMORY_TTL, N_CACHE_NODES, REFRESH_AFTER, WIDTH
from popsim.engine.compiled.versions import size_of

PHASE = np.uint64(draws.CACHE_PHASE)


@helper
def since_when(st, cache, key, time, cycle):
    """Return from when on the age of a copy counts that is stored now and renewed every ``cycle`` ms (rule 30)."""
    if time < cycle:
        renewal = uniform(two_words(st, PHASE, key, cache)[0]) * cycle
        if time < renewal:
            return renewal - cycle
    return time


@helper
def vouches(st, slot):
    """Tell whether nothing between a site and the stores hands on an age (rule 30)."""
    link = st.tier_links[st.slots[slot].compute]
    return link.region < 0 or link.vouches != 0


@helper
def is_old(st, copy, ttl, time):
    """Tell whether a copy is older than its share of a TTL, and nobody has asked for a new one."""
    if (copy.state & REFRESHED) != 0:
        return False
    return copy.since + st.kv_floats[REFRESH_AFTER] * ttl <= time


@helper
def cycle_of(st, ttl):
    """Return how often a copy that is read all the time is renewed."""
    share = st.kv_floats[REFRESH_AFTER]
    return ttl if share == np.inf else share * ttl


@helper
def keep_in_memory(st, slot, place, since, expiry, time):
    """Put what was found into the site's in-memory set."""
    request = st.slots[slot]
    parcel = st.parcels[slot * st.kv_ints[WIDTH] + place]
    ttl = st.kv_floats[MEMORY_TTL]
    cache = st.kv_ints[N_CACHE_NODES] + request.compute
    end = min(since_when(st, cache, parcel.key, time, ttl) + ttl, expiry)
    size = size_of(st, parcel.key, request.space)
    state, until = parcel.state, parcel.until
    keep(st, cache, parcel.key, state, until, time, since, end, request.epoch, size)
