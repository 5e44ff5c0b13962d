"""Tables of likelihoods that several models share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from popsim.models.object_placement.contract import Floats, Geography
from popsim.scenario.errors import InputError
from popsim.world.places import unknown_id

if TYPE_CHECKING:
    from popsim.world.sites import Sites

MOST_LISTED = 40
UNREACHABLE_MS = 1e9  # stands for infinity, which minus itself, or times nothing, is no number


def nearest_table(rtt: Floats) -> Floats:
    """Return 1 for the nearest host of each site, the first of equals, and 0 elsewhere, [S, H]."""
    return np.asarray(np.eye(rtt.shape[1])[rtt.argmin(axis=1)])


def single_table(geography: Geography, host: str) -> Floats:
    """Return 1 for one host whatever the site, [S, H]; raises ValueError if it is none."""
    table = np.zeros(geography.rtt.shape)
    table[:, geography.hosts.index(host)] = 1.0
    return table


def slot_table(rtt: Floats, capacity: Floats, slots: int, reach: float, pull: float) -> Floats:
    """Fill the slots of each site from hosts in reach, the nearest first, each up to its capacity; weights, [S, H].

    A host is in reach within ``reach`` ms of the nearest one; each slot of its capacity makes it seem ``pull`` ms nearer.
    A slot weighs 1 at the nearest host and, linearly, 1/2 at the edge of reach, so that of equals the nearer is likelier.
    ``rtt`` is [S, H] in ms, ``capacity`` [H] in slots. Equals keep the hosts' order.
    """
    rtt = np.minimum(rtt, UNREACHABLE_MS)
    order = np.argsort(rtt - pull * capacity, axis=1, kind="stable")
    beyond = rtt - rtt.min(axis=1, keepdims=True)
    offered = np.take_along_axis(np.where(beyond <= reach, capacity, 0.0), order, axis=1)
    before = np.cumsum(offered, axis=1) - offered
    taken = np.zeros(rtt.shape)
    np.put_along_axis(taken, order, np.clip(slots - before, 0.0, offered), axis=1)
    return np.asarray(taken * (1.0 - 0.5 * np.minimum(beyond / max(reach, 1e-9), 1.0)))


def listed(ids: Sequence[str]) -> str:
    """Return some ids in one line, all of them if there are not too many."""
    return ", ".join(sorted(ids)[:MOST_LISTED]) + (", ..." if len(ids) > MOST_LISTED else "")


def check_hosts(named: Iterable[tuple[str, tuple[str | int, ...]]], hosts: Sites) -> None:
    """Raise InputError for names, each with its path, that are none of the platform's hosts."""
    problems = [
        replace(problem, path=path, hint=problem.hint or f"hosts: {listed(hosts.ids)}")
        for name, path in named
        if (problem := unknown_id("host", name, hosts.ids)) is not None
    ]
    if problems:
        raise InputError(problems)
