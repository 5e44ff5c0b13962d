"""Regional tiers are told to drop what was written, edges wait for their TTL: Workers KV.

"Hybrid push/pull replication": https://developers.cloudflare.com/kv/concepts/how-kv-works/, 2026; that regional
tiers are told to purge within seconds: the same page of 2023-07.
"""

from __future__ import annotations

from popsim.models.kv_replication.contract import NOTHING, PURGE, Geography, Ints, KvRules
from popsim.models.kv_replication.tiered import TieredStore, tell
from popsim.models.registry import register


@register("kv_replication", "hybrid")
class Hybrid(TieredStore):
    """A write is seen everywhere after the edges' TTL: what they fetch then is new."""

    def rules(self) -> KvRules:
        """Return the rules; raises ValueError without a regional tier, which is who is told."""
        if not self.regional_tiers:
            raise ValueError(
                "hybrid tells the regional tiers of writes, and there is none; "
                "name some under regional_tiers, or use pull"
            )
        return super().rules()

    def told(self, geography: Geography) -> Ints:
        """Return PURGE for regional tiers, NOTHING for edges."""
        return tell(geography, edges=NOTHING, regions=PURGE)
