"""Types of the arrays that both engines work on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Records = np.recarray[Any, Any]


def records(dtype: np.dtype[Any], count: int) -> Records:
    """Return ``count`` zeroed records whose fields read as attributes, compiled or not."""
    return np.zeros(count, dtype=dtype).view(np.recarray)
