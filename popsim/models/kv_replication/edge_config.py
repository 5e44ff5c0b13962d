"""Everything is everywhere: each site has a full copy, writes are slow: Vercel's Edge Config.

Reads mostly under 1 ms, under 15 ms at p99; writes reach all sites within 10 s
(https://vercel.com/docs/edge-config, 2026).
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
from popsim.models.kv_replication.tiered import StoreSpec, place_of
from popsim.models.registry import register
from popsim.scenario.errors import InputError
from popsim.scenario.fields import LawField
from popsim.world.sites import Place, Sites


@register("kv_replication", "edge_config")
class EdgeConfig(KvModel):
    """One store takes the writes; every site has all keys, ``propagation`` later (and half a round trip)."""

    primary: StoreSpec
    """The store that takes the writes."""
    read: LawField = NO_TIME
    """Time of a read at a site."""
    propagation: LawField = NO_TIME
    """Until a site has a write, beyond half a round trip."""
    prices: Prices | None = None
    """USD per million operations; unknown, if left out, ``{}`` if they are free."""

    def central_stores(self, sites: Sites) -> tuple[CentralStore, ...]:
        """Return the primary, then one at every site."""
        try:
            place = place_of("primary", self.primary)
        except InputError as error:
            raise error.under("primary") from None
        everywhere = (
            Place(site, *rest)
            for site, *rest in zip(
                sites.ids, sites.cities, sites.countries, sites.lat, sites.lon, strict=True
            )
        )
        first = CentralStore(place, self.primary.read, self.primary.write)
        return (first, *(CentralStore(own, self.read) for own in everywhere))

    def read_order(self, geography: Geography) -> Ints:
        """Return each site's own copy."""
        count = len(geography.sites.ids)
        return np.arange(1, count + 1, dtype=np.int64)[:, None]

    def write_order(self, geography: Geography) -> Ints:
        """Return the primary."""
        return np.zeros((len(geography.sites.ids), 1), dtype=np.int64)

    def rules(self) -> KvRules:
        """Return rules without any cache."""
        return KvRules(sync=self.propagation, listing=self.read, prices=self.prices)
