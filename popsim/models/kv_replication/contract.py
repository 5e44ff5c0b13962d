"""What a replication model answers: where copies are, who asks whom, and who is told of a write.

Every question is rare: it is asked once per run, and the answer is a table. So a model in plain Python, in a notebook
too, runs on the compiled engine at full speed. What happens in between, hits, misses, refreshes, who sees which
version when, is the engines' (docs/background/semantics.md, rules 28 to 37).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from popsim.models.answers import Answer, check_laws
from popsim.models.registry import Model
from popsim.scenario.fields import SizeBytes
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.parts import Spec
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from popsim.world.sites import Place, Sites

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NO_TIME = parse_law("0ms")

# What a cache does with a newer version that it is told of
NOTHING, PURGE, VALUE = 0, 1, 2


class Prices(Spec):
    """USD per million operations, or per million units of their sizes; a bulk read is one operation."""

    read: float = Field(default=0.0, ge=0, le=1e6)
    """USD per million reads, a bulk read is one; with ``read_unit``, per million units."""
    write: float = Field(default=0.0, ge=0, le=1e6)
    """USD per million writes; with ``write_unit``, per million units."""
    delete: float = Field(default=0.0, ge=0, le=1e6)
    """USD per million deletions; not with ``write_unit``, where they cost what writes cost."""
    read_unit: SizeBytes = 0
    """Reads are billed by each begun unit of this size, key by key; by operation, if left out."""
    write_unit: SizeBytes = 0
    """Writes and deletions are billed by each begun unit of this size; by operation, if left out."""
    per_replica: bool = False
    """Whether a write or deletion is billed at every store that has a replica."""
    list: float = Field(default=0.0, ge=0, le=1e6)
    """USD per million lists."""


FREE = Prices()


@dataclass(frozen=True, eq=False)
class CentralStore:
    """A place that keeps everything: a name, where it is, and how long it takes (laws in ms)."""

    place: Place
    read: Law = NO_TIME
    write: Law = NO_TIME

    def __post_init__(self) -> None:
        """Refuse times that are no laws; ValueError."""
        check_laws(self)


@dataclass(frozen=True)
class CacheRules:
    """What the caches do; times in ms, sizes in bytes, 0 bytes = unlimited (``memory_bytes``: none)."""

    has_edge: bool = False
    edge_ttl: float = 0.0
    region_ttl: float = 0.0
    memory_ttl: float = 0.0
    memory_bytes: int = 0
    edge_bytes: int = 0
    region_bytes: int = 0
    refresh_after: float | None = None  # share of the TTL; None = no refresh in the background
    coalesces: bool = False
    writes_through: bool = False
    memory_lookup: Law = NO_TIME
    edge_lookup: Law = NO_TIME
    region_lookup: Law = NO_TIME

    def __post_init__(self) -> None:
        """Refuse times that are no laws; ValueError."""
        check_laws(self)


@dataclass(frozen=True)
class KvRules:
    """Everything about a store that is no place."""

    caches: CacheRules = CacheRules()
    reads: Literal["ordered", "race"] = "ordered"
    writes: Literal["ordered", "race"] = "ordered"
    write_gap: float = 0.0  # ms between two writes of a key; sooner is refused
    listing: Law = NO_TIME
    lag: Law = NO_TIME  # beyond the light, until a cache that is told knows
    sync: Law = NO_TIME  # beyond the light, until another store has a write
    minimum_ttl: float = 0.0  # ms; of a read's cache_ttl
    minimum_expiration: float = 0.0  # ms; of a write's expiration_ttl
    prices: Prices | None = None  # None = unknown

    def __post_init__(self) -> None:
        """Refuse orders that are none, and times that are no laws; ValueError."""
        check_laws(self)
        for what in ("reads", "writes"):
            if getattr(self, what) not in ("ordered", "race"):
                raise ValueError(
                    f"{what} must be ordered or race, got {quoted(getattr(self, what))}"
                )


@dataclass(frozen=True, eq=False)
class Geography:
    """Where everything is. S sites, G regional tiers, K stores; RTT in ms, 0 within a site."""

    sites: Sites
    tiers: Sites
    stores: Sites
    site_tier_rtt: Floats  # [site, tier]
    site_store_rtt: Floats  # [site, store]
    tier_store_rtt: Floats  # [tier, store]
    store_store_rtt: Floats  # [store, store]

    @property
    def node_store_rtt(self) -> Floats:
        """RTT from sites and then tiers to stores, [S + G, K]."""
        return np.concatenate([self.site_store_rtt, self.tier_store_rtt])


class KvModel(Model, ABC):
    """How a key-value store keeps copies, and keeps them up to date."""

    answers: ClassVar[Mapping[str, Answer]] = {
        "rules": Answer(KvRules),
        "central_stores": Answer(CentralStore, is_several=True),
        "tier_sites": Answer(str, is_several=True),
    }  # of the others, check_tables asks more

    @abstractmethod
    def rules(self) -> KvRules:
        """Return what is no place: times, sizes, limits. Raises ValueError or InputError for what cannot be."""

    def store_sites(self, sites: Sites, compute: Sites, topology: Sites) -> Sites:
        """Return the sites that :meth:`central_stores` is told of; the platform's, if not overridden.

        ``sites`` are the platform's, ``compute`` those of them where code runs, ``topology`` all there are.
        """
        return sites

    @abstractmethod
    def central_stores(self, sites: Sites) -> tuple[CentralStore, ...]:
        """Return the stores of a platform with these sites, the primary first; raises InputError."""

    def tier_sites(self) -> tuple[str, ...]:
        """Return the ids of the sites that are regional tiers; none, if not overridden."""
        return ()

    def tier_of(self, geography: Geography) -> Ints:
        """Return which tier each site asks, shape (S,), -1 = none; the nearest, if not overridden."""
        if not len(geography.tiers.ids):
            return np.full(len(geography.sites.ids), -1, dtype=np.int64)
        return np.asarray(geography.site_tier_rtt.argmin(axis=1), dtype=np.int64)

    def read_order(self, geography: Geography) -> Ints:
        """Return which stores each site, then each tier, reads from, [S + G, any], -1 = none.

        The first that is up answers; of a race, the fastest. Nearest first, if not overridden.
        """
        return nearest_first(geography.node_store_rtt)

    def write_order(self, geography: Geography) -> Ints:
        """Return which stores take each site's writes, [S, any]; the primary, if not overridden."""
        stores = np.arange(len(geography.stores.ids), dtype=np.int64)
        return np.tile(stores, (len(geography.sites.ids), 1))

    def told(self, geography: Geography) -> Ints:
        """Return what each site's cache, then each tier, does with a write at each store, [K, S + G].

        ``NOTHING`` (it is not told), ``PURGE`` (it drops its copy), ``VALUE`` (it gets the new value, if it holds the key).
        """
        nodes = len(geography.sites.ids) + len(geography.tiers.ids)
        return np.full((len(geography.stores.ids), nodes), NOTHING, dtype=np.int64)


