"""Sums of whole numbers that never wrap, whatever is added up.

A sum in an engine is a word of 64 bits and a carry: how often the word has passed ``CARRY``. An addend is below ``CARRY`` and so is a
word, so that both together fit 64 bits. The carry is written only when that happens, after 2^62 ns = 146 years as a rule.
An array of sums has twice as many rows as there are sums: below the words lie their carries.

Outside of the engines a sum is a whole number: of 64 bits where all of an array fit them, else one of Python's, in an array
of objects. Either is exact, and numpy adds, compares and indexes both alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popsim.engine.arrays import Floats, Ints

CARRY = 1 << 62
MOST = (1 << 63) - 1  # what a word of 64 bits holds

Sums = NDArray[Any]  # int64, or objects: whole numbers of Python


def no_sums(rows: int, columns: int) -> Ints:
    """Return sums that are all 0, as the engines keep them: words, and below them their carries."""
    return np.zeros((2 * rows, columns), np.int64)


def add(sums: Ints, row: int, column: int, amount: int) -> None:
    """Add to a sum, 0 <= amount < CARRY; the compiled engine compiles this very function."""
    total = sums[row, column] + amount
    if total >= CARRY:
        total -= CARRY
        sums[row + sums.shape[0] // 2, column] += 1
    sums[row, column] = total


def exact(sums: Ints) -> Sums:
    """Return what the engines' words and carries stand for."""
    rows = len(sums) // 2
    words, carries = sums[:rows], sums[rows:]
    if not carries.any():
        return words.copy()
    return _narrowed(carries.astype(object) * CARRY + words)


def total_of_runs(runs: Iterable[Sums]) -> Sums:
    """Return the sum of arrays of one shape, entry by entry, in any order."""
    total: Sums | None = None
    for run in runs:
        if total is None:
            total = run
        elif _largest(total) + _largest(run) > MOST:
            total = total.astype(object) + run
        else:
            total = total + run
    if total is None:
        raise ValueError("there is nothing to add up")
    return _narrowed(total)


def total(sums: Sums, axis: int | None = None) -> Any:
    """Return the sum over an axis, or a whole number if over all."""
    if sums.dtype != object and _largest(sums) * max(sums.size, 1) > MOST:
        sums = sums.astype(object)
    added = sums.sum(axis=axis)
    return int(added) if axis is None else _narrowed(np.asarray(added))


def in_units(sums: Sums, unit: float) -> Floats:
    """Return sums in a larger unit, such as ms of ns with 1e6, as floats: 16 digits of each."""
    return np.asarray(sums / unit, dtype=np.float64)


def in_words(sums: Sums) -> Ints:
    """Return words and carries of large sums, in two arrays of their shape, which a file can hold."""
    return np.stack([(sums % CARRY).astype(np.int64), (sums // CARRY).astype(np.int64)])


def of_words(words: Ints) -> Sums:
    """Return what :func:`in_words` wrote."""
    return np.asarray(words[1].astype(object) * CARRY + words[0])


def _largest(sums: Sums) -> int:
    return int(abs(sums).max()) if sums.size else 0


def _narrowed(sums: Sums) -> Sums:
    """Return sums as words of 64 bits if all fit."""
    if sums.dtype == object and _largest(sums) <= MOST:
        return sums.astype(np.int64)
    return sums
