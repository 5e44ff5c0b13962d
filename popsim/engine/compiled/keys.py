"""Which keys a request is about; twin of specification/keys.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled import draw
from popsim.engine.compiled.jit import helper


@helper
def key_of(st, number, client, space, place):
    """Return the key of a request in a space; ``place`` counts the keys of a bulk read (rule 29)."""
    item = st.spaces[space]
    if st.kv_rules[0].has_trace != 0 and space == 0:
        return item.first + st.trace[number].key
    index = (space << 8) + place
    cell_word, rank_word = draw.two_words(st, draws.KEY, number, index)
    position = draw.uniform(cell_word) * np.float64(item.cells)
    cell = np.int64(position)
    if not position - np.float64(cell) < st.cells[item.first_cell + cell].threshold:
        cell = st.cells[item.first_cell + cell].alias
    chosen = st.cells[item.first_cell + cell]
    rank = chosen.first + np.int64(draw.uniform(rank_word) * np.float64(chosen.width))
    row = space * st.rules[0].country_count + st.clients[client].country
    if item.locality > 0.0:
        word = draw.two_words(st, draws.KEY, number, index + draws.KEY_LOCALITY)[0]
        if draw.uniform(word) < item.locality:
            rank += st.partitions[row, 1]
            if rank >= item.count:
                rank -= item.count
    return item.first + st.partitions[row, 0] * item.count + rank
