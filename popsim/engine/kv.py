"""Turn a platform's key-value store into the arrays that both engines run on."""

from __future__ import annotations

from typing import Any

import numpy as np

from popsim.engine import kv_layout as kvl
from popsim.engine.arrays import Records, records
from popsim.engine.handler import Program
from popsim.engine.keyspaces import key_spaces
from popsim.engine.kv_layout import KvInputs, KvScalars
from popsim.engine.kv_places import KvPlaces
from popsim.engine.traces import KeyTrace
from popsim.models.kv_replication.contract import (
    FREE,
    CentralStore,
    Geography,
    KvModel,
    KvRules,
    check_tables,
)
from popsim.scenario.laws import Law
from popsim.scenario.schema import Scenario

TAIL = np.array([2.0**-54])
JOURNEY = 60_000.0  # ms; longer than any read is under way, so that what it brings is still known
NUMBERS = ("spaces", "cells", "partitions", "shifts")  # of keys and objects
UNREACHABLE = 1e12  # ms
SLACK = 1.0 + 1e-9  # interpolation between two nodes may exceed the larger in the last bit


def kv_inputs(
    scenario: Scenario,
    places: KvPlaces | None,
    program: Program,
    countries: tuple[str, ...],
    trace: KeyTrace | None,
    first_table: int,
    key: int,
) -> tuple[KvInputs, list[Law]]:
    """Return the store's inputs and its laws, whose tables begin at ``first_table``.

    Objects are numbered like keys, behind them; so their classes are there without a store, too. ``key`` is the run's.
    """
    workload = scenario.workload
    objects = [kind.as_keys() for kind in workload.objects.values()]
    if places is None:
        spaces = key_spaces(objects, countries, key, first_table)
        arrays = {name: getattr(spaces, name) for name in NUMBERS}
        return KvInputs(expiries=program.expiries, **arrays), spaces.size_laws
    rules = places.model.rules()
    laws = _fixed_laws(rules)
    named = [*workload.keys.values(), *objects]
    spaces = key_spaces(named, countries, key, first_table + len(laws))
    laws += spaces.size_laws
    stores, store_laws = _stores(places.stores, first_table + len(laws))
    geography = places.geography
    if trace is not None:
        spaces.spaces.size_table = kvl.SIZE_OF_TRACE
    return (
        KvInputs(
            scalars=_scalars(rules, program, geography, first_table),
            spaces=spaces.spaces,
            cells=spaces.cells,
            partitions=spaces.partitions,
            shifts=spaces.shifts,
            stores=stores,
            **_places(places.model, geography),
            expiries=program.expiries,
            is_used=True,
            widest_get=program.widest_get,
            trace_sizes=np.zeros(1, np.int64) if trace is None else trace.sizes,
            has_trace=trace is not None,
            space_names=tuple(scenario.workload.keys),
            store_names=tuple(store.place.id for store in places.stores),
        ),
        laws + store_laws,
    )


def _places(model: KvModel, geography: Geography) -> dict[str, Any]:
    """Ask the model who asks whom and who is told; raises ValueError for an answer that is none."""
    check_tables(model, geography)
    read = _choices(model.read_order(geography), geography.node_store_rtt)
    write = _choices(model.write_order(geography), geography.site_store_rtt)
    width = max(read.shape[1], write.shape[1])
    told = np.asarray(model.told(geography), dtype=np.int64)
    return {
        "tier_links": _tier_links(model.tier_of(geography), told, geography),
        "read_choices": _padded(read, width),
        "write_choices": _padded(write, width),
        "choices": width,
        "told": told.reshape(-1),
        "lag_rtt": _lag_rtt(geography),
        "regions": len(geography.tiers.ids),
    }


def _fixed_laws(rules: KvRules) -> list[Law]:
    caches = rules.caches
    return [
        caches.memory_lookup,
        caches.edge_lookup,
        caches.region_lookup,
        rules.listing,
        rules.lag,
        rules.sync,
    ]


