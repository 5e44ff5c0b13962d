"""Number the keys of a scenario, and tabulate how popular each is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popsim.engine import draws
from popsim.engine import kv_layout as kvl
from popsim.engine.arrays import Floats, Ints, Records, records
from popsim.engine.tables import alias_table
from popsim.scenario.laws import Law
from popsim.scenario.size_laws import Capped
from popsim.scenario.workload import MAX_VALUE_BYTES, KeySpaceSpec, Popularity
from popsim.world.geo import countries as all_countries

EXACT_RANKS = 256  # the most popular keys have a cell each
MAX_EXPONENT = 10.0
RANKS_PER_CELL = 128  # further on, a cell spans rank / 128 keys, taken for equally popular


@dataclass(frozen=True, eq=False)
class KeySpaces:
    """The key spaces of a scenario as arrays, and the laws of their sizes."""

    spaces: Records  # [P]
    cells: Records
    partitions: Ints  # [P * C]
    shifts: Ints  # [P * C]
    size_laws: list[Law]  # tables of the spaces whose size_table is not a code, in order


def key_spaces(
    specs: Sequence[KeySpaceSpec], countries: tuple[str, ...], key: int, first_table: int
) -> KeySpaces:
    """Number the keys: space after space, in it partition after partition, by descending popularity."""
    spaces = records(kvl.SPACE_DTYPE, max(1, len(specs)))
    cells: list[Records] = []
    partitions, shifts, laws = [], [], list[Law]()
    first = first_cell = 0
    for row, spec in enumerate(specs):
        own = popularity_cells(popularity(spec), spec.count)
        partition = partitions_of(spec, countries)
        overhead = spec.key_size + spec.metadata_size
        is_constant = spec.value_size.maximum() == spec.value_size.mean()
        table = kvl.SIZE_CONSTANT if is_constant else first_table + len(laws)
        size = overhead + (round(spec.value_size.mean()) if is_constant else 0)
        if not is_constant:
            laws.append(Capped(spec.value_size, MAX_VALUE_BYTES))
        spaces[row] = (
            first, spec.count, first_cell, len(own), spec.locality, spec.filled, size, table,
        )  # fmt: skip
        cells.append(own)
        partitions.append(partition)
        shifts.append(_shifts(row, spec, len(countries), key))
        first += spec.count * (int(partition.max(initial=0)) + 1)
        first_cell += len(own)
    if not specs:
        return KeySpaces(
            spaces, records(kvl.CELL_DTYPE, 1), np.zeros(1, np.int64), np.zeros(1, np.int64), []
        )
    return KeySpaces(
        spaces, np.concatenate(cells).view(np.recarray), np.concatenate(partitions),
        np.concatenate(shifts), laws,
    )  # fmt: skip


def popularity(spec: KeySpaceSpec) -> float:
    """Return the Zipf exponent of a key space; 0 is uniform."""
    law = spec.popularity
    if not isinstance(law, Popularity):
        return 0.0
    if law.zipf is not None:
        return law.zipf
    assert law.top is not None
    return zipf_exponent(spec.count, law.top.keys, law.top.reads)


def zipf_exponent(count: int, keys: float, reads: float) -> float:
    """Return the exponent with which the ``keys`` share of ``count`` keys gets the ``reads`` share of reads.

    Raises:
        ValueError: there is none between 0 and 10.

    >>> round(zipf_exponent(1_000_000, 0.0003, 0.40), 2)
    0.98
    """
    from scipy.optimize import brentq

    top = max(1, round(count * keys))

    def surplus(exponent: float) -> float:
        below, above = _mass(0, top, exponent), _mass(top, count, exponent)
        return below / (below + above) - reads

    least, most = surplus(0.0) + reads, surplus(MAX_EXPONENT) + reads
    if not least < reads < most:
        raise ValueError(
            f"no Zipf law gives {top} of {count} keys {reads:.8g} of the reads, "
            f"but one from {least:.4g} (all alike) to {most:.8g} (exponent {MAX_EXPONENT:g})"
        )
    return float(brentq(surplus, 0.0, MAX_EXPONENT))


def popularity_cells(exponent: float, count: int) -> Records:
    """Return an alias table over ranges of ranks whose total weights are exact.

    A table over a million keys would not fit the processor's caches, and drawing the key would take longer than all
    else. Ranks up to ``EXACT_RANKS`` are exact; beyond, keys of a range that is 1/128 of their rank wide share its weight
    equally, which moves no key's probability by more than exponent / 256 of itself.
    """
    if exponent == 0.0:
        edges = np.array([0, count], dtype=np.int64)
    else:
        marks = [*range(min(EXACT_RANKS, count) + 1)]
        while marks[-1] < count:
            marks.append(min(count, marks[-1] + max(1, marks[-1] // RANKS_PER_CELL)))
        edges = np.array(marks, dtype=np.int64)
    mass = _masses(edges, exponent)
    cells = records(kvl.CELL_DTYPE, len(mass))
    cells.threshold, cells.alias = alias_table(mass)
    cells.first, cells.width = edges[:-1], np.diff(edges)
    return cells


def _masses(edges: Ints, exponent: float) -> Floats:
    """Return the weight of each range of ranks between neighbouring edges."""
    ends = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return np.array([_mass(first, end, exponent) for first, end in ends])


def _mass(first: int, end: int, exponent: float) -> float:
    """Return the sum of k**-exponent for k = first + 1 to end; never a difference of two sums, which would cancel."""
    if exponent == 0.0:
        return float(end - first)
    head = min(end, max(first, _HEAD))
    total = float(np.sum(np.arange(first + 1, head + 1, dtype=np.float64) ** -exponent))
    if end == head:
        return total
    # Euler-Maclaurin, whose next term is below 1e-15 of the sum. The integral is written so that nothing cancels:
    # a**(1 - s) * (e**((1 - s) * r) - 1) / (1 - s) with r = ln(b / a)
    a, b, power = float(head), float(end), 1.0 - exponent
    ratio = math.log1p((b - a) / a)
    integral = ratio if power == 0.0 else math.expm1(power * ratio) / power
    total += integral * math.pow(a, power)
    total += (math.pow(b, -exponent) - math.pow(a, -exponent)) / 2.0
    total -= exponent * (math.pow(b, -exponent - 1.0) - math.pow(a, -exponent - 1.0)) / 12.0
    return total


_HEAD = 4096


def partitions_of(spec: KeySpaceSpec, countries: tuple[str, ...]) -> Ints:
    """Return which partition each country's requests use, shape (C,)."""
    if spec.per == "country":
        return np.arange(len(countries), dtype=np.int64)
    if spec.per == "continent":
        continents = [all_countries()[country].continent for country in countries]
        order = sorted(set(continents))
        return np.array([order.index(continent) for continent in continents], dtype=np.int64)
    return np.zeros(len(countries), np.int64)


def _shifts(row: int, spec: KeySpaceSpec, countries: int, key: int) -> Ints:
    """Return where each country's own order of popularity begins, shape (C,); drawn anew in each replication."""
    if spec.locality == 0.0:
        return np.zeros(countries, np.int64)
    words = [draws.words(key, draws.KEY_SHIFT, row, country)[0] for country in range(countries)]
    return np.array([int(draws.uniform(word) * spec.count) for word in words], dtype=np.int64)


def probabilities(spec: KeySpaceSpec) -> Floats:
    """Return the probability of each rank as it is drawn, shape (count,); for tests and closed forms."""
    cells = popularity_cells(popularity(spec), spec.count)
    edges = np.append(cells.first, spec.count)
    mass = _masses(np.asarray(edges), popularity(spec))
    return np.asarray(np.repeat(mass / cells.width, cells.width) / mass.sum())
