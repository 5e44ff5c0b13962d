"""Place objects on the planet: which sites can be homes, how far these are, and who is near whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from popsim.engine.arrays import Floats, Ints
from popsim.models.object_placement.contract import (
    Geography,
    PlacementModel,
    checked_replicas,
)
from popsim.models.object_placement.regions import regions_of
from popsim.models.object_placement.tables import listed
from popsim.models.registry import resolve
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.objects import ObjectsSpec
from popsim.scenario.text import quoted
from popsim.world.geo import great_circle_km
from popsim.world.sites import Sites

Rtt = Callable[[Sites, Sites], Floats]


@dataclass(frozen=True, eq=False)
class ObjectPlaces:
    """Where a platform's objects can live. H hosts, of which the placement model uses some."""

    spec: ObjectsSpec
    model: PlacementModel
    hosts: Sites  # all
    allowed: Ints  # rows of ``hosts`` that the model uses: its geography's hosts
    geography: Geography
    host_rows: Ints  # [H] rows of the platform's sites
    rtt: Floats  # [S, H] ms
    distance_km: Floats  # [S, H]
    regions: Ints  # [S]
    follower_rtt: Floats  # [H, S] ms, inf where none may be
    may_take_over: Ints  # [S] 1 where the model lets objects of a lost home live on
    replicas: Ints  # [R] hosts that hold a copy which answers reads

    @property
    def nearest(self) -> Ints:
        """The nearest host that the model may use, shape (S,)."""
        return np.asarray(self.allowed[self.geography.rtt.argmin(axis=1)], dtype=np.int64)


def select_hosts(spec: ObjectsSpec, topology: Sites, compute: Sites) -> Sites:
    """Return the sites that can be homes: those named, or where handlers run; raises InputError."""
    if spec.hosts is None:
        return compute
    try:
        hosts = topology.select(role=spec.hosts.role, ids=spec.hosts.sites)
    except InputError as error:
        raise error.under("objects", "hosts") from None
    return hosts


def select_followers(spec: ObjectsSpec, topology: Sites) -> Sites:
    """Return the sites that can be followers, wherever users enter and code runs; raises InputError."""
    chosen = spec.follower_sites
    try:
        return topology.select(chosen.role, chosen.sites, chosen.where, chosen.exclude)
    except InputError as error:
        raise error.under("objects", "follower_sites") from None


def _explained(problem: Problem, sites: Sites, hosts: Sites) -> Problem:
    """Say of a site that is named as a host that it is one, and no host."""
    for site in set(sites.ids) - set(hosts.ids):
        if problem.message == f"there is no host {quoted(site)}":
            message = f"{quoted(site)} is a site, but objects cannot live there"
            return replace(problem, message=message, hint=f"hosts: {listed(hosts.ids)}")
    return problem


def place_objects(
    spec: ObjectsSpec, sites: Sites, hosts: Sites, topology: Sites, rtt: Rtt
) -> ObjectPlaces:
    """Place the hosts of a platform; ``topology`` has the sites that can be followers.

    Raises:
        InputError: the model cannot use any of them; its path is relative to the platform.
    """
    model = resolve("object_placement", spec.placement)
    try:
        names = model.allowed_hosts(hosts)
    except InputError as error:
        problems = [_explained(problem, sites, hosts) for problem in error.problems]
        raise InputError(problems).under("objects", "placement") from None
    if not names:
        message = f"no host is left for {quoted(spec.placement['model'])}"
        raise InputError([Problem(None, None, None, ("objects", "placement"), message, None)])
    allowed = np.array([hosts.index(name) for name in names], dtype=np.int64)
    same = np.array(sites.ids)[:, None] == np.array(hosts.ids)[None, :]
    times = np.where(same, 0.0, rtt(sites, hosts))
    km = great_circle_km(sites.lat[:, None], sites.lon[:, None], hosts.lat, hosts.lon)
    followers = select_followers(spec, topology)
    allows = np.isin(np.arange(len(sites)), model.allowed_followers(sites))
    inside = allows & np.isin(sites.ids, followers.ids)
    others = int((inside & ~same.T[allowed]).sum(axis=1).min())
    if others < spec.quorum:
        message = f"a quorum of {spec.quorum} followers, and other sites for them: {others}"
        raise InputError([Problem(None, None, None, ("objects",), message, None)])
    used = hosts.select(ids=names)
    around = topology.select(ids={*followers.ids, *used.ids})
    _, regions = np.unique(regions_of(sites), return_inverse=True)
    return ObjectPlaces(
        spec=spec,
        model=model,
        hosts=hosts,
        allowed=allowed,
        geography=Geography(sites, used, times[:, allowed]),
        host_rows=np.array([sites.index(host) for host in hosts.ids], dtype=np.int64),
        rtt=times,
        distance_km=np.where(same, 0.0, km),
        regions=regions.reshape(-1).astype(np.int64),
        follower_rtt=np.where(inside, times.T, np.inf),
        may_take_over=allows.astype(np.int64),
        replicas=allowed[_replicas(model, around, used, rtt)],
    )


def _replicas(model: PlacementModel, sites: Sites, hosts: Sites, rtt: Rtt) -> Ints:
    """Ask the model which of its hosts hold copies: by the sites that can have some, not by where users enter."""
    if type(model).replicas is PlacementModel.replicas:
        return np.zeros(0, dtype=np.int64)
    same = np.array(sites.ids)[:, None] == np.array(hosts.ids)[None, :]
    geography = Geography(sites, hosts, np.where(same, 0.0, rtt(sites, hosts)))
    try:
        return checked_replicas(model, geography)
    except ValueError as error:
        problem = Problem(None, None, None, ("objects", "placement"), str(error), None)
        raise InputError([problem]) from None
