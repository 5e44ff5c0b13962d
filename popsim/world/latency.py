"""The latency graph: nodes where networks meet, links where cables are, round-trip times between any two places.

A plain neighbour graph invents overland paths that do not exist, and does worse than a straight line. This
one has hand-listed corridors, detour factors by region and costs of borders, fitted to measured round-trip
times between cities: median error 10 % on cities that were not used for fitting, public Internet; 8 % on
cloud backbones. docs/background/model.md tells how far to trust it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from popsim.scenario.bundled import bundled_folder
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.text import quoted
from popsim.world.geo import Floats, great_circle_km
from popsim.world.table import Table

MS_PER_KM = 0.01  # round trip in fibre at two thirds of the speed of light
FLOOR = 1.05  # no RTT is shorter than this many times light in fibre along the great circle
ENTRIES = 3  # nodes that a place hangs on
ENTRY_DETOUR, ENTRY_BORDER_KM = 1.25, 30.0  # where the entry's country is another
NEAR_KM, FAR_KM = 500.0, 1_500.0  # below: short-range formula; above: the graph; blended between
SHORT_RANGE_MS, SHORT_RANGE_DETOUR = 2.0, 2.5
# Between data centres of one city TCP connects in 1-2 ms on average, jitter included (Amsterdam 2, Sao Paulo 2,
# Washington 1 ms; https://www.openstatus.dev/blog/monitoring-latency-cf-workers-fly-koyeb-raylway-render, 2024-02-19).
# ASSUMPTION: 0.5 ms without jitter, and 100 km for the way up to the 2 ms that hold between cities.
METRO_MS, METRO_KM = 0.5, 100.0

GROUPS = {
    "NA": ("NA",),
    "EU": ("WEU", "EEU"),
    "RC": ("RU", "CAS"),
    "LA": ("CAM", "SA"),
    "ME": ("ME",),
    "AF": ("NAF", "SSA"),
    "SAS": ("SAS",),
    "SEA": ("SEA",),
    "NEA": ("NEA",),
    "CN": ("CN",),
    "OC": ("OC",),
}
GROUP_OF = {region: group for group, regions in GROUPS.items() for region in regions}
LAND_HUB_LINKS = ("B", "EUX", "TE")
BORDERLESS = ("NA", "EU", "OC")


class LatencyGraph:
    """Round-trip times over the graph with one set of parameters, ``public`` or ``backbone``.

    ``graph`` is a networkx graph whose links have ``km``, ``class`` and ``weight_km``. Links and nodes can be taken out.

    Raises:
        InputError: a link or node to be removed that does not exist.
    """

    def __init__(
        self,
        params: str = "public",
        removed_links: Sequence[tuple[str, str]] = (),
        removed_sites: Sequence[str] = (),
    ) -> None:
        self.params = params
        self._parameters = _parameters()[params]
        self.graph: nx.Graph[str] = _base_graph(params).copy()
        self._remove(removed_links, removed_sites)

    def _remove(self, links: Sequence[tuple[str, str]], sites: Sequence[str]) -> None:
        problems = []
        for number, (a, b) in enumerate(links):
            if not self.graph.has_edge(a, b):
                hint = did_you_mean(a, list(self.graph))
                if a in self.graph:
                    hint = f"links of {a}: {', '.join(sorted(self.graph[a]))}"
                message = f"the latency graph has no link {a} - {b}"
                problems.append(Problem(None, None, None, ("links", number), message, hint))
        for number, site in enumerate(sites):
            if site not in self.graph:
                hint = did_you_mean(site, list(self.graph))
                message = f"the latency graph has no node {quoted(site)}"
                problems.append(Problem(None, None, None, ("sites", number), message, hint))
        if problems:
            raise InputError(problems)
        self.graph.remove_edges_from(links)
        self.graph.remove_nodes_from(sites)
        if not len(self.graph):
            message = "every node of the latency graph is removed"
            raise InputError([Problem(None, None, None, ("sites",), message)])

    @cached_property
    def _nodes(self) -> tuple[Floats, Floats, NDArray[np.str_]]:
        """Latitude, longitude and country of the nodes, in the graph's order."""
        data = [self.graph.nodes[node] for node in self.graph]
        lat, lon = (np.array([d[key] for d in data], dtype=np.float64) for key in ("lat", "lon"))
        return lat, lon, np.array([d["country"] for d in data])

    @cached_property
    def _paths_km(self) -> Floats:
        """Shortest weighted paths between all nodes [from, to]; inf where there is none."""
        from scipy.sparse.csgraph import dijkstra

        matrix = nx.to_scipy_sparse_array(self.graph, weight="weight_km", format="csr")
        return np.asarray(dijkstra(matrix, directed=False))

    def node_rtt_ms(self, a: str, b: str) -> float:
        """Return the RTT between two nodes by the graph alone, in ms."""
        order = list(self.graph)
        km = self._paths_km[order.index(a), order.index(b)]
        return float(self._parameters["a"] + MS_PER_KM * km)

    def rtt_ms(
        self,
        source_lat: Floats,
        source_lon: Floats,
        source_countries: Sequence[str],
        lat: Floats,
        lon: Floats,
        countries: Sequence[str],
    ) -> Floats:
        """Return RTT in ms [source, destination] between places in degrees; inf where unreachable.

        Under 500 km the short-range formula holds, 2 ms (less within a city) + 2.5 times light in fibre; above
        1,500 km the graph; in between a mixture, linear in the distance. Never below 1.05 times light in fibre.
        """
        km = great_circle_km(source_lat[:, None], source_lon[:, None], lat, lon)
        enter, enter_km = self._entries(source_lat, source_lon, source_countries)
        leave, leave_km = self._entries(lat, lon, countries)
        path = np.full(km.shape, np.inf)
        for i in range(enter.shape[1]):
            for j in range(leave.shape[1]):
                through = self._paths_km[enter[:, i][:, None], leave[:, j][None, :]]
                through = through + (enter_km[:, i][:, None] + leave_km[:, j][None, :])
                np.minimum(path, through, out=path)
        by_graph = self._parameters["a"] + MS_PER_KM * path
        constant = np.interp(km, (0.0, METRO_KM), (METRO_MS, SHORT_RANGE_MS))
        short = constant + SHORT_RANGE_DETOUR * MS_PER_KM * km
        far = np.clip((km - NEAR_KM) / (FAR_KM - NEAR_KM), 0.0, 1.0)
        blended = np.where(far > 0.0, by_graph, 0.0) * far + short * (1.0 - far)
        return np.maximum(blended, FLOOR * MS_PER_KM * km)

    def _entries(
        self, lat: Floats, lon: Floats, countries: Sequence[str]
    ) -> tuple[NDArray[np.intp], Floats]:
        """Return the nodes each place hangs on [place, entry], and the weighted km to them."""
        node_lat, node_lon, node_country = self._nodes
        km = great_circle_km(lat[:, None], lon[:, None], node_lat, node_lon)
        abroad = np.asarray(countries)[:, None] != node_country[None, :]
        km = np.where(abroad, km * ENTRY_DETOUR + ENTRY_BORDER_KM, km)
        count = min(ENTRIES, km.shape[1])
        nearest = np.argpartition(km, count - 1, axis=1)[:, :count]
        return nearest, np.take_along_axis(km, nearest, axis=1) * self._parameters["acc"]


