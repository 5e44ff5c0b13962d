"""The control plane: SimPy processes that change the world now and then, through a few logged verbs.

A control process is any generator function ``process(control)`` that yields SimPy events of
``control.env``. It reads through :class:`Control` and acts only through its verbs, so that both data planes
hear the same words at the same times.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from popsim.engine import draws
from popsim.engine.arrays import Floats
from popsim.engine.cosimulation import DataPlane
from popsim.scenario.errors import did_you_mean
from popsim.scenario.text import quoted

Process = Generator[simpy.Event, Any, None]


class Nested:
    """What may be begun while it lasts already: of n beginnings, n ends are needed (rule 23)."""

    def __init__(self, count: int) -> None:
        self._open = [0] * count

    def begin(self, index: int) -> tuple[bool, str]:
        """Note a beginning; return whether it is the first, and what to add to the log."""
        self._open[index] += 1
        now = self._open[index]
        return now == 1, "" if now == 1 else f" ({now} at once)"

    def end(self, index: int) -> tuple[bool, str]:
        """Note an end; return whether it is the last, and what to add to the log."""
        if self._open[index] == 0:
            return False, " (nothing to end)"
        self._open[index] -= 1
        left = self._open[index]
        return left == 0, "" if left == 0 else f" (not yet, {left} left)"


class Control:
    """What a control process may know and do. Sites are named by their ids.

    What has an end nests: a site that failed twice needs two restores, one that was withdrawn twice is announced
    twice, and so with stores. An end of what has not begun changes nothing.
    """

    def __init__(
        self,
        env: simpy.Environment,
        plane: DataPlane,
        site_ids: Sequence[str],
        client_count: int,
        surge_bound: float,
        store_names: Sequence[str] = (),
        key_spaces: Mapping[str, tuple[int, int]] | None = None,
        object_classes: Sequence[str] = (),
    ) -> None:
        self.env = env
        self.log: list[tuple[float, str, str]] = []
        self._plane = plane
        self._index = {site: index for index, site in enumerate(site_ids)}
        self._clients = client_count
        self._surge_bound = surge_bound
        self._surges: list[tuple[NDArray[np.bool_], float]] = []
        self._stores = {store: index for index, store in enumerate(store_names)}
        self._failures, self._withdrawals = Nested(len(site_ids)), Nested(len(site_ids))
        self._stops = Nested(len(store_names))
        self._key_spaces = dict(key_spaces or {})  # first key, count
        self._writes = 0
        self.object_classes = tuple(object_classes)  # names

    @property
    def sites(self) -> tuple[str, ...]:
        """The ids of the platform's sites."""
        return tuple(self._index)

    def _site(self, site: str) -> int:
        if site not in self._index:
            hint = did_you_mean(site, self.sites) or "see control.sites"
            raise ValueError(f"this platform has no site {quoted(site)} ({hint})")
        return self._index[site]

    @property
    def now(self) -> float:
        """The time in ms since the run's start."""
        return float(self.env.now)

    def fail(self, site: str) -> None:
        """Lose all that runs at ``site``; until withdrawn it still attracts requests, which fail."""
        index = self._site(site)
        is_first, more = self._failures.begin(index)
        if is_first:
            self._plane.fail_site(index, self.now)
        self._note("fail", site + more)

    def restore(self, site: str) -> None:
        """Let ``site`` serve again, with cold instances; it gets no clients before it is announced."""
        index = self._site(site)
        is_last, more = self._failures.end(index)
        if is_last:
            self._plane.restore_site(index, self.now)
        self._note("restore", site + more)

    def withdraw(self, site: str) -> None:
        """Take ``site`` out of the routing: clients go to their next choice."""
        index = self._site(site)
        is_first, more = self._withdrawals.begin(index)
        if is_first:
            self._plane.set_withdrawn(index, True)
        self._note("withdraw", site + more)

    def announce(self, site: str) -> None:
        """Put ``site`` back into the routing."""
        index = self._site(site)
        is_last, more = self._withdrawals.end(index)
        if is_last:
            self._plane.set_withdrawn(index, False)
        self._note("announce", site + more)

    @property
    def stores(self) -> tuple[str, ...]:
        """The names of the platform's central key-value stores, the primary first."""
        return tuple(self._stores)

    def stop_store(self, store: str) -> None:
        """Let a central store answer no requests; caches go on."""
        index = self._store(store)
        is_first, more = self._stops.begin(index)
        if is_first:
            self._plane.set_store(index, is_up=False)
        self._note("stop store", store + more)

    def start_store(self, store: str) -> None:
        """Let a central store answer again, with everything it had."""
        index = self._store(store)
        is_last, more = self._stops.end(index)
        if is_last:
            self._plane.set_store(index, is_up=True)
        self._note("start store", store + more)

    def write(
        self, keys: str, rank: int = 1, *, delete: bool = False, store: str | None = None
    ) -> None:
        """Write, or delete, the key of a rank in a key space at a store, the primary if None.

        Raises:
            ValueError: there is no such key space, rank or store.
        """
        if keys not in self._key_spaces:
            known = ", ".join(self._key_spaces) or "none"
            raise ValueError(f"there is no key space {quoted(keys)}; known: {known}")
        first, count = self._key_spaces[keys]
        if not 1 <= rank <= count:
            raise ValueError(f"key space {quoted(keys)} has ranks 1 to {count}, not {rank}")
        place = self._store(store) if store is not None else 0
        entity = draws.CONTROL_WRITE + self._writes
        self._writes += 1
        key = first + rank - 1
        self._plane.write(key, place, entity, self.now, is_absent=delete)
        self._note("delete" if delete else "write", f"{keys}, key {rank}")

    def restart(self, object_class: str) -> None:
        """Restart every object of a class where it is, as a deployment does: what runs in it fails.

        Raises:
            ValueError: there is no such class.
        """
        if object_class not in self.object_classes:
            hint = did_you_mean(object_class, self.object_classes) or "see control.object_classes"
            raise ValueError(f"this platform has no objects {quoted(object_class)} ({hint})")
        self._plane.restart_class(self.object_classes.index(object_class), self.now)
        self._note("restart", object_class)

    def _store(self, store: str) -> int:
        if store not in self._stores:
            hint = did_you_mean(store, self.stores) or "see control.stores"
            raise ValueError(f"this platform has no store {quoted(store)} ({hint})")
        return self._stores[store]

    def begin_surge(self, clients: NDArray[np.bool_], factor: float) -> tuple[Any, float]:
        """Multiply the rate of some clients, mask (C,); surges multiply. Return what ends it.

        Raises:
            ValueError: the rate would exceed the bound that arrivals were drawn for.
        """
        surge = (clients, factor)
        self._surges.append(surge)
        self._apply_surges()
        self._note("surge", f"x {factor:g} for {int(clients.sum())} clients")
        return surge

    def end_surge(self, surge: tuple[Any, float]) -> None:
        """End what :meth:`begin_surge` began."""
        left = [other for other in self._surges if other is not surge]
        more = "" if len(left) < len(self._surges) else " (nothing to end)"
        self._surges = left
        self._apply_surges()
        self._note("surge ends", f"x {surge[1]:g}{more}")

    def _apply_surges(self) -> None:
        factors: Floats = np.ones(self._clients)
        for clients, factor in self._surges:
            factors[clients] *= factor
        if factors.max() > self._surge_bound * (1 + 1e-12):
            raise ValueError(
                f"a surge to {factors.max():g} times the rate exceeds {self._surge_bound:g}, "
                "the largest that the scenario's events announce"
            )
        self._plane.set_surge(factors)

    def _note(self, verb: str, detail: str) -> None:
        self.log.append((self.now, verb, detail))


def writes(
    control: Control,
    keys: str,
    rank: int,
    at_ms: float,
    every_ms: float | None,
    end_ms: float,
    *,
    delete: bool,
) -> Process:
    """Write a key at a time, and every so often from then on, while requests still come."""
    yield control.env.timeout(at_ms)
    control.write(keys, rank, delete=delete)
    while every_ms is not None and control.now + every_ms < end_ms:
        yield control.env.timeout(every_ms)
        control.write(keys, rank, delete=delete)


def restart(control: Control, object_class: str, at_ms: float) -> Process:
    """Restart the objects of a class at a time."""
    yield control.env.timeout(at_ms)
    control.restart(object_class)


def surge(
    control: Control,
    clients: NDArray[np.bool_],
    factor: float,
    at_ms: float,
    lasting_ms: float | None,
) -> Process:
    """Multiply the arrival rate of some clients for a while, or for good."""
    yield control.env.timeout(at_ms)
    begun = control.begin_surge(clients, factor)
    if lasting_ms is not None:
        yield control.env.timeout(lasting_ms)
        control.end_surge(begun)


ControlProcess = Callable[[Control], Process]
