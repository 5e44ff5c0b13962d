"""Turn distributions into tables: quantiles of any law, and alias tables of discrete choices.

A quantile table has two sides (lower and upper tail), each with 64 nodes per octave of tail probability
from 2**-54 to 1/2. Linear interpolation between nodes keeps smooth laws within 3e-5 of the true quantile
down to probabilities of 1e-16. A cell between two nodes in which a law jumps or bends (atoms, gaps, ends of a part,
measured percentiles) is cut there into pieces: so the probability of an atom is exact, to 2**-53, and no draw lies
between two values of which the law has none.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popsim.engine.arrays import Records, records
from popsim.engine.draws import (
    COUNT_BITS,
    NODES,
    NODES_PER_OCTAVE,
    OCTAVES,
    tail,
    tail_probability,
    uniform,
)
from popsim.engine.layout import PIECE_DTYPE
from popsim.scenario.laws import Law

Floats = NDArray[np.float64]

MOST_REMEMBERED = 300  # tables of 110 KB, as a rule
STRAIGHT, MOST_HALVINGS = 3e-5, 24  # of the value, as between the nodes of smooth laws; of a piece
DRAW = 2.0**-53  # from one draw's tail probability to the next
INSIDE = 1e-6  # of a piece's length: its ends are asked for so far within, where no rounding reaches over the jump
_remembered: dict[Hashable, QuantileTable] = {}


@dataclass(frozen=True, eq=False)
class QuantileTable:
    """A law's quantiles; not to be written to.

    ``nodes`` are ms, first the lower, then the upper tail; one below 0 says that the cell that begins there is in pieces:
    -(first piece * 2**COUNT_BITS + how many). The law's value at such a node is where the first piece begins.
    """

    nodes: Floats  # [2, NODES]
    pieces: Records  # PIECE_DTYPE


def node_probabilities() -> Floats:
    """Return the tail probability of each node, shape (NODES,)."""
    index = np.arange(NODES)
    octave = index // NODES_PER_OCTAVE
    within = (index % NODES_PER_OCTAVE) / NODES_PER_OCTAVE
    return np.asarray(np.minimum((1.0 + within) * np.exp2(octave - float(OCTAVES + 1)), 0.5))


def quantile_table(law: Law) -> QuantileTable:
    """Tabulate ``law``.

    Replications and platforms share most of their laws: tables are remembered, because bisecting a mixture takes
    longer than a small run.

    Raises:
        ValueError: a quantile is not finite or is negative (times and sizes never are).
    """
    key = _content(law)
    if key not in _remembered:
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = _tabulate(law)
    return _remembered[key]


def constant_table(value: float) -> QuantileTable:
    """Return the table of a law with one value."""
    return QuantileTable(np.full((2, NODES), value), records(PIECE_DTYPE, 0))


def _content(value: Any) -> Hashable:
    """Return all that determines a law: its class, not only that one's name, and its parameters."""
    if isinstance(value, Law):
        return type(value), *(_content(item) for item in vars(value).items())
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (list, tuple)):
        return tuple(map(_content, value))
    return repr(value) if isinstance(value, dict) else value


def _tabulate(law: Law) -> QuantileTable:
    at = node_probabilities()
    nodes = np.stack([law.quantile_lower(at), law.quantile_upper(at)])
    if not np.all(np.isfinite(nodes)) or nodes.min() < 0.0:
        raise ValueError(f"{law!r} has negative or unbounded quantiles; expected values from 0 up")
    nodes = np.ascontiguousarray(nodes, dtype=np.float64)
    sides, first = [], 0
    for side, quantiles in enumerate((law.quantile_lower, law.quantile_upper)):
        sides.append(_cut(nodes[side], law.breaks()[side], quantiles, first))
        first += len(sides[-1])
    pieces = np.concatenate(sides).view(np.recarray)
    for array in (nodes, pieces):
        array.flags.writeable = False
    return QuantileTable(nodes, pieces)


def _cut(
    nodes: Floats, breaks: Floats, quantiles: Callable[[Floats], Floats], first: int
) -> Records:
    """Cut the cells of one side at ``breaks`` (tail probabilities); return the pieces, the first being number ``first``.

    A cell includes its upper end: a law that jumps at a node is cut below it.
    """
    at = node_probabilities()
    breaks = np.unique(breaks[(breaks > at[0]) & (breaks <= at[-1])])
    if not len(breaks):
        return records(PIECE_DTYPE, 0)
    is_cut = np.zeros(NODES, dtype=np.bool_)
    is_cut[np.searchsorted(at, breaks) - 1] = True
    edges = np.unique(np.concatenate([at, breaks]))
    chosen = is_cut[np.searchsorted(at, edges[:-1], side="right") - 1]
    pieces = _straightened(edges[:-1][chosen], edges[1:][chosen], quantiles)
    cells, counts = np.unique(
        np.searchsorted(at, pieces.start, side="right") - 1, return_counts=True
    )
    begins = first + np.cumsum(counts) - counts
    # a whole cell that begins at a jump begins with the value beyond it
    after = np.flatnonzero(np.isin(at[:-1], breaks) & ~is_cut[:-1])
    nodes[after] = quantiles(at[after] * (1.0 + INSIDE / NODES_PER_OCTAVE / 2.0))
    nodes[cells] = -(begins * float(1 << COUNT_BITS) + counts)
    return pieces


