"""Draws as in popsim.engine.draws and popsim.engine.tables, compiled."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.jit import entry, helper

U11, U63 = np.uint64(11), np.uint64(63)
TAIL_MASK = np.uint64((1 << 63) - 1)
PARITY = np.uint64(draws.PARITY)
NODES = np.int64(draws.NODES)
FIRST_NODE = np.int64((1023 - 54) << 6)  # exponent and six mantissa bits of 2**-54
FRACTION_MASK = np.int64((1 << 46) - 1)
FRACTION_UNIT = 2.0**-46
HALF_53, UNIT_53 = 2.0**-53, 2.0**-53
ONE_VALUE = 1.0  # in the last column of a table: all draws are alike
COUNT_BITS, COUNT_MASK = np.int64(draws.COUNT_BITS), np.int64((1 << draws.COUNT_BITS) - 1)


@helper
def _mix(x0, x1, left, right):
    x0 = x0 + x1
    x1 = ((x1 << left) | (x1 >> right)) ^ x0
    return x0, x1


R = [np.uint64(r) for r in draws.ROTATIONS]
R0, R1, R2, R3, R4, R5, R6, R7 = R
L0, L1, L2, L3, L4, L5, L6, L7 = [np.uint64(64 - r) for r in draws.ROTATIONS]
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)


@helper
def threefry(key, stream, entity, index):
    """Return two words for one address; all arguments uint64."""
    parity = PARITY ^ key ^ stream
    x0, x1 = entity + key, index + stream
    x0, x1 = _mix(x0, x1, R0, L0)
    x0, x1 = _mix(x0, x1, R1, L1)
    x0, x1 = _mix(x0, x1, R2, L2)
    x0, x1 = _mix(x0, x1, R3, L3)
    x0, x1 = x0 + stream, x1 + parity + ONE
    x0, x1 = _mix(x0, x1, R4, L4)
    x0, x1 = _mix(x0, x1, R5, L5)
    x0, x1 = _mix(x0, x1, R6, L6)
    x0, x1 = _mix(x0, x1, R7, L7)
    x0, x1 = x0 + parity, x1 + key + TWO
    x0, x1 = _mix(x0, x1, R0, L0)
    x0, x1 = _mix(x0, x1, R1, L1)
    x0, x1 = _mix(x0, x1, R2, L2)
    x0, x1 = _mix(x0, x1, R3, L3)
    x0, x1 = x0 + key, x1 + stream + THREE
    return _mix(x0, x1, R4, L4)


@entry
def words(key, stream, entity, index):
    """Answer one address for Python; the specification engine may use it for speed."""
    return threefry(key, stream, entity, index)


@helper
def two_words(st, stream, number, index):
    """Return the two words of (stream, number, index) of this run; all int64."""
    return threefry(st.rules[0].key, np.uint64(stream), np.uint64(number), np.uint64(index))


@helper
def position_of(request):
    """Return where a task is, as popsim.engine.draws.position."""
    return (request.turn << draws.PC_BITS) | request.pc


@helper
def uniform(word):
    """Map a word to [0, 1)."""
    return np.float64(word >> U11) * UNIT_53


@helper
def piece(st, code, probability):
    """Return the value of the first piece of a cell that ends above a tail probability (rule 9)."""
    low = code >> COUNT_BITS
    high = low + (code & COUNT_MASK) - 1
    while low < high:
        middle = (low + high) >> 1
        if probability < st.pieces[middle].end:
            high = middle
        else:
            low = middle + 1
    found = st.pieces[low]
    return found.low + (probability - found.start) * found.slope


@helper
def quantile(st, table, word):
    """Look up the quantile that ``word`` addresses (rule 9)."""
    if st.tables[table, 2 * NODES] == ONE_VALUE:
        return st.tables[table, 0]
    probability = np.float64((np.float64((word & TAIL_MASK) >> U11) + 0.5) * HALF_53)
    bits = probability.view(np.int64)
    node = (bits >> 46) - FIRST_NODE + np.int64(word >> U63) * NODES
    low = st.tables[table, node]
    if low < 0.0:
        return piece(st, np.int64(-low), probability)
    high = st.tables[table, node + 1]
    if high < 0.0:
        high = st.pieces[np.int64(-high) >> COUNT_BITS].low
    fraction = np.float64(bits & FRACTION_MASK) * FRACTION_UNIT
    return low + (high - low) * fraction


@helper
def choose(table, word):
    """Draw an index from records with an alias table."""
    position = uniform(word) * np.float64(table.shape[0])
    cell = np.int64(position)
    alias = table[
        cell
    ].alias  # read in any case: a choice without a branch does not wait for memory
    return cell if position - np.float64(cell) < table[cell].threshold else alias
