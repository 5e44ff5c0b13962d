"""Check what a scenario says about objects: how many there are, where they can live, and who decides it."""

from __future__ import annotations

import numpy as np

from popsim.engine.keyspaces import partitions_of, popularity
from popsim.engine.network import select_sites
from popsim.engine.object_places import place_objects, select_hosts
from popsim.models.object_placement.contract import (
    Ask,
    AskedPlacement,
    Callers,
    Geography,
    KnowingPlacement,
    PlacementModel,
    TablePlacement,
    checked_home,
    homes_table,
    likelihood_table,
)
from popsim.scenario.document import Key
from popsim.scenario.objects import MAX_OBJECTS, ObjectsSpec
from popsim.scenario.schema import PlatformSpec, Scenario
from popsim.scenario.text import quoted
from popsim.scenario.workload import MAX_SPACES
from popsim.sweeps.prepare_kv import great_circle_ms
from popsim.sweeps.problems import Problems
from popsim.world.clients import Clients
from popsim.world.places import matching
from popsim.world.sites import Sites, load_sites

NO_CALL = "no step of the handler calls an object"


class ObjectCheck:
    """Collect the problems of classes of objects, platforms that host them, and restarts."""

    def __init__(self, scenario: Scenario, problems: Problems) -> None:
        self.scenario, self.workload, self.problems = scenario, scenario.workload, problems
        self.replicas: dict[str, int] = {}  # how many each platform has, of those that are right

    def classes(self, clients: Clients | None) -> None:
        """Check how many objects there are."""
        kinds = self.workload.objects
        if len(kinds) > MAX_SPACES:
            message = f"expected at most {MAX_SPACES} classes of objects, got {len(kinds)}"
            self.problems.add(("workload", "objects"), message)
        countries = tuple(sorted(set(clients.countries))) if clients is not None else ()
        total = 0
        for name, kind in kinds.items():
            with self.problems.at("workload", "objects", name, "popularity"):
                popularity(kind.as_keys())
            total += kind.count * (int(partitions_of(kind.as_keys(), countries).max(initial=0)) + 1)
        if total > MAX_OBJECTS:
            message = f"expected at most {MAX_OBJECTS:,} objects of all classes, got {total:,}"
            self.problems.add(("workload", "objects"), message)

    def platform(self, name: str, spec: PlatformSpec, sites: Sites | None) -> None:
        """Check where a platform's objects live, and that it has some if they are called; sites are None if unknown."""
        path: Key = ("platforms", name)
        if spec.objects is None:
            if self.workload.uses_objects and not self.problems.any_at(*path):
                what = "the handler calls" if self.workload.handler else "messages go to"
                message = f"{what} objects, and this platform has none"
                self.problems.add(path, message, "give it objects: {placement: ...}")
            return
        place: Key = (*path, "objects", "placement")
        if not self.problems.of_model("object_placement", spec.objects.placement, place):
            return
        if sites is not None:
            with self.problems.at(*path):
                self._places(name, spec, spec.objects)

    def hosts(self, path: Key, spec: PlatformSpec, topology: Sites) -> None:
        """Check the sites that can be homes, if a platform names some; ``path`` is the platform's."""
        if spec.objects is None or (hosts := spec.objects.hosts) is None:
            return
        path, before = (*path, "objects", "hosts"), len(self.problems)
        with self.problems.at(*path):
            topology.select(role=hosts.role)
        with self.problems.at(*path, "sites"):
            topology.select(ids=hosts.sites)
        if len(self.problems) == before and not len(topology.select(hosts.role, hosts.sites)):
            self.problems.add(path, f"none of these sites is a {quoted(hosts.role)}")

    def follower_sites(self, path: Key, spec: PlatformSpec, topology: Sites) -> None:
        """Check the sites that can be followers, if a platform names some; ``path`` is the platform's."""
        if spec.objects is None:
            return
        path, chosen = (*path, "objects", "follower_sites"), spec.objects.follower_sites
        with self.problems.at(*path):
            topology.select(role=chosen.role)
        with self.problems.at(*path, "sites"):
            topology.select(ids=chosen.sites)
        for where in ("where", "exclude"):
            with self.problems.at(*path, where):
                matching(topology, getattr(chosen, where))

    def _places(self, name: str, spec: PlatformSpec, objects: ObjectsSpec) -> None:
        """Try the placement model with distances instead of round-trip times."""
        sites, _, compute = select_sites(spec, with_hosts=True)
        topology = load_sites(spec.topology)
        hosts = select_hosts(objects, topology, compute)
        places = place_objects(objects, sites, hosts, topology, great_circle_ms)
        with self.problems.at("platforms", name, "objects", "placement"):
            check_placement(places.model, places.geography)
            self.replicas[name] = len(places.replicas)


def check_placement(model: PlacementModel, geography: Geography) -> None:
    """Ask a model once; raises ValueError for an answer that is none."""
    hosts = len(geography.hosts)
    if isinstance(model, TablePlacement):
        likelihood_table(model, geography)
    elif isinstance(model, KnowingPlacement):
        from scipy.sparse import csr_array

        calls = csr_array(np.ones((1, len(geography.sites))))
        homes_table(model, Callers(np.zeros(1, np.int64), calls), geography)
    elif isinstance(model, AskedPlacement):
        checked_home(model.home(Ask(0, "", 0, 0.0), geography), hosts)
    else:
        raise ValueError(
            "a placement model derives from TablePlacement, KnowingPlacement or AskedPlacement"
        )
