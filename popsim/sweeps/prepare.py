"""Load a scenario and check everything that it names: one path for `validate`, `run` and notebooks."""

from __future__ import annotations

from typing import Any

import numpy as np

from popsim.engine.limits import check_keys, check_requests, check_stretched_cpu, check_surges
from popsim.engine.network import select_sites
from popsim.models.arrivals import hourly_profile
from popsim.models.registry import resolve
from popsim.models.routing.table import check_table
from popsim.scenario.document import Document, Key
from popsim.scenario.errors import InputError, Problem, few_suggestions
from popsim.scenario.loading import Source, in_order, read_what_is_right
from popsim.scenario.parts import Where
from popsim.scenario.schema import PlatformSpec, Scenario
from popsim.scenario.text import quoted
from popsim.scenario.units import format_bytes
from popsim.sweeps.forecast import forecast
from popsim.sweeps.machine import core_count
from popsim.sweeps.prepare_claims import ClaimCheck, with_selections
from popsim.sweeps.prepare_kv import KvCheck
from popsim.sweeps.prepare_objects import ObjectCheck
from popsim.sweeps.problems import Problems
from popsim.world.access import access_laws
from popsim.world.clients import Clients, load_clients
from popsim.world.latency import LatencyGraph
from popsim.world.origins import locate_origin
from popsim.world.places import matching, matching_names, unknown_id
from popsim.world.sites import Sites, load_sites


def load(source: Source | Scenario, *, force: bool = False, **changes: Any) -> Scenario:
    """Load a scenario from a file, by the name of a bundled one, or from a mapping; check all of it.

    ``changes`` are laid over it, as by ``scenario.changed(...)``. With ``force`` it may take longer, and more memory, than
    there is any hope for.

    Raises:
        InputError: with every mistake found, each with file, line and column where there is a file.

    >>> load("nearest_edge").platforms["workers"].topology
    'cloudflare'
    """
    with few_suggestions():
        return _load(source, changes, force=force)


def _load(source: Source | Scenario, changes: dict[str, Any], *, force: bool) -> Scenario:
    problems: list[Problem] = []
    if isinstance(source, Scenario):
        scenario, document = source, Document(None, source.resolved())
    else:
        found, document, problems = read_what_is_right(source)
        if found is None:
            raise InputError(in_order(problems))
        scenario = found
    _Check(scenario, document, problems).run()
    if changes:
        scenario = scenario.changed(**changes)
        _Check(scenario, Document(None, scenario.resolved()), []).run()
    scenario = with_selections(scenario)
    if not force and (hopeless := forecast(scenario, core_count()).problem()) is not None:
        raise InputError([document.problem(*hopeless)])
    return scenario


LIFTED = "limits of the platform says so; limits: {memory: null} lifts it"


