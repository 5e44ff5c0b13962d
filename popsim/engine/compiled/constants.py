"""Constants as kernels need them: int64 whatever they stand for.

A number that stands in a call, or a global of Python's ``int``, is a type of its own to numba, and the function that is called is
compiled once more for it. What is read from a module (``stages.MOVE``, ``lay.P_QUEUE``) is int64 and needs no cast.
"""

from __future__ import annotations

import numpy as np

from popsim.engine import layout as lay

NONE, ZERO, ONE = np.int64(-1), np.int64(0), np.int64(1)

# Keys of events but for the number (rule 1)
KEY_DEAD, KEY_WAKE = np.int64(lay.DEAD * lay.RANK), np.int64(lay.WAKE * lay.RANK)
KEY_ORDINARY, KEY_ENTER = np.int64(lay.ORDINARY * lay.RANK), np.int64(lay.ENTER * lay.RANK)
KEY_NEW, KEY_REFRESH = np.int64(lay.NEW * lay.RANK), np.int64(lay.REFRESH * lay.RANK)
KEY_ALARM, KEY_RECONNECT = np.int64(lay.ALARM * lay.RANK), np.int64(lay.RECONNECT * lay.RANK)
