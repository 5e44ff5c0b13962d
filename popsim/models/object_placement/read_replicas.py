"""A primary that takes writes, and a copy in each region that answers reads: D1's read replication.

D1 puts a replica into each of the regions wnam, enam, weur, eeur, apac and oc. Replicas confirmed what a primary in
eastern North America wrote after 45 ms in wnam, 55 in weur and 67 in eeur
(https://blog.cloudflare.com/d1-read-replication-beta/, 2025-04-10): half a round trip and about 5.5 ms. With a primary in
Ashburn or Newark this model's replicas have it after 36 to 38, 51 to 54 and 56 to 58 ms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import field_validator

from popsim.models.object_placement.contract import Floats, Geography, Ints, TablePlacement
from popsim.models.object_placement.regions import in_region
from popsim.models.object_placement.tables import check_hosts, nearest_table, single_table
from popsim.models.registry import register
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.fields import LawField, Names
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from popsim.world.sites import Sites

REGIONS = ("wnam", "enam", "weur", "eeur", "apac", "oc")
MEASURED_LAG = parse_law("5.5ms")


@register("object_placement", "read_replicas")
class ReadReplicas(TablePlacement):
    """A primary at the host nearest to the first caller, or at ``primary``; a replica in each of ``regions``.

    ``lag`` is what a replica takes to have a write beyond half a round trip. ASSUMPTION: a region's replica lives at the
    host with the least mean round-trip time from the region's sites, for all objects, and the primary's region has one
    too. A region without hosts has none, and is an error if the scenario names it.
    """

    primary: str | None = None
    """Id of the host that takes all writes; the nearest to an object's first caller, if left out."""
    regions: Names = REGIONS
    """Regions with a replica."""
    lag: LawField = MEASURED_LAG
    """Until a replica has a write, beyond half a round trip."""

    @field_validator("regions")
    @classmethod
    def _known(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in regions if name not in REGIONS]
        if unknown:
            raise ValueError(
                f"no region {quoted(unknown[0])}; expected some of {', '.join(REGIONS)}"
            )
        return tuple(dict.fromkeys(regions))

    def allowed_hosts(self, hosts: Sites) -> tuple[str, ...]:
        """Return all hosts; raises InputError for a primary that is none, or a named region without any."""
        if self.primary is not None:
            check_hosts([(self.primary, ("primary",))], hosts)
        present = [name for name in REGIONS if in_region(hosts, name).any()]
        problem = Problem(None, None, None, (), "", f"regions with hosts: {', '.join(present)}")
        problems = [
            replace(
                problem, path=("regions", place), message=f"no host is in the region {quoted(name)}"
            )
            for place, name in enumerate(self.regions)
            if name not in present and "regions" in self.model_fields_set
        ]
        if problems:
            raise InputError(problems)
        return hosts.ids

    def likelihood(self, geography: Geography) -> Floats:
        """Return 1 for the primary of each site, [S, H]."""
        if self.primary is not None:
            return single_table(geography, self.primary)
        return nearest_table(geography.rtt)

    def replicas(self, geography: Geography) -> Ints:
        """Return one host per region that has some, in the order of ``regions``."""
        chosen = []
        for region in self.regions:
            rows = np.flatnonzero(in_region(geography.hosts, region))
            if rows.size:
                rtt = geography.rtt[np.ix_(in_region(geography.sites, region), rows)]
                chosen.append(rows[rtt.mean(axis=0).argmin()])
        return np.array(chosen, dtype=np.int64)

    def replica_lag(self) -> Law:
        """Return ``lag``."""
        return self.lag
