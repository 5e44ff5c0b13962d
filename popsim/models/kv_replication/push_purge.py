"""All caches are told to drop what was written; the next read fetches it.

Content delivery networks purge so: Fastly within about 150 ms everywhere
(https://www.fastly.com/blog/building-fast-and-reliable-purging-system, 2014).
"""

from __future__ import annotations

from popsim.models.kv_replication.contract import PURGE, Geography, Ints
from popsim.models.kv_replication.tiered import TieredStore, tell
from popsim.models.registry import register


@register("kv_replication", "push_purge")
class PushPurge(TieredStore):
    """Edges and regional tiers drop their copies when the news arrives: half a round trip plus ``lag``."""

    def told(self, geography: Geography) -> Ints:
        """Return PURGE for all."""
        return tell(geography, edges=PURGE, regions=PURGE)
