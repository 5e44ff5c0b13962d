"""Load a scenario and check everything that it names: one path for `validate`, `run` and notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from popsim.claims.expression import Comparison
from popsim.claims.kv_metric import KvMetric
from popsim.claims.parse import ClaimSyntaxError, parse_expectation
from popsim.engine.build import key_trace
from popsim.engine.keyspaces import popularity
from popsim.engine.kv_places import select_tiers
from popsim.engine.network import select_sites
from popsim.models.arrivals import hourly_profile
from popsim.models.kv_replication.contract import KvRules
from popsim.models.registry import Model, UnknownModel, get, resolve
from popsim.scenario.document import Document, Key
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.loading import Source, in_order, read_what_is_right, translate
from popsim.scenario.parts import Where
from popsim.scenario.schema import PlatformSpec, Scenario
from popsim.scenario.size_laws import rarely_exceeded
from popsim.scenario.units import format_duration
from popsim.scenario.workload import MAX_VALUE_BYTES, TtlByPlace
from popsim.world.access import access_laws
from popsim.world.clients import Clients, load_clients
from popsim.world.latency import LatencyGraph
from popsim.world.origins import locate_origin
from popsim.world.places import matching, matching_names
from popsim.world.sites import Sites, load_sites


def load(source: Source | Scenario, **changes: Any) -> Scenario:
    """Load a scenario from a file, by the name of a bundled one, or from a mapping; check all of it.

    ``changes`` are laid over it, as by ``scenario.changed(...)``.

    Raises:
        InputError: with every mistake found, each with file, line and column where there is a file.

    >>> load("nearest_edge").platforms["workers"].topology
    'cloudflare'
    """
    problems: list[Problem] = []
    if isinstance(source, Scenario):
        scenario, document = source, Document(None, source.resolved())
    else:
        found, document, problems = read_what_is_right(source)
        if found is None:
            raise InputError(in_order(problems))
        scenario = found
    check = _Check(scenario, document)
    check.problems += problems
    check.run()
    if changes:
        scenario = scenario.changed(**changes)
        _Check(scenario, Document(None, scenario.resolved())).run()
    return scenario


class _Check:
    """Collect the problems of a scenario, each at its place in the document."""

    def __init__(self, scenario: Scenario, document: Document) -> None:
        self.scenario, self.document = scenario, document
        self.problems: list[Problem] = []
        self.sites: dict[str, Sites] = {}
        self.clients: Clients | None = None

    def run(self) -> None:
        """Check all; raise InputError if there was any problem."""
        self.clients = clients = self._clients()
        self._network()
        self._arrivals()
        self._keys()
        self._branches(clients)
        for name, spec in self.scenario.platforms.items():
            self._platform(name, spec)
        for name, origin in self.scenario.origins.items():
            with self._at("origins", name):
                locate_origin(name, origin)
        self._events(clients)
        self._claims(clients)
        if self.problems:
            raise InputError(in_order(self.problems))

    @contextmanager
    def _at(self, *path: str | int) -> Iterator[None]:
        """Collect input errors raised inside, with paths relative to ``path``."""
        try:
            yield
        except InputError as error:
            for problem in error.problems:
                self.problems.append(self._placed(path, problem))
        except (ValueError, ValidationError) as error:
            self.problems.append(self.document.problem(path, str(error)))
        except OSError as error:  # no file can have such a name
            message = (error.strerror or str(error)).lower()
            self.problems.append(self.document.problem(path, message))

    def _placed(self, path: Key, problem: Problem) -> Problem:
        if problem.file is not None:  # a mistake in a topology file; the scenario only names it
            return replace(problem, path=problem.path or ())
        return self.document.problem((*path, *problem.path), problem.message, problem.hint)

    def _clients(self) -> Clients | None:
        spec = self.scenario.clients
        clients = chosen = None
        with self._at("clients", "topology"):
            clients = load_clients(spec.topology)
        if clients is not None:
            with self._at("clients", "where"):
                chosen = clients.select(spec.where)
        with self._at("clients", "network"):
            access_laws(spec.network)
        return chosen

    def _network(self) -> None:
        removed = self.scenario.network.remove
        if removed.links or removed.sites:
            with self._at("network", "remove"):
                LatencyGraph("public", removed.links, removed.sites)

    def _arrivals(self) -> None:
        with self._at("workload", "arrivals", "by_local_hour"):
            hourly_profile(self.scenario.workload.arrivals.by_local_hour)

    def _platform(self, name: str, spec: PlatformSpec) -> None:
        path: Key = ("platforms", name)
        before = len(self.problems)
        topology = None
        with self._at(*path, "topology"):
            topology = load_sites(spec.topology)
        if topology is not None:
            self._sites(path, spec, topology)
        if len(self.problems) == before:
            with self._at(*path):
                self.sites[name] = select_sites(spec)[0]
        before = len(self.problems)
        self._model(spec.ingress.routing, "routing", (*path, "ingress", "routing"))
        if len(self.problems) == before and name in self.sites and self.clients is not None:
            with self._at(*path, "ingress", "routing"):
                self._try_routing(spec, self.clients)
        self._key_value(name, spec)
        before = len(self.problems)
        self._model(spec.runtime, "cold_start", (*path, "runtime"))
        if len(self.problems) == before:
            with self._at(*path, "runtime"):
                resolve("cold_start", spec.runtime).rules(spec.memory)

    def _key_value(self, name: str, spec: PlatformSpec) -> None:
        """Check the platform's key-value store, and that it has one if a handler asks it."""
        path: Key = ("platforms", name)
        workload = self.scenario.workload
        if spec.kv is None:
            if workload.uses_kv:
                message = "the handler asks a key-value store, and this platform has none"
                hint = "give it kv: {model: ...}"
                self.problems.append(self.document.problem(path, message, hint))
            return
        before = len(self.problems)
        self._model(spec.kv, "kv_replication", (*path, "kv"))
        if len(self.problems) > before or name not in self.sites:
            return
        model = resolve("kv_replication", spec.kv)
        with self._at(*path, "kv"):
            rules = model.rules()
            model.central_stores(self.sites[name])
            self._lifetimes(name, rules)
        with self._at(*path, "kv", "regional_tiers"):
            select_tiers(model, load_sites(spec.topology))

    def _lifetimes(self, platform: str, rules: KvRules) -> None:
        """Check the TTLs of all steps against the platform's minimum."""
        for path, step in self.scenario.workload.steps():
            if step.kv_get is not None and step.kv_get.cache_ttl is not None:
                key: Key = ("workload", *path, "kv.get", "cache_ttl")
                self._at_least(key, step.kv_get.cache_ttl, rules.minimum_ttl, platform)
            if step.kv_put is None or step.kv_put.expiration_ttl is None:
                continue
            ttl = step.kv_put.expiration_ttl
            key = ("workload", *path, "kv.put", "expiration_ttl")
            every = [((), ttl)] if isinstance(ttl, float) else ttl.parts()
            for more, value in every:
                self._at_least((*key, *more), value, rules.minimum_expiration, platform)

    def _at_least(self, path: Key, ttl: float, least: float, platform: str) -> None:
        if ttl < least:
            name = path[path.index("cache_ttl" if "cache_ttl" in path else "expiration_ttl")]
            message = (
                f"{name} is {format_duration(ttl)}, under the minimum of "
                f"{format_duration(least)} on {platform}"
            )
            self.problems.append(self.document.problem(path, message))

    def _keys(self) -> None:
        """Check what the key spaces hold, and the trace if there is one."""
        for name, space in self.scenario.workload.keys.items():
            large = rarely_exceeded(space.value_size)
            if large > MAX_VALUE_BYTES:
                message = (
                    f"a value may have {MAX_VALUE_BYTES / 2**20:g} MiB; "
                    f"of these, one in 10,000 has {large / 2**20:,.1f} MiB or more"
                )
                path = ("workload", "keys", name, "value_size")
                self.problems.append(self.document.problem(path, message))
            with self._at("workload", "keys", name, "popularity"):
                popularity(space)
        with self._at("workload", "arrivals", "trace"):
            key_trace(self.scenario)

    def _branches(self, clients: Clients | None) -> None:
        for path, step in self.scenario.workload.steps():
            for row, branch in enumerate(step.choose or ()):
                if clients is not None:
                    with self._at("workload", *path, "choose", row, "where"):
                        matching(clients, branch.where)
            ttl = step.kv_put.expiration_ttl if step.kv_put is not None else None
            if isinstance(ttl, TtlByPlace):
                place: Key = ("workload", *path, "kv.put", "expiration_ttl")
                with self._at(*place, "by_country"):
                    matching_names("country", ttl.by_country)
                with self._at(*place, "by_continent"):
                    matching_names("continent", ttl.by_continent)

    def _try_routing(self, spec: PlatformSpec, clients: Clients) -> None:
        """Ask the routing model about one client, so that it can refuse its parameters."""
        one = clients.select(Where(id=clients.ids[:1]))
        ingress = select_sites(spec)[1]
        nothing = np.zeros((1, len(ingress)))
        model = resolve("routing", spec.ingress.routing)
        model.candidates(nothing, nothing, one, ingress, self.scenario.seed)

    def _sites(self, path: Key, spec: PlatformSpec, topology: Sites) -> None:
        ingress, compute = spec.ingress, spec.compute
        with self._at(*path, "regions"):
            topology.select(ids=spec.regions)
        for key, part in (("ingress", ingress), ("compute", compute)):
            with self._at(*path, key, "sites"):
                topology.select(ids=part.sites)
            with self._at(*path, key):
                topology.select(role=part.role)
        for where in ("where", "exclude"):
            with self._at(*path, "ingress", where):
                matching(topology, getattr(ingress, where))

    def _model(self, spec: dict[str, Any], kind: str, path: Key) -> None:
        try:
            resolve(kind, spec)
        except UnknownModel as error:
            self.problems.append(self.document.problem(path, error.message, error.hint))
        except ValidationError as error:
            model: type[Model] | type[BaseModel] = get(kind, spec["model"])
            self.problems += translate(error, self.document, model, path)

    def _events(self, clients: Clients | None) -> None:
        for number, event in enumerate(self.scenario.events):
            if event.surge is not None and clients is not None:
                with self._at("events", number, "surge", "where"):
                    if not matching(clients, event.surge.where).any():
                        raise ValueError("the surge is of clients that the scenario does not have")
            if event.fail is None or event.fail.sites is None:
                continue
            platforms = event.fail.platforms or tuple(self.scenario.platforms)
            if any(p.path[:2] == ("platforms", name) for p in self.problems for name in platforms):
                continue  # who knows which sites it should have
            known = {
                site for name in platforms if name in self.sites for site in self.sites[name].ids
            }
            for site in event.fail.sites:
                if known and site not in known:
                    message = f"there is no site {site!r} on {' or '.join(platforms)}"
                    self.problems.append(
                        self.document.problem(("events", number, "fail", "sites"), message)
                    )

    def _claims(self, clients: Clients | None) -> None:
        platforms = list(self.scenario.platforms)
        for number, claim in enumerate(self.scenario.claims):
            if clients is not None:
                with self._at("claims", number, "where"):
                    if not matching(clients, claim.where).any():
                        raise ValueError(
                            "the claim is about clients that the scenario does not have"
                        )
            restricted = claim.where.model_dump(exclude_none=True)
            for line, text in enumerate(claim.expect):
                path: Key = ("claims", number, "expect", line)
                try:
                    comparison = parse_expectation(text, platforms)
                except ClaimSyntaxError as error:
                    self.problems.append(self._in_text(path, error))
                    continue
                if restricted and not all(metric.is_by_group for metric in comparison.metrics()):
                    message = "where: works on percentiles and means of the latency only"
                    self.problems.append(self.document.problem(path, message))
                self._kv_claim(path, comparison, claim.where)

    def _kv_claim(self, path: Key, comparison: Comparison, where: Where) -> None:
        """Check that the stores and key spaces are there that an expectation is about."""
        workload = self.scenario.workload
        for metric in comparison.metrics():
            if not isinstance(metric, KvMetric):
                continue
            if where.city is not None or where.id is not None:
                message = "reads of key-value stores are kept by country, not by place"
                self.problems.append(self.document.problem(path, message))
            if not workload.uses_kv:
                message = "no step of the handler asks a key-value store"
                self.problems.append(self.document.problem(path, message))
            elif metric.space is not None and metric.space not in workload.keys:
                hint = did_you_mean(metric.space, list(workload.keys))
                message = f"there is no key space {metric.space!r}"
                self.problems.append(self.document.problem(path, message, hint))

    def _in_text(self, path: Key, error: ClaimSyntaxError) -> Problem:
        """Return the problem with its column inside the expectation (which is quoted, as a rule)."""
        problem = self.document.problem(path, str(error), error.hint)
        if problem.col is None:
            return problem
        return replace(problem, col=problem.col + error.column + self.document.quote_width(path))