def check_tables(model: KvModel, geography: Geography) -> None:
    """Raise ValueError for an answer of a model that is no such table."""
    sites, tiers = len(geography.sites.ids), len(geography.tiers.ids)
    stores = len(geography.stores.ids)
    answers: list[tuple[str, Ints, tuple[int | None, ...], int, int]] = [
        ("tier_of", model.tier_of(geography), (sites,), -1, tiers - 1),
        ("read_order", model.read_order(geography), (sites + tiers, None), -1, stores - 1),
        ("write_order", model.write_order(geography), (sites, None), -1, stores - 1),
        ("told", model.told(geography), (stores, sites + tiers), NOTHING, VALUE),
    ]
    for method, answer, shape, low, high in answers:
        table = np.asarray(answer)
        fits = table.ndim == len(shape) and all(
            have == want or (want is None and have > 0)
            for have, want in zip(table.shape, shape, strict=True)
        )
        if not fits or table.dtype.kind not in "iu" or table.min() < low or table.max() > high:
            wanted = " x ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(
                f"{method}() must return {wanted} whole numbers from {low} to {high}, "
                f"got {table.dtype} of shape {table.shape}"
            )


def nearest_first(rtt_ms: Floats) -> Ints:
    """Return columns by ascending RTT, per row; equal ones keep their order."""
    return np.argsort(rtt_ms, axis=1, kind="stable").astype(np.int64)
