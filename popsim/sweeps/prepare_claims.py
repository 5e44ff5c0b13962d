"""Check that a scenario's claims can be read, and refer to things that exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from popsim.claims.expression import COST, COST_ANSWERED, Condition, Metric
from popsim.claims.kv_metric import KvMetric
from popsim.claims.object_metric import ObjectMetric
from popsim.claims.parse import SELECTABLE, parse_expectation
from popsim.claims.selector import Selector
from popsim.claims.tokens import ClaimSyntaxError
from popsim.results.functions import function_bill
from popsim.results.kv_frames import prices
from popsim.results.object_frames import object_prices
from popsim.scenario.claims import ClaimSpec
from popsim.scenario.document import Key
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.parts import Where
from popsim.scenario.schema import Scenario
from popsim.scenario.selections import MOST_SELECTIONS, is_called
from popsim.scenario.text import quoted
from popsim.sweeps.prepare_kv import NO_STEP
from popsim.sweeps.prepare_objects import NO_CALL
from popsim.sweeps.prepare_sessions import OF_PARTICIPANTS, OF_REPLICAS, no_session
from popsim.sweeps.problems import Problems
from popsim.world.access import access_laws
from popsim.world.clients import Clients
from popsim.world.places import matching
from popsim.world.sites import Sites


def with_selections(scenario: Scenario) -> Scenario:
    """Return the scenario with what its claims select among what is kept apart.

    Raises:
        InputError: they select more than fits.
    """
    found = {selection.key: selection for selection in scenario.selections or ()}
    for claim in scenario.claims:
        for text in claim.expect:
            condition = parse_expectation(
                text, list(scenario.platforms), scenario.workload.messages, claim.where
            )
            for metric in condition.metrics():
                if (
                    isinstance(metric, Metric)
                    and metric.selector is not None
                    and metric.is_apart(metric.selector)
                ):
                    found.setdefault(metric.selector.key, metric.selector)
    if len(found) > MOST_SELECTIONS:
        message = f"claims select {len(found):,} different groups of requests, of which {MOST_SELECTIONS:,} can be kept"
        raise InputError([Problem(None, None, None, ("claims",), message)])
    if not found or len(found) == len(scenario.selections or ()):
        return scenario
    return scenario.model_copy(update={"selections": tuple(found.values())})


class ClaimCheck:
    """Collect the problems of a scenario's claims; ``clients`` and ``sites`` are those that are right.

    ``replicas`` are how many copies of objects answer reads, on the platforms whose objects are right.
    """

    def __init__(
        self,
        scenario: Scenario,
        problems: Problems,
        clients: Clients | None,
        sites: Mapping[str, Sites],
        replicas: Mapping[str, int],
    ) -> None:
        self.scenario, self.problems = scenario, problems
        self.clients, self.sites, self.replicas = clients, sites, replicas

    def selections(self) -> None:
        """Check what the scenario itself asks to be kept apart; a site or network may be any platform's."""
        for number, selection in enumerate(self.scenario.selections or ()):
            path: Key = ("selections", number)
            if not selection.kinds:
                self.problems.add(
                    path, "nothing is selected", "select by place, network, site or time"
                )
            with self.problems.at(*path):
                self._places(selection.where)
            for platform in self.scenario.platforms:
                if selection.site is None or platform in self.sites:
                    known = [site for sites in self.sites.values() for site in sites.ids]
                    self._named((*path, "site"), "site", selection.site, known)
                    break
            with self.problems.at(*path, "network"):
                self._named(
                    (*path, "network"),
                    "network",
                    selection.network,
                    access_laws(self.scenario.clients.network)[0],
                )

    def run(self) -> None:
        """Check all claims."""
        for number, claim in enumerate(self.scenario.claims):
            with self.problems.at("claims", number, "where"):
                self._places(claim.where)
            for line, text in enumerate(claim.expect):
                path: Key = ("claims", number, "expect", line)
                try:
                    condition = parse_expectation(
                        text,
                        list(self.scenario.platforms),
                        self.scenario.workload.messages,
                        claim.where,
                    )
                except ClaimSyntaxError as error:
                    self.problems.found.append(self._in_text(path, error))
                    continue
                self._expectation(path, claim, condition)

    def _expectation(self, path: Key, claim: ClaimSpec, condition: Condition) -> None:
        for metric in condition.metrics():
            if claim.where != Where() and not metric.can_select(("place",)):
                self.problems.add(path, "`where` cannot be used with this metric", SELECTABLE)
            if metric.selector is not None:
                if claim.where != Where() and not isinstance(metric, Metric):
                    message = "the claim has a where: already; select in one of the two"
                    self.problems.add(path, message)
                self._selector(path, metric.platform, metric.selector)
            if isinstance(metric, KvMetric):
                places = claim.where if metric.selector is None else metric.selector
                self._kv(path, metric, places)
            if isinstance(metric, ObjectMetric):
                self._objects(path, metric)
            if isinstance(metric, Metric) and metric.name in (COST, COST_ANSWERED):
                self._cost(path, metric.platform)

    def _places(self, where: Where) -> None:
        """Refuse places that the scenario has no clients in.

        Raises:
            InputError: an unknown place.
            ValueError: nobody is there.
        """
        if self.clients is not None and not matching(self.clients, where).any():
            raise ValueError("no client of this scenario matches where")

    def _selector(self, path: Key, platform: str, selector: Selector) -> None:
        """Check the names of a selector, and that its window is not too short."""
        try:
            self._places(selector.where)
        except InputError as error:
            for problem in error.problems:
                self.problems.add(path, problem.message, problem.hint)
        except ValueError as error:
            self.problems.add(path, str(error))
        try:
            networks = access_laws(self.scenario.clients.network)[0]
        except InputError:  # told elsewhere
            networks = None
        sites = self.sites[platform].ids if platform in self.sites else None
        self._named(path, "network", selector.network, networks)
        self._named(path, "site", selector.site, sites)
        begin, end = selector.window(self.scenario.duration)
        if max(begin, self.scenario.warmup) >= min(end, self.scenario.duration):
            message = "no measured request begins in the window: it ends before the warm-up, or begins after the run"
            self.problems.add(path, message)

    def _named(
        self, path: Key, what: str, names: tuple[str, ...] | None, known: Sequence[str] | None
    ) -> None:
        for name in names or ():
            if known is not None and not any(is_called(label, name) for label in known):
                message = f"there is no {what} {quoted(name)} here"
                self.problems.add(path, message, did_you_mean(name, known))

    def _kv(self, path: Key, metric: KvMetric, where: Where) -> None:
        """Check that the store and the key space are there, and that reads are kept so."""
        workload = self.scenario.workload
        if where.names("city") or where.names("id"):
            message = "reads of key-value stores are kept by country, not by place"
            self.problems.add(path, message)
        if not workload.uses_kv:
            self.problems.add(path, NO_STEP)
        elif metric.space is not None and metric.space not in workload.keys:
            hint = did_you_mean(metric.space, list(workload.keys))
            self.problems.add(path, f"there is no key space {quoted(metric.space)}", hint)

    def _objects(self, path: Key, metric: ObjectMetric) -> None:
        """Check that the objects are there."""
        workload = self.scenario.workload
        if not workload.uses_objects:
            self.problems.add(path, NO_CALL)
        elif metric.object_class is not None and metric.object_class not in workload.objects:
            hint = did_you_mean(metric.object_class, list(workload.objects))
            self.problems.add(
                path, f"there is no class of objects {quoted(metric.object_class)}", hint
            )
        elif metric.name in OF_PARTICIPANTS and (problem := no_session(workload, metric)):
            self.problems.add(path, *problem)
        elif metric.name in OF_REPLICAS and self.replicas.get(metric.platform) == 0:
            message = f"{metric.name} is about replicas, and objects of {metric.platform} have none"
            hint = "give the platform objects: {placement: read_replicas}"
            self.problems.add(path, message, hint)

    def _cost(self, path: Key, platform: str) -> None:
        """Refuse the bill of a platform if the prices of its functions are unknown, or all are 0."""
        if self.problems.any_at("platforms", platform):
            return  # who knows which prices it should have
        bill, workload = function_bill(self.scenario, platform), self.scenario.workload
        if bill is None:
            message = f"the functions of {platform} have no price"
            hint = "give the platform prices, such as prices: {request: 0.2, duration: 16.6667}"
            self.problems.add(path, message, f"{hint}; prices: {{}} if they are free")
            return
        charges: list[float] = [not bill.is_free]
        if workload.uses_kv:
            store = prices(self.scenario, platform)
            if store is None:
                message = f"the key-value store of {platform} has no price"
                hint = "give it kv: {prices: ...}, a preset's are gone with its model; prices: {} if it is free"
                self.problems.add(path, message, hint)
                return
            charges += [store.read, store.write, store.delete, store.list]
        if workload.uses_objects:
            objects = object_prices(self.scenario, platform)
            charges += [objects.request, objects.duration, objects.read, objects.write]
        if not any(charges):
            self.problems.add(path, f"nothing that is done on {platform} has a price")

    def _in_text(self, path: Key, error: ClaimSyntaxError) -> Problem:
        """Return the problem with its column inside the expectation (which is quoted, as a rule)."""
        document = self.problems.document
        problem = document.problem(path, str(error), error.hint)
        if problem.col is None:
            return problem
        return replace(problem, col=problem.col + error.column + document.quote_width(path))
