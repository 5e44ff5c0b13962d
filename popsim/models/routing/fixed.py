"""One site for every client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popsim.models.registry import register
from popsim.models.routing.table import (
    MAX_CANDIDATES,
    NO_SITE,
    Floats,
    RoutingModel,
    RoutingTable,
)

if TYPE_CHECKING:
    from popsim.world.clients import Clients
    from popsim.world.sites import Sites


@register("routing", "fixed")
class Fixed(RoutingModel):
    """Send every client to one site; when it fails, to the next of the list.

    ``sites`` are site ids, primary first; left out, the platform's sites in their own order. Unlike
    the other models, this one does not care whether another site is nearer.
    """

    sites: tuple[str, ...] = ()
    """Ids of sites, the primary first, the rest stand by; the platform's sites in their order, if left out."""

    def candidates(
        self, rtt_ms: Floats, km: Floats, clients: Clients, sites: Sites, seed: int
    ) -> RoutingTable:
        """Return the same ordered list for every client; raises ValueError for an unknown id."""
        wanted = (self.sites or sites.ids)[:MAX_CANDIDATES]
        row = {site: index for index, site in enumerate(sites.ids)}
        unknown = [site for site in wanted if site not in row]
        if unknown:
            raise ValueError(f"routing fixed: not a site of this platform: {', '.join(unknown)}")
        order = np.array([row[site] for site in wanted], dtype=np.int64)
        site = np.where(np.isfinite(rtt_ms[:, order]), order, NO_SITE)
        # an unreachable primary stays in the list as -1; move the reachable ones to the front
        front = np.argsort(site == NO_SITE, axis=1, kind="stable")
        site = np.take_along_axis(site, front, axis=1)
        share = np.zeros(site.shape)
        share[:, 0] = 1.0
        return RoutingTable(site=site, share=share)
