"""Types of the arrays that both engines work on."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import fields
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Records = np.recarray[Any, Any]
Row = Any  # one record as a named tuple, with the fields of its dtype


def records(dtype: np.dtype[Any], count: int) -> Records:
    """Return ``count`` zeroed records whose fields read as attributes, compiled or not."""
    return np.zeros(count, dtype=dtype).view(np.recarray)


def rows(table: Records) -> list[Row]:
    """Return records as named tuples of plain numbers, which Python reads faster than records."""
    kind = namedtuple("Row", table.dtype.names or ())  # type: ignore[misc]
    return [kind(*row) for row in table.tolist()]


CODES = {int: "i8", bool: "i8", float: "f8"}


def scalars_dtype(kind: type, **more: str) -> np.dtype[Any]:
    """Return the type of a record with the fields of a dataclass of numbers, by the same names; ``more`` adds fields, by code."""
    hints = get_type_hints(kind)
    own = {field.name: CODES[hints[field.name]] for field in fields(kind)}
    return np.dtype([*own.items(), *more.items()])


def scalars(dtype: np.dtype[Any], *sources: Any, **more: Any) -> Records:
    """Return one record: a field's value is that of ``more``, else the first source's that has an attribute of its name."""
    record = records(dtype, 1)
    for name in dtype.names or ():
        values = [getattr(source, name) for source in sources if hasattr(source, name)]
        record[name] = more[name] if name in more else values[0]
    return record
