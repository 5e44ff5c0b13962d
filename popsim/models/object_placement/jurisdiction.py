"""Within the borders that the law sets: Durable Objects' jurisdictions.

They are eu, fedramp (https://developers.cloudflare.com/durable-objects/reference/data-location/, 2026) and us (changelog
of 2026-06-26). Unlike a hint, a jurisdiction binds: homes, followers and whoever takes over stay within.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from popsim.models.object_placement.contract import Floats, Geography, Ints, TablePlacement
from popsim.models.object_placement.tables import nearest_table
from popsim.models.registry import register
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from popsim.world.sites import Sites

EUROPEAN_UNION = (  # https://european-union.europa.eu/principles-countries-history/eu-countries_en, 2026
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
)
# ASSUMPTION: FedRAMP's data centres, which are not listed, are those in the United States.
COUNTRIES = {"eu": frozenset(EUROPEAN_UNION.split()), "fedramp": {"US"}, "us": {"US"}}


@register("object_placement", "jurisdiction")
class Jurisdiction(TablePlacement):
    """The host of a jurisdiction that is nearest to the first caller."""

    jurisdiction: Literal["eu", "fedramp", "us"]
    """Whose law binds: homes, followers and whoever takes over stay within."""

    def allowed_hosts(self, hosts: Sites) -> tuple[str, ...]:
        """Return the hosts in the jurisdiction; raises InputError if the platform has none there."""
        allowed = _within(self.jurisdiction, hosts)
        if not allowed:
            known = [name for name in COUNTRIES if _within(name, hosts)]
            hint = f"jurisdictions with hosts: {', '.join(known) or 'none'}"
            message = f"no host of the platform is in the jurisdiction {quoted(self.jurisdiction)}"
            raise InputError([Problem(None, None, None, ("jurisdiction",), message, hint)])
        return allowed

    def allowed_followers(self, sites: Sites) -> Ints:
        """Return the rows of the sites in the jurisdiction."""
        inside = [country in COUNTRIES[self.jurisdiction] for country in sites.countries]
        return np.flatnonzero(inside).astype(np.int64)

    def likelihood(self, geography: Geography) -> Floats:
        """Return 1 for the nearest host of each site, [S, H]."""
        return nearest_table(geography.rtt)


def _within(name: str, hosts: Sites) -> tuple[str, ...]:
    """Return the ids of the hosts in a jurisdiction."""
    pairs = zip(hosts.ids, hosts.countries, strict=True)
    return tuple(host for host, country in pairs if country in COUNTRIES[name])
