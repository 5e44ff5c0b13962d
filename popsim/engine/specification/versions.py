"""What was written to a key-value store, and which version of a key can be seen where, and when.

Visibility is computed when somebody asks (rule 31): no event is spent on carrying a write to a site.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from popsim.engine import draws
from popsim.engine.arrays import rows
from popsim.engine.kv_layout import MAX_VERSIONS, NOTHING, SIZE_CONSTANT, SIZE_OF_TRACE
from popsim.engine.layout import Inputs
from popsim.engine.specification.lookups import Lookups

NEVER, FOREVER = float("-inf"), float("inf")


@dataclass(eq=False)
class Version:
    """One write of a key. Versions of a key are numbered from 1; 0 is what was there at the start."""

    number: int
    commit: float  # ms; when it reached its store
    until: float  # when it expires
    entity: int  # names the write
    store: int
    site: int  # where it was written, -1 = by the control plane
    is_absent: bool  # a deletion
    watch: int  # row among the writes that are followed, -1 = none
    acked: float = FOREVER  # when its site learnt that it was done


@dataclass(eq=False)
class Written:
    """The versions of a key that anyone may still see, oldest first."""

    versions: deque[Version] = field(default_factory=deque)
    accepted: float = NEVER  # when the last write was accepted


class Versions:
    """All keys that were written in a run."""

    def __init__(self, inputs: Inputs, lookups: Lookups) -> None:
        kv = inputs.kv
        self.kv, self.rules, self.lookups = kv, kv.scalars, lookups
        self.sites = inputs.site_count
        self.cache_nodes = self.sites + kv.regions
        self.nodes = self.cache_nodes + len(kv.stores)
        self.told: list[int] = kv.told.tolist()
        self.lag_rtt: list[float] = kv.lag_rtt.tolist()
        self.spaces = rows(kv.spaces)
        self.written: dict[int, Written] = {}

    def of(self, key: int) -> deque[Version]:
        """Return the versions of a key, oldest first; none if it was never written."""
        written = self.written.get(key)
        return written.versions if written else deque()

    def is_too_soon(self, key: int, time: float) -> bool:
        """Tell whether the key was written less than the least gap ago; if not, note this write."""
        written = self.written.setdefault(key, Written())
        if time < written.accepted + self.rules.write_gap:
            return True
        written.accepted = time
        return False

    def commit(
        self, key: int, time: float, *, until: float, entity: int, store: int, site: int,
        is_absent: bool, watch: int,
    ) -> Version:  # fmt: skip
        """Add a version; forget those that no cache can hold any more (rule 32)."""
        versions = self.written.setdefault(key, Written()).versions
        number = versions[-1].number + 1 if versions else 1
        version = Version(number, time, until, entity, store, site, is_absent, watch)
        versions.append(version)
        while len(versions) > 1 and versions[1].commit + self.rules.horizon <= time:
            versions.popleft()
        if len(versions) > MAX_VERSIONS:
            versions.popleft()
        return version

    def at_store(self, key: int, store: int, time: float) -> Version | None:
        """Return the newest version that a store has; None for what was there at the start."""
        versions = self.of(key)
        node = self.cache_nodes + store
        for version in reversed(versions):
            if version.store == store:
                return version
            if self._has_arrived(version, node, self.rules.sync_table, time):
                return version
        return versions[0] if versions and versions[0].number > 1 else None

    def told_since(
        self, node: int, key: int, number: int, time: float
    ) -> tuple[int, Version | None]:
        """Return what a tier has been told of a key since version ``number``: (action, version)."""
        for version in reversed(self.of(key)):
            if version.number <= number:
                break
            action = self.told[version.store * self.cache_nodes + node]
            if action != NOTHING and self._has_arrived(version, node, self.rules.lag_table, time):
                return action, version
        return NOTHING, None

    def told_at(self, version: Version, node: int) -> float:
        """Return when a tier is told of a version, in ms since the run's start; FOREVER if it never is."""
        if self.told[version.store * self.cache_nodes + node] == NOTHING:
            return FOREVER
        longest = version.commit + self.rules.longest_lag
        return min(longest, self._arrival(version, node, self.rules.lag_table))

    def _has_arrived(self, version: Version, node: int, table: int, time: float) -> bool:
        if version.commit + self.rules.longest_lag <= time:
            return True
        return self._arrival(version, node, table) <= time

    def _arrival(self, version: Version, node: int, table: int) -> float:
        rtt = self.lag_rtt[version.store * self.nodes + node]
        lag = rtt * 0.5 + self.lookups.draw(table, draws.KV_LAG, version.entity, node)
        return version.commit + lag

    def is_absent_at_start(self, key: int, space: int) -> bool:
        """Tell whether a key has no value when the run begins."""
        filled = self.spaces[space].filled
        if filled >= 1.0:
            return False
        _, word = self.lookups.words(draws.KEY_VALUE, key, 0)
        return not draws.uniform(word) < filled

    def size(self, key: int, space: int) -> int:
        """Return the bytes of a key and its value."""
        own = self.spaces[space]
        if own.size_table == SIZE_CONSTANT:
            return int(own.bytes)
        if own.size_table == SIZE_OF_TRACE:
            return int(self.kv.trace_sizes[key - own.first])
        word, _ = self.lookups.words(draws.KEY_VALUE, key, 0)
        return int(own.bytes + int(self.lookups.table(own.size_table, word) + 0.5))
