"""Lay a platform's paths: client to ingress, ingress to compute, compute to origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popsim.engine import layout as lay
from popsim.engine.arrays import Floats, Records, records
from popsim.engine.kv_places import KvPlaces, place_kv
from popsim.engine.object_places import (
    ObjectPlaces,
    place_objects,
    select_followers,
    select_hosts,
)
from popsim.models.kv_replication.contract import KvModel
from popsim.models.registry import resolve
from popsim.models.routing.table import check_table
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.own_files import own_files
from popsim.scenario.schema import PlatformSpec, Scenario
from popsim.scenario.text import quoted
from popsim.world.clients import Clients, load_clients
from popsim.world.distances import distances, latency_graph
from popsim.world.latency import LatencyGraph
from popsim.world.origins import locate_origin
from popsim.world.residuals import residual_rtt
from popsim.world.sites import Sites, load_sites

UPSTREAM_CANDIDATES = 4  # compute sites an ingress may fall back to, nearest first


@dataclass(frozen=True, eq=False)
class Paths:
    """Where requests of one platform can go, and how long it takes; rows of ``sites`` are indices."""

    clients: Clients
    sites: Sites
    routes: Records
    route_count: int
    upstreams: Records
    upstream_count: int
    origin_rtt: Floats  # [S * O]
    origin_count: int
    site_share: Floats  # [S]
    kv: KvPlaces | None
    objects: ObjectPlaces | None

    def as_inputs(self) -> dict[str, Any]:
        """Return what the engines' inputs take over as it is."""
        names = (
            "routes",
            "route_count",
            "upstreams",
            "upstream_count",
            "origin_rtt",
            "origin_count",
        )
        return {name: getattr(self, name) for name in names} | {"site_count": len(self.sites)}


def select_sites(spec: PlatformSpec, *, with_hosts: bool = False) -> tuple[Sites, Sites, Sites]:
    """Return (all sites of the platform, those that accept clients, those that compute).

    ``with_hosts``: the homes of objects and what can be their followers are among all sites, too.
    """
    topology = load_sites(spec.topology)
    ingress, compute = spec.ingress, spec.compute
    at_ingress = compute.at == "ingress"
    chosen = topology.select(
        role=ingress.role,
        ids=_in_both(spec.regions, ingress.sites) if at_ingress else ingress.sites,
        where=ingress.where,
        exclude=ingress.exclude,
    )
    runs = chosen
    if not at_ingress:
        runs = topology.select(role=compute.role, ids=spec.regions or compute.sites)
    for name, sites in (("ingress", chosen), ("compute", runs)):
        if not sites.ids:
            raise InputError(
                [
                    Problem(
                        None,
                        None,
                        None,
                        (name,),
                        f"no site of {quoted(spec.topology)} is left",
                        None,
                    )
                ]
            )
    wanted = set(chosen.ids) | set(runs.ids)
    if with_hosts and spec.objects is not None:
        wanted |= set(select_hosts(spec.objects, topology, runs).ids)
        if spec.objects.followers > 0:
            wanted |= set(select_followers(spec.objects, topology).ids)
    return topology.select(ids=tuple(i for i in topology.ids if i in wanted)), chosen, runs


def _in_both(one: Sequence[str] | None, other: Sequence[str] | None) -> Sequence[str] | None:
    """Return the ids that two keys allow; None = any."""
    if one is None or other is None:
        return other if one is None else one
    return [name for name in one if name in other]


def lay_paths(scenario: Scenario, spec: PlatformSpec, world_seed: int) -> Paths:
    """Compute every path of a platform over the latency graph; ``world_seed`` draws residuals and catchments.

    The last few answers are kept, for replications that share one planet.

    Raises:
        InputError: a site, topology or origin does not exist.
    """
    files = load_clients(scenario.clients.topology), load_sites(spec.topology)
    parts = (
        scenario.clients,
        scenario.network,
        spec.ingress,
        spec.compute,
        spec.regions,
        _kv_model(scenario, spec),
        id(type(_kv_model(scenario, spec))),  # a notebook may define a class anew
        spec.objects if scenario.workload.uses_objects else None,
        _placement_class(scenario, spec),
    )
    origins = [origin.model_dump() for origin in scenario.origins.values()]
    named = own_files([origins, spec.kv])  # the topologies of origins and stores
    key = (repr(parts), repr(scenario.origins), repr(named), world_seed, *map(id, files))
    if key not in _laid:
        while len(_laid) >= KEPT_PATHS:
            del _laid[next(iter(_laid))]
        _laid[key] = (_lay_paths(scenario, spec, world_seed), files)
    return _laid[key][0]


KEPT_PATHS = 8
_laid: dict[
    tuple[Any, ...], tuple[Paths, tuple[Clients, Sites]]
] = {}  # the files keep their ids taken


