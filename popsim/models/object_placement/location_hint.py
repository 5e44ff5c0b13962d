"""In the region that a developer names, whoever asks first: Durable Objects' location hints.

"Hints are a best effort": without hosts in the region, a neighbour's are used, sam's in enam
(https://developers.cloudflare.com/durable-objects/reference/data-location/, 2026; regions.py has all neighbours).
"""

from __future__ import annotations

from popsim.models.object_placement.contract import Floats, Geography
from popsim.models.object_placement.first_request import FirstRequest
from popsim.models.object_placement.regions import Hint, hosts_for
from popsim.models.registry import register


@register("object_placement", "location_hint")
class LocationHint(FirstRequest):
    """The hosts of a region, or of its neighbour, that are nearest to the first caller.

    ASSUMPTION: among these hosts the rule of ``first_request`` holds, with its parameters: objects spread over hosts
    within ``reach`` of the nearest. When a home is lost, hosts elsewhere may take over, as the hint binds nobody.
    """

    hint: Hint
    """The region whose hosts are used; a neighbour's, if it has none."""

    def likelihood(self, geography: Geography) -> Floats:
        """Return the slots that each host has of each site's, 0 outside the region, [S, H]."""
        return self._slots_among(geography, hosts_for(geography.hosts, self.hint))
