"""Turn a scenario's platform into the arrays that the engines run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.arrays import Floats, Ints, Records, records
from popsim.engine.handler import Program, handler_program
from popsim.engine.handshakes import connection_rules, loss_laws
from popsim.engine.kv import kv_inputs
from popsim.engine.kv_layout import TRACE_DTYPE
from popsim.engine.layout import Inputs, Rules
from popsim.engine.limits import check_limits, expected_requests, largest_surge
from popsim.engine.network import Ground, Paths, lay_paths
from popsim.engine.object_places import ObjectPlaces
from popsim.engine.objects import message_rate_per_s, object_inputs
from popsim.engine.selection_inputs import selection_inputs
from popsim.engine.tables import QuantileTable, alias_table, highest, quantile_table, stacked
from popsim.engine.traces import KeyTrace, read_trace, trace_rows
from popsim.models.arrivals import hourly_profile
from popsim.models.cold_start.rules import PoolRules
from popsim.models.registry import resolve
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.schema import PlatformSpec, Scenario
from popsim.scenario.selections import Selection
from popsim.scenario.units import LONGEST_MS, LONGEST_TIME
from popsim.world.access import access_laws
from popsim.world.clients import Clients
from popsim.world.jitter import measured_jitter
from popsim.world.sites import Sites

HOURS_PER_DAY = 24
SAMPLE_REQUESTS = 4_000  # whole requests kept per run, about
NOTHING = parse_law("0ms")


@dataclass(frozen=True, eq=False)
class Built:
    """A run's inputs, and what its rows mean."""

    inputs: Inputs
    sites: Sites
    clients: Clients
    site_share: Floats  # [S] expected share of requests that enter at each site
    surge_bound: float
    objects: ObjectPlaces | None


@dataclass(frozen=True, eq=False)
class Shared:
    """What the replications of a platform have in common: places, laws, clients, the handler; not to be written to."""

    scenario: Scenario
    platform: str
    ground: Ground
    countries: tuple[str, ...]
    trace: KeyTrace | None
    program: Program
    tables: list[QuantileTable]  # up to those of the key-value store
    surge_bound: float
    inputs: dict[str, Any]  # that no draw changes

    @classmethod
    def of(cls, scenario: Scenario, platform: str) -> Shared:
        """Read a platform of a scenario.

        Raises:
            InputError: something that the scenario names does not exist.
        """
        spec = scenario.platforms[platform]
        ground = Ground.of(scenario, spec)
        clients = ground.clients
        check_limits(scenario, clients.countries, len(ground.sites))
        pool = resolve("cold_start", spec.runtime).rules(spec.memory)
        names, weights, access = access_laws(scenario.clients.network)
        countries = tuple(sorted(set(clients.countries)))
        first_step = lay.T_ACCESS + len(access)
        program = handler_program(scenario, spec, clients, countries, first_step)
        profile = hourly_profile(scenario.workload.arrivals.by_local_hour)
        surge_bound = largest_surge(scenario)
        rules = _rules(scenario, spec, pool, surge_bound * float(profile.max()), len(clients))
        selections = scenario.selections or ()
        laws = [*_fixed_laws(scenario, spec, pool, rules, profile), *access, *program.laws]
        inputs = {
            "rules": rules,
            "clients": _client_records(scenario, clients, countries, program.client_kinds),
            "networks": _choices(np.asarray(weights, dtype=np.float64)),
            "functions": _choices(_popularity(scenario)),
            **program.as_inputs(),
            "profile": profile,
            "country_count": len(countries),
            "selections": selection_inputs(
                selections, clients, names, ground.sites.ids, scenario.duration
            ),
            "labels": _labels(ground, countries, tuple(names), rules.function_count, selections),
        }
        trace, tables = key_trace(scenario), [quantile_table(law) for law in laws]
        return cls(
            scenario, platform, ground, countries, trace, program, tables, surge_bound, inputs
        )

    @cached_property
    def fixed_paths(self) -> Paths:
        """The paths on the planet of the seed, on which all replications are with ``residual: fixed``."""
        return lay_paths(self.ground, self.scenario.seed)


def build(scenario: Scenario, platform: str, replication: int) -> Built:
    """Build one run of one platform of a scenario; raises InputError for what does not exist."""
    return built(Shared.of(scenario, platform), replication)