class _Check:
    """Collect the problems of a scenario, each at its place in the document."""

    def __init__(self, scenario: Scenario, document: Document, found: list[Problem]) -> None:
        self.scenario, self.document = scenario, document
        self.problems = Problems(document, found)
        self.kv = KvCheck(scenario, self.problems)
        self.objects = ObjectCheck(scenario, self.problems)
        self.sites: dict[str, Sites] = {}
        self.clients: Clients | None = None

    def run(self) -> None:
        """Check all; raise InputError if there was any problem."""
        self.clients = clients = self._clients()
        self._network()
        self._arrivals()
        self.kv.keys()
        self._numbers(clients)
        self.kv.steps(clients)
        self.objects.classes(clients)
        for name, spec in self.scenario.platforms.items():
            self._platform(name, spec)
        for name, origin in self.scenario.origins.items():
            with self.problems.at("origins", name):
                locate_origin(name, origin)
            if origin.country is not None and origin.lat is not None:
                with self.problems.at("origins", name, "country"):
                    matching_names("country", [origin.country])
        self._events(clients)
        self.kv.events()
        self.kv.limits()
        replicas = self.objects.replicas
        claims = ClaimCheck(self.scenario, self.problems, clients, self.sites, replicas)
        claims.selections()
        claims.run()
        self.problems.raise_all()

    def _clients(self) -> Clients | None:
        spec = self.scenario.clients
        clients = chosen = None
        with self.problems.at("clients", "topology"):
            clients = load_clients(spec.topology)
        if clients is not None:
            with self.problems.at("clients", "where"):
                chosen = clients.select(spec.where)
        with self.problems.at("clients", "network"):
            access_laws(spec.network)
        return chosen

    def _network(self) -> None:
        removed = self.scenario.network.remove
        if removed.links or removed.sites:
            with self.problems.at("network", "remove"):
                LatencyGraph("public", removed.links, removed.sites)

    def _arrivals(self) -> None:
        with self.problems.at("workload", "arrivals", "by_local_hour"):
            hourly_profile(self.scenario.workload.arrivals.by_local_hour)

    def _numbers(self, clients: Clients | None) -> None:
        """Refuse more requests, keys and surges than the engines can number."""
        before = len(self.problems)
        with self.problems.at():
            check_surges(self.scenario)
        if clients is None:
            return
        with self.problems.at():
            check_keys(self.scenario, clients.countries)
        if len(self.problems) == before and not self.problems.any_at("workload", "arrivals"):
            with self.problems.at():
                check_requests(self.scenario, len(clients.ids))

    def _platform(self, name: str, spec: PlatformSpec) -> None:
        path: Key = ("platforms", name)
        with self.problems.at(*path, "cpu"):
            check_stretched_cpu(self.scenario, spec)
        before = len(self.problems)
        topology = None
        with self.problems.at(*path, "topology"):
            topology = load_sites(spec.topology)
        if topology is not None:
            self._sites(path, spec, topology)
            self.objects.hosts(path, spec, topology)
            self.objects.follower_sites(path, spec, topology)
        if len(self.problems) == before:
            with self.problems.at(*path):
                with_hosts = self.scenario.workload.uses_objects
                self.sites[name] = select_sites(spec, with_hosts=with_hosts)[0]
        self._termination(path, spec)
        routing: Key = (*path, "ingress", "routing")
        is_right = self.problems.of_model("routing", spec.ingress.routing, routing)
        if is_right and name in self.sites and self.clients is not None:
            with self.problems.at(*routing):
                self._try_routing(spec, self.clients)
        if spec.limits.memory is not None and spec.memory > spec.limits.memory:
            message = f"a function of {name} has {format_bytes(spec.limits.memory)} at most, got {format_bytes(spec.memory)}"
            self.problems.add((*path, "memory"), message, LIFTED)
        self.kv.platform(name, spec, self.sites.get(name))
        self.objects.platform(name, spec, self.sites.get(name))
        if self.problems.of_model("cold_start", spec.runtime, (*path, "runtime")):
            with self.problems.at(*path, "runtime"):
                resolve("cold_start", spec.runtime).rules(spec.memory)

    def _termination(self, path: Key, spec: PlatformSpec) -> None:
        """QUIC has one handshake, which ends at one place."""
        ends = spec.termination
        if self.scenario.workload.connection.protocol != "h3" or ends.tcp == ends.tls:
            return
        message = f"with protocol: h3 TCP and TLS are one handshake, which cannot end at {ends.tcp} and {ends.tls}"
        hint = "give tcp and tls the same place, or choose protocol: h2"
        self.problems.add((*path, "termination"), message, hint)

    def _try_routing(self, spec: PlatformSpec, clients: Clients) -> None:
        """Ask the routing model about one client, so that it can refuse its parameters."""
        one = clients.select(Where(id=clients.ids[:1]))
        ingress = select_sites(spec)[1]
        nothing = np.zeros((1, len(ingress)))
        model = resolve("routing", spec.ingress.routing)
        table = model.candidates(nothing, nothing, one, ingress, self.scenario.seed)
        check_table(table, len(one), len(ingress))

    def _sites(self, path: Key, spec: PlatformSpec, topology: Sites) -> None:
        ingress, compute = spec.ingress, spec.compute
        with self.problems.at(*path, "regions"):
            topology.select(ids=spec.regions)
        for key, part in (("ingress", ingress), ("compute", compute)):
            with self.problems.at(*path, key, "sites"):
                topology.select(ids=part.sites)
            with self.problems.at(*path, key):
                topology.select(role=part.role)
        for where in ("where", "exclude"):
            with self.problems.at(*path, "ingress", where):
                matching(topology, getattr(ingress, where))
        if spec.regions and compute.sites:
            message = "regions says where code runs, so that compute.sites would have no effect"
            hint = "change regions, or take it away with regions: null"
            self.problems.add((*path, "compute", "sites"), message, hint, key=True)
        for region in spec.prices.by_region if spec.prices is not None else ():
            place: Key = (*path, "prices", "by_region", region)
            if problem := unknown_id("site", region, topology.ids):
                self.problems.add(place, problem.message, problem.hint, key=True)

    def _events(self, clients: Clients | None) -> None:
        for number, event in enumerate(self.scenario.events):
            if event.surge is not None and clients is not None:
                with self.problems.at("events", number, "surge", "where"):
                    if not matching(clients, event.surge.where).any():
                        raise ValueError("no client of this scenario matches surge.where")
            if event.fail is None or event.fail.sites is None:
                continue
            platforms = event.fail.platforms or tuple(self.scenario.platforms)
            if any(self.problems.any_at("platforms", name) for name in platforms):
                continue  # its sites are unknown while the platform has errors
            known = {
                site for name in platforms if name in self.sites for site in self.sites[name].ids
            }
            for site in event.fail.sites:
                if known and site not in known:
                    message = f"there is no site {quoted(site)} on {' or '.join(platforms)}"
                    self.problems.add(("events", number, "fail", "sites"), message)
