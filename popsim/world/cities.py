"""Choose places by the name of their city: as it is written, without accents, or another name of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.errors import LONGEST_NAME, Problem, may_compare
from popsim.scenario.text import quoted
from popsim.world.aliases import City, all_cities, known_as, plain

CLOSE = 0.75  # likeness of names that are suggested; at 0.6, Bumba is like Bombay


class Places(Protocol):
    """What sites and clients have in common."""

    @property
    def ids(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def cities(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def countries(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def continents(self) -> tuple[str, ...]: ...  # noqa: D102


class Cities:
    """Which places lie in some cities; ``among`` are those that a name can be of."""

    def __init__(self, places: Places, among: NDArray[np.bool_]) -> None:
        self.places = places
        self.rows = np.flatnonzero(among if among.any() else np.ones_like(among))
        self.chosen = np.zeros(len(places.ids), dtype=np.bool_)

    def add(self, name: str) -> list[Problem]:
        """Choose the places of a city; return what is wrong with its name."""
        cities = self.places.cities
        if exact := self._exact.get(name):
            self.chosen[exact] = True
            return []
        called = {
            city: rows for city in known_as(name) if (rows := self._rows(city.names, city.country))
        }
        if not called:
            called = {
                City(cities[row], self.places.countries[row], frozenset(), frozenset()): [row]
                for row in self._rows({plain(name)})
            }
        if len({(city.name, city.country) for city in called}) == 1:
            self.chosen[[row for rows in called.values() for row in rows]] = True
            return []
        return [self._problem(name, called)]

    def _rows(self, names: Iterable[str], country: str | None = None) -> list[int]:
        """Return the places in a city that goes by some plain names."""
        return [
            row
            for row in sorted({row for name in names for row in self._plain.get(name, ())})
            if country in (None, self.places.countries[row])
        ]

    @cached_property
    def _exact(self) -> dict[str, list[int]]:
        """All places by their city."""
        rows_of: dict[str, list[int]] = defaultdict(list)
        for row, city in enumerate(self.places.cities):
            rows_of[city].append(row)
        return rows_of

    @cached_property
    def _plain(self) -> dict[str, list[int]]:
        """The places that can be meant, by the plain name of their city."""
        rows_of: dict[str, list[int]] = defaultdict(list)
        for row in self.rows.tolist():
            rows_of[plain(self.places.cities[row])].append(row)
        return rows_of

    def _problem(self, name: str, called: Iterable[City]) -> Problem:
        path = ("city",)
        if several := sorted({_told(city) for city in called}):
            message = f"{quoted(name)} is a name of several cities here"
            hint = f"expected one of {', '.join(several)}; a country beside it tells them apart"
            return Problem(None, None, None, path, message, hint)
        message = f"there is no city {quoted(name)} here"
        if elsewhere := sorted({_told(city) for city in known_as(name)}):
            return Problem(
                None, None, None, path, message, f"it is known as {', '.join(elsewhere)}"
            )
        return Problem(None, None, None, path, message, self._guess(name))

    def _guess(self, name: str) -> str | None:
        """Suggest the city whose name is most like it; none if names of another continent are about as like."""
        rows_of = self._names
        if len(name) > LONGEST_NAME or not may_compare(len(rows_of)):
            return None
        close = get_close_matches(plain(name), list(rows_of), n=3, cutoff=CLOSE)
        if not close:
            return None
        best = {self.places.cities[row] for row in rows_of[close[0]]}
        at_best = {self.places.continents[row] for row in rows_of[close[0]]}
        others = {
            self.places.continents[row]
            for letters in close
            for row in rows_of[letters]
            if self.places.cities[row] not in best
        }
        if len(best) > 1 or others - at_best:
            return None
        countries = sorted({self.places.countries[row] for row in rows_of[close[0]]})
        return f"did you mean {quoted(best.pop())} ({', '.join(countries)})?"

    @cached_property
    def _names(self) -> dict[str, set[int]]:
        """The places that can be meant, by every plain name of their city."""
        rows_of: dict[str, set[int]] = defaultdict(set)
        in_city: dict[tuple[str, str], list[int]] = defaultdict(list)
        for letters, rows in self._plain.items():
            rows_of[letters].update(rows)
            for row in rows:
                in_city[letters, self.places.countries[row]].append(row)
        for city in all_cities():
            there = {row for name in city.names for row in in_city.get((name, city.country), ())}
            for name in city.names | city.spellings if there else ():
                rows_of[name].update(there)
        return rows_of


def _told(city: City) -> str:
    return f"{city.name} ({city.country})"
