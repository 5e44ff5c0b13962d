"""Arrays by name as bytes, and back.

A list of names, types and shapes, then the arrays, compressed together. Zip archives of numpy's take four times as long to write
and three times as long to read: they have a header in Python's syntax and a checksum for each of a run's eighty arrays.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.format import descr_to_dtype, dtype_to_descr
from numpy.typing import NDArray

LEVEL = 1  # of compression; 6 takes four times as long for files that are a fifth smaller
LENGTH_BYTES = 8
PLACE = np.dtype(np.int32)
SPARSE = 0.25  # of numbers that are not 0, below which these are kept alone, with their places


def archived(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as bytes, the same ones each time."""
    table, parts = [], []
    for name, array in arrays.items():
        kept, places = array.reshape(-1), np.empty(0, PLACE)
        is_sparse = array.dtype == np.int64 and bool(np.count_nonzero(array) < SPARSE * array.size)
        if is_sparse:
            places = np.flatnonzero(array).astype(PLACE)
            kept = kept[places]
        table.append((name, dtype_to_descr(array.dtype), array.shape, is_sparse, len(kept)))
        parts += [places.tobytes(), kept.tobytes()]
    head = json.dumps(table).encode()
    return zlib.compress(
        b"".join([len(head).to_bytes(LENGTH_BYTES, "little"), head, *parts]), LEVEL
    )


def unarchived(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays that ``archived`` made bytes of.

    Raises:
        ValueError: these are not they, or damaged.
    """
    try:
        whole = zlib.decompress(content)
    except zlib.error as error:
        raise ValueError(f"damaged: {error}") from None
    at = LENGTH_BYTES + int.from_bytes(whole[:LENGTH_BYTES], "little")
    arrays = {}

    def taken(dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        nonlocal at
        begin, at = at, at + count * dtype.itemsize
        return np.frombuffer(whole, dtype, count, begin) if count else np.empty(0, dtype)

    for name, kind, shape, is_sparse, count in json.loads(whole[LENGTH_BYTES:at]):
        dtype = descr_to_dtype(kind)
        if is_sparse:
            places, array = taken(PLACE, count), np.zeros(math.prod(shape), dtype)
            array[places] = taken(dtype, count)
        else:
            array = taken(dtype, count).copy()
        arrays[name] = array.reshape(shape)
    return arrays
