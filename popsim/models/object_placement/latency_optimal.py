"""Where its callers wait least for the network: the bound for homes that never move."""

from __future__ import annotations

import numpy as np

from popsim.models.object_placement.contract import Callers, Geography, Ints, KnowingPlacement
from popsim.models.object_placement.tables import UNREACHABLE_MS
from popsim.models.registry import register


@register("object_placement", "latency_optimal")
class LatencyOptimal(KnowingPlacement):
    """The host with the least sum of round-trip times over all calls; of equals, the platform's first.

    No other home that never moves has a lower mean round-trip time from the callers' sites. Queues and storage are not
    looked at.
    """

    def homes(self, callers: Callers, geography: Geography) -> Ints:
        """Return the host of each object, shape (N,)."""
        rtt = np.minimum(geography.rtt, UNREACHABLE_MS)
        return np.asarray((callers.calls @ rtt).argmin(axis=1), dtype=np.int64)
