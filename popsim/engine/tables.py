"""Turn distributions into tables: quantiles of any law, and alias tables of discrete choices.

A quantile table has two sides (lower and upper tail), each with 64 nodes per octave of tail probability
from 2**-54 to 1/2. Linear interpolation between nodes keeps smooth laws within 3e-5 of the true quantile
down to probabilities of 1e-16. Step laws (integers, atoms) are not interpolated.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popsim.engine.draws import NODES, NODES_PER_OCTAVE, OCTAVES, tail, uniform
from popsim.scenario.laws import Law

Floats = NDArray[np.float64]

MOST_REMEMBERED = 300  # tables of 55 KB
_remembered: dict[Hashable, Floats] = {}


def node_probabilities(*, midpoints: bool) -> Floats:
    """Return the tail probability of each node, shape (NODES,); of each cell's middle if ``midpoints``."""
    index = np.arange(NODES)
    octave = index // NODES_PER_OCTAVE
    within = (index % NODES_PER_OCTAVE + (0.5 if midpoints else 0.0)) / NODES_PER_OCTAVE
    return np.asarray(np.minimum((1.0 + within) * np.exp2(octave - float(OCTAVES + 1)), 0.5))


def quantile_table(law: Law) -> Floats:
    """Tabulate ``law``: shape (2, NODES), first the lower, then the upper tail; not to be written to.

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


def _content(value: Any) -> Hashable:
    """Return all that determines a law: its class, not only that one's name, and its parameters."""
    if isinstance(value, Law):
        return type(value), *(_content(item) for item in vars(value).items())
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (list, tuple)):
        return tuple(map(_content, value))
    return repr(value) if isinstance(value, dict) else value


def _tabulate(law: Law) -> Floats:
    probabilities = node_probabilities(midpoints=law.is_step)
    table = np.stack([law.quantile_lower(probabilities), law.quantile_upper(probabilities)])
    if not np.all(np.isfinite(table)) or table.min() < 0.0:
        raise ValueError(f"{law!r} has negative or unbounded quantiles; expected values from 0 up")
    table = np.ascontiguousarray(table, dtype=np.float64)
    table.flags.writeable = False
    return table


def quantile(table: Sequence[Floats] | Floats, is_step: bool, word: int) -> float:
    """Look one word up in a table of :func:`quantile_table`."""
    side, node, fraction = tail(word)
    low = float(table[side][node])
    if is_step:
        return low
    return low + (float(table[side][node + 1]) - low) * fraction


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
