"""The regions of location hints: which sites are in which, and where a region without hosts sends its objects.

Names, and that not every region hosts objects: https://developers.cloudflare.com/durable-objects/reference/data-location/,
2026; apac-ne and apac-se: the changelog of 2026-06-19.

ASSUMPTION: the borders, which are not published. North America is cut at 100 degrees west and includes Central America
and the Caribbean; eastern Europe is what the United Nations call so (https://unstats.un.org/unsd/methodology/m49/, 2026),
the Baltic states, the Balkans, Greece and Cyprus; the Middle East is their Western Asia and Iran; Central Asia
counts as eastern Europe, where its cables lead, and southern Asia as southeast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from popsim.world.sites import Sites

Hint = Literal[
    "wnam", "enam", "sam", "weur", "eeur", "apac", "apac-ne", "apac-se", "oc", "afr", "me"
]

WEST_OF = -100.0  # degrees; North America's two halves
BY_CONTINENT = {
    "AF": "afr",
    "AN": "oc",
    "AS": "apac-se",
    "EU": "weur",
    "NA": "enam",
    "OC": "oc",
    "SA": "sam",
}
BY_COUNTRY = {
    "eeur": "AL BA BG BY CS CY CZ EE GR HR HU LT LV MD ME MK PL RO RS RU SI SK UA XK KG KZ TJ TM UZ",
    "me": "AE AM AZ BH GE IL IQ IR JO KW LB OM PS QA SA SY TR YE",
    "apac-ne": "CN HK JP KP KR MN MO TW",
}
REGION_OF = {country: region for region, text in BY_COUNTRY.items() for country in text.split()}
PARTS = {"apac": ("apac-ne", "apac-se")}  # of a region that has some

# Regions to try in turn. Published: sam goes to enam. ASSUMPTION: all others; me goes to weur because new objects of the
# Middle East lived in Milan, Paris, Frankfurt and Marseille (https://where.durableobjects.live, 2025-12).
NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "wnam": ("enam",),
    "enam": ("wnam",),
    "sam": ("enam", "wnam"),
    "weur": ("eeur",),
    "eeur": ("weur",),
    "apac": ("oc",),
    "apac-ne": ("apac-se", "oc"),
    "apac-se": ("apac-ne", "oc"),
    "oc": ("apac",),
    "afr": ("weur", "eeur"),
    "me": ("weur", "eeur"),
}


def regions_of(sites: Sites) -> NDArray[np.str_]:
    """Return the region of each site, shape (S,); Asia-Pacific's two parts, never ``apac``."""
    regions = [
        REGION_OF.get(country, BY_CONTINENT[continent])
        for country, continent in zip(sites.countries, sites.continents, strict=True)
    ]
    west = (np.array(sites.continents, dtype="U2") == "NA") & (sites.lon < WEST_OF)
    return np.where(west, "wnam", np.array(regions, dtype="U7"))


def in_region(sites: Sites, region: str) -> NDArray[np.bool_]:
    """Return which sites are in a region, shape (S,)."""
    return np.isin(regions_of(sites), PARTS.get(region, (region,)))


def hosts_for(hosts: Sites, region: str) -> NDArray[np.intp]:
    """Return the rows of the hosts in a region or, without any, in its first neighbour with some; else of all hosts."""
    for name in (region, *NEIGHBOURS[region]):
        rows = np.flatnonzero(in_region(hosts, name))
        if rows.size:
            return rows
    return np.arange(len(hosts))
