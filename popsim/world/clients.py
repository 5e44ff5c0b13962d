"""Clients: places that send requests, with the weight of the users they stand for."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from sys import intern

import numpy as np

from popsim.scenario.errors import InputError, Problem
from popsim.scenario.laws import MAX_NUMBER
from popsim.scenario.own_files import FileVersion, file_version
from popsim.scenario.parts import Where
from popsim.world.geo import Floats, check_country, countries
from popsim.world.places import matching
from popsim.world.table import Table, find_table

COLUMNS = ("id", "city", "country", "lat", "lon", "utc_offset_h", "weight")


@dataclass(frozen=True, eq=False)
class Clients:
    """Cells of users, or probes; every field has one entry per client."""

    ids: tuple[str, ...]
    cities: tuple[str, ...]
    countries: tuple[str, ...]
    continents: tuple[str, ...]
    lat: Floats  # degrees
    lon: Floats
    weight: Floats  # shares, sum 1
    utc_offset_h: Floats

    def __len__(self) -> int:
        """Return how many clients there are."""
        return len(self.ids)

    def __repr__(self) -> str:
        """Say how many, from how many countries."""
        return f"Clients({len(self)} places in {len(set(self.countries))} countries)"

    def _repr_html_(self) -> str:
        # Upwards by name, so that this layer need not know about notebooks.
        text: str = import_module("popsim.report.notebook.places").clients_html(self)
        return text

    def select(self, where: Where) -> Clients:
        """Return the clients that match ``where``, with weights that sum to 1 again.

        Raises:
            InputError: a place that does not exist, or no client is left.
        """
        return self._selected(where)

    @lru_cache(maxsize=4)  # one scenario asks for the same ones many times  # noqa: B019
    def _selected(self, where: Where) -> Clients:
        rows = np.flatnonzero(matching(self, where)).tolist()
        if not rows:
            raise InputError([Problem(None, None, None, (), "no client is left")])
        return Clients(
            ids=tuple([self.ids[row] for row in rows]),
            cities=tuple([self.cities[row] for row in rows]),
            countries=tuple([self.countries[row] for row in rows]),
            continents=tuple([self.continents[row] for row in rows]),
            lat=self.lat[rows],
            lon=self.lon[rows],
            weight=self.weight[rows] / self.weight[rows].sum(),
            utc_offset_h=self.utc_offset_h[rows],
        )


def load_clients(name: str) -> Clients:
    """Load clients: bundled ones by name (``world-users``), or a CSV file.

    Raises:
        InputError: there are none, or mistakes in the file, all of them, with file and line.

    >>> load_clients("world-users")
    Clients(3000 places in 243 countries)
    """
    path = find_table("clients", name)
    return _load(path, file_version(path))


@lru_cache(maxsize=32)
def _load(path: Path, _version: FileVersion) -> Clients:
    ids, cities, codes = list[str](), list[str](), list[str]()
    numbers = array("d")
    for row in Table(path, COLUMNS):
        ids.append(row.unique("id"))
        cities.append(intern(row.text("city")))
        codes.append(intern(check_country(row)))
        numbers.append(row.number("lat", -90.0, 90.0))
        numbers.append(row.number("lon", -180.0, 180.0))
        numbers.append(row.number("weight", 0.0, MAX_NUMBER))
        numbers.append(row.number("utc_offset_h", -12.0, 14.0))
    lat, lon, weight, offset = np.array(numbers).reshape(-1, 4).T.copy()
    if weight.sum() <= 0.0:
        raise InputError([Problem(str(path), None, None, (), "all weights are 0")])
    continents = tuple(countries()[code].continent for code in codes)
    return Clients(
        tuple(ids), tuple(cities), tuple(codes), continents, lat, lon, weight / weight.sum(), offset
    )
