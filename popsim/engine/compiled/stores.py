"""Which central store a read or write goes to; twin of specification/stores.py."""

from __future__ import annotations

from popsim.engine import draws
from popsim.engine import kv_layout as kvl
from popsim.engine.compiled import draw
from popsim.engine.compiled.constants import NONE
from popsim.engine.compiled.jit import helper


@helper
def service(st, slot, table, part):
    """Draw the time that a part of a read's way takes."""
    request = st.slots[slot]
    index = (draw.position_of(request) << draws.DETAIL_BITS) + part
    return draw.quantile(st, table, draw.two_words(st, draws.KV_SERVICE, request.number, index)[0])


@helper
def choose_store(st, slot, row, part):
    """Choose the first store that is up, or the fastest; False if there is none (rule 36)."""
    request = st.slots[slot]
    mode = st.kv_rules[0].writes if part == draws.WRITING else st.kv_rules[0].reads
    request.store = NONE
    for number in range(row, row + st.kv_rules[0].choices):
        choice = st.choices[number]
        if choice.store < 0 or st.stores[choice.store].up == 0:
            continue
        table = st.stores[choice.store].read_table
        if part == draws.WRITING:
            table = st.stores[choice.store].write_table
        drawn = service(st, slot, table, part + choice.store)
        if request.store < 0 or choice.rtt + drawn < request.store_rtt + request.service:
            request.store = choice.store
            request.store_rtt = choice.rtt
            request.service = drawn
        if mode == kvl.IN_ORDER:
            break
    return request.store >= 0
