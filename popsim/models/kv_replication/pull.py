"""Caches without invalidation: a copy lives for its TTL, and its age counts through all tiers.

HTTP caches are so (RFC 9111, 2022, section 4.2.3).
"""

from __future__ import annotations

from popsim.models.kv_replication.tiered import TieredStore
from popsim.models.registry import register


@register("kv_replication", "pull")
class Pull(TieredStore):
    """A copy is served until its TTL is over, whatever was written meanwhile.

    A write is seen everywhere after the edges' TTL: a regional tier hands on how old its copy is.
    """
