"""Place a key-value store on the planet: its stores and regional tiers, and how far these are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from popsim.engine.arrays import Floats
from popsim.models.kv_replication.contract import CentralStore, Geography, KvModel
from popsim.world.sites import Sites

Rtt = Callable[[Sites, Sites], Floats]


@dataclass(frozen=True, eq=False)
class KvPlaces:
    """Where a platform's key-value store is, by its model."""

    model: KvModel
    geography: Geography
    stores: tuple[CentralStore, ...]


def place_kv(model: KvModel, sites: Sites, compute: Sites, topology: Sites, rtt: Rtt) -> KvPlaces:
    """Place a model's stores and tiers among ``sites``, of which code runs at ``compute``.

    ``topology`` has the tiers, and stores that bear a site's name, be they sites of the platform or not.

    Raises:
        InputError: a place does not exist; its path is relative to the model.
    """
    stores = model.central_stores(model.store_sites(sites, compute, topology))
    tiers = select_tiers(model, topology)
    at_stores = Sites.at([store.place for store in stores])
    return KvPlaces(
        model,
        Geography(
            sites=sites,
            tiers=tiers,
            stores=at_stores,
            site_tier_rtt=_between(sites, tiers, rtt),
            site_store_rtt=_between(sites, at_stores, rtt),
            tier_store_rtt=_between(tiers, at_stores, rtt),
            store_store_rtt=_between(at_stores, at_stores, rtt),
        ),
        stores,
    )


def select_tiers(model: KvModel, topology: Sites) -> Sites:
    """Return the regional tiers in the order of the topology; raises InputError for an unknown one."""
    return topology.select(ids=model.tier_sites())


def _between(sources: Sites, destinations: Sites, rtt: Rtt) -> Floats:
    """Return RTT in ms [source, destination], 0 between what has the same id."""
    if not len(sources) or not len(destinations):
        return np.zeros((len(sources), len(destinations)))
    same = np.array(sources.ids)[:, None] == np.array(destinations.ids)[None, :]
    return np.where(same, 0.0, rtt(sources, destinations))