def _scalars(rules: KvRules, program: Program, geography: Geography, first_table: int) -> KvScalars:
    caches, prices = rules.caches, rules.prices or FREE
    slowest = max(float(law.quantile_upper(TAIL)[0]) for law in (rules.lag, rules.sync))
    longest_lag = (float(_lag_rtt(geography).max(initial=0.0)) * 0.5 + slowest) * SLACK
    edge_ttl = max(caches.edge_ttl, float(program.steps.lifetime.max(initial=0.0)))
    modes = {"ordered": kvl.IN_ORDER, "race": kvl.RACE}
    return KvScalars(
        memory_bytes=caches.memory_bytes,
        edge_bytes=caches.edge_bytes,
        region_bytes=caches.region_bytes,
        has_edge=caches.has_edge,
        memory_ttl=caches.memory_ttl,
        edge_ttl=caches.edge_ttl,
        region_ttl=caches.region_ttl,
        refresh_after=np.inf if caches.refresh_after is None else caches.refresh_after,
        coalesces=caches.coalesces,
        reads=modes[rules.reads],
        writes=modes[rules.writes],
        writes_through=caches.writes_through,
        read_unit=prices.read_unit,
        write_unit=prices.write_unit,
        write_gap=rules.write_gap,
        longest_lag=longest_lag,
        horizon=edge_ttl + caches.region_ttl + longest_lag + JOURNEY,
        memory_table=first_table,
        edge_table=first_table + 1,
        region_table=first_table + 2,
        list_table=first_table + 3,
        lag_table=first_table + 4,
        sync_table=first_table + 5,
    )


def _stores(stores: tuple[CentralStore, ...], first_table: int) -> tuple[Records, list[Law]]:
    """Return store records and the laws that they refer to, equal ones once."""
    tables: dict[Law, int] = {}
    rows = records(kvl.STORE_DTYPE, len(stores))
    for number, store in enumerate(stores):
        rows[number] = tuple(
            tables.setdefault(law, first_table + len(tables)) for law in (store.read, store.write)
        )
    return rows, list(tables)


def _choices(order: Any, rtt: Any) -> Any:
    """Return (store, rtt) [node, choice]; unreachable stores are none."""
    order = np.asarray(order, dtype=np.int64)[:, : kvl.MAX_CHOICES]
    rows = np.zeros(order.shape, dtype=kvl.CHOICE_OF_STORE_DTYPE)
    known = np.take_along_axis(rtt, np.maximum(order, 0), axis=1) if order.size else order
    reachable = (order >= 0) & np.isfinite(known)
    rows["store"] = np.where(reachable, order, -1)
    rows["rtt"] = np.where(reachable, known, 0.0)
    return rows


def _padded(choices: Any, width: int) -> Records:
    rows = np.zeros((len(choices), width), dtype=kvl.CHOICE_OF_STORE_DTYPE)
    rows["store"] = -1
    rows[:, : choices.shape[1]] = choices
    return rows.reshape(-1).view(np.recarray)


def _tier_links(tier: Any, told: Any, geography: Geography) -> Records:
    sites = len(geography.sites.ids)
    links = records(kvl.TIER_LINK_DTYPE, sites)
    links.region = tier
    hears_all = (told[:, sites:] != kvl.NOTHING).all(axis=0)
    for site, region in enumerate(tier):
        if region >= 0:
            links.rtt[site] = geography.site_tier_rtt[site, region]
            links.vouches[site] = hears_all[region]
    return links


def _lag_rtt(geography: Geography) -> Any:
    """Return the RTT from each store to every node, [K * (S + G + K)]; an unreachable one is never told."""
    to_nodes = [
        geography.site_store_rtt.T,
        geography.tier_store_rtt.T,
        geography.store_store_rtt,
    ]
    rtt = np.concatenate(to_nodes, axis=1)
    return np.where(np.isfinite(rtt), rtt, UNREACHABLE).reshape(-1)
