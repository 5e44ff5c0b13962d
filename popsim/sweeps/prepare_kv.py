"""Check what a scenario says about key-value stores: keys, the steps that use them, stores, and what happens to them."""

from __future__ import annotations

import math

import numpy as np

from popsim.engine.arrays import Floats
from popsim.engine.build import key_trace
from popsim.engine.handler import check_length
from popsim.engine.keyspaces import popularity
from popsim.engine.kv_places import place_kv
from popsim.engine.network import select_sites
from popsim.engine.traces import KeyTrace
from popsim.models.kv_replication.contract import CentralStore, KvRules, check_tables
from popsim.models.registry import resolve
from popsim.scenario.document import Key
from popsim.scenario.errors import InputError, did_you_mean
from popsim.scenario.limits import RARE
from popsim.scenario.schema import EventSpec, PlatformSpec, Scenario, WriteSpec
from popsim.scenario.size_laws import excess
from popsim.scenario.steps import StepSpec, TtlByPlace
from popsim.scenario.text import quoted
from popsim.scenario.units import format_duration
from popsim.scenario.workload import MAX_SPACES, MAX_VALUE_BYTES, KeySpaceSpec
from popsim.sweeps.problems import Problems
from popsim.world.clients import Clients
from popsim.world.geo import great_circle_km
from popsim.world.places import matching, matching_names, unknown_id
from popsim.world.sites import Sites, load_sites

SAME_PLACE_KM = 100.0  # a store that bears a site's name is in it; a city is not larger
MAX_WRITES = 1_000_000  # of one event; 3 s of the control plane's time
NO_STEP = "no step of the handler asks a key-value store"


LIFTED = "limits of the platform says so; limits: {value: null} lifts it"


