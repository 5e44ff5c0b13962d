"""Durations as rows of histograms and integer nanoseconds, compiled; twin of functions in popsim.engine.recorder."""

from __future__ import annotations

import numpy as np

from popsim.engine import outputs
from popsim.engine.compiled.constants import ZERO
from popsim.engine.compiled.jit import helper
from popsim.scenario.units import LONGEST_MS


@helper
def bucket_of(ms):
    """Return the histogram bucket of a duration; one that is too long for any is refused with the books (rule 55)."""
    bits = np.float64(ms).view(np.int64)
    return min(
        max((bits >> outputs.MANTISSA_SHIFT) - outputs.FIRST_BUCKET, ZERO), outputs.BUCKETS - 1
    )


@helper
def nanoseconds(ms):
    """Round to integer nanoseconds; what is longer is refused with the books (rule 55)."""
    return np.int64(min(ms, LONGEST_MS) * 1e6 + 0.5)
