"""All caches that hold a key get its new value.

Quicksilver sends every change of configuration to every server so
(https://blog.cloudflare.com/introducing-quicksilver-configuration-distribution-at-internet-scale/, 2020); here only
those that hold the key keep it.
"""

from __future__ import annotations

from popsim.models.kv_replication.contract import VALUE, Geography, Ints
from popsim.models.kv_replication.tiered import TieredStore, tell
from popsim.models.registry import register


@register("kv_replication", "push_value")
class PushValue(TieredStore):
    """Copies get the new value half a round trip plus ``lag`` after the write; their TTL runs on."""

    def told(self, geography: Geography) -> Ints:
        """Return VALUE for all."""
        return tell(geography, edges=VALUE, regions=VALUE)
