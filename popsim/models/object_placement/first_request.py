"""Near the first caller: what Durable Objects do if told nothing.

"By default, a Durable Object is instantiated in a data center close to where the initial get() request is made"
(https://developers.cloudflare.com/durable-objects/reference/data-location/, 2026). How close is measured: where new
objects of each point of presence live (https://where.durableobjects.live, 2025-12; 134 that ask, 32 hosts).

The likelihoods come in fifths, as if each site had five slots and filled them from hosts nearby, of which some give one
slot, most two, a few three. Twelve numbers were fitted to them, over round-trip times of the project's backbone
without residuals: the five slots, the reach, the pull, two slots as a rule, and the eight hosts that are unlike it. Of
the 133 points of presence that the topology has, the likeliest host comes out right for 68 % (plain nearest: 52 %), is
among the model's first three for 81 % (among the nearest three: 79 %), and rows are 0.34 apart on average (total
variation distance; plain nearest 0.52). With the reach and the eight hosts fitted to four fifths of them
(the pull and the rule's form were chosen on all), it is 64 %, 80 % and 0.35 on the rest. With residuals, which are
luck, it is 56 %, 70 % and 0.44 (mean of ten seeds).

ASSUMPTION: hosts have slots, and of equals the nearer is likelier; nobody outside knows the rule. It fits best in North
America and Asia, and worst in South America and Africa, where objects go to more distant hosts than need be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from popsim.models.object_placement.contract import Floats, Geography, TablePlacement
from popsim.models.object_placement.tables import check_hosts, slot_table
from popsim.models.registry import register
from popsim.scenario.fields import DurationMs

if TYPE_CHECKING:
    from popsim.world.sites import Sites

Slots = Annotated[int, Field(ge=1, le=1_000)]
# Fitted, as the defaults below, to where.durableobjects.live, 2025-12
UNUSUAL = {"ORD": 3, "SYD": 3, "HKG": 1, "LIS": 1, "MRS": 1, "PRG": 1, "VIE": 1, "ZRH": 1}


@register("object_placement", "first_request")
class FirstRequest(TablePlacement):
    """Fill ``slots`` from the hosts near the first caller; an object goes to any slot, all equally likely.

    A host is in reach within ``reach`` of the nearest. It offers ``host_slots``, unless ``unusual`` gives its number, and
    seems ``pull`` nearer for each. If hosts in reach offer too little, the remaining slots do not exist.
    """

    slots: Slots = 5
    """Slots of each site, filled by hosts, the nearest first."""
    reach: DurationMs = 16.0
    """How far beyond the nearest host, in round-trip time, hosts count."""
    pull: DurationMs = 4.0
    """How much nearer a host seems for each slot that it fills."""
    host_slots: Slots = 2
    """Slots that a host fills."""
    unusual: dict[str, Slots] = UNUSUAL
    """Hosts by id that fill more or fewer slots, and how many."""

    def allowed_hosts(self, hosts: Sites) -> tuple[str, ...]:
        """Return all hosts; raises InputError for one of a scenario's own ``unusual`` that is none."""
        if "unusual" in self.model_fields_set:
            check_hosts(((name, ("unusual", name)) for name in self.unusual), hosts)
        return hosts.ids

    def likelihood(self, geography: Geography) -> Floats:
        """Return the slots that each host has of each site's, [S, H]."""
        return self._slots_among(geography, np.arange(len(geography.hosts)))

    def _slots_among(self, geography: Geography, rows: NDArray[np.intp]) -> Floats:
        """Return slots taken if only some rows of hosts are used, [S, H]."""
        capacity = np.array(
            [self.unusual.get(geography.hosts.ids[row], self.host_slots) for row in rows],
            dtype=np.float64,
        )
        table = np.zeros(geography.rtt.shape)
        table[:, rows] = slot_table(
            geography.rtt[:, rows], capacity, self.slots, self.reach, self.pull
        )
        return table