class KvCheck:
    """Collect the problems of key spaces, steps, stores and events."""

    def __init__(self, scenario: Scenario, problems: Problems) -> None:
        self.scenario, self.workload, self.problems = scenario, scenario.workload, problems
        self.stores: dict[str, tuple[str, ...]] = {}  # by platform
        self.trace: KeyTrace | None = None

    # --- keys ---------------------------------------------------------------------------------------------

    def keys(self) -> None:
        """Check what the key spaces hold, and the trace if there is one."""
        spaces = self.workload.keys
        if len(spaces) > MAX_SPACES:
            message = f"expected at most {MAX_SPACES} key spaces, got {len(spaces)}"
            self.problems.add(("workload", "keys"), message)
        for name, space in spaces.items():
            self._value_size(name, space)
            with self.problems.at("workload", "keys", name, "popularity"):
                popularity(space)
        with self.problems.at("workload", "arrivals", "trace"):
            self.trace = key_trace(self.scenario)
        if self.workload.arrivals.trace is not None:
            self._keys_of_a_trace()
            self._functions_of_a_trace()

    def _value_size(self, name: str, space: KeySpaceSpec) -> None:
        if (has := excess(space.value_size, MAX_VALUE_BYTES)) is not None:
            message = f"a value may have {MAX_VALUE_BYTES / 2**20:g} MiB, got {has}"
            self.problems.add(("workload", "keys", name, "value_size"), message)

    def _keys_of_a_trace(self) -> None:
        """Refuse what a trace says itself: which keys there are, how popular and how large."""
        spaces = self.workload.keys
        if len(spaces) > 1:
            message = f"the keys of a trace are one key space, and here are {', '.join(spaces)}"
            self.problems.add(("workload", "keys"), message)
        for name, space in spaces.items():
            plain = KeySpaceSpec(filled=space.filled)
            for key in KeySpaceSpec.model_fields:
                law, usual = getattr(space, key), getattr(plain, key)
                if key == "value_size":
                    law, usual = law.to_yaml(), usual.to_yaml()
                if law != usual:
                    message = f"{key} has no effect: the trace says which keys there are"
                    self.problems.add(("workload", "keys", name, key), message, key=True)

    def _functions_of_a_trace(self) -> None:
        """Refuse to draw which function each line calls, as if the trace had said so."""
        if (count := self.workload.functions.count) > 1:
            message = f"a line of a trace does not say which of {count:,} functions it calls"
            hint = "leave functions out, or run a trace of each function by itself"
            self.problems.add(("workload", "functions", "count"), message, hint)

    # --- steps --------------------------------------------------------------------------------------------

    def steps(self, clients: Clients | None) -> None:
        """Check the handler's steps, nested ones too."""
        with self.problems.at():
            check_length(self.workload)
        for path, step in self.workload.steps():
            place: Key = ("workload", *path)
            if clients is not None:
                self._branches(place, step, clients)
            if step.kv_get is not None:
                self._bulk((*place, "kv.get", "count"), step.kv_get.keys, step.kv_get.count)
            ttl = step.kv_put.expiration_ttl if step.kv_put is not None else None
            if isinstance(ttl, TtlByPlace):
                self._places_of_ttl((*place, "kv.put", "expiration_ttl"), ttl)

    def _branches(self, place: Key, step: StepSpec, clients: Clients) -> None:
        for row, branch in enumerate(step.choose or ()):
            with self.problems.at(*place, "choose", row, "where"):
                if not matching(clients, branch.where).any():
                    raise ValueError("no client of this scenario matches where")

    def _bulk(self, place: Key, space: str, count: int) -> None:
        if count == 1 or space not in self.workload.keys:
            return
        if self.workload.arrivals.trace is not None:
            self.problems.add(place, f"a line of a trace names one key, not {count}")
        elif count > self.workload.keys[space].count:
            there = self.workload.keys[space].count
            self.problems.add(
                place, f"a read of {count} keys of {quoted(space)}, which has {there}"
            )

    def _places_of_ttl(self, place: Key, ttl: TtlByPlace) -> None:
        for kind, names in (("country", ttl.by_country), ("continent", ttl.by_continent)):
            for name in names:
                try:
                    matching_names(kind, [name])
                except InputError as error:
                    for problem in error.problems:
                        path = (*place, f"by_{kind}", name)
                        self.problems.add(path, problem.message, problem.hint, key=True)

    # --- stores -------------------------------------------------------------------------------------------

    def platform(self, name: str, spec: PlatformSpec, sites: Sites | None) -> None:
        """Check a platform's store, and that it has one if a handler asks it; sites are None if unknown."""
        path: Key = ("platforms", name)
        if spec.kv is None:
            if self.workload.uses_kv and not self.problems.any_at(*path):
                message = "the handler asks a key-value store, and this platform has none"
                self.problems.add(path, message, "give it kv: {model: ...}")
            return
        if not self.problems.of_model("kv_replication", spec.kv, (*path, "kv")):
            return
        rules = None
        with self.problems.at(*path, "kv"):
            rules = resolve("kv_replication", spec.kv).rules()
        if rules is not None:
            self._lifetimes(name, rules)
        if sites is not None:
            with self.problems.at(*path, "kv"):
                self._places(name, spec, sites)

    def limits(self) -> None:
        """Refuse values that a platform's store would refuse."""
        if not self.workload.uses_kv:
            return
        limited = {
            n: p.limits
            for n, p in self.scenario.platforms.items()
            if p.kv is not None and p.limits.value is not None
        }
        for name, limits in limited.items():
            assert limits.value is not None
            if self.trace is not None:
                if (largest := int(self.trace.sizes.max())) > limits.value:
                    message = f"the trace has an item of {largest / 1e6:.3g} MB; the store of {name} takes {limits.value / 1e6:.3g} MB"
                    self.problems.add(("workload", "arrivals", "trace"), message, LIFTED)
                continue
            for space, spec in self.workload.keys.items():
                most = spec.value_size.maximum()
                if not math.isfinite(most):
                    most = float(spec.value_size.quantile_upper(np.array([RARE]))[0])
                size = int(most) + (spec.key_size + spec.metadata_size) * limits.item_has_key
                if limits.value < size <= MAX_VALUE_BYTES:  # above that, it is told already
                    message = f"values of {size / 1e6:.3g} MB; the store of {name} takes {limits.value / 1e6:.3g} MB at most"
                    self.problems.add(("workload", "keys", space, "value_size"), message, LIFTED)

    def _places(self, name: str, spec: PlatformSpec, sites: Sites) -> None:
        """Check where stores and regional tiers are, and the model's tables."""
        path: Key = ("platforms", name, "kv")
        before = len(self.problems)
        model = resolve("kv_replication", spec.kv or "")
        topology = load_sites(spec.topology)
        for number, tier in enumerate(model.tier_sites()):
            if (problem := unknown_id("site", tier, topology.ids)) is not None:
                place = (*path, "regional_tiers", number)
                self.problems.add(place, problem.message, problem.hint)
        compute = select_sites(spec)[2]
        stores = model.central_stores(model.store_sites(sites, compute, topology))
        self.stores[name] = tuple(store.place.id for store in stores)
        if len(self.problems) > before:
            return
        places = place_kv(model, sites, compute, topology, great_circle_ms)
        self._names(path, stores, (sites, places.geography.tiers))
        check_tables(model, places.geography)

    def _names(self, path: Key, stores: tuple[CentralStore, ...], near: tuple[Sites, ...]) -> None:
        """Check that stores have names of their own, and one that bears a site's name is there."""
        seen: set[str] = set()
        for store in stores:
            place, name = store.place, store.place.id
            where = (*path, "stores", name)
            if name in seen:
                self.problems.add(where, f"the store {quoted(name)} is there twice", key=True)
            seen.add(name)
            for sites in near:
                if name not in sites.ids:
                    continue
                row = sites.index(name)
                km = float(great_circle_km(place.lat, place.lon, sites.lat[row], sites.lon[row]))
                if km > SAME_PLACE_KM:
                    message = f"the store {quoted(name)} bears the name of a site that is {km:,.0f} km away"
                    self.problems.add(where, message, "give it another name", key=True)
                    break

    def _lifetimes(self, platform: str, rules: KvRules) -> None:
        """Check the TTLs of all steps against the platform's minimum."""
        for path, step in self.workload.steps():
            if step.kv_get is not None and step.kv_get.cache_ttl is not None:
                key: Key = ("workload", *path, "kv.get", "cache_ttl")
                self._at_least(key, step.kv_get.cache_ttl, rules.minimum_ttl, platform)
            ttl = step.kv_put.expiration_ttl if step.kv_put is not None else None
            if ttl is None:
                continue
            key = ("workload", *path, "kv.put", "expiration_ttl")
            for more, value in ttl.parts() if isinstance(ttl, TtlByPlace) else [((), ttl)]:
                self._at_least((*key, *more), value, rules.minimum_expiration, platform)

    def _at_least(self, path: Key, ttl: float, least: float, platform: str) -> None:
        if ttl < least:
            name = "cache_ttl" if "cache_ttl" in path else "expiration_ttl"
            message = (
                f"{name} is {format_duration(ttl)}, under the minimum of "
                f"{format_duration(least)} on {platform}"
            )
            self.problems.add(path, message)

    # --- events -------------------------------------------------------------------------------------------

    def events(self) -> None:
        """Check failing stores and writes."""
        for number, event in enumerate(self.scenario.events):
            path: Key = ("events", number)
            if event.write is not None:
                self._write((*path, "write"), event, event.write)
                if event.lasting is not None:
                    message = "a write has no end; 'for' is of fail and surge"
                    self.problems.add((*path, "for"), message, key=True)
            if event.fail is not None and event.fail.stores is not None:
                platforms = event.fail.platforms or tuple(self.scenario.platforms)
                self._failing((*path, "fail", "stores"), event.fail.stores, platforms)

    def _write(self, path: Key, event: EventSpec, write: WriteSpec) -> None:
        if not self.workload.uses_kv:
            self.problems.add(path, f"{NO_STEP}, so that nobody would read what is written")
            return
        times = (self.scenario.duration - event.at) / (write.every or self.scenario.duration)
        if times > MAX_WRITES:
            message = f"would write {times:,.0f} times, expected at most {MAX_WRITES:,}"
            self.problems.add((*path, "every"), message)
        space = self.workload.keys.get(write.keys)
        if space is None:
            return  # is told already
        if space.per != "world":
            message = (
                f"expected keys of the world; those of {quoted(write.keys)} are per {space.per}"
            )
            self.problems.add((*path, "keys"), message)
        count = space.count if self.trace is None else len(self.trace.sizes)
        if self.workload.arrivals.trace is not None and self.trace is None:
            return
        if write.rank > count:
            message = f"there is no key of rank {write.rank}: {quoted(write.keys)} has {count}"
            self.problems.add((*path, "rank"), message)

    def _failing(self, path: Key, stores: tuple[str, ...], platforms: tuple[str, ...]) -> None:
        if not self.workload.uses_kv:
            self.problems.add(path, NO_STEP)
            return
        if any(self.problems.any_at("platforms", name) for name in platforms):
            return  # who knows which stores it should have
        known = list(dict.fromkeys(s for name in platforms for s in self.stores.get(name, ())))
        for number, store in enumerate(stores):
            if known and store not in known:
                message = f"there is no store {quoted(store)} on {' or '.join(platforms)}"
                self.problems.add((*path, number), message, did_you_mean(store, known))


def great_circle_ms(sources: Sites, destinations: Sites) -> Floats:
    """Return RTT in ms [source, destination], about: 100 km per ms, for trying a model's tables."""
    return (
        great_circle_km(
            sources.lat[:, None], sources.lon[:, None], destinations.lat, destinations.lon
        )
        / 100.0
    )
