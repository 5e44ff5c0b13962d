"""Generate small random runs for the equality test, half of them full of simultaneous events.

A run is built as engine inputs directly, so that the generator reaches corners that no sensible scenario
would: withdrawn routes, zero service times, memory for two instances, probes that all start at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from generate_kv import COUNTRIES, DURATION, KINDS, Laws, Verb, program, with_kv
from generate_objects import with_objects

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.arrays import Records, records
from popsim.engine.layout import Inputs, Rules
from popsim.engine.selection_inputs import Flags, SelectionInputs
from popsim.engine.tables import QuantileTable, alias_table, constant_table, stacked


@dataclass(frozen=True)
class Case:
    """A generated run: inputs and what the control plane does to it."""

    seed: int
    inputs: Inputs
    verbs: tuple[Verb, ...]


def case(seed: int) -> Case:
    """Generate run number ``seed``; odd ones are tie-heavy (all delays small integers)."""
    rng = np.random.default_rng(seed)
    ties = seed % 2 == 1
    sites, clients = int(rng.integers(1, 5)), int(rng.integers(1, 6))
    functions, origins = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    networks = int(rng.integers(1, 3))
    law = Laws(rng, ties)
    tables: list[QuantileTable] = [constant_table(0.0)] * (lay.T_ACCESS + networks)
    for table, scale in _SCALES.items():
        tables[table] = law.draw(scale)
    if not tables[lay.T_GAP].nodes.max() > 0.0:  # else requests would come at time 0 for ever
        tables[lay.T_GAP] = constant_table(_SCALES[lay.T_GAP])
    for network in range(networks):
        tables[lay.T_ACCESS + network] = law.draw(4.0)
    spaces = int(rng.integers(1, 4))
    steps, branches = program(rng, law, tables, origins, spaces)
    rules = _rules(rng, law, functions)
    routes, upstreams, route_count, upstream_count = _links(rng, law, sites, clients)
    inputs = Inputs(
        key=draws.run_key(seed, 0),
        rules=rules,
        tables=np.zeros((0, 0)),  # the key-value store has some, too
        clients=_clients(rng, clients),
        branches=branches,
        routes=routes,
        route_count=route_count,
        upstreams=upstreams,
        upstream_count=upstream_count,
        origin_rtt=law.values(sites * origins, 6.0),
        origin_count=origins,
        networks=_choice(rng, networks),
        functions=_choice(rng, functions),
        steps=steps,
        profile=rng.uniform(0.3, 1.0, 24),
        probe_offset=np.sort(law.values(clients, rules.period or 1.0)),
        probe_client=rng.permutation(clients).astype(np.int64),
        site_count=sites,
        country_count=COUNTRIES,
    )
    inputs, kv_verbs = with_kv(rng, law, inputs, tables, spaces)
    inputs, object_verbs = with_objects(rng, law, inputs, tables)
    inputs = _with_books(seed, inputs)
    rows, pieces = stacked(tables)
    inputs = replace(inputs, tables=rows, pieces=pieces)
    verbs = [*_verbs(rng, law, sites, clients), *kv_verbs, *object_verbs]
    verbs.sort(key=lambda verb: verb.time)
    return Case(seed, inputs, tuple(verbs))


def _with_books(seed: int, inputs: Inputs) -> Inputs:
    """Ask for selections and for units of sizes, by draws of their own: they change nothing but what is recorded."""
    rng = np.random.default_rng([seed, 1])
    read_unit, write_unit = (int(rng.integers(0, 4)) for _ in range(2))
    scalars = replace(inputs.kv.scalars, read_unit=read_unit, write_unit=write_unit)
    kv = replace(inputs.kv, scalars=scalars)
    return replace(inputs, kv=kv, selections=_selections(rng, inputs))


def _selections(rng: np.random.Generator, inputs: Inputs) -> SelectionInputs:
    """Generate up to two selections, in two thirds of the cases; half of them begin and end at whole ms."""
    count = int(rng.integers(0, 3))

    def flags(columns: int) -> Flags:
        return (rng.random((count, columns)) < 0.7).astype(np.uint8)

    ends = np.sort(rng.uniform(0.0, inputs.rules.duration, (count, 2)), axis=1)
    return SelectionInputs(
        flags(len(inputs.clients)),
        flags(len(inputs.networks)),
        flags(inputs.site_count + 1),
        np.round(ends) if rng.random() < 0.5 else ends,
    )


_SCALES = {
    lay.T_GAP: 1.5,
    lay.T_JITTER: 1.0,
    lay.T_DNS_HIT: 1.0,
    lay.T_DNS_MISS: 12.0,
    lay.T_TLS_TIME: 2.0,
    lay.T_CONNECT_LOSS: 10.0,
    lay.T_FULL_LOSS: 10.0,
    lay.T_RESUMED_LOSS: 5.0,
    lay.T_FRONT_DOOR: 3.0,
    lay.T_PLACEMENT: 6.0,
    lay.T_CODE_FETCH: 6.0,
    lay.T_INIT: 6.0,
    lay.T_IDLE: 25.0,
}


def _rules(rng: np.random.Generator, law: Laws, functions: int) -> Rules:
    def pick(*values: float) -> float:
        return values[int(rng.integers(len(values)))]

    idle_kind = int(rng.integers(4))
    has_budget = idle_kind == lay.IDLE_CONSTANT and rng.random() < 0.6
    return Rules(
        duration=DURATION,
        warmup=pick(0.0, 50.0),
        arrivals=int(rng.random() < 0.3),
        intensity_bound=2.0,
        period=pick(3.0, 8.0),
        function_count=functions,
        reuse=pick(0.0, 0.5, 1.0),
        connect_round_trips=int(pick(0, 1)),
        tls_full_round_trips=int(pick(0, 1, 2)),
        tls_resumed_round_trips=int(pick(0, 1)),
        resumption=pick(0.0, 0.5),
        slow_start_round_trips=int(pick(0, 2)),
        tcp_at_compute=bool(pick(0, 1)),
        tls_at_compute=bool(pick(0, 1)),
        dns=int(pick(lay.DNS_CACHED, lay.DNS_TTL)),
        dns_ttl=pick(5.0, 40.0),
        loss=bool(pick(0, 1)),
        front_door=bool(pick(0, 1)),
        upstream_round_trips=int(pick(0, 2)),
        upstream_idle_timeout=pick(0.0, 6.0, np.inf),
        concurrency=int(pick(1, 2, 3, lay.UNBOUNDED)),
        cpu_serial=bool(pick(0, 1)),
        prewarm_on_tls=bool(pick(0, 1)),
        has_cold_start=rng.random() < 0.85,
        idle_kind=idle_kind,
        idle_constant=pick(0.0, 4.0, 15.0),
        instance_bytes=int(pick(1, 3)),
        memory_budget_bytes=int(pick(3, 7, 12)) if has_budget else 0,
        max_requests=int(pick(0, 1, 2, 5)),
        queue_limit=int(pick(-1, 0, 2)),
    )


def _clients(rng: np.random.Generator, count: int) -> Records:
    clients = records(lay.CLIENT_DTYPE, count)
    clients.clock_h = rng.uniform(0.0, 24.0, count)
    clients.country = rng.integers(0, COUNTRIES, count)
    clients.kind = rng.integers(0, KINDS, count)
    clients.threshold, clients.alias = alias_table(rng.uniform(0.1, 1.0, count))
    return clients


def _choice(rng: np.random.Generator, count: int) -> Records:
    choice = records(lay.CHOICE_DTYPE, count)
    choice.threshold, choice.alias = alias_table(rng.uniform(0.1, 1.0, count))
    return choice


def _links(
    rng: np.random.Generator, law: Laws, sites: int, clients: int
) -> tuple[Records, Records, int, int]:
    route_count, upstream_count = int(rng.integers(1, sites + 1)), int(rng.integers(1, sites + 1))
    routes = records(lay.ROUTE_DTYPE, clients * route_count)
    for client in range(clients):
        rows = slice(client * route_count, (client + 1) * route_count)
        routes.site[rows] = rng.permutation(sites)[:route_count]
        weights = rng.uniform(0.1, 1.0, route_count)
        routes.cumulative[rows] = list(accumulate(weights / weights.sum()))
    routes.rtt = law.values(len(routes), 9.0)
    upstreams = records(lay.UPSTREAM_DTYPE, sites * upstream_count)
    at_ingress = rng.random() < 0.5
    for site in range(sites):
        rows = slice(site * upstream_count, (site + 1) * upstream_count)
        order = rng.permutation(sites)[:upstream_count]
        upstreams.site[rows] = -1 if rng.random() < 0.05 else order
        upstreams.rtt[rows] = law.values(upstream_count, 7.0)
        if at_ingress:
            upstreams.site[rows] = -1
            upstreams.site[rows.start], upstreams.rtt[rows.start] = site, 0.0
    return routes, upstreams, route_count, upstream_count


def _verbs(rng: np.random.Generator, law: Laws, sites: int, clients: int) -> tuple[Verb, ...]:
    verbs = []
    for _ in range(int(rng.integers(1, 4))):
        site, time = int(rng.integers(sites)), law.number(DURATION)
        outage, delay = law.number(float(rng.choice([4.0, 60.0]))), law.number(20.0)
        verbs += [
            Verb(time, "fail", site),
            Verb(time + delay, "withdraw", site),
            Verb(time + outage, "restore", site),
            Verb(time + outage + delay, "announce", site),
        ]
    factors = tuple(float(f) for f in rng.uniform(0.0, 2.0, clients))
    verbs.append(Verb(law.number(DURATION), "surge", factors=factors))
    return tuple(verbs)