def built(shared: Shared, replication: int) -> Built:
    """Build one run of a platform.

    Traffic and planet (catchments, lasting residuals of pairs) follow from seed and replication, so that intervals
    include what is unknown about either. With ``residual: fixed`` the planet follows from the seed alone: replications
    are independent samples on one and the same, and :mod:`popsim.results.one_draw` says so.
    """
    scenario, ground, program = shared.scenario, shared.ground, shared.program
    key = draws.run_key(scenario.seed, replication)
    is_fixed = scenario.network.residual == "fixed"
    paths = shared.fixed_paths if is_fixed else lay_paths(ground, world_seed=key)
    first_kv = len(shared.tables)
    kv, kv_laws = kv_inputs(
        scenario, paths.kv, program, shared.countries, shared.trace, first_kv, key
    )
    objects, object_laws = object_inputs(
        scenario.workload,
        paths.objects,
        program,
        ground.clients,
        first_space=len(kv.space_names),
        first_table=first_kv + len(kv_laws),
    )
    clients = shared.inputs["clients"]
    inputs = Inputs(
        key=key,
        **shared.inputs,
        **_stacked(
            shared.platform,
            [*shared.tables, *(quantile_table(law) for law in [*kv_laws, *object_laws])],
        ),
        **paths.as_inputs(),
        kv=kv,
        objects=objects,
        trace=_trace_records(shared.trace, key, clients),
        **_probes(scenario, key, len(clients)),
    )
    return Built(
        inputs, paths.sites, paths.clients, paths.site_share, shared.surge_bound, paths.objects
    )


def key_trace(scenario: Scenario) -> KeyTrace | None:
    """Return the trace that the scenario's requests follow, if there is one; raises InputError."""
    name = scenario.workload.arrivals.trace
    return None if name is None else read_trace(Path(name))


def _trace_records(trace: KeyTrace | None, key: int, clients: Records) -> Records:
    if trace is None:
        return records(TRACE_DTYPE, 1)
    return trace_rows(trace, key, clients.threshold, clients.alias)


def _rules(
    scenario: Scenario, spec: PlatformSpec, pool: PoolRules, bound: float, clients: int
) -> Rules:
    workload, upstream = scenario.workload, spec.upstream
    arrivals = lay.POISSON
    if workload.arrivals.every is not None:
        arrivals = lay.PERIODIC
    elif workload.arrivals.trace is not None:
        arrivals = lay.TRACE
    elif workload.arrivals.messages is not None:
        arrivals, bound = lay.MESSAGES, 1.0
    idle_kind, idle_constant = _idle(pool)
    expected = expected_requests(scenario, clients)
    return Rules(
        duration=scenario.duration,
        warmup=scenario.warmup,
        arrivals=arrivals,
        intensity_bound=bound,
        period=workload.arrivals.every or 0.0,
        function_count=workload.functions.count,
        **connection_rules(workload, spec),
        front_door=not _is_nothing(spec.front_door),
        upstream_round_trips=upstream.round_trips,
        upstream_idle_timeout=_idle_timeout(upstream.idle_timeout),
        concurrency=min(pool.concurrency, lay.UNBOUNDED),
        cpu_serial=pool.cpu_serial,
        prewarm_on_tls=pool.prewarm_on_tls,
        has_cold_start=not all(map(_is_nothing, (pool.placement, pool.code_fetch, pool.init))),
        idle_kind=idle_kind,
        idle_constant=idle_constant,
        instance_bytes=pool.instance_bytes,
        memory_budget_bytes=pool.memory_budget_bytes,
        max_requests=pool.max_requests,
        queue_limit=pool.queue_limit,
        sample_threshold=min(1.0, SAMPLE_REQUESTS / max(expected, 1.0)),
    )


def _idle_timeout(value: str | float) -> float:
    if value == "always-pooled":
        return lay.ALWAYS_POOLED
    return 0.0 if value == "never-pooled" else float(value)


def _idle(pool: PoolRules) -> tuple[int, float]:
    """Return (idle kind, constant) of a pool's idle expiry."""
    if pool.idle is None:
        return lay.IDLE_NEVER, 0.0
    low, high = _ends(pool.idle)
    if low == high:
        return (lay.IDLE_CONSTANT, low) if low > 0.0 else (lay.IDLE_DESTROY, 0.0)
    return lay.IDLE_LAW, 0.0


def _ends(law: Law) -> tuple[float, float]:
    tail = np.array([2.0**-54])
    return float(law.quantile_lower(tail)[0]), float(law.quantile_upper(tail)[0])


