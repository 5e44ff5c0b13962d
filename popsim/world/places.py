"""Choose among places: by id, city, country, continent, and unions of these."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.errors import InputError, Problem, did_you_mean, may_compare
from popsim.scenario.parts import Where
from popsim.scenario.text import quoted
from popsim.world.cities import Cities, Places
from popsim.world.geo import CONTINENTS, countries, country_hint


def matching(places: Places, where: Where) -> NDArray[np.bool_]:
    """Return which places match every key that ``where`` has, shape (n,).

    Raises:
        InputError: a country, continent, city or id that does not exist, with its path in ``where``.
    """
    chosen = np.ones(len(places.ids), dtype=np.bool_)
    problems: list[Problem] = []
    columns = {"continent": places.continents, "country": places.countries, "id": places.ids}
    for key, values in columns.items():
        wanted: tuple[str, ...] | None = getattr(where, key)
        if wanted is None:
            continue
        if key == "id":
            there = [replace(p, path=("id",)) for p in unknown_ids("id", wanted, values)]
            problems += [replace(p, message=f"{p.message} here") for p in there]
        else:
            problems += [p for name in wanted if (p := _unknown(key, name)) is not None]
        chosen &= np.isin(np.asarray(values), wanted)
    if where.city is not None:
        cities = Cities(places, chosen)  # a country beside it tells cities of one name apart
        for name in where.city:
            problems += cities.add(name)
        chosen &= cities.chosen
    if where.any is not None:
        chosen &= _union(places, where.any, problems)
    if problems:
        raise InputError(problems)
    return chosen


def _union(places: Places, parts: Iterable[Where], problems: list[Problem]) -> NDArray[np.bool_]:
    """Return which places match at least one of some parts, and note what is wrong with these."""
    found = np.zeros(len(places.ids), dtype=np.bool_)
    for number, part in enumerate(parts):
        try:
            found |= matching(places, part)
        except InputError as error:
            problems += error.under("any", number).problems
    return found


def matching_names(key: str, names: Iterable[str]) -> None:
    """Check names of countries or continents; raises InputError for those that are none."""
    problems = [p for name in names if (p := _unknown(key, name)) is not None]
    if problems:
        raise InputError([replace(p, path=()) for p in problems])


def unknown_id(what: str, name: str, known: Collection[str]) -> Problem | None:
    """Return the problem that ``name`` is not among the known ids, if so."""
    if name in known:
        return None
    hint = did_you_mean(name, sorted(known) if may_compare(0) else ())
    return Problem(None, None, None, (), f"there is no {what} {quoted(name)}", hint)


def unknown_ids(what: str, names: Iterable[str], known: Iterable[str]) -> list[Problem]:
    """Return a problem for each name that is not among the known ids."""
    there = frozenset(known)
    found = (unknown_id(what, name, there) for name in names)
    return [problem for problem in found if problem is not None]


def _unknown(key: str, name: str) -> Problem | None:
    if key == "continent" and name not in CONTINENTS:
        hint = f"expected one of {', '.join(CONTINENTS)}"
        return Problem(None, None, None, (key,), f"unknown continent {quoted(name)}", hint)
    if key == "country" and name not in countries():
        return Problem(
            None, None, None, (key,), f"unknown country {quoted(name)}", country_hint(name)
        )
    return None
