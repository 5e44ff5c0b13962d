"""The latency graph: nodes where networks meet, links where cables are, round-trip times between any two places.

A plain neighbour graph invents overland paths that do not exist, and does worse than a straight line. This
one has hand-listed corridors, detour factors by region and costs of borders, fitted to measured round-trip
times between cities: median error 10 % on cities that were not used for fitting, public Internet; 8 % on
cloud backbones. docs/background/model.md tells how far to trust it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.bundled import bundled_folder
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.text import quoted
from popsim.world.geo import Floats, great_circle_km
from popsim.world.table import Table

if TYPE_CHECKING:
    import networkx as nx

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


@dataclass(frozen=True)
class Node:
    """A city where networks meet."""

    city: str
    country: str
    group: str
    lat: float
    lon: float


class Link(NamedTuple):
    """A cable, its length, and what that weighs with detours, hops and borders."""

    km: float
    kind: str
    weight_km: float


Ends = tuple[str, str]  # of a link, in the order of the alphabet


class LatencyGraph:
    """Round-trip times over the graph with one set of parameters, ``public`` or ``backbone``.

    Links and nodes can be taken out. ``graph`` is what is left as a networkx graph, to look at and to compute with.

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
        nodes, links = _base_graph(params)
        _check_removed(nodes, links, removed_links, removed_sites)
        cut = {_ends(a, b) for a, b in removed_links}
        self.nodes = {name: node for name, node in nodes.items() if name not in removed_sites}
        self.links = {
            ends: link
            for ends, link in links.items()
            if ends not in cut and not set(ends) & set(removed_sites)
        }

    @cached_property
    def graph(self) -> nx.Graph[str]:
        """The nodes with city, country, group, lat, lon; the links with km, kind, weight_km."""
        import networkx as nx  # here: a run does without, which saves a quarter of a second

        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from((name, asdict(node)) for name, node in self.nodes.items())
        graph.add_edges_from((a, b, link._asdict()) for (a, b), link in self.links.items())
        return graph

    @cached_property
    def _places(self) -> tuple[Floats, Floats, NDArray[np.str_]]:
        """Latitude, longitude and country of the nodes, in the graph's order."""
        nodes = self.nodes.values()
        lat = np.array([node.lat for node in nodes], dtype=np.float64)
        lon = np.array([node.lon for node in nodes], dtype=np.float64)
        return lat, lon, np.array([node.country for node in nodes])

    @cached_property
    def _paths_km(self) -> Floats:
        """Shortest weighted paths between all nodes [from, to]; inf where there is none."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import dijkstra

        row_of = {name: row for row, name in enumerate(self.nodes)}
        ends = np.array([[row_of[end] for end in ends] for ends in self.links], np.int64)
        ends = ends.reshape(-1, 2)
        weights = np.array([link.weight_km for link in self.links.values()], np.float64)
        matrix = csr_array((weights, (ends[:, 0], ends[:, 1])), shape=(len(row_of),) * 2)
        return np.asarray(dijkstra(matrix, directed=False))

    def node_rtt_ms(self, a: str, b: str) -> float:
        """Return the RTT between two nodes by the graph alone, in ms."""
        order = list(self.nodes)
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
        node_lat, node_lon, node_country = self._places
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


def _ends(a: str, b: str) -> Ends:
    return (a, b) if a < b else (b, a)


def _check_removed(
    nodes: Mapping[str, Node],
    links: Mapping[Ends, Link],
    removed_links: Sequence[tuple[str, str]],
    removed_sites: Sequence[str],
) -> None:
    """Raise InputError for links and nodes that do not exist, and if no node is left."""
    problems = []
    for number, (a, b) in enumerate(removed_links):
        if _ends(a, b) not in links:
            hint = did_you_mean(a, list(nodes))
            if a in nodes:
                others = {end for ends in links if a in ends for end in ends} - {a}
                hint = f"links of {a}: {', '.join(sorted(others))}"
            message = f"the latency graph has no link {a} - {b}"
            problems.append(Problem(None, None, None, ("links", number), message, hint))
    for number, site in enumerate(removed_sites):
        if site not in nodes:
            hint = did_you_mean(site, list(nodes))
            message = f"the latency graph has no node {quoted(site)}"
            problems.append(Problem(None, None, None, ("sites", number), message, hint))
    if not problems and not set(nodes) - set(removed_sites):
        message = "every node of the latency graph is removed"
        problems.append(Problem(None, None, None, ("sites",), message))
    if problems:
        raise InputError(problems)


@cache
def _base_graph(params: str) -> tuple[dict[str, Node], dict[Ends, Link]]:
    parameters = _parameters()[params]
    folder = bundled_folder("topologies") / "graph"
    nodes = {
        row.text("id"): Node(
            row.text("city"),
            row.text("country"),
            GROUP_OF[row.text("region")],
            row.number("lat"),
            row.number("lon"),
        )
        for row in Table(folder / "nodes.csv", ("id", "city", "country", "region", "lat", "lon"))
    }
    links = {}
    for row in Table(folder / "links.csv", ("a", "b", "km", "class")):
        a, b, km, kind = row.text("a"), row.text("b"), row.number("km"), row.text("class")
        weight_km = _weight_km(parameters, km, kind, (nodes[a], nodes[b]))
        links[_ends(a, b)] = Link(km, kind, weight_km)
    return nodes, links


def _weight_km(
    parameters: dict[str, float], km: float, kind: str, ends: tuple[Node, Node]
) -> float:
    """Return a link's weight: length times factor, plus the hop, plus the border that it crosses."""
    groups = [end.group for end in ends]
    factor = max(parameters[group] for group in groups)
    if kind in LAND_HUB_LINKS:
        factor = min(factor, parameters["hub"])
    elif kind != "L":
        factor = parameters[kind]
    hop = parameters["hopL" if kind == "L" else "hopH"]
    border = 0.0
    if ends[0].country != ends[1].country:
        border = max(0.0 if group in BORDERLESS else parameters[f"b_{group}"] for group in groups)
    return km * factor + hop + border
