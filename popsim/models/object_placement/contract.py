"""What a placement model answers: which site is an object's home.

The question is rare, so that a model in plain Python, in a notebook too, runs on the compiled engine. There are three
ways to answer it, from the fastest to the freest; a model derives from the one that it needs:

- ``TablePlacement``: how likely each host is, by the site that asks. Asked once per run.
- ``KnowingPlacement``: the homes of all objects at once, knowing who will call each of them. Asked once per run, after
  a rehearsal that counts the calls.
- ``AskedPlacement``: one object at a time, when it is first called.

What happens then, queues, gates, hibernation, failover, moving, is the engines' (docs/background/semantics.md, rules 38 to 50).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from popsim.models.answers import Answer, check_laws
from popsim.models.registry import Model
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from popsim.world.sites import Sites

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NO_TIME = parse_law("0ms")
MAX_REPLICAS = 63  # what fits into the tag of a replica


@dataclass(frozen=True, eq=False)
class Geography:
    """Where calls come from and where objects can live. S sites, H hosts; RTT in ms, 0 within a site."""

    sites: Sites
    hosts: Sites  # those of the platform that this model may use
    rtt: Floats  # [site, host]

    @property
    def host_rows(self) -> Ints:
        """The row of each host among the sites, shape (H,)."""
        row_of = {site: row for row, site in enumerate(self.sites.ids)}
        return np.array([row_of[host] for host in self.hosts.ids], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Ask:
    """A new object, or one whose home was lost: its number, class, who calls it first (a row of sites), when (ms)."""

    number: int
    object_class: str
    site: int
    time_ms: float


@dataclass(frozen=True, eq=False)
class Callers:
    """Who will call which object: ``calls[row, site]`` calls of the object ``numbers[row]``."""

    numbers: Ints  # [N]
    calls: csr_array  # [N, S]


@dataclass(frozen=True)
class Moves:
    """When an object moves to the host that is nearest to its callers, and how long it is out of reach then.

    Each call votes: for the host nearest to its site, or, if that is the home, against the candidate there is. A candidate
    with ``votes`` more votes than were cast against it becomes the home as soon as the object has nothing to do.
    """

    votes: int
    duration: Law  # ms

    def __post_init__(self) -> None:
        """Refuse a time that is no law; ValueError."""
        check_laws(self)


class PlacementModel(Model, ABC):
    """Where objects live."""

    answers: ClassVar[Mapping[str, Answer]] = {
        "allowed_hosts": Answer(str, is_several=True),
        "allowed_followers": Answer(int),
        "moves": Answer(Moves, is_optional=True),
        "replicas": Answer(int),
        "replica_lag": Answer(Law),
    }  # of the others, likelihood_table, homes_table and checked_home ask more

    def allowed_hosts(self, hosts: Sites) -> tuple[str, ...]:
        """Return the ids of the platform's hosts that the model uses; all, if not overridden. Raises InputError."""
        return hosts.ids

    def allowed_followers(self, sites: Sites) -> Ints:
        """Return the rows of the platform's sites that may confirm writes and take over; all, if not overridden."""
        return np.arange(len(sites), dtype=np.int64)

    def moves(self) -> Moves | None:
        """Return when objects move; never, if not overridden."""
        return None

    def replicas(self, geography: Geography) -> Ints:
        """Return the hosts, rows of ``geography.hosts``, that hold a copy which answers reads; none, if not overridden.

        The sites of this geography are those that can be followers, wherever users enter.
        """
        return np.zeros(0, dtype=np.int64)

    def replica_lag(self) -> Law:
        """Return how long beyond the light a replica takes to have a write, in ms."""
        return NO_TIME


class TablePlacement(PlacementModel):
    """A home that depends on who asks first, and on luck."""

    @abstractmethod
    def likelihood(self, geography: Geography) -> Floats:
        """Return how likely each host is for each site that asks, [S, H], any scale, rows not all 0."""


class KnowingPlacement(PlacementModel):
    """A home that depends on who will ever call."""

    @abstractmethod
    def homes(self, callers: Callers, geography: Geography) -> Ints:
        """Return the host of each object, rows of ``geography.hosts``, shape (N,)."""


class AskedPlacement(PlacementModel):
    """A home that Python is asked for, object by object."""

    @abstractmethod
    def home(self, ask: Ask, geography: Geography) -> int:
        """Return the host of a new object, a row of ``geography.hosts``."""


def likelihood_table(model: TablePlacement, geography: Geography) -> Floats:
    """Return a model's table, [S, H], rows summing to 1; raises ValueError for one that is none."""
    table = np.asarray(model.likelihood(geography), dtype=np.float64)
    shape = (len(geography.sites), len(geography.hosts))
    if table.shape != shape or not np.isfinite(table).all() or (table < 0.0).any():
        raise ValueError(
            f"likelihood() must return {shape[0]} x {shape[1]} numbers that are not negative, "
            f"got {table.dtype} of shape {table.shape}"
        )
    sums = table.sum(axis=1, keepdims=True)
    if (sums <= 0.0).any():
        site = geography.sites.ids[int(np.argmin(sums))]
        raise ValueError(f"likelihood() gives {site} no host at all")
    return np.asarray(table / sums)


def checked_home(home: object, hosts: int) -> int:
    """Return what a model that is asked object by object has answered; raises ValueError for what is no host."""
    is_whole = isinstance(home, int | np.integer) and not isinstance(home, bool)
    if not is_whole or not 0 <= home < hosts:  # type: ignore[operator]
        raise ValueError(f"home() must return a host from 0 to {hosts - 1}, got {quoted(home)}")
    return int(home)  # type: ignore[call-overload, no-any-return]


def checked_replicas(model: PlacementModel, geography: Geography) -> Ints:
    """Return a model's replicas, shape (R,); raises ValueError for what is no host, or too many."""
    replicas, hosts = np.asarray(model.replicas(geography)), len(geography.hosts)
    fits = replicas.ndim == 1 and replicas.dtype.kind in "iu" and len(replicas) <= MAX_REPLICAS
    if not fits or (replicas.size and (replicas.min() < 0 or replicas.max() >= hosts)):
        raise ValueError(
            f"replicas() must return at most {MAX_REPLICAS} whole numbers from 0 to {hosts - 1}, "
            f"got {replicas.dtype} of shape {replicas.shape}"
        )
    return replicas.astype(np.int64)


def homes_table(model: KnowingPlacement, callers: Callers, geography: Geography) -> Ints:
    """Return a model's homes, shape (N,); raises ValueError for what is no host."""
    homes = np.asarray(model.homes(callers, geography))
    count = len(callers.numbers)
    fits = homes.shape == (count,) and homes.dtype.kind in "iu"
    if not fits or (count and (homes.min() < 0 or homes.max() >= len(geography.hosts))):
        raise ValueError(
            f"homes() must return {count} whole numbers from 0 to {len(geography.hosts) - 1}, "
            f"got {homes.dtype} of shape {homes.shape}"
        )
    return homes.astype(np.int64)
