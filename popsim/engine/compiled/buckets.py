"""Durations as rows of histograms and integer nanoseconds, compiled; twin of functions in popsim.engine.recorder."""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.jit import helper
from popsim.engine.outputs import BUCKETS, FIRST_BUCKET, MANTISSA_SHIFT
from popsim.scenario.units import LONGEST_MS

LOWEST, SHIFT = np.int64(FIRST_BUCKET), np.int64(MANTISSA_SHIFT)
LAST_BUCKET = np.int64(BUCKETS - 1)


@helper
def bucket_of(ms):
    """Return the histogram bucket of a duration; one that is too long for any is refused with the books (rule 55)."""
    bits = np.float64(ms).view(np.int64)
    return min(max((bits >> SHIFT) - LOWEST, np.int64(0)), LAST_BUCKET)


@helper
def nanoseconds(ms):
    """Round to integer nanoseconds; what is longer is refused with the books (rule 55)."""
    return np.int64(min(ms, LONGEST_MS) * 1e6 + 0.5)
