"""The common part of stores with caches at the sites, regional tiers and a few central stores.

The shape is that of Workers KV (https://developers.cloudflare.com/kv/concepts/how-kv-works/, 2026). The models
derived from it differ in one thing: who is told of a write.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from popsim.models.kv_replication.contract import (
    NO_TIME,
    CacheRules,
    CentralStore,
    Geography,
    Ints,
    KvModel,
    KvRules,
    Prices,
    nearest_first,
)
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.fields import DurationMs, LawField, Names, PositiveMs, Share, SizeBytes
from popsim.scenario.parts import OriginSpec
from popsim.scenario.units import format_duration
from popsim.world.origins import locate_origin
from popsim.world.places import matching_names
from popsim.world.sites import Place, Sites


class StoreSpec(OriginSpec):
    """A central store: where it is, and how long a read and a write take there."""

    read: LawField = NO_TIME
    """The store's own time for a read."""
    write: LawField = NO_TIME
    """The store's own time for a write."""


Stores = Annotated[dict[str, StoreSpec], Field(min_length=1)]


def place_of(name: str, spec: StoreSpec) -> Place:
    """Return where a store is; raises InputError, its path relative to the store's keys."""
    if spec.country is not None:
        try:
            matching_names("country", [spec.country])
        except InputError as error:
            raise error.under("country") from None
    return locate_origin(name, spec)


def located(stores: dict[str, StoreSpec]) -> tuple[CentralStore, ...]:
    """Return stores with their places; raises InputError, its path relative to the model."""
    found, problems = [], list[Problem]()
    for name, spec in stores.items():
        try:
            place = place_of(name, spec)
        except InputError as error:
            problems += error.under("stores", name).problems
        else:
            found.append(CentralStore(place, spec.read, spec.write))
    if problems:
        raise InputError(problems)
    return tuple(found)


class TieredStore(KvModel):
    """Central stores, regional tiers, a cache and an in-memory set at every site."""

    stores: Stores
    """Central stores by name, which have every key; the first is the primary."""
    reads: Literal["nearest", "race"] = "nearest"
    """From the nearest store that is up, or from all at once: the first answer counts."""
    writes: Literal["primary", "nearest", "race"] = "primary"
    """The first named store, else the next, that is up; the nearest; or the first to answer."""
    sync: LawField = NO_TIME
    """Until another store has a write, beyond half a round trip."""
    regional_tiers: Names | None = None
    """Ids of sites with a cache between sites and stores; each site asks the nearest. None, if left out."""
    ttl: PositiveMs = 60_000.0
    """How long a copy at a site serves reads that do not say (``cache_ttl``)."""
    region_ttl: PositiveMs | None = None
    """Of a copy at a regional tier; ``ttl`` if left out."""
    minimum_ttl: DurationMs = 30_000.0
    """``ttl`` and ``cache_ttl`` below it are mistakes."""
    minimum_expiration: DurationMs = 60_000.0
    """``expiration_ttl`` below it is a mistake."""
    refresh_after: Annotated[Share, Field(gt=0)] | None = None
    """Share of the TTL after which a read makes the cache ask for a new copy; never, if left out."""
    coalesce: bool = True
    """Who misses what is on its way waits for it."""
    write_through: bool = True
    """The site that wrote keeps the value in its cache."""
    write_gap: DurationMs = 1_000.0
    """A key that is written again sooner is refused."""
    memory_size: SizeBytes = 0
    """Of a site's set of keys in memory; 0 = there is none."""
    memory_ttl: PositiveMs = 10_000.0
    """Of a copy in a site's memory."""
    edge_size: SizeBytes = 0
    """Of a site's cache; the least recently used goes; 0 = no limit."""
    region_size: SizeBytes = 0
    """Of a tier's cache; the least recently used goes; 0 = no limit."""
    memory_lookup: LawField = NO_TIME
    """Time in a site's memory."""
    edge_lookup: LawField = NO_TIME
    """Time in a site's cache."""
    region_lookup: LawField = NO_TIME
    """Time in a tier's cache."""
    listing: LawField = NO_TIME
    """Time of a ``kv.list`` in the store."""
    lag: LawField = NO_TIME
    """Until a cache that is told knows of a write, beyond half a round trip."""
    prices: Prices | None = None
    """USD per million operations; unknown, if left out, ``{}`` if they are free."""

    def central_stores(self, sites: Sites) -> tuple[CentralStore, ...]:
        """Return the stores as named."""
        return located(self.stores)

    def tier_sites(self) -> tuple[str, ...]:
        """Return the regional tiers as named."""
        return self.regional_tiers or ()

    def write_order(self, geography: Geography) -> Ints:
        """Return the primary first, or the nearest."""
        if self.writes == "primary":
            return super().write_order(geography)
        return nearest_first(geography.site_store_rtt)

    def rules(self) -> KvRules:
        """Return the rules; raises InputError for a TTL under the minimum."""
        if self.ttl < self.minimum_ttl:
            least = format_duration(self.minimum_ttl)
            message = f"ttl is {format_duration(self.ttl)}, under the minimum of {least}"
            raise InputError([Problem(None, None, None, ("ttl",), message)])
        return KvRules(
            caches=CacheRules(
                has_edge=True,
                edge_ttl=self.ttl,
                region_ttl=self.region_ttl or self.ttl,
                memory_ttl=self.memory_ttl,
                memory_bytes=self.memory_size,
                edge_bytes=self.edge_size,
                region_bytes=self.region_size,
                refresh_after=self.refresh_after,
                coalesces=self.coalesce,
                writes_through=self.write_through,
                memory_lookup=self.memory_lookup,
                edge_lookup=self.edge_lookup,
                region_lookup=self.region_lookup,
            ),
            reads="race" if self.reads == "race" else "ordered",
            writes="race" if self.writes == "race" else "ordered",
            write_gap=self.write_gap,
            listing=self.listing,
            lag=self.lag,
            sync=self.sync,
            minimum_ttl=self.minimum_ttl,
            minimum_expiration=self.minimum_expiration,
            prices=self.prices,
        )


def tell(geography: Geography, *, edges: int, regions: int) -> Ints:
    """Return a table for :meth:`KvModel.told`: the same for all edges, the same for all tiers."""
    row = [edges] * len(geography.sites.ids) + [regions] * len(geography.tiers.ids)
    return np.tile(np.array(row, dtype=np.int64), (len(geography.stores.ids), 1))
