"""Which requests a metric is about: ``workers{continent: EU}.p(95)``, ``workers{after: 10min}.failed_ratio``."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from pydantic import ValidationError

from popsim.results.pooled import Pool
from popsim.results.selected import Restricted, Windowed
from popsim.scenario.document import parse_yaml
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.fields import DurationMs, Names
from popsim.scenario.parts import Where
from popsim.scenario.text import quoted
from popsim.world.clients import Clients
from popsim.world.places import matching

ROUNDING = 1e-9  # of a bin
WIFI = "+wifi"  # a fixed line with Wi-Fi behind it


class Selector(Where):
    """Clients by place, by their access network or the site that they reach; or a window of time in ms."""

    network: Names | None = None
    site: Names | None = None
    after: DurationMs | None = None
    before: DurationMs | None = None

    @property
    def where(self) -> Where:
        """The places in it."""
        return Where(**{key: getattr(self, key) for key in Where.model_fields})

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it selects by, of place, network, site and time; results keep each alone, not combined."""
        given = {
            "place": self.where != Where(),
            "network": self.network is not None,
            "site": self.site is not None,
            "time": self.after is not None or self.before is not None,
        }
        return tuple(kind for kind, is_given in given.items() if is_given)


def read_selector(text: str) -> Selector:
    """Read ``{continent: EU}``, a YAML mapping.

    Raises:
        InputError: it is none, has an unknown key or a wrong value, or selects by several kinds.
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
    if len(selector.kinds) == 1:
        return selector
    what = f"{' and '.join(selector.kinds)} together" if selector.kinds else "nothing"
    raise _refusal(f"results are not kept by {what}", "select by place, network, site or time")


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
    mask = matching(clients, where)
    inside = {clients.countries[row] for row in np.flatnonzero(mask)}
    outside = {clients.countries[row] for row in np.flatnonzero(~mask)}
    if inside.isdisjoint(outside):
        labels = pool.runs[0].labels["country"]
        rows = [row for row, country in enumerate(labels) if country in inside]
        return Restricted(pool, "country", rows)
    return Restricted(pool, "client", [int(row) for row in np.flatnonzero(mask)])


def _by_label(pool: Pool, dimension: str, names: tuple[str, ...]) -> Pool:
    """Return requests by access network, with Wi-Fi behind it or not, or by site."""
    labels = pool.runs[0].labels[dimension]
    rows = [row for row, label in enumerate(labels) if any(is_called(label, n) for n in names)]
    return Restricted(pool, dimension, rows)


def is_called(label: str, name: str) -> bool:
    """Tell whether a network or site goes by a name; ``cable`` is one with Wi-Fi, too."""
    return name in (label, label.removesuffix(WIFI))


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
