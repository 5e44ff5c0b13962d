"""Count what a key-value store did: where reads were answered, how old the answers were, what was written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from popsim.engine.arrays import rows
from popsim.engine.kv_books import SEEN_FIRST, SERVED_UNTIL, STALE_LAST, KvBooks, KvRows
from popsim.engine.kv_layout import (
    FAILED,
    K_ABSENT,
    K_BYTES_MEMORY,
    K_BYTES_WRITTEN,
    K_DELETES,
    K_EDGE_REFRESHES,
    K_GETS,
    K_LIMITED,
    K_LISTS,
    K_OWN_STALE,
    K_PUTS,
    K_READ_UNITS,
    K_REFRESH_STORE_READS,
    K_REGION_REFRESHES,
    K_STALE,
    K_TRUNCATED,
    K_WRITE_UNITS,
    K_WRITES_FAILED,
    MEMORY,
    WATCHED,
)
from popsim.engine.layout import KV_LIMITED, OK, P_KV, Inputs
from popsim.engine.recorder import bucket_of
from popsim.engine.specification.state import Request
from popsim.engine.specification.versions import Version, Versions
from popsim.engine.sums import add

if TYPE_CHECKING:
    from popsim.engine.specification.caches import Caches, Found
    from popsim.engine.specification.kv import Read


def billed_units(size: int, unit: int) -> int:
    """Return how many units of so many bytes are billed for a size: each that is begun, and one at least (rule 58)."""
    return max(-(-size // unit), 1)


class KvRecorder:
    """The books of a run's key-value store."""

    versions: Versions  # set by the plane, which makes all of them
    caches: Caches

    def __init__(self, inputs: Inputs, books: KvBooks) -> None:
        self.inputs, self.books = inputs, books
        self.spaces = rows(inputs.kv.spaces)
        self.rows = KvRows.of(len(inputs.kv.space_names), inputs.country_count)
        self.watched = 0
        self.country: list[int] = inputs.clients.country.tolist()

    def _count(self, site: int, space: int, column: int, amount: int = 1) -> None:
        add(self.books.by_site, site, column, amount)
        add(self.books.by_space, space, column, amount)

    def _is_measured(self, request: Request) -> bool:
        return request.start >= self.inputs.rules.warmup

    def read(self, request: Request, read: Read, began: float, now: float) -> None:
        """Record a read that is over."""
        request.phases[P_KV] += now - began
        if not self._is_measured(request):
            return
        site, space = request.compute, read.space
        self._count(site, space, K_GETS)
        worst = MEMORY
        for place, (key, found) in enumerate(zip(read.keys, read.found, strict=True)):
            if found is None:
                self._count(site, space, FAILED)
                worst = FAILED
                continue
            worst = max(worst, found.tier)
            self._count(site, space, found.tier)
            size = self.versions.size(key, space)
            self._count(site, space, K_BYTES_MEMORY + found.tier, size)
            if (unit := self.inputs.kv.scalars.read_unit) > 0:
                units = billed_units(0 if found.is_absent else size, unit)
                self._count(site, space, K_READ_UNITS, units)
            if found.is_absent:
                self._count(site, space, K_ABSENT)
            stale = self._staleness(read, key, found, began)
            if place == 0:
                request.kv_tier, request.kv_version = found.tier, found.version
                request.kv_stale, request.kv_age = stale, self._age(key, found.version, began)
        if worst == FAILED:
            return
        bucket = bucket_of(now - began)
        histogram, rows = self.books.histogram, self.rows
        histogram[rows.tier + worst, bucket] += 1
        histogram[rows.space + space, bucket] += 1
        histogram[rows.country + self.country[request.client], bucket] += 1

    def _staleness(self, read: Read, key: int, found: Found, began: float) -> float:
        """Return for how long a newer version had been there when the read began; 0 = it was fresh (rule 37)."""
        site, space, versions = read.site, read.space, self.versions.of(key)
        if not versions:
            return 0.0
        newest = versions[-1]
        seen = self.books.seen
        sees_it = newest.watch >= 0 and found.version >= newest.number
        if sees_it and seen[newest.watch, site, SEEN_FIRST] < 0.0:
            seen[newest.watch, site, SEEN_FIRST] = began
        oldest_newer, is_own = None, False
        for version in reversed(versions):
            if version.number <= found.version:
                break
            if version.commit >= began:
                continue
            oldest_newer = version
            is_own = is_own or (version.site == site and version.acked <= began)
            if version.watch >= 0:
                row = seen[version.watch, site]
                row[STALE_LAST] = max(row[STALE_LAST], began)
                until = self._served_until(site, read.epoch, key, version)
                row[SERVED_UNTIL] = max(row[SERVED_UNTIL], until)
        if oldest_newer is None:
            return 0.0
        stale = began - oldest_newer.commit
        self._count(site, space, K_STALE)
        if is_own:
            self._count(site, space, K_OWN_STALE)
        if oldest_newer.number > found.version + 1:
            self._count(site, space, K_TRUNCATED)
        self.books.histogram[self.rows.stale + space, bucket_of(stale)] += 1
        self.books.stale_max[space] = max(self.books.stale_max[space], stale)
        return stale

    def follow(self, version: Version, key: int, epochs: Iterable[int]) -> None:
        """Note until when each site serves the copy that it has when a write is committed, if the write is followed."""
        if version.watch < 0:
            return
        for site, epoch in enumerate(epochs):
            until = self._served_until(site, epoch, key, version)
            if until > version.commit:
                self.books.seen[version.watch, site, SERVED_UNTIL] = until

    def _served_until(self, site: int, epoch: int, key: int, version: Version) -> float:
        """Return until when a site serves its copy from before a version, if it has one; -1 = it has none."""
        copy = self.caches.copies[site].get(key)
        if copy is None or copy.epoch != epoch or copy.version >= version.number:
            return -1.0
        return min(copy.expiry, self.versions.told_at(version, site))

    def _age(self, key: int, number: int, began: float) -> float:
        """Return the age of a version in ms; -1 if it was there from the start, or is forgotten."""
        for version in reversed(self.versions.of(key)):
            if version.number == number:
                return began - version.commit
        return -1.0

    def refresh(self, cause: Read, *, at_edge: bool) -> None:
        """Count a read that a cache starts for itself."""
        if cause.is_measured:
            column = K_EDGE_REFRESHES if at_edge else K_REGION_REFRESHES
            self._count(cause.site, cause.space, column)

    def refresh_store_read(self, read: Read) -> None:
        """Count a refresh that goes to a store."""
        if read.is_measured:
            self._count(read.site, read.space, K_REFRESH_STORE_READS)

    def write(
        self, request: Request, space: int, began: float, now: float, size: int, outcome: int,
        *, is_absent: bool,
    ) -> None:  # fmt: skip
        """Record a write that is over."""
        request.phases[P_KV] += now - began
        if not self._is_measured(request):
            return
        site = request.compute
        if outcome != OK:
            limited = outcome == KV_LIMITED
            self._count(site, space, K_LIMITED if limited else K_WRITES_FAILED)
            return
        self._count(site, space, K_DELETES if is_absent else K_PUTS)
        self._count(site, space, K_BYTES_WRITTEN, size)
        if (unit := self.inputs.kv.scalars.write_unit) > 0:
            self._count(site, space, K_WRITE_UNITS, billed_units(size, unit))
        self.books.histogram[self.rows.write, bucket_of(now - began)] += 1

    def list(self, request: Request, space: int, began: float, now: float, outcome: int) -> None:
        """Record a listing."""
        request.phases[P_KV] += now - began
        if self._is_measured(request):
            self._count(request.compute, space, K_LISTS)

    def watch(self, request: Request | None, space: int, key: int, now: float) -> int:
        """Return the row in which a write's way to the sites is followed; -1 = it is not.

        Followed are the first writes after the warm-up of the most popular key of each partition of a space, and those
        of the control plane.
        """
        if request is None:
            if now < self.inputs.rules.warmup:
                return -1
        else:
            first, count = self.spaces[space].first, self.spaces[space].count
            if not self._is_measured(request) or (key - first) % count != 0:
                return -1
        if self.watched >= WATCHED:
            return -1
        row = self.watched
        self.watched += 1
        self.books.watched[row] = (now, key)
        return row
