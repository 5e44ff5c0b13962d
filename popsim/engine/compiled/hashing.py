"""Open addressing with linear probing, in flat record arrays whose length is a power of 2.

Three tables: copies in caches, reads under way, keys that were written. The caller guarantees room; the plane makes
it before an event happens. Nothing is marked as deleted: a removal shifts back what had to step aside.
"""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled import kv_state
from popsim.engine.compiled.constants import NONE, ONE
from popsim.engine.compiled.jit import helper

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio; Knuth, TAOCP vol. 3, section 6.4


@helper
def tag_of(cache, key):
    """Return what names a key in a cache; never 0."""
    return ((cache << kv_state.KEY_BITS) | key) + ONE


@helper
def home_of(tag, shift):
    """Return where a tag belongs in a table of 2**(64 - shift) rows.

    These are the upper bits of the product, so that a table twice as large has the same order: it fills from an old one
    from front to back.
    """
    return np.int64((np.uint64(tag) * GOLDEN) >> np.uint64(shift))


@helper
def find_copy(st, tag):
    """Return the position of a copy, -1 if there is none."""
    tags, length = st.tags, st.tags.shape[0]
    position = home_of(tag, st.kv_run[0].copy_shift)
    while tags[position] != 0:
        if tags[position] == tag:
            return position
        position = (position + 1) & (length - 1)
    return NONE


@helper
def insert_copy(st, tag):
    """Return the position of a new copy with this tag."""
    tags, length = st.tags, st.tags.shape[0]
    position = home_of(tag, st.kv_run[0].copy_shift)
    while tags[position] != 0:
        position = (position + 1) & (length - 1)
    tags[position] = tag
    st.kv_run[0].copy_count += 1
    return position


@helper
def find_fetching(st, tag):
    """Return the position of a read under way, -1 if there is none."""
    fetching, length = st.fetching, st.fetching.shape[0]
    position = home_of(tag, st.kv_run[0].fetching_shift)
    while fetching[position].tag != 0:
        if fetching[position].tag == tag:
            return position
        position = (position + 1) & (length - 1)
    return NONE


@helper
def set_out(st, tag, slot, epoch):
    """Note that a read sets out; it replaces one that a failed site had sent."""
    fetching, length = st.fetching, st.fetching.shape[0]
    position = home_of(tag, st.kv_run[0].fetching_shift)
    while fetching[position].tag != 0 and fetching[position].tag != tag:
        position = (position + 1) & (length - 1)
    if fetching[position].tag == 0:
        st.kv_run[0].fetching_count += 1
    fetching[position].tag = tag
    fetching[position].slot = slot
    fetching[position].epoch = epoch


@helper
def come_back(st, tag, slot):
    """Note that a read is back, unless another has taken its place."""
    fetching, length = st.fetching, st.fetching.shape[0]
    hole = find_fetching(st, tag)
    if hole < 0 or fetching[hole].slot != slot:
        return
    st.kv_run[0].fetching_count -= 1
    position = (hole + 1) & (length - 1)
    while fetching[position].tag != 0:
        home = home_of(fetching[position].tag, st.kv_run[0].fetching_shift)
        if ((position - home) & (length - 1)) >= ((position - hole) & (length - 1)):
            fetching[hole].tag = fetching[position].tag
            fetching[hole].slot = fetching[position].slot
            fetching[hole].epoch = fetching[position].epoch
            hole = position
        position = (position + 1) & (length - 1)
    fetching[hole].tag = 0


@helper
def find_written(st, key):
    """Return the row of a key that was written, -1 if it never was."""
    written, length, tag = st.written, st.written.shape[0], key + ONE
    position = home_of(tag, st.kv_run[0].written_shift)
    while written[position].tag != 0:
        if written[position].tag == tag:
            return position
        position = (position + 1) & (length - 1)
    return NONE


@helper
def insert_written(st, key):
    """Return the new row of a key that is written for the first time."""
    written, length, tag = st.written, st.written.shape[0], key + ONE
    position = home_of(tag, st.kv_run[0].written_shift)
    while written[position].tag != 0:
        position = (position + 1) & (length - 1)
    row = written[position]
    row.tag, row.newest, row.oldest, row.count, row.accepted = tag, NONE, NONE, 0, -np.inf
    st.kv_run[0].written_count += 1
    return position
