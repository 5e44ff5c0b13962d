"""Other names of cities: Bombay is Mumbai, Cologne is Köln, and Sao Paulo needs no accent."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from functools import cache
from typing import NamedTuple

from popsim.scenario.bundled import bundled_folder
from popsim.world.table import Table

# Letters that do not fall apart into one of ASCII and an accent.
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "-": " "})


def plain(name: str) -> str:
    """Return a name without accents and capitals.

    >>> plain("São Paulo")
    'sao paulo'
    """
    apart = unicodedata.normalize("NFKD", name.casefold().translate(LETTERS))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


class City(NamedTuple):
    """A city of a topology: the names that it goes by, and further spellings, all plain."""

    name: str
    country: str
    names: frozenset[str]
    spellings: frozenset[str]


@cache
def all_cities() -> tuple[City, ...]:
    """Return the cities of the bundled topologies, by the names that GeoNames has."""
    path = bundled_folder("topologies") / "aliases.csv"
    found = []
    for row in Table(path, ("city", "country", "aliases", "spellings")):
        city = row.text("city")
        aliases, spellings = (
            frozenset(plain(name) for name in row.values[column].split(";") if name)
            for column in ("aliases", "spellings")
        )
        found.append(City(city, row.text("country"), aliases | {plain(city)}, spellings))
    return tuple(found)


@cache
def _by_name() -> dict[str, list[City]]:
    found: dict[str, list[City]] = defaultdict(list)
    for city in all_cities():
        for name in city.names:
            found[name].append(city)
    return found


def known_as(name: str) -> list[City]:
    """Return the cities that go by a name."""
    return _by_name().get(plain(name), [])
