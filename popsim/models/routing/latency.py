"""Latency-based routing: the site with the lowest round-trip time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popsim.models.registry import register
from popsim.models.routing.table import Floats, RoutingModel, RoutingTable, ranked

if TYPE_CHECKING:
    from popsim.world.clients import Clients
    from popsim.world.sites import Sites


@register("routing", "latency")
class Latency(RoutingModel):
    """Send each client to the site with the lowest RTT; next lowest on failure.

    This is what latency-based DNS records promise (Amazon Route 53 developer guide, "Latency-based
    routing",
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-latency.html).
    ASSUMPTION: the measured latencies behind the records are those of the client itself, not of its
    resolver's network.
    """

    def candidates(
        self, rtt_ms: Floats, km: Floats, clients: Clients, sites: Sites, seed: int
    ) -> RoutingTable:
        """Rank sites by RTT."""
        return ranked(rtt_ms, np.isfinite(rtt_ms))
