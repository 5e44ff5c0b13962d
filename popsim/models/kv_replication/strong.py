"""No copies at all: every read and write goes to the primary store.

A lower bound of what linearizable reads cost: Deno KV's strong reads take 7 ms in Virginia and 194 ms from Hong Kong
(https://docs.deno.com/deploy/classic/kv_on_deploy/, 2026).
"""

from __future__ import annotations

import numpy as np

from popsim.models.kv_replication.contract import (
    NO_TIME,
    CentralStore,
    Geography,
    Ints,
    KvModel,
    KvRules,
    Prices,
)
from popsim.models.kv_replication.tiered import Stores, located
from popsim.models.registry import register
from popsim.scenario.fields import DurationMs, LawField
from popsim.world.sites import Sites


@register("kv_replication", "strong")
class Strong(KvModel):
    """The first store answers everything; if it fails, no store answers, so that no write is lost."""

    stores: Stores
    """Stores by name; the first answers everything."""
    listing: LawField = NO_TIME
    """Time of a ``kv.list`` in the store."""
    write_gap: DurationMs = 0.0
    """A key that is written again sooner is refused."""
    prices: Prices | None = None
    """USD per million operations; unknown, if left out, ``{}`` if they are free."""

    def central_stores(self, sites: Sites) -> tuple[CentralStore, ...]:
        """Return the stores as named."""
        return located(self.stores)

    def read_order(self, geography: Geography) -> Ints:
        """Return the primary, and no other."""
        return np.zeros((len(geography.sites.ids), 1), dtype=np.int64)

    def write_order(self, geography: Geography) -> Ints:
        """Return the primary, and no other."""
        return np.zeros((len(geography.sites.ids), 1), dtype=np.int64)

    def rules(self) -> KvRules:
        """Return rules without any cache."""
        return KvRules(write_gap=self.write_gap, listing=self.listing, prices=self.prices)
