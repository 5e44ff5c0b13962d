"""A replica in some regions, each taking reads and writes; changes follow to the others: DynamoDB's global tables.

Replication usually takes less than a second, and the last writer wins
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html, 2026).
"""

from __future__ import annotations

from dataclasses import replace

from popsim.models.kv_replication.contract import (
    NO_TIME,
    CentralStore,
    Geography,
    Ints,
    KvModel,
    KvRules,
    Prices,
    nearest_first,
)
from popsim.models.registry import register
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.fields import LawField, Names
from popsim.world.places import unknown_id
from popsim.world.sites import Place, Sites


@register("kv_replication", "global_table")
class GlobalTable(KvModel):
    """Replicas at sites of the topology; a site uses the nearest.

    ``sync`` is what a change takes to another replica, beyond the light.
    """

    replicas: Names | None = None
    """Ids of the topology's sites with a replica; where code runs, if left out. The first takes ``write`` events."""
    read: LawField = NO_TIME
    """Time of a read in the replica."""
    write: LawField = NO_TIME
    """Time of a write in the replica."""
    listing: LawField = NO_TIME
    """Time of a ``kv.list`` in the replica."""
    sync: LawField = NO_TIME
    """Until another replica has a write, beyond half a round trip."""
    prices: Prices | None = None
    """USD per million operations; unknown, if left out, ``{}`` if they are free."""

    def store_sites(self, sites: Sites, compute: Sites, topology: Sites) -> Sites:
        """Return the topology, where replicas are named, or the sites where code runs."""
        return compute if self.replicas is None else topology

    def central_stores(self, sites: Sites) -> tuple[CentralStore, ...]:
        """Return a store at each site that is named, or at all; raises InputError for an unknown one."""
        found, problems = [], list[Problem]()
        for number, site in enumerate(self.replicas or sites.ids):
            if (problem := unknown_id("site", site, sites.ids)) is not None:
                problems.append(replace(problem, path=("replicas", number)))
                continue
            row = sites.index(site)
            place = Place(
                site, sites.cities[row], sites.countries[row], sites.lat[row], sites.lon[row]
            )
            found.append(CentralStore(place, self.read, self.write))
        if problems:
            raise InputError(problems)
        return tuple(found)

    def write_order(self, geography: Geography) -> Ints:
        """Return the nearest first."""
        return nearest_first(geography.site_store_rtt)

    def rules(self) -> KvRules:
        """Return rules without any cache."""
        return KvRules(listing=self.listing, sync=self.sync, prices=self.prices)
