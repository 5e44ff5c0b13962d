"""Keep the books of objects; the compiled engine has the same in ``compiled/object_record.py``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popsim.engine.arrays import Ints
from popsim.engine.object_layout import (
    HOST_COLUMNS,
    OBJECT_COLUMNS,
    PARTS,
    SPREADS,
    ObjectInputs,
)
from popsim.engine.outputs import BUCKETS
from popsim.engine.sums import no_sums

# Rows of each class in the histogram array: ms, but km for the distance
CALL = 0  # whole calls
FIRST_PART = 1  # PARTS, values above 0
DISTANCE = FIRST_PART + len(PARTS)  # km from the caller's site to the home
SPAWN = DISTANCE + 1  # to the home and until it is open, of calls that made their object
STALENESS = SPAWN + 1  # ms since the oldest commit that a replica's answer lacked
RECONNECT = STALENESS + 1  # ms from the cut to the session
VISIBLE = RECONNECT + 1  # SPREADS: to each participant, if no message of another one caused it
ROWS_PER_CLASS = VISIBLE + len(SPREADS)

# Rows of each kind of message: ms
ACKNOWLEDGED = 0  # SPREADS: from a message to its answer
SEEN = ACKNOWLEDGED + len(SPREADS)  # SPREADS: from a message to each other participant
ROWS_PER_MESSAGE = SEEN + len(SPREADS)


@dataclass
class ObjectBooks:
    """What a run has recorded of its objects; empty arrays if it has none."""

    histogram: Ints  # [class * ROWS_PER_CLASS + row, BUCKETS]
    by_message: Ints  # [kind * ROWS_PER_MESSAGE + row, BUCKETS]
    by_class: Ints  # sums [Q, OBJECT_COLUMNS]
    by_host: Ints  # sums [H, HOST_COLUMNS]
    created: Ints  # [S, H] objects by the site that asked first and by home
    spawn_ns: Ints  # sums [S, 1] of SPAWN by the site that asked

    @staticmethod
    def empty(inputs: ObjectInputs, *, sites: int) -> ObjectBooks:
        """Return books with nothing in them."""
        used = inputs.is_used
        classes, hosts = len(inputs.class_names), len(inputs.host_sites)
        messages = len(inputs.message_names) * ROWS_PER_MESSAGE
        return ObjectBooks(
            histogram=np.zeros((classes * ROWS_PER_CLASS if used else 0, BUCKETS), np.int64),
            by_message=np.zeros((messages if used else 0, BUCKETS), np.int64),
            by_class=no_sums(classes if used else 0, OBJECT_COLUMNS),
            by_host=no_sums(hosts if used else 0, HOST_COLUMNS),
            created=np.zeros((sites if used else 0, hosts), np.int64),
            spawn_ns=no_sums(sites if used else 0, 1),
        )
