"""At the host nearest to the first caller, always: the ideal of ``first_request``."""

from __future__ import annotations

from popsim.models.object_placement.contract import Floats, Geography, TablePlacement
from popsim.models.object_placement.tables import nearest_table
from popsim.models.registry import register


@register("object_placement", "nearest_host")
class NearestHost(TablePlacement):
    """The host with the least round-trip time from the site that asks; of equals, the platform's first."""

    def likelihood(self, geography: Geography) -> Floats:
        """Return 1 for the nearest host of each site, [S, H]."""
        return nearest_table(geography.rtt)
