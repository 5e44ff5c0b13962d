"""Writes and listings of a key-value store: to a central store and back."""

from __future__ import annotations

from typing import Any

from popsim.engine import draws
from popsim.engine.kv_layout import STORE
from popsim.engine.layout import KILLED, KV_LIMITED, KV_UNAVAILABLE, OK, ORDINARY
from popsim.engine.specification.caches import Found
from popsim.engine.specification.clock import at
from popsim.engine.specification.kv import KeyValue, Life, Outcome
from popsim.engine.specification.state import Request
from popsim.engine.specification.versions import FOREVER, Version


class Writes:
    """What writes do to the stores that reads meet."""

    def __init__(self, reads: KeyValue) -> None:
        self.reads = reads
        self.env, self.sites, self.rules = reads.env, reads.sites, reads.rules
        self.stores, self.versions, self.recorder = reads.stores, reads.versions, reads.recorder

    def put(
        self, request: Request, pc: int, step: Any, key: int, ttl: float, *, is_absent: bool
    ) -> Outcome:
        """Write a key, or delete it: to a store and back (rule 32). ``ttl`` is the value's, in ms."""
        began, site = self.env.now, self.sites[request.compute]
        epoch, outcome = site.epoch, OK
        position = draws.position(request.turn, pc)
        choice = self.stores.to_write(request.compute, request.number, position)
        version = None
        if choice is None:
            outcome = KV_UNAVAILABLE
            yield from self._pause(request, began)
        else:
            store, rtt, service = choice
            yield from self._pause(request, began + rtt * 0.5)
            now = self.env.now
            if not self.stores.is_up[store]:
                outcome = KV_UNAVAILABLE
            elif self.versions.is_too_soon(key, now):
                outcome = KV_LIMITED
            else:
                version = self.versions.commit(
                    key, now, until=now + ttl, store=store, site=request.compute,
                    entity=(request.number << draws.WRITE_SHIFT) + position, is_absent=is_absent,
                    watch=self.recorder.watch(request, step.space, key, now),
                )  # fmt: skip
                self.recorder.follow(version, key, [each.epoch for each in self.sites])
            delay = service + rtt * 0.5 if version is not None else rtt * 0.5
            yield from self._pause(request, now + delay)
        if site.epoch != epoch:
            return KILLED
        if version is not None:
            version.acked = self.env.now
            self._write_through(request, step, key, version)
        size = self.versions.size(key, step.space)
        self.recorder.write(
            request, step.space, began, self.env.now, size, outcome, is_absent=is_absent
        )
        return outcome

    def _write_through(self, request: Request, step: Any, key: int, version: Version) -> None:
        """Store a written value in the caches of the site that wrote it."""
        rules = self.rules
        if not rules.writes_through or not rules.has_edge:
            return
        found = Found(version.number, version.is_absent, version.until, STORE)
        read = self.reads.read_of(request, 0, step, self.sites[request.compute], [key])
        read.edge_ttl, read.found = rules.edge_ttl, [found]
        self.reads.keep_at_site(read)

    def listing(self, request: Request, pc: int, step: Any) -> Outcome:
        """List keys: always asked of a store."""
        began, site = self.env.now, self.sites[request.compute]
        epoch, outcome = site.epoch, OK
        position = draws.position(request.turn, pc)
        choice = self.stores.to_read(request.compute, request.number, position)
        if choice is None:
            outcome = KV_UNAVAILABLE
            yield from self._pause(request, began)
        else:
            store, rtt, _ = choice
            yield from self._pause(request, began + rtt * 0.5)
            delay = rtt * 0.5
            if self.stores.is_up[store]:
                table = self.rules.list_table
                service = self.stores.service(table, request.number, position, draws.LISTING)
                delay = service + rtt * 0.5
            else:
                outcome = KV_UNAVAILABLE
            yield from self._pause(request, self.env.now + delay)
        if site.epoch != epoch:
            return KILLED
        self.recorder.list(request, step.space, began, self.env.now, outcome)
        return outcome

    def write_now(self, key: int, store: int, entity: int, now: float, *, is_absent: bool) -> None:
        """Commit a write of the control plane at its store, now."""
        version = self.versions.commit(
            key, now, until=FOREVER, entity=entity, store=store, site=-1, is_absent=is_absent,
            watch=self.recorder.watch(None, 0, key, now),
        )  # fmt: skip
        self.recorder.follow(version, key, [each.epoch for each in self.sites])

    def _pause(self, request: Request, time: float) -> Life:
        yield at(self.env, time, ORDINARY, request.number)
        self.reads.count_event()
