"""All objects in one place: a database with one primary, as most applications have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popsim.models.object_placement.contract import Floats, Geography, TablePlacement
from popsim.models.object_placement.tables import check_hosts, single_table
from popsim.models.registry import register

if TYPE_CHECKING:
    from popsim.world.sites import Sites


@register("object_placement", "hub")
class Hub(TablePlacement):
    """The one site ``host``; the platform's other hosts follow, and take over when it is lost."""

    host: str
    """Id of the host where all objects live."""

    def allowed_hosts(self, hosts: Sites) -> tuple[str, ...]:
        """Return all hosts; raises InputError if ``host`` is none of them."""
        check_hosts([(self.host, ("host",))], hosts)
        return hosts.ids

    def likelihood(self, geography: Geography) -> Floats:
        """Return 1 for the hub, [S, H]."""
        return single_table(geography, self.host)