@cache
def _parameters() -> dict[str, dict[str, float]]:
    path = bundled_folder("topologies") / "graph" / "params.json"
    sets: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
    return sets


@cache
def _base_graph(params: str) -> nx.Graph[str]:
    parameters = _parameters()[params]
    folder = bundled_folder("topologies") / "graph"
    graph: nx.Graph[str] = nx.Graph()
    nodes = Table(folder / "nodes.csv", ("id", "city", "country", "region", "lat", "lon"))
    for row in nodes:
        graph.add_node(
            row.text("id"),
            city=row.text("city"),
            country=row.text("country"),
            group=GROUP_OF[row.text("region")],
            lat=row.number("lat"),
            lon=row.number("lon"),
        )
    for row in Table(folder / "links.csv", ("a", "b", "km", "class")):
        a, b, km, kind = row.text("a"), row.text("b"), row.number("km"), row.text("class")
        ends = graph.nodes[a], graph.nodes[b]
        graph.add_edge(a, b, km=km, kind=kind, weight_km=_weight_km(parameters, km, kind, ends))
    return graph


def _weight_km(
    parameters: dict[str, float], km: float, kind: str, ends: tuple[dict[str, Any], dict[str, Any]]
) -> float:
    """Return a link's weight: length times factor, plus the hop, plus the border that it crosses."""
    groups = [end["group"] for end in ends]
    factor = max(parameters[group] for group in groups)
    if kind in LAND_HUB_LINKS:
        factor = min(factor, parameters["hub"])
    elif kind != "L":
        factor = parameters[kind]
    hop = parameters["hopL" if kind == "L" else "hopH"]
    border = 0.0
    if ends[0]["country"] != ends[1]["country"]:
        border = max(0.0 if group in BORDERLESS else parameters[f"b_{group}"] for group in groups)
    return km * factor + hop + border
