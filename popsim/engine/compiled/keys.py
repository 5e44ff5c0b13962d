"""Which keys a request is about; twin of specification/keys.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.draw import two_words, uniform
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.kv_state import HAS_TRACE, N_COUNTRIES

KEY, LOCALITY = np.uint64(draws.KEY), np.int64(draws.KEY_LOCALITY)


@helper
def key_of(st, number, client, space, place):
    """Return the key of a request in a space; ``place`` counts the keys of a bulk read (rule 29)."""
    item = st.spaces[space]
    if st.kv_ints[HAS_TRACE] != 0 and space == 0:
        return item.first + st.trace[number].key
    index = (space << 8) + place
    cell_word, rank_word = two_words(st, KEY, number, index)
    position = uniform(cell_word) * np.float64(item.cells)
    cell = np.int64(position)
    if not position - np.float64(cell) < st.cells[item.first_cell + cell].threshold:
        cell = st.cells[item.first_cell + cell].alias
    chosen = st.cells[item.first_cell + cell]
    rank = chosen.first + np.int64(uniform(rank_word) * np.float64(chosen.width))
    row = space * st.kv_ints[N_COUNTRIES] + st.clients[client].country
    if item.locality > 0.0:
        word = two_words(st, KEY, number, index + LOCALITY)[0]
        if uniform(word) < item.locality:
            rank += st.partitions[row, 1]
            if rank >= item.count:
                rank -= item.count
    return item.first + st.partitions[row, 0] * item.count + rank
