"""Scalars and rows keep the names of their fields, from the dataclass and the dtype to where they are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from popsim.engine.arrays import records, rows, scalars, scalars_dtype


@dataclass(frozen=True)
class Numbers:
    """One of each kind."""

    limit: int = 3
    share: float = 0.25
    is_serial: bool = True

    @property
    def twice(self) -> int:
        """Return what follows from a field."""
        return 2 * self.limit


def test_scalars_have_the_fields_of_their_dataclass_and_what_is_added() -> None:
    dtype = scalars_dtype(Numbers, twice="i8", key="u8")
    assert dtype.names == ("limit", "share", "is_serial", "twice", "key")
    assert {dtype[name] for name in ("limit", "is_serial", "twice")} == {np.dtype("i8")}
    row = scalars(dtype, Numbers(), key=2**64 - 1)[0]
    assert (row.limit, row.share, row.is_serial, row.twice) == (3, 0.25, 1, 6)
    assert int(row.key) == 2**64 - 1


def test_a_scalar_that_nobody_has_is_an_error() -> None:
    with pytest.raises(IndexError):
        scalars(scalars_dtype(Numbers, nowhere="i8"), Numbers())


def test_rows_are_read_by_name_as_plain_numbers() -> None:
    table = records(np.dtype([("site", "i8"), ("rtt", "f8")]), 2)
    table.site, table.rtt = [4, 5], [0.5, 1.5]
    first, second = rows(table)
    assert (first.site, second.rtt) == (4, 1.5)
    assert type(first.site) is int and type(second.rtt) is float