def _lay_paths(scenario: Scenario, spec: PlatformSpec, world_seed: int) -> Paths:
    clients = load_clients(scenario.clients.topology).select(scenario.clients.where)
    sites, ingress, compute = select_sites(spec, with_hosts=scenario.workload.uses_objects)
    removed = scenario.network.remove
    graphs = {
        name: latency_graph(name, removed.links, removed.sites)
        for name in ("public", spec.compute.backbone)
    }
    routes, route_count, share = _routes(
        scenario, spec, graphs["public"], clients, sites, ingress, world_seed
    )
    backbone = graphs[spec.compute.backbone]
    upstreams, upstream_count = _upstreams(
        scenario, spec, backbone, sites, ingress, compute, world_seed
    )
    origins = [locate_origin(name, origin) for name, origin in scenario.origins.items()]
    origin_rtt = np.zeros((len(sites.ids), max(1, len(origins))))
    if origins:
        origin_rtt = _rtt(scenario, backbone, sites, Sites.at(origins), world_seed)
    model = _kv_model(scenario, spec)
    topology = load_sites(spec.topology)

    def rtt(sources: Sites, destinations: Sites) -> Floats:
        return _rtt(scenario, backbone, sources, destinations, world_seed)

    kv = None if model is None else place_kv(model, sites, compute, topology, rtt)
    objects = None
    if spec.objects is not None and scenario.workload.uses_objects:
        hosts = select_hosts(spec.objects, topology, compute)
        objects = place_objects(spec.objects, sites, hosts, topology, rtt)
    return Paths(
        clients=clients,
        sites=sites,
        routes=routes,
        route_count=route_count,
        upstreams=upstreams,
        upstream_count=upstream_count,
        origin_rtt=origin_rtt.reshape(-1),
        origin_count=origin_rtt.shape[1],
        site_share=share,
        kv=kv,
        objects=objects,
    )


def _placement_class(scenario: Scenario, spec: PlatformSpec) -> int:
    if spec.objects is None or not scenario.workload.uses_objects:
        return 0
    return id(type(resolve("object_placement", spec.objects.placement)))


def _kv_model(scenario: Scenario, spec: PlatformSpec) -> KvModel | None:
    """Return the model of the platform's key-value store, if a handler asks it."""
    if spec.kv is None or not scenario.workload.uses_kv:
        return None
    return resolve("kv_replication", spec.kv)


def _rtt(
    scenario: Scenario,
    graph: LatencyGraph,
    sources: Sites | Clients,
    destinations: Sites,
    world_seed: int,
) -> Floats:
    """Return RTT in ms [source, destination], with the pairs' persistent residuals."""
    pairs = distances(graph, sources, destinations)
    if scenario.network.residual is False:
        return pairs.rtt_ms
    return residual_rtt(
        world_seed, pairs, sources, destinations, backbone=graph.params == "backbone"
    )


def _routes(
    scenario: Scenario,
    spec: PlatformSpec,
    graph: LatencyGraph,
    clients: Clients,
    sites: Sites,
    ingress: Sites,
    world_seed: int,
) -> tuple[Records, int, Floats]:
    """Return route records [C * R], R, and the expected share of requests at each site."""
    rtt = _rtt(scenario, graph, clients, ingress, world_seed)
    km = distances(graph, clients, ingress).km
    model = resolve("routing", spec.ingress.routing)
    table = model.candidates(rtt, km, clients, ingress, world_seed)
    table = check_table(table, len(clients), len(ingress))
    row_of = np.array([sites.index(site) for site in ingress.ids], dtype=np.int64)
    count = table.site.shape[1]
    routes = records(lay.ROUTE_DTYPE, table.site.size)
    known = table.site >= 0
    column = np.maximum(table.site, 0)
    routes.site = np.where(known, row_of[column], -1).reshape(-1)
    routes.rtt = np.where(known, np.take_along_axis(rtt, column, axis=1), 0.0).reshape(-1)
    cumulative = np.cumsum(table.share, axis=1)
    cumulative[:, -1] = 1.0
    routes.cumulative = cumulative.reshape(-1)
    share = np.zeros(len(sites.ids))
    np.add.at(
        share, routes.site, (table.share * clients.weight[:, None]).reshape(-1) * known.reshape(-1)
    )
    return routes, count, share


def _upstreams(
    scenario: Scenario,
    spec: PlatformSpec,
    graph: LatencyGraph,
    sites: Sites,
    ingress: Sites,
    compute: Sites,
    world_seed: int,
) -> tuple[Records, int]:
    """Return upstream records [S * K] and K: for each ingress its compute sites, nearest first."""
    if spec.compute.at == "ingress":
        upstreams = records(lay.UPSTREAM_DTYPE, len(sites.ids))
        upstreams.site = np.arange(len(sites.ids))
        return upstreams, 1
    count = min(UPSTREAM_CANDIDATES, len(compute.ids))
    upstreams = records(lay.UPSTREAM_DTYPE, len(sites.ids) * count)
    upstreams.site = -1
    rtt = _rtt(scenario, graph, ingress, compute, world_seed)
    order = np.argsort(rtt, axis=1, kind="stable")[:, :count]
    for row, site in enumerate(ingress.ids):
        first = sites.index(site) * count
        for place, column in enumerate(order[row]):
            if np.isfinite(rtt[row, column]):
                same = compute.ids[column] == site
                upstreams["site"][first + place] = sites.index(compute.ids[column])
                upstreams["rtt"][first + place] = 0.0 if same else rtt[row, column]
    return upstreams, count
