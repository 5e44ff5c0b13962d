"""Which requests a metric is about: ``workers{continent: EU}.p(95)``, ``workers{after: 10min}.failed_ratio``."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from pydantic import ValidationError

from popsim.results.apart import is_kept_apart, selected
from popsim.results.pooled import Pool
from popsim.results.selected import Restricted, Windowed
from popsim.scenario.document import parse_yaml
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.parts import Where
from popsim.scenario.selections import Selection, is_called
from popsim.scenario.text import quoted
from popsim.world.clients import Clients
from popsim.world.places import matching

ROUNDING = 1e-9  # of a bin

Selector = Selection


def is_apart(selector: Selector) -> bool:
    """Tell whether a selection has to be kept apart: all but whole countries, networks and sites, each alone."""
    kinds, where = selector.kinds, selector.where
    return len(kinds) > 1 or "time" in kinds or where.names("city") or where.names("id")


def narrowed(where: Where, selector: Selector | None) -> Selector:
    """Return what a claim's places and a metric's selector keep together; one of them names places."""
    given = where.model_dump(exclude_none=True)
    if selector is not None:
        given |= selector.model_dump(exclude_none=True)
    return Selector.model_validate(given)


def read_selector(text: str) -> Selector:
    """Read ``{continent: EU}``, a YAML mapping.

    Raises:
        InputError: it is none, has an unknown key or a wrong value, or selects nothing.
    """
    data = parse_yaml(text).data
    try:
        selector = Selector.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [part for part in first["loc"] if isinstance(part, str)]
        key = keys[-1] if keys else "any"
        known = tuple(Selector.model_fields if len(keys) < 2 else Where.model_fields)
        if first["type"] != "extra_forbidden":
            raise _refusal(
                f"{key}: {first['msg'].removeprefix('Value error, ')}", key=key
            ) from None
        hint = did_you_mean(key, known) or f"expected {', '.join(known)}"
        raise _refusal(f"unknown key {quoted(key)}", hint, key) from None
    if selector.kinds:
        return selector
    raise _refusal("nothing is selected", "select by place, network, site or time")


def _refusal(message: str, hint: str | None = None, key: str | None = None) -> InputError:
    return InputError([Problem(None, None, None, (key,) if key else (), message, hint)])


PoolKey = str | tuple[str, Selector]  # a platform, or what of it is selected
Pools = Mapping[PoolKey, Pool]


def pool_key(platform: str, selector: Selector | None) -> PoolKey:
    """Return where the pool of a metric is found."""
    return platform if selector is None else (platform, selector)


def select(pool: Pool, selector: Selector, clients: Clients) -> Pool:
    """Return those requests of a platform that a selector is about; ``clients`` are all of the scenario.

    Raises:
        InputError: an unknown place.
    """
    if is_kept_apart(pool, selector):
        part = selected(pool, selector)
        if selector.kinds == ("place",):
            part.countries = whole_countries(selector.where, clients)
        return part
    if len(selector.kinds) > 1:
        message = f"requests by {' and '.join(selector.kinds)} together were not kept apart"
        raise _refusal(message, "run the scenario again with this claim, or with selections")
    if selector.network is not None:
        return _by_label(pool, "network", selector.network)
    if selector.site is not None:
        return _by_label(pool, "site", selector.site)
    if "time" in selector.kinds:
        return _in_window(pool, selector)
    return in_places(pool, selector.where, clients)


def in_places(pool: Pool, where: Where, clients: Clients) -> Pool:
    """Return the requests of some clients; by country where that is enough, it is finer."""
    if where == Where():
        return pool
    inside = whole_countries(where, clients)
    if inside is not None:
        labels = pool.runs[0].labels["country"]
        rows = [row for row, country in enumerate(labels) if country in inside]
        return Restricted(pool, "country", rows)
    chosen = np.flatnonzero(matching(clients, where))
    return Restricted(pool, "client", [int(row) for row in chosen])


def whole_countries(where: Where, clients: Clients) -> tuple[str, ...] | None:
    """Return the countries whose clients are all of some places; None if a country is cut in parts."""
    mask = matching(clients, where)
    inside = {clients.countries[row] for row in np.flatnonzero(mask)}
    outside = {clients.countries[row] for row in np.flatnonzero(~mask)}
    return tuple(sorted(inside)) if inside.isdisjoint(outside) else None


def _by_label(pool: Pool, dimension: str, names: tuple[str, ...]) -> Pool:
    """Return requests by access network, with Wi-Fi behind it or not, or by site."""
    labels = pool.runs[0].labels[dimension]
    rows = [row for row, label in enumerate(labels) if any(is_called(label, n) for n in names)]
    return Restricted(pool, dimension, rows)


def _in_window(pool: Pool, selector: Selector) -> Pool:
    run = pool.runs[0]
    first, end = window_bins(selector, run.timeline_bin_ms, len(run.timeline))
    return Windowed(pool, first, end)


def window_bins(selector: Selector, bin_ms: float, bins: int) -> tuple[int, int]:
    """Return the first and one past the last of a timeline's bins that lie wholly in a window; equal if none does."""
    after = 0.0 if selector.after is None else selector.after / bin_ms
    before = float(bins) if selector.before is None else selector.before / bin_ms
    first = math.ceil(after - ROUNDING)
    return first, max(first, min(math.floor(before + ROUNDING), bins))
