"""Sites and clients in a notebook: how many on which continent, a map, the first ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import cycle

import numpy as np

from popsim.report.notebook.markup import (
    Markup,
    counted,
    display,
    element,
    folded,
    joined,
    percent,
    quiet,
    table,
    titled,
)
from popsim.report.notebook.worldmap import Dots, world_map
from popsim.world.clients import Clients
from popsim.world.geo import CONTINENTS, Floats
from popsim.world.sites import Sites

FIRST = 10  # rows that are shown
# Close to the first of report/style.py, each with a contrast of more than 3 to white and to #111.
COLOURS = ("#2A88CC", "#D55E00", "#009E73", "#CC79A7")
SITE_UNITS, RARE_UNITS = 8.0, 11.0  # diameters of dots
LARGEST_UNITS, SMALLEST_UNITS = 36.0, 3.0
SIZES = 10  # of dots of clients; each is one path


def sites_html(sites: Sites) -> str:
    """Return what a notebook shows of sites: a colour for each role, a site has that of its rarest."""
    roles = _roles(sites)
    columns = ["continent", "sites", *(role for role in roles if roles[role] < len(sites))]
    codes = _continents(sites)
    rows = [
        [CONTINENTS[code], str(codes[code]), *(_having(sites, role, code) for role in columns[2:])]
        for code in codes
    ]
    first = [
        (id_, sites.cities[n], sites.countries[n], _degrees(sites.lat[n]), _degrees(sites.lon[n]),
         " ".join(sorted(sites.roles[n])))
        for n, id_ in enumerate(sites.ids[:FIRST])
    ]  # fmt: skip
    label = f"Map of {counted(len(sites), 'site')}"
    return display(
        titled(counted(len(sites), "site"), f"in {_countries(sites)}"),
        world_map(_dots_of_roles(sites, list(roles)), label),
        _legend(roles),
        table(columns, rows, numbers=len(columns) - 1),
        _first(("id", "city", "country", "lat", "lon", "roles"), first, len(sites)),
    )


def clients_html(clients: Clients) -> str:
    """Return what a notebook shows of clients: the area of a dot is the share of users."""
    shares = dict.fromkeys(_continents(clients), 0.0)
    for code, weight in zip(clients.continents, clients.weight.tolist(), strict=True):
        shares[code] += weight
    rows = [
        (CONTINENTS[code], f"{many:,}", percent(shares[code]))
        for code, many in _continents(clients).items()
    ]
    first = [
        (id_, clients.cities[n], clients.countries[n], _degrees(clients.lat[n]), _degrees(clients.lon[n]),
         percent(clients.weight[n]))
        for n, id_ in enumerate(clients.ids[:FIRST])
    ]  # fmt: skip
    return display(
        titled(counted(len(clients), "place") + " with clients", f"in {_countries(clients)}"),
        world_map(_dots_of_weights(clients), f"Map of {counted(len(clients), 'place')}"),
        quiet("" if _is_even(clients.weight) else "The area of a dot is its share of users."),
        table(("continent", "places", "users"), rows, numbers=2),
        _first(("id", "city", "country", "lat", "lon", "users"), first, len(clients)),
    )


def _first(columns: Sequence[str], rows: Sequence[Sequence[str]], count: int) -> Markup:
    many = "all of them" if len(rows) == count else f"the first {len(rows)}"
    return folded(many, table(columns, rows)) if rows else Markup()


def _countries(places: Sites | Clients) -> str:
    countries = len(set(places.countries))
    return "1 country" if countries == 1 else f"{countries} countries"


def _continents(places: Sites | Clients) -> dict[str, int]:
    """Return how many places each continent has, the most first."""
    found = Counter(places.continents)
    return {code: found[code] for code in sorted(found, key=lambda code: (-found[code], code))}


def _roles(sites: Sites) -> dict[str, int]:
    """Return how many sites have each role, the most first."""
    found = Counter(role for roles in sites.roles for role in roles)
    return {role: found[role] for role in sorted(found, key=lambda role: (-found[role], role))}


def _having(sites: Sites, role: str, continent: str) -> str:
    pairs = zip(sites.roles, sites.continents, strict=True)
    return str(sum(role in roles and code == continent for roles, code in pairs))


def _dots_of_roles(sites: Sites, roles: list[str]) -> list[Dots]:
    """Return the sites by their rarest role, rare ones on top and larger."""
    rarest = np.array([max(map(roles.index, each), default=-1) for each in sites.roles], np.int64)
    dots = []
    for row in range(-1, len(roles)):  # -1: without a role
        chosen = rarest == row
        colour = COLOURS[max(row, 0) % len(COLOURS)]
        size = RARE_UNITS if row > 0 else SITE_UNITS
        if chosen.any():
            dots.append(Dots(sites.lat[chosen], sites.lon[chosen], colour, size, 0.85))
    return dots


def _dots_of_weights(clients: Clients) -> list[Dots]:
    """Return the clients by size, large ones below."""
    diameters = _diameters(clients.weight)
    opacity = 1.0 if _is_even(clients.weight) else 0.6
    return [
        Dots(clients.lat[chosen], clients.lon[chosen], COLOURS[0], size, opacity)
        for size in sorted(set(diameters.tolist()), reverse=True)
        if (chosen := diameters == size).any()
    ]


def _is_even(weight: Floats) -> bool:
    return len(np.unique(weight)) < 2


def _diameters(weight: Floats) -> Floats:
    """Return diameters in units of the drawing whose squares go with the weights, rounded to some sizes."""
    if _is_even(weight):
        return np.full(len(weight), SITE_UNITS)
    exact = np.maximum(LARGEST_UNITS * np.sqrt(weight / weight.max()), SMALLEST_UNITS)
    sizes = np.geomspace(SMALLEST_UNITS, LARGEST_UNITS, SIZES)
    return np.asarray(sizes[np.abs(np.subtract.outer(exact, sizes)).argmin(axis=1)].round(1))


def _legend(roles: dict[str, int]) -> Markup:
    if not roles:
        return Markup()
    parts = [
        joined((element("span", "●", style=f"color:{colour}"), f" {many} {role}"))
        for (role, many), colour in zip(roles.items(), cycle(COLOURS))
    ]
    return element("p", joined(parts, " · "))


def _degrees(value: float) -> str:
    return f"{value:.2f}"
