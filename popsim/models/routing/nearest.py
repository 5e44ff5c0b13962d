"""Geographic routing: the site at the shortest great-circle distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popsim.models.registry import register
from popsim.models.routing.table import Floats, RoutingModel, RoutingTable, ranked

if TYPE_CHECKING:
    from popsim.world.clients import Clients
    from popsim.world.sites import Sites


@register("routing", "nearest")
class Nearest(RoutingModel):
    """Send each client to the site nearest on the globe; next nearest on failure."""

    def candidates(
        self, rtt_ms: Floats, km: Floats, clients: Clients, sites: Sites, seed: int
    ) -> RoutingTable:
        """Rank reachable sites by great-circle distance."""
        return ranked(km, np.isfinite(rtt_ms))
