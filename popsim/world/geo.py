"""Where places are: great-circle distances, countries and continents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from popsim.scenario.bundled import bundled_folder
from popsim.scenario.errors import did_you_mean
from popsim.scenario.text import quoted
from popsim.world.table import Row, Table

Floats = NDArray[np.float64]

EARTH_RADIUS_KM = 6_371.0  # mean radius, IUGG 1980
CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


def great_circle_km(lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike) -> Floats:
    """Return distances in km between places in degrees; arguments broadcast (haversine formula)."""
    phi1, phi2 = np.radians(lat1), np.radians(lat2)
    half = np.sin((phi2 - phi1) / 2) ** 2
    half = half + np.cos(phi1) * np.cos(phi2) * np.sin(np.radians(np.subtract(lon2, lon1)) / 2) ** 2
    return np.asarray(2.0 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


@dataclass(frozen=True)
class Country:
    """A country of topologies/countries.csv."""

    name: str
    continent: str
    internet_users: int


@cache
def countries() -> dict[str, Country]:
    """Return all countries by ISO 3166-1 alpha-2 code."""
    columns = ("country", "name", "continent", "internet_users")
    table = Table(bundled_folder("topologies") / "countries.csv", columns)
    return {
        row.text("country"): Country(
            row.text("name"), row.text("continent"), int(row.number("internet_users", low=0))
        )
        for row in table
    }


def check_country(row: Row) -> str:
    """Return a row's ``country``; note a problem if it is none."""
    code = row.values["country"].strip()
    if code not in countries():
        row.problem(f"unknown country {quoted(code)}", country_hint(code))
    return code


def country_hint(code: str) -> str:
    """Say which code may have been meant."""
    named = [key for key, country in countries().items() if country.name.lower() == code.lower()]
    if named:
        return f"did you mean {quoted(named[0])}? Countries are two-letter ISO codes"
    guess = did_you_mean(code.upper(), list(countries()))
    return f"expected a two-letter ISO code; {guess}" if guess else "expected a two-letter ISO code"
