"""Run the two planes together: SimPy's clock moves from control event to control event, the data plane
runs every request event in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import simpy

from popsim.engine.arrays import Floats
from popsim.engine.recorder import Books, refuse_too_long, too_long
from popsim.scenario.units import LONGEST_MS

Tell = Callable[[float], None]  # hears the simulated time in ms now and then


class DataPlane(Protocol):
    """What both engines offer: time moves on, and the control plane's verbs."""

    tell: Tell | None

    @property
    def is_drained(self) -> bool:
        """Tell whether no request is in flight and none will come."""
        ...

    def advance(self, until: float) -> None:
        """Run every request event before ``until`` (ms), or until no request is left (rule 5)."""
        ...

    def fail_site(self, index: int, time: float) -> None:
        """Lose all that runs at a site; requests waiting there die at ``time`` = now (rule 21)."""
        ...

    def restore_site(self, index: int, time: float) -> None:
        """Let a site serve again at ``time`` = now, with nothing running."""
        ...

    def restart_class(self, index: int, time: float) -> None:
        """Restart every object of a class at ``time`` = now."""
        ...

    tallied: dict[tuple[int, int], int] | None  # calls by (object, site of the caller)

    def start_tally(self) -> None:
        """Count calls in ``tallied`` from now on."""
        ...

    def set_store(self, index: int, *, is_up: bool) -> None:
        """Let a central store answer, or not."""
        ...

    def write(self, key: int, store: int, entity: int, time: float, *, is_absent: bool) -> None:
        """Write a key at a store at ``time`` = now; ``entity`` names the write (rule 8)."""
        ...

    def set_withdrawn(self, index: int, withdrawn: bool) -> None:
        """Announce a site to the routing, or withdraw it."""
        ...

    def set_surge(self, factors: Floats) -> None:
        """Multiply the arrival rate of each client, shape (C,), from now on."""
        ...

    def close(self) -> Books:
        """Return what was recorded."""
        ...


def cosimulate(env: simpy.Environment, plane: DataPlane) -> Books:
    """Run until every request has ended; a control event comes before requests at its time.

    Raises:
        RunError: that would take longer than anything may (rule 55).
    """
    while not plane.is_drained:
        plane.advance(min(env.peek(), LONGEST_MS))
        if not plane.is_drained:
            if not env.peek() < LONGEST_MS:
                raise too_long()
            env.step()
    books = plane.close()
    refuse_too_long(books)
    return books