def _is_nothing(law: Law) -> bool:
    return _ends(law) == (0.0, 0.0)


def _fixed_laws(
    scenario: Scenario, spec: PlatformSpec, pool: PoolRules, rules: Rules, profile: Floats
) -> list[Law]:
    """Return the laws of tables T_GAP to T_IDLE, in order."""
    arrivals, connection = scenario.workload.arrivals, scenario.workload.connection
    gap = NOTHING
    if arrivals.messages is not None:
        per_s = message_rate_per_s(scenario.workload)
        gap = parse_law({"exponential": {"mean": f"{1e3 / per_s!r}ms"}})
    if arrivals.rate is not None:
        candidates_per_s = arrivals.rate * rules.intensity_bound / float(profile.mean())
        gap = parse_law({"exponential": {"mean": f"{1e3 / candidates_per_s!r}ms"}})
    dns = connection.dns
    hit, miss = (NOTHING, NOTHING) if isinstance(dns, str) else (dns.hit, dns.miss)
    return [
        gap,
        _jitter(scenario),
        hit,
        miss,
        spec.termination.time,
        *loss_laws(connection),
        spec.front_door,
        pool.placement,
        pool.code_fetch,
        pool.init,
        pool.idle or NOTHING,
    ]


def _jitter(scenario: Scenario) -> Law:
    jitter: Law | str = scenario.network.jitter
    if isinstance(jitter, Law):
        return jitter
    return measured_jitter() if jitter == "measured" else NOTHING


def _stacked(platform: str, each: list[QuantileTable]) -> dict[str, Any]:
    """Return the tables of all laws in one; raises InputError if a model of one's own has one that reaches too far."""
    tables, pieces = stacked(each)
    if (most := max(float(tables.max()), float(highest(pieces).max()))) >= LONGEST_MS:
        message = (
            f"a law of its models has times of {most:.2g} ms, and none may reach {LONGEST_TIME}"
        )
        raise InputError([Problem(None, None, None, ("platforms", platform), message)])
    return {"tables": tables, "pieces": pieces}


def _probes(scenario: Scenario, key: int, clients: int) -> dict[str, Any]:
    """Return when each probe first fires, ascending, and whose offset it is."""
    arrivals = scenario.workload.arrivals
    if arrivals.every is None:
        return {"probe_offset": np.zeros(1), "probe_client": np.zeros(1, np.int64)}
    offsets = np.zeros(clients)
    if arrivals.stagger:
        words = [draws.words(key, draws.PHASE_OFFSET, client, 0)[0] for client in range(clients)]
        offsets = np.array([draws.uniform(word) * arrivals.every for word in words])
    order = np.argsort(offsets, kind="stable")
    return {"probe_offset": offsets[order], "probe_client": order.astype(np.int64)}


def _client_records(
    scenario: Scenario, clients: Clients, countries: tuple[str, ...], kinds: Ints
) -> Records:
    rows = records(lay.CLIENT_DTYPE, len(clients.ids))
    row_of = {country: row for row, country in enumerate(countries)}
    rows.clock_h = (scenario.start_hour + clients.utc_offset_h) % HOURS_PER_DAY
    rows.country = [row_of[country] for country in clients.countries]
    rows.kind = kinds
    rows.threshold, rows.alias = alias_table(clients.weight)
    return rows


def _choices(weights: Floats) -> Records:
    rows = records(lay.CHOICE_DTYPE, len(weights))
    rows.threshold, rows.alias = alias_table(weights)
    return rows


def _popularity(scenario: Scenario) -> Floats:
    functions = scenario.workload.functions
    ranks = np.arange(1, functions.count + 1, dtype=np.float64)
    popularity = functions.popularity
    if isinstance(popularity, str):
        return np.ones(functions.count)
    return np.asarray(ranks**-popularity.zipf)


def _labels(
    ground: Ground,
    countries: tuple[str, ...],
    networks: tuple[str, ...],
    functions: int,
    selections: Sequence[Selection],
) -> dict[str, tuple[str, ...]]:
    return {
        "selection": tuple(selection.key for selection in selections),
        "country": countries,
        "site": tuple(ground.sites.ids),
        "network": networks,
        "client": tuple(ground.clients.ids),
        "function": tuple(f"f{number}" for number in range(1, min(functions, 100_000) + 1)),
    }
