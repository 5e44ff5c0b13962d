"""The specification's bookkeeping of objects; the compiled engine has the same in ``compiled/object_record.py``."""

from __future__ import annotations

from typing import Any

from popsim.engine import object_books as ob
from popsim.engine.layout import Inputs
from popsim.engine.object_layout import (
    H_ACTIVE_US,
    H_CALLS,
    H_COMMITS,
    H_CREATED,
    H_LIVING,
    O_ACTIVE_US,
    O_CALLS,
    O_COMMITS,
    O_CREATED,
    O_EXISTED_US,
    O_IDLE_US,
    O_IN_REGION,
    O_REPLICA_READS,
    O_STALE,
    O_TRUNCATED,
    OPEN,
    TO_HOME,
)
from popsim.engine.recorder import bucket_of, nanoseconds, window_us
from popsim.engine.specification.actors import Actor, Call
from popsim.engine.sums import add


class ObjectRecorder:
    """What calls and objects leave in the books, if their request began after the warm-up."""

    def __init__(self, inputs: Inputs, books: ob.ObjectBooks) -> None:
        self.inputs, self.books = inputs, books
        objects = inputs.objects
        self.hosts = len(objects.host_sites)
        self.host_sites: list[int] = objects.host_sites.tolist()
        self.distance_km: list[float] = objects.distance_km.tolist()
        self.regions: list[int] = objects.site_regions.tolist()

    def is_measured(self, task: Any) -> bool:
        """Tell whether a request or job began after the warm-up."""
        return bool(task.start >= self.inputs.rules.warmup)

    def count(self, task: Any, object_class: int, column: int, amount: int = 1) -> None:
        """Count something that a request or job did."""
        if self.is_measured(task):
            add(self.books.by_class, object_class, column, amount)

    def value(self, object_class: int, row: int, amount: float) -> None:
        """Add to a histogram of a class."""
        self.books.histogram[object_class * ob.ROWS_PER_CLASS + row, bucket_of(amount)] += 1

    def message(self, kind: int, row: int, amount: float) -> None:
        """Add to a histogram of a kind of message."""
        self.books.by_message[kind * ob.ROWS_PER_MESSAGE + row, bucket_of(amount)] += 1

    def created(self, object_class: int, site: int, host: int, now: float) -> None:
        """Count a new object by who asked first and its home; in the warm-up, too: it stays there."""
        self.books.by_class[object_class, O_CREATED] += 1
        self.books.created[site, host] += 1
        self.books.by_host[host, H_CREATED] += 1
        self.exists(object_class, now)

    def exists(self, object_class: int, since: float) -> None:
        """Count the time that there is an object, or a replica of one."""
        amount = window_us(since, self.inputs.rules.duration, self.inputs)
        add(self.books.by_class, object_class, O_EXISTED_US, amount)

    def committed(self, call: Call) -> None:
        """Count a commit."""
        if self.is_measured(call.task):
            self.books.by_class[call.actor.object_class, O_COMMITS] += 1
            self.books.by_host[call.host, H_COMMITS] += 1

    def spawned(self, call: Call) -> None:
        """Record how long it took until a new object was open."""
        if self.is_measured(call.task):
            time = call.parts[TO_HOME] + call.parts[OPEN]
            self.value(call.actor.object_class, ob.SPAWN, time)
            add(self.books.spawn_ns, call.site, 0, nanoseconds(time))

    def replica_read(self, call: Call, stale: float, *, is_truncated: bool) -> None:
        """Record a read that a replica answers; ``stale`` ms, negative = fresh."""
        if self.is_measured(call.task):
            self.books.by_class[call.actor.object_class, O_REPLICA_READS] += 1
            self.books.by_class[call.actor.object_class, O_TRUNCATED] += is_truncated
            if stale >= 0.0:
                self.books.by_class[call.actor.object_class, O_STALE] += 1
                self.value(call.actor.object_class, ob.STALENESS, stale)

    def answered(self, call: Call, now: float) -> None:
        """Record a call that was answered."""
        if not self.is_measured(call.task):
            return
        row = call.actor.object_class
        self.books.by_class[row, O_CALLS] += 1
        self.books.by_host[call.host, H_CALLS] += 1
        if self.regions[call.site] == self.regions[self.host_sites[call.host]]:
            self.books.by_class[row, O_IN_REGION] += 1
        self.value(row, ob.CALL, now - call.began)
        self.value(row, ob.DISTANCE, self.distance_km[call.site * self.hosts + call.host])
        for part, ms in enumerate(call.parts):
            if ms > 0.0:
                self.value(row, ob.FIRST_PART + part, ms)

    def count_at(self, time: float, object_class: int, column: int) -> None:
        """Count something that happens without a request."""
        if time >= self.inputs.rules.warmup:
            self.books.by_class[object_class, column] += 1

    def lived(self, actor: Actor, end: float) -> None:
        """Count the time with work in progress, and that in memory without, since the last count."""
        idle_end = min(end, actor.deadline)
        idle = window_us(actor.idle_since, idle_end, self.inputs)
        add(self.books.by_class, actor.object_class, O_IDLE_US, idle)
        active = window_us(actor.active_since, min(end, actor.idle_since), self.inputs)
        if active > 0:
            add(self.books.by_class, actor.object_class, O_ACTIVE_US, active)
            add(self.books.by_host, actor.home, H_ACTIVE_US, active)

    def lives(self, actor: Actor) -> None:
        """Count an object where its home is when the run ends."""
        if actor.replica == 0 and actor.home >= 0:
            self.books.by_host[actor.home, H_LIVING] += 1
