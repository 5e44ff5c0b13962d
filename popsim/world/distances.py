"""How far places are from each other, remembered: replications draw residuals anew, the planet stays where it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from popsim.world.clients import Clients
from popsim.world.geo import Floats, great_circle_km
from popsim.world.latency import LatencyGraph
from popsim.world.sites import Sites

MOST_PAIRS, MOST_SETS = 8_000_000, 64  # that are remembered; a pair takes 16 bytes


@dataclass(frozen=True, eq=False)
class Distances:
    """Of every source to every destination; not to be written to."""

    rtt_ms: Floats  # by the latency graph, without residuals; inf = unreachable
    km: Floats  # great circle


Key = tuple[Any, ...]
_remembered: dict[Key, Distances] = {}


@lru_cache(maxsize=8)
def latency_graph(
    params: str, removed_links: tuple[tuple[str, str], ...], removed_sites: tuple[str, ...]
) -> LatencyGraph:
    """Return the graph with some links and nodes taken out; raises InputError for an unknown one."""
    return LatencyGraph(params, removed_links=removed_links, removed_sites=removed_sites)


def distances(
    graph: LatencyGraph, sources: Clients | Sites, destinations: Clients | Sites
) -> Distances:
    """Return the distances between two sets of places over a graph of :func:`latency_graph`.

    The latest MOST_PAIRS pairs are remembered, so that memory stays bounded; a larger set is computed each time.
    """
    key = (graph, *_content(sources), *_content(destinations))
    found = _remembered.pop(key, None)
    if found is None:
        found = _computed(graph, sources, destinations)
        _make_room(found.km.size)
    if found.km.size <= MOST_PAIRS:
        _remembered[key] = found  # at the end: the last that would be forgotten
    return found


def _make_room(pairs: int) -> None:
    """Forget what was not asked for longest, until so many more pairs may be remembered."""
    kept = sum(each.km.size for each in _remembered.values())
    while _remembered and (kept + pairs > MOST_PAIRS or len(_remembered) >= MOST_SETS):
        kept -= _remembered.pop(next(iter(_remembered))).km.size


def _computed(
    graph: LatencyGraph, sources: Clients | Sites, destinations: Clients | Sites
) -> Distances:
    to = destinations.lat, destinations.lon
    rtt = graph.rtt_ms(
        sources.lat, sources.lon, sources.countries, *to, destinations.countries
    )  # fmt: skip
    km = great_circle_km(sources.lat[:, None], sources.lon[:, None], *to)
    for values in (rtt, km):
        values.flags.writeable = False
    return Distances(rtt, km)


def _content(places: Clients | Sites) -> Key:
    return places.ids, places.countries, places.lat.tobytes(), places.lon.tobytes()
