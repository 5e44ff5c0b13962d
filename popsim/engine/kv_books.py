"""Keep the books of a key-value store; the compiled engine has the same in ``compiled/kv_record.py``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from popsim.engine.arrays import Floats, Ints
from popsim.engine.kv_layout import KV_COLUMNS, TIERS, WATCHED
from popsim.engine.outputs import BUCKETS
from popsim.engine.sums import no_sums

# Columns of KvBooks.seen: ms of the first read of a site that saw a write, of the last that did not, and until when the copy
# that the site had then would have been served, had anyone asked; -1 = none.
SEEN_FIRST, STALE_LAST, SERVED_UNTIL = 0, 1, 2


@dataclass(frozen=True)
class KvRows:
    """Where each group's rows start in the histogram array of a key-value store."""

    tier: int
    space: int
    country: int
    write: int
    stale: int
    count: int

    @staticmethod
    def of(spaces: int, countries: int) -> KvRows:
        """Lay out: reads by tier, by key space, by country; writes; staleness by key space."""
        country = len(TIERS) + spaces
        write = country + countries
        return KvRows(0, len(TIERS), country, write, write + 1, write + 1 + spaces)


@dataclass
class KvBooks:
    """What a run has recorded of its key-value store; empty arrays if it has none."""

    histogram: Ints  # [KvRows, BUCKETS]: latencies in ms, and ms since a newer version was there
    by_space: Ints  # sums [P, KV_COLUMNS]
    by_site: Ints  # sums [S, KV_COLUMNS]
    watched: Floats  # [WATCHED, 2]: (ms of the commit, key) of the writes that are followed; key -1
    seen: Floats  # [WATCHED, S, 3]: when each site saw a write that is followed; columns above
    stale_max: Floats = field(default_factory=lambda: np.zeros(0))  # [P] ms

    @staticmethod
    def empty(*, spaces: int, countries: int, sites: int, is_used: bool) -> KvBooks:
        """Return books with nothing in them."""
        rows = KvRows.of(spaces, countries).count if is_used else 0
        writes = WATCHED if is_used else 0
        return KvBooks(
            histogram=np.zeros((rows, BUCKETS), np.int64),
            by_space=no_sums(spaces if is_used else 0, KV_COLUMNS),
            by_site=no_sums(sites if is_used else 0, KV_COLUMNS),
            watched=np.full((writes, 2), -1.0),
            seen=np.full((writes, sites if is_used else 0, 3), -1.0),
            stale_max=np.zeros(spaces if is_used else 0),
        )
