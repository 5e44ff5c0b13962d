"""Where an origin stands: what a scenario says about it, turned into a place."""

from __future__ import annotations

import numpy as np

from popsim.scenario.errors import InputError, Problem
from popsim.scenario.parts import OriginSpec, Where
from popsim.scenario.text import quoted
from popsim.world.clients import load_clients
from popsim.world.geo import great_circle_km
from popsim.world.places import matching, unknown_id
from popsim.world.sites import Place, load_sites


def locate_origin(name: str, spec: OriginSpec) -> Place:
    """Return the place of an origin: a position, a region of a topology, or a city.

    Raises:
        InputError: there is no such region or city; its path is relative to the origin's keys.
    """
    if spec.region is not None:
        sites = load_sites(spec.topology)
        if (problem := unknown_id("region", spec.region, sites.ids)) is not None:
            raise InputError([_at("region", problem)])
        row = sites.index(spec.region)
        return Place(name, sites.cities[row], sites.countries[row], sites.lat[row], sites.lon[row])
    if spec.city is not None:
        return _city(name, spec.city, spec.country)
    assert spec.lat is not None
    assert spec.lon is not None
    return Place(
        name, name, spec.country or _nearest_country(spec.lat, spec.lon), spec.lat, spec.lon
    )


def _city(name: str, city: str, country: str | None) -> Place:
    """Return a city of the bundled clients; the one with the most users if there are several."""
    where, hint = Where(city=(city,), country=None if country is None else (country,)), None
    for topology in ("cities", "world-users"):
        clients = load_clients(topology)
        try:
            rows = np.flatnonzero(matching(clients, where))
        except InputError as error:
            hint = error.problems[0].hint
            continue
        if len(rows):
            row = int(rows[clients.weight[rows].argmax()])
            return Place(
                name,
                clients.cities[row],
                clients.countries[row],
                clients.lat[row],
                clients.lon[row],
            )
    hint = hint or "give lat and lon instead"
    raise InputError(
        [Problem(None, None, None, ("city",), f"there is no city {quoted(city)}", hint)]
    )


def _nearest_country(lat: float, lon: float) -> str:
    """Return the country of the nearest client cell, which decides which borders links cross."""
    clients = load_clients("world-users")
    return clients.countries[int(np.argmin(great_circle_km(lat, lon, clients.lat, clients.lon)))]


def _at(key: str, problem: Problem) -> Problem:
    return Problem(None, None, None, (key,), problem.message, problem.hint)
