"""Lay a platform's paths: client to ingress, ingress to compute, compute to origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popsim.engine import layout as lay
from popsim.engine.arrays import Floats, Ints, Records, records
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


@dataclass(frozen=True, eq=False)
class Ground:
    """A platform's places and cables, which no draw changes; not to be written to."""

    scenario: Scenario
    spec: PlatformSpec
    clients: Clients
    topology: Sites  # all sites of the file
    sites: Sites  # those of the platform, of which some accept clients, and some compute
    ingress: Sites
    compute: Sites
    origins: Sites
    public: LatencyGraph
    backbone: LatencyGraph
    kv_model: KvModel | None

    @classmethod
    def of(cls, scenario: Scenario, spec: PlatformSpec) -> Ground:
        """Read the places of a platform.

        Raises:
            InputError: a site, topology or origin does not exist.
        """
        sites, ingress, compute = select_sites(spec, with_hosts=scenario.workload.uses_objects)
        removed = scenario.network.remove
        public, backbone = (
            latency_graph(name, removed.links, removed.sites)
            for name in ("public", spec.compute.backbone)
        )
        return cls(
            scenario=scenario,
            spec=spec,
            clients=load_clients(scenario.clients.topology).select(scenario.clients.where),
            topology=load_sites(spec.topology),
            sites=sites,
            ingress=ingress,
            compute=compute,
            origins=Sites.at([locate_origin(*named) for named in scenario.origins.items()]),
            public=public,
            backbone=backbone,
            kv_model=_kv_model(scenario, spec),
        )

    def rtt(
        self, graph: LatencyGraph, sources: Sites | Clients, destinations: Sites, world_seed: int
    ) -> Floats:
        """Return RTT in ms [source, destination], with the pairs' persistent residuals."""
        pairs = distances(graph, sources, destinations)
        if self.scenario.network.residual is False:
            return pairs.rtt_ms
        return residual_rtt(
            world_seed, pairs, sources, destinations, backbone=graph.params == "backbone"
        )


def lay_paths(ground: Ground, world_seed: int) -> Paths:
    """Compute every path of a platform over the latency graph; ``world_seed`` draws residuals and catchments."""
    spec, sites = ground.spec, ground.sites
    routes, route_count, share = _routes(ground, world_seed)
    upstreams, upstream_count = _upstreams(ground, world_seed)

    def rtt(sources: Sites, destinations: Sites) -> Floats:
        return ground.rtt(ground.backbone, sources, destinations, world_seed)

    origin_rtt = np.zeros((len(sites.ids), 1))
    if len(ground.origins):
        origin_rtt = rtt(sites, ground.origins)
    kv = objects = None
    if ground.kv_model is not None:
        kv = place_kv(ground.kv_model, sites, ground.compute, ground.topology, rtt)
    if spec.objects is not None and ground.scenario.workload.uses_objects:
        hosts = select_hosts(spec.objects, ground.topology, ground.compute)
        objects = place_objects(spec.objects, sites, hosts, ground.topology, rtt)
    return Paths(
        clients=ground.clients,
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


def _kv_model(scenario: Scenario, spec: PlatformSpec) -> KvModel | None:
    """Return the model of the platform's key-value store, if a handler asks it."""
    if spec.kv is None or not scenario.workload.uses_kv:
        return None
    return resolve("kv_replication", spec.kv)


def _routes(ground: Ground, world_seed: int) -> tuple[Records, int, Floats]:
    """Return route records [C * R], R, and the expected share of requests at each site."""
    clients, sites, ingress = ground.clients, ground.sites, ground.ingress
    rtt = ground.rtt(ground.public, clients, ingress, world_seed)
    km = distances(ground.public, clients, ingress).km
    model = resolve("routing", ground.spec.ingress.routing)
    table = model.candidates(rtt, km, clients, ingress, world_seed)
    table = check_table(table, len(clients), len(ingress))
    row_of = _rows(sites, ingress)
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


def _upstreams(ground: Ground, world_seed: int) -> tuple[Records, int]:
    """Return upstream records [S * K] and K: for each ingress its compute sites, nearest first."""
    sites, ingress, compute = ground.sites, ground.ingress, ground.compute
    if ground.spec.compute.at == "ingress":
        upstreams = records(lay.UPSTREAM_DTYPE, len(sites.ids))
        upstreams.site = np.arange(len(sites.ids))
        return upstreams, 1
    count = min(UPSTREAM_CANDIDATES, len(compute.ids))
    upstreams = records(lay.UPSTREAM_DTYPE, len(sites.ids) * count)
    upstreams.site = -1
    rtt = ground.rtt(ground.backbone, ingress, compute, world_seed)
    order = np.argsort(rtt, axis=1, kind="stable")[:, :count]
    rtt = np.take_along_axis(rtt, order, axis=1)
    own, asked = _rows(sites, ingress)[:, None], _rows(sites, compute)[order]
    place, is_known = own * count + np.arange(count), np.isfinite(rtt)
    upstreams["site"][place[is_known]] = asked[is_known]
    upstreams["rtt"][place[is_known]] = np.where(own == asked, 0.0, rtt)[is_known]
    return upstreams, count


def _rows(sites: Sites, some: Sites) -> Ints:
    """Return the rows that some sites have among all."""
    row_of = {site: row for row, site in enumerate(sites.ids)}
    return np.array([row_of[site] for site in some.ids], dtype=np.int64)
