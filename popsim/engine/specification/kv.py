"""Reads of a key-value store: from the cache at the site up the tiers, and back.

A read is a message that climbs: the site's caches, its regional tier, a central store. What it finds is stored
on the way back, at each tier's own time (rule 30).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import simpy

from popsim.engine import draws
from popsim.engine.arrays import rows
from popsim.engine.kv_layout import (
    COALESCED,
    EDGE,
    MEMORY,
    REGION,
    STORE,
)
from popsim.engine.layout import (
    KILLED,
    KV_UNAVAILABLE,
    OK,
    ORDINARY,
    REFRESH,
    WAKE,
    Inputs,
)
from popsim.engine.specification.caches import Caches, Copy, Fetching, Found
from popsim.engine.specification.clock import at, trigger_at
from popsim.engine.specification.keys import Keys
from popsim.engine.specification.kv_recorder import KvRecorder
from popsim.engine.specification.lookups import Lookups
from popsim.engine.specification.state import Request, Site
from popsim.engine.specification.stores import Stores
from popsim.engine.specification.versions import FOREVER, Versions

Life = Generator[simpy.Event, Any, None]
Outcome = Generator[simpy.Event, Any, int]


@dataclass(eq=False)
class Read:
    """A read on its way: a request's, or one that a cache does for itself."""

    request: int
    position: int  # in its program
    rank: int
    number: int  # with the rank, the key of its events
    site: int
    epoch: int
    space: int
    keys: list[int]
    found: list[Found | None]
    edge_ttl: float
    is_measured: bool
    has_failed: bool = False
    wake: simpy.Event | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether every key was found."""
        return None not in self.found


class KeyValue:
    """The caches, regional tiers and stores of one platform, as a read meets them."""

    def __init__(
        self,
        env: simpy.Environment,
        inputs: Inputs,
        lookups: Lookups,
        sites: list[Site],
        recorder: KvRecorder,
        count_event: Callable[[], None],
    ) -> None:
        self.env, self.inputs, self.lookups, self.sites = env, inputs, lookups, sites
        kv = inputs.kv
        self.rules = kv.scalars
        self.keys = Keys(inputs, lookups)
        self.versions = Versions(inputs, lookups)
        self.caches = Caches(inputs, lookups, self.versions)
        self.recorder, self.count_event = recorder, count_event
        self.stores = Stores(inputs, lookups)
        self.tier_links = rows(kv.tier_links)

    # --- reading ------------------------------------------------------------------------------------------

    def get(self, request: Request, pc: int, step: Any, keys: list[int]) -> Outcome:
        """Read keys, one as a rule; tell in ``request.is_absent`` whether one has no value."""
        began, site = self.env.now, self.sites[request.compute]
        read = self.read_of(request, pc, step, site, keys)
        for place, key in enumerate(keys):
            read.found[place] = self._at_site(read, key)
        if read.is_complete:
            in_memory = all(found is not None and found.tier == MEMORY for found in read.found)
            table = self.rules.memory_table if in_memory else self.rules.edge_table
            service = self.stores.service(table, read.request, read.position, draws.AT_EDGE)
            yield from self._pause(read, began + service)
        else:
            table = self.rules.edge_table
            service = self.stores.service(table, read.request, read.position, draws.AT_EDGE)
            yield from self._from_above(read, service)
        if site.epoch != read.epoch:
            return KILLED
        self.recorder.read(request, read, began, self.env.now)
        request.is_absent = any(found is None or found.is_absent for found in read.found)
        return KV_UNAVAILABLE if read.has_failed else OK

    def read_of(self, request: Request, pc: int, step: Any, site: Site, keys: list[int]) -> Read:
        """Return a read of a request, with nothing found yet."""
        return Read(
            request=request.number,
            position=draws.position(request.turn, pc),
            rank=ORDINARY,
            number=request.number,
            site=request.compute,
            epoch=site.epoch,
            space=step.space,
            keys=keys,
            found=[None] * len(keys),
            edge_ttl=step.lifetime or self.rules.edge_ttl,
            is_measured=request.start >= self.inputs.rules.warmup,
        )

    def _at_site(self, read: Read, key: int) -> Found | None:
        """Look a key up in the site's memory, then in its edge cache."""
        rules, now = self.rules, self.env.now
        if rules.memory_bytes > 0:
            cache = self.caches.first_memory + read.site
            copy = self.caches.find(cache, read.site, key, now, read.epoch, read.edge_ttl)
            if copy is not None:
                return _found(copy, MEMORY)
        if not rules.has_edge:
            return None
        copy = self.caches.find(read.site, read.site, key, now, read.epoch, read.edge_ttl)
        if copy is None:
            return None
        self._give_life(copy, read.edge_ttl)
        found = _found(copy, EDGE)
        if self._is_due(copy, read.edge_ttl) and self._may_refresh(
            read, read.site, key, read.epoch
        ):
            copy.is_refreshed = True
            self._refresh(read, key, at_edge=True)
        if rules.memory_bytes > 0:
            self._keep_in_memory(read, key, found, copy.since, copy.expiry)
        return found

    @staticmethod
    def _give_life(copy: Copy, ttl: float) -> None:
        """Let a copy live by the TTL of the read that has just found it (rule 30)."""
        copy.expiry = min(copy.since + ttl, copy.until)

    def _is_due(self, copy: Copy, ttl: float) -> bool:
        """Tell whether a copy is older than its share of a TTL, and nobody has asked for a new one."""
        return not copy.is_refreshed and copy.since + self.rules.refresh_after * ttl <= self.env.now

    def _keep_in_memory(
        self, read: Read, key: int, found: Found, since: float, expiry: float
    ) -> None:
        now, ttl = self.env.now, self.rules.memory_ttl
        cache, size = self.caches.first_memory + read.site, self.versions.size(key, read.space)
        end = min(self.caches.since(cache, key, now, ttl) + ttl, expiry)
        self.caches.keep(cache, key, found, now, since, end, read.epoch, size)

    def _from_above(self, read: Read, leave: float) -> Life:
        """Wait for the same key's read that is under way, or climb and store what was found."""
        if len(read.keys) > 1 or not self.rules.coalesces:
            yield from self._climb(read, leave)
            self.keep_at_site(read)
            return
        key = read.keys[0]
        fetching = self.caches.under_way(read.site, key, read.epoch)
        if fetching is not None and (self._vouches(read) or fetching.ttl <= read.edge_ttl):
            yield from self._wait(read, fetching)
            return
        fetching = self.caches.set_out(read.site, key, read.epoch, read.edge_ttl)
        yield from self._climb(read, leave)
        self.keep_at_site(read)
        self.caches.come_back(read.site, key, fetching)
        self._wake(read, fetching)

    def _climb(self, read: Read, leave: float) -> Life:
        """Go up from the site, after ``leave`` ms, and come back to it."""
        link = self.tier_links[read.site]
        if link.region < 0:
            yield from self._to_store(read, read.site, leave)
            return
        yield from self._pause(read, self.env.now + (leave + link.rtt * 0.5))
        yield from self._at_region(read, self.inputs.site_count + link.region, link.rtt)

    def _vouches(self, read: Read) -> bool:
        """Tell whether nothing between a site and the stores hands on an age (rule 30)."""
        link = self.tier_links[read.site]
        return bool(link.region < 0 or link.vouches)

    def _at_region(self, read: Read, region: int, rtt: float) -> Life:
        now, key = self.env.now, read.keys[0]
        is_single, vouches = len(read.keys) == 1, self._vouches(read)
        ttl = FOREVER if vouches else read.edge_ttl
        for place, each in enumerate(read.keys):
            if read.found[place] is None:
                copy = self.caches.find(region, region, each, now, 0, ttl)
                if copy is None:
                    continue
                since = FOREVER if vouches else copy.since
                read.found[place] = replace(_found(copy, REGION), since=since)
                is_due = self._is_due(copy, self.rules.region_ttl)
                if is_due and self._may_refresh(read, region, each, 0):
                    copy.is_refreshed = True
                    self._refresh(read, each, at_edge=False)
        table = self.rules.region_table
        service = self.stores.service(table, read.request, read.position, draws.AT_REGION)
        if read.is_complete:
            yield from self._pause(read, now + (service + rtt * 0.5))
            return
        coalesces = is_single and self.rules.coalesces
        fetching = self.caches.under_way(region, key, 0) if coalesces else None
        if fetching is not None:
            yield from self._wait(read, fetching)
        else:
            fetching = self.caches.set_out(region, key, 0, read.edge_ttl) if coalesces else None
            yield from self._to_store(read, region, service)
            self._keep_at_region(read, region)
            if fetching is not None:
                self.caches.come_back(region, key, fetching)
                self._wake(read, fetching)
        yield from self._pause(read, self.env.now + rtt * 0.5)

    def _to_store(self, read: Read, node: int, leave: float) -> Life:
        """Ask a store and come back to the node; what was there when the question arrived counts."""
        choice = self.stores.to_read(node, read.request, read.position)
        if choice is None:
            read.has_failed = True
            yield from self._pause(read, self.env.now + leave)
            return
        store, rtt, service = choice
        yield from self._pause(read, self.env.now + (leave + rtt * 0.5))
        if not self.stores.is_up[store]:
            read.has_failed = True
            yield from self._pause(read, self.env.now + rtt * 0.5)
            return
        if read.rank == REFRESH:
            self.recorder.refresh_store_read(read)
        for place, key in enumerate(read.keys):
            if read.found[place] is None:
                read.found[place] = self._in_store(read.space, key, store)
        yield from self._pause(read, self.env.now + (service + rtt * 0.5))

    def _in_store(self, space: int, key: int, store: int) -> Found:
        now = self.env.now
        version = self.versions.at_store(key, store, now)
        if version is None:
            is_absent = self.versions.is_absent_at_start(key, space)
            return Found(0, is_absent, FOREVER, STORE)
        if version.until <= now:
            return Found(version.number, True, FOREVER, STORE)
        return Found(version.number, version.is_absent, version.until, STORE)

    def keep_at_site(self, read: Read) -> None:
        """Store what came from above at the site, if it has not failed since."""
        rules, now = self.rules, self.env.now
        if self.sites[read.site].epoch != read.epoch or read.has_failed or not rules.has_edge:
            return
        for key, found in zip(read.keys, read.found, strict=True):
            if found is None or found.tier <= EDGE:
                continue
            size, ttl = self.versions.size(key, read.space), read.edge_ttl
            since = min(self.caches.since(read.site, key, now, self._cycle(ttl)), found.since)
            self.caches.keep(read.site, key, found, now, since, since + ttl, read.epoch, size)
            if rules.memory_bytes > 0:
                self._keep_in_memory(read, key, found, since, since + ttl)

    def _cycle(self, ttl: float) -> float:
        """Return how often a copy that is read all the time is renewed, in ms."""
        return ttl if self.rules.refresh_after == FOREVER else self.rules.refresh_after * ttl

    def _keep_at_region(self, read: Read, region: int) -> None:
        if read.has_failed:
            return
        now, ttl, vouches = self.env.now, self.rules.region_ttl, self._vouches(read)
        cycle = self._cycle(ttl if vouches else min(ttl, read.edge_ttl))
        for key, found in zip(read.keys, read.found, strict=True):
            if found is not None and found.tier == STORE:
                size = self.versions.size(key, read.space)
                since = self.caches.since(region, key, now, cycle)
                self.caches.keep(region, key, found, now, since, since + ttl, 0, size)
                found.since = FOREVER if vouches else since

    def _wait(self, read: Read, fetching: Fetching) -> Life:
        read.wake = self.env.event()
        fetching.waiting.append(read)
        yield read.wake
        self.count_event()

    def _wake(self, read: Read, fetching: Fetching) -> None:
        """Give all who waited what the read has found, or its failure (rule 34)."""
        found = read.found[0]
        for waiter in fetching.waiting:
            waiter.has_failed = read.has_failed
            if found is not None:
                waiter.found[0] = replace(found, tier=COALESCED)
            rank = WAKE if waiter.rank == ORDINARY else waiter.rank
            trigger_at(waiter.wake, self.env.now, rank, waiter.number)

    # --- refreshing ---------------------------------------------------------------------------------------

    def _may_refresh(self, read: Read, cache: int, key: int, epoch: int) -> bool:
        """Tell whether a read may set off a refresh: single ones do, if none is under way (rule 35)."""
        return len(read.keys) == 1 and self.caches.under_way(cache, key, epoch) is None

    def _refresh(self, cause: Read, key: int, *, at_edge: bool) -> None:
        """Start a read by a cache itself, in the background."""
        self.recorder.refresh(cause, at_edge=at_edge)
        level = 0 if at_edge else 1
        read = Read(
            request=cause.request,
            position=cause.position,
            rank=REFRESH,
            number=(cause.request << draws.REFRESH_SHIFT) + (cause.position << 1) + level,
            site=cause.site,
            epoch=cause.epoch,
            space=cause.space,
            keys=[key],
            found=[None],
            edge_ttl=cause.edge_ttl,
            is_measured=cause.is_measured,
        )
        node = read.site if at_edge else self.inputs.site_count + self.tier_links[read.site].region
        fetching = None
        if self.rules.coalesces:
            epoch = read.epoch if at_edge else 0
            fetching = self.caches.set_out(node, key, epoch, read.edge_ttl)
        self.env.process(self._refreshing(read, node, fetching))

    def _refreshing(self, read: Read, node: int, fetching: Fetching | None) -> Life:
        if node < self.inputs.site_count:
            yield from self._climb(read, 0.0)
            self.keep_at_site(read)
        else:
            yield from self._to_store(read, node, 0.0)
            self._keep_at_region(read, node)
        if fetching is not None:
            self.caches.come_back(node, read.keys[0], fetching)
            self._wake(read, fetching)

    # --- the clock ------------------------------------------------------------------------------------------

    def _pause(self, read: Read, time: float) -> Life:
        yield at(self.env, time, read.rank, read.number)
        self.count_event()


def _found(copy: Copy, tier: int) -> Found:
    return Found(copy.version, copy.is_absent, copy.until, tier)
