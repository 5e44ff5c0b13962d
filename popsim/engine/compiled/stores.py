"""Which central store a read or write goes to; twin of specification/stores.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.draw import position_of, quantile, two_words
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.kv_state import N_CHOICES, READ_MODE, WRITE_MODE
from popsim.engine.kv_layout import IN_ORDER

SERVICE = np.uint64(draws.KV_SERVICE)
WRITING, DETAIL_BITS = np.int64(draws.WRITING), np.int64(draws.DETAIL_BITS)
NONE = np.int64(-1)


@helper
def service(st, slot, table, part):
    """Draw the time that a part of a read's way takes."""
    request = st.slots[slot]
    index = (position_of(request) << DETAIL_BITS) + part
    return quantile(st, table, two_words(st, SERVICE, request.number, index)[0])


@helper
def choose_store(st, slot, row, part):
    """Choose the first store that is up, or the fastest; False if there is none (rule 36)."""
    request = st.slots[slot]
    mode = st.kv_ints[WRITE_MODE] if part == WRITING else st.kv_ints[READ_MODE]
    request.store = NONE
    for number in range(row, row + st.kv_ints[N_CHOICES]):
        choice = st.choices[number]
        if choice.store < 0 or st.stores[choice.store].up == 0:
            continue
        table = st.stores[choice.store].read_table
        if part == WRITING:
            table = st.stores[choice.store].write_table
        drawn = service(st, slot, table, part + choice.store)
        if request.store < 0 or choice.rtt + drawn < request.store_rtt + request.service:
            request.store = choice.store
            request.store_rtt = choice.rtt
            request.service = drawn
        if mode == IN_ORDER:
            break
    return request.store >= 0
