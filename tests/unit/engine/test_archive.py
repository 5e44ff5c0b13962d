from __future__ import annotations

import numpy as np
import pytest

from popsim.engine.archive import archived, unarchived
from popsim.engine.recorder import SAMPLE_DTYPE


def test_arrays_come_back_as_they_were() -> None:
    arrays = {
        "numbers": np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::2],
        "few.bytes": np.array([0, 255], np.uint8),
        "mostly.zero": np.eye(9, dtype=np.int64) * (1 << 60),
        "nothing": np.zeros((0, 7), np.float64),
        "one": np.array([np.nan]),
        "records": np.zeros(3, SAMPLE_DTYPE),
        "padded": np.ones(2, np.dtype([("a", "u1"), ("b", "f8")], align=True)),
    }
    found = unarchived(archived(arrays))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    assert archived(arrays) == archived(arrays)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_what_is_damaged_is_refused(damage: str) -> None:
    content = bytearray(archived({"numbers": np.arange(1_000)}))
    if damage == "cut":
        del content[-1]
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
    else:
        content.clear()
    with pytest.raises(ValueError, match="damaged"):
        unarchived(bytes(content))
