"""The caches in front of a store: copies of keys at sites and regional tiers, and reads on their way there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from popsim.engine import draws
from popsim.engine.kv_layout import NOTHING, PURGE
from popsim.engine.layout import Inputs
from popsim.engine.specification.lookups import Lookups
from popsim.engine.specification.versions import FOREVER, Versions


@dataclass(eq=False)
class Found:
    """What a read has found for one key."""

    version: int
    is_absent: bool
    until: float  # when the value expires
    tier: int
    since: float = FOREVER  # from when on its age counts; at the latest, when it is kept


@dataclass(eq=False)
class Copy:
    """A key in a cache."""

    version: int
    is_absent: bool
    until: float
    expiry: float  # when the copy is thrown away, at the latest at ``until``
    since: float  # from when on its age counts
    epoch: int
    size: int
    is_refreshed: bool = False  # a read has made the cache ask for a new copy


@dataclass(eq=False)
class Fetching:
    """A read that is on its way for a cache, and who waits for it."""

    epoch: int
    ttl: float  # that of the read
    waiting: list[Any] = field(default_factory=list)


class Caches:
    """All caches of a run, by number: edges, regional tiers, in-memory sets."""

    def __init__(self, inputs: Inputs, lookups: Lookups, versions: Versions) -> None:
        rules = inputs.kv.scalars
        sites, regions = inputs.site_count, inputs.kv.regions
        self.lookups, self.versions = lookups, versions
        self.first_memory = sites + regions
        self.limits = (
            [rules.edge_bytes] * sites
            + [rules.region_bytes] * regions
            + [rules.memory_bytes] * sites
        )
        # Dicts keep insertion order: in a limited cache the first is the least recently used.
        self.copies: list[dict[int, Copy]] = [{} for _ in self.limits]
        self.bytes = [0] * len(self.limits)
        self.fetching: dict[tuple[int, int], Fetching] = {}

    def find(
        self, cache: int, node: int, key: int, time: float, epoch: int, ttl: float
    ) -> Copy | None:
        """Return a copy younger than ``ttl`` that may be served, brought up to date by what its node was told (rule 31)."""
        copy = self.copies[cache].get(key)
        if copy is None or copy.epoch != epoch or not copy.expiry > time:
            return None
        if not copy.since + ttl > time:
            return None
        action, version = self.versions.told_since(node, key, copy.version, time)
        if action == PURGE:
            return None
        if action != NOTHING and version is not None:
            copy.version, copy.is_absent = version.number, version.is_absent
            copy.until = version.until
            copy.expiry = min(copy.expiry, version.until)
            if not copy.expiry > time:
                return None
        if self.limits[cache] > 0:
            self.copies[cache][key] = self.copies[cache].pop(key)
        return copy

    def since(self, cache: int, key: int, time: float, cycle: float) -> float:
        """Return from when on the age of a copy counts that is stored now and renewed every ``cycle`` ms (rule 30)."""
        return self.lookups.since(draws.CACHE_PHASE, key, cache, time, cycle)

    def keep(
        self, cache: int, key: int, found: Found, time: float, since: float, expiry: float,
        epoch: int, size: int,
    ) -> None:  # fmt: skip
        """Store a copy, unless a newer one is there; evict the least recently used for it (rule 33)."""
        copies, limit = self.copies[cache], self.limits[cache]
        old = copies.get(key)
        if old is not None:
            if old.epoch == epoch and old.expiry > time and old.version > found.version:
                return
            del copies[key]
            self.bytes[cache] -= old.size
        if limit > 0:
            if size > limit:
                return
            while self.bytes[cache] + size > limit:
                oldest = next(iter(copies))
                self.bytes[cache] -= copies.pop(oldest).size
        copies[key] = Copy(
            found.version, found.is_absent, found.until, min(expiry, found.until), since, epoch, size
        )  # fmt: skip
        self.bytes[cache] += size

    def under_way(self, cache: int, key: int, epoch: int) -> Fetching | None:
        """Return the read that is on its way for this cache and key, if its site has not failed since."""
        fetching = self.fetching.get((cache, key))
        return fetching if fetching is not None and fetching.epoch == epoch else None

    def set_out(self, cache: int, key: int, epoch: int, ttl: float) -> Fetching:
        """Note that a read sets out for this cache."""
        fetching = self.fetching[cache, key] = Fetching(epoch, ttl)
        return fetching

    def come_back(self, cache: int, key: int, fetching: Fetching) -> None:
        """Note that a read is back."""
        if self.fetching.get((cache, key)) is fetching:
            del self.fetching[cache, key]
