"""Sites: points of presence, regions and caches of a platform, from a topology file.

A topology is a CSV file with the columns id, city, country, lat, lon, roles, and comments on top that name
its source. Roles are words separated by spaces; presets choose sites by role.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.own_files import FileVersion, file_version
from popsim.scenario.parts import Where
from popsim.scenario.text import quoted
from popsim.world.geo import Floats, check_country, countries
from popsim.world.places import matching, unknown_ids
from popsim.world.table import Table, find_table

COLUMNS = ("id", "city", "country", "lat", "lon", "roles")
EVERYWHERE = Where()


@dataclass(frozen=True, eq=False)
class Sites:
    """Sites of one topology; every field has one entry per site."""

    ids: tuple[str, ...]
    cities: tuple[str, ...]
    countries: tuple[str, ...]
    continents: tuple[str, ...]
    lat: Floats  # degrees
    lon: Floats
    roles: tuple[frozenset[str], ...]

    def __len__(self) -> int:
        """Return how many sites there are."""
        return len(self.ids)

    def __repr__(self) -> str:
        """Say how many of which roles."""
        roles = sorted(set().union(*self.roles)) if self.roles else []
        counted = ", ".join(f"{sum(role in r for r in self.roles)} {role}" for role in roles)
        return f"Sites({len(self)} sites: {counted})"

    def _repr_html_(self) -> str:
        # Upwards by name, so that this layer need not know about notebooks.
        text: str = import_module("popsim.report.notebook.places").sites_html(self)
        return text

    def index(self, site: str) -> int:
        """Return a site's row; ValueError if there is none."""
        return self.ids.index(site)

    def select(
        self,
        role: str | None = None,
        ids: Iterable[str] | None = None,
        where: Where = EVERYWHERE,
        exclude: Where = EVERYWHERE,
    ) -> Sites:
        """Return the sites that have a role, are among ``ids``, match ``where`` and not ``exclude``.

        Raises:
            InputError: a role, id or place that does not exist.
        """
        return self._selected(role, None if ids is None else tuple(ids), where, exclude)

    @lru_cache(maxsize=64)  # one scenario asks for the same ones many times  # noqa: B019
    def _selected(
        self, role: str | None, ids: tuple[str, ...] | None, where: Where, exclude: Where
    ) -> Sites:
        chosen = matching(self, where)
        if any(getattr(exclude, key) is not None for key in Where.model_fields):
            chosen &= ~matching(self, exclude)
        if role is not None:
            chosen &= self._with_role(role)
        if ids is not None:
            if problems := unknown_ids("site", ids, self.ids):
                raise InputError(problems)
            chosen &= np.isin(self.ids, ids)
        return self._rows(np.flatnonzero(chosen).tolist())

    def _with_role(self, role: str) -> NDArray[np.bool_]:
        known = sorted(set().union(*self.roles))
        if role not in known:
            hint = did_you_mean(role, known)
            raise InputError(
                [Problem(None, None, None, ("role",), f"no site is a {quoted(role)}", hint)]
            )
        return np.fromiter((role in roles for roles in self.roles), np.bool_, len(self))

    def _rows(self, rows: list[int]) -> Sites:
        if len(rows) == len(self):  # rows are in order, and none is there twice
            return self
        return Sites(
            ids=tuple([self.ids[row] for row in rows]),
            cities=tuple([self.cities[row] for row in rows]),
            countries=tuple([self.countries[row] for row in rows]),
            continents=tuple([self.continents[row] for row in rows]),
            lat=self.lat[rows],
            lon=self.lon[rows],
            roles=tuple([self.roles[row] for row in rows]),
        )

    @classmethod
    def at(cls, places: Sequence[Place]) -> Sites:
        """Return sites without roles at some places."""
        return cls(
            ids=tuple(place.id for place in places),
            cities=tuple(place.city for place in places),
            countries=tuple(place.country for place in places),
            continents=tuple(countries()[place.country].continent for place in places),
            lat=np.array([place.lat for place in places], dtype=np.float64),
            lon=np.array([place.lon for place in places], dtype=np.float64),
            roles=(frozenset[str](),) * len(places),
        )


@dataclass(frozen=True)
class Place:
    """One place with a name."""

    id: str
    city: str
    country: str
    lat: float  # degrees
    lon: float


def load_sites(name: str) -> Sites:
    """Load a topology: a bundled one by name (``cloudflare``), or a CSV file.

    Raises:
        InputError: there is none, or mistakes in it, all of them, with file and line.

    >>> load_sites("vercel")
    Sites(146 sites: 126 pop, 20 region)
    """
    path = find_table("sites", name)
    return _load(path, file_version(path))


@lru_cache(maxsize=32)
def _load(path: Path, _version: FileVersion) -> Sites:
    places = [
        (
            Place(
                row.unique("id"),
                row.text("city"),
                check_country(row),
                row.number("lat", -90.0, 90.0),
                row.number("lon", -180.0, 180.0),
            ),
            frozenset(row.values["roles"].split()),
        )
        for row in Table(path, COLUMNS)
    ]
    sites = Sites.at([place for place, _ in places])
    return Sites(
        sites.ids, sites.cities, sites.countries, sites.continents, sites.lat, sites.lon,
        tuple(roles for _, roles in places),
    )  # fmt: skip