def _straightened(start: Floats, end: Floats, quantiles: Callable[[Floats], Floats]) -> Records:
    """Return pieces, halved until each is straight: beside a jump the quantiles of the next part may begin steeply."""
    done = []
    for _ in range(MOST_HALVINGS):
        pieces, middle = _pieces(start, end, quantiles), (start + end) / 2.0
        between, true = pieces.low + (middle - start) * pieces.slope, quantiles(middle)
        is_bent = (np.abs(between - true) > STRAIGHT * true) & (pieces.slope != 0.0)
        done.append(pieces[~is_bent])
        if not is_bent.any():
            break
        start, middle, end = start[is_bent], middle[is_bent], end[is_bent]
        start, end = np.concatenate([start, middle]), np.concatenate([middle, end])
    else:
        done.append(_pieces(start, end, quantiles))
    found = np.concatenate(done)
    return found[np.argsort(found["start"])].view(np.recarray)


def _pieces(start: Floats, end: Floats, quantiles: Callable[[Floats], Floats]) -> Records:
    """Return the straight pieces of a law between ``start`` and ``end``.

    One that has room for a single draw is flat. Such pieces lie between two sums of weights that rounding alone tells apart;
    halved, they would have no length.
    """
    length = end - start
    low_at, high_at = start + length * INSIDE, end - length * INSIDE
    low, high = quantiles(low_at), quantiles(high_at)
    is_flat = (low == high) | (length <= DRAW)
    slope = np.where(is_flat, 0.0, (high - low) / np.where(is_flat, 1.0, high_at - low_at))
    low = np.maximum(low - slope * (low_at - start), 0.0)
    pieces = records(PIECE_DTYPE, len(start))
    pieces.start, pieces.end, pieces.low = start, end, low
    pieces.slope = np.maximum(slope, -low / length * (1.0 - 1e-15))  # nor may rounding go below 0
    return pieces


def stacked(tables: Sequence[QuantileTable]) -> tuple[Floats, Records]:
    """Return the tables as rows of one array [T, 2 * NODES], and their pieces in one."""
    rows = np.stack([table.nodes.reshape(-1) for table in tables])
    first = 0
    for row, table in zip(rows, tables, strict=True):
        row[row < 0.0] -= first * float(1 << COUNT_BITS)
        first += len(table.pieces)
    pieces = np.concatenate([*(table.pieces for table in tables), records(PIECE_DTYPE, 1)])
    return rows, pieces.view(np.recarray)


def highest(pieces: Records) -> Floats:
    """Return the largest value of each piece of a table."""
    ends = pieces.low + (pieces.end - pieces.start) * pieces.slope
    return np.asarray(np.maximum(pieces.low, ends))


def quantile(table: QuantileTable, word: int) -> float:
    """Look one word up in a table (rule 9)."""
    side, node, fraction = tail(word)
    low, high = table.nodes[side, node : node + 2].tolist()
    if low < 0.0:
        code, probability = int(-low), tail_probability(word)
        first = code >> COUNT_BITS
        ends = table.pieces.end[first : first + (code & ((1 << COUNT_BITS) - 1))]
        piece = table.pieces[first + int(np.searchsorted(ends, probability, side="right"))]
        return float(piece.low + (probability - piece.start) * piece.slope)
    if high < 0.0:
        high = float(table.pieces.low[int(-high) >> COUNT_BITS])
    return float(low + (high - low) * fraction)


def alias_table(weights: NDArray[np.float64]) -> tuple[Floats, NDArray[np.int64]]:
    """Build Vose's alias table of a discrete law: (threshold[n], alias[n]).

    Source: M. D. Vose, "A linear algorithm for generating random numbers with a given distribution",
    IEEE TSE 17(9), 1991, https://doi.org/10.1109/32.92917.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 1 or weights.size == 0 or not np.all(np.isfinite(weights)):
        raise ValueError("an alias table needs a non-empty list of finite weights")
    if weights.min() < 0 or weights.sum() <= 0:
        raise ValueError("weights must not be negative, and one must be positive")
    count = weights.size
    scaled = (weights * (count / weights.sum())).tolist()
    threshold, alias = np.ones(count), np.arange(count, dtype=np.int64)
    small = [i for i, value in enumerate(scaled) if value < 1.0]
    large = [i for i, value in enumerate(scaled) if value >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        threshold[low], alias[low] = scaled[low], high
        scaled[high] -= 1.0 - scaled[low]
        if scaled[high] < 1.0:
            small.append(large.pop())
    return threshold, alias


def choose(threshold: Floats, alias: NDArray[np.int64], word: int) -> int:
    """Draw an index from an alias table with one word."""
    position = uniform(word) * len(threshold)
    cell = int(position)
    return cell if position - cell < threshold[cell] else int(alias[cell])
