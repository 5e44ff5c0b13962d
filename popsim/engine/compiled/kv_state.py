"""The kernel's state of a key-value store: copies in caches, reads under way, versions, and its constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from popsim.engine.arrays import Floats, Ints, records
from popsim.engine.kv_books import KvBooks, KvRows
from popsim.engine.layout import Growth, Inputs

COPY_DTYPE = np.dtype(
    [
        (
            "state",
            "i8",
        ),  # epoch << EPOCH_BIT | is refreshed << REFRESHED_BIT | version * 2 + is absent
        ("expiry", "f8"),
        ("since", "f8"),  # from when on its age counts
        ("until", "f8"),
    ]
)
ORDER_DTYPE = np.dtype(  # of use, in limited caches
    [("older", "i4"), ("newer", "i4"), ("bytes", "i4"), ("moved_to", "i4")]
)
CACHE_DTYPE = np.dtype([("limit", "i8"), ("bytes", "i8"), ("oldest", "i8"), ("newest", "i8")])
FETCHING_DTYPE = np.dtype([("tag", "i8"), ("slot", "i8"), ("epoch", "i8")])
WRITTEN_DTYPE = np.dtype(
    [
        ("tag", "i8"),  # key + 1; 0 = empty
        ("newest", "i8"),  # version, -1 = none
        ("oldest", "i8"),
        ("count", "i8"),
        ("accepted", "f8"),
    ]
)
VERSION_DTYPE = np.dtype(
    [
        ("number", "i8"),
        ("commit", "f8"),
        ("until", "f8"),
        ("entity", "i8"),
        ("store", "i8"),
        ("site", "i8"),
        ("absent", "i8"),
        ("watch", "i8"),
        ("acked", "f8"),
        ("older", "i8"),  # or the next free record
        ("newer", "i8"),
    ]
)
PARCEL_DTYPE = np.dtype(
    [("key", "i8"), ("state", "i8"), ("tier", "i8"), ("until", "f8"), ("since", "f8")]
)
KV_STORE_DTYPE = np.dtype([("read_table", "i8"), ("write_table", "i8"), ("up", "i8")])
KEY_BITS = 40
EPOCH_BIT, REFRESHED_BIT = 40, 39

(
    N_COPIES,
    N_FETCHING,
    N_WRITTEN,
    N_VERSIONS,  # records ever used
    FREE_VERSION,
    N_WATCHED,
    N_SITES,
    N_CACHE_NODES,
    N_NODES,
    N_COUNTRIES,
    N_CHOICES,
    WIDTH,
    HAS_MEMORY,
    HAS_EDGE,
    COALESCES,
    READ_MODE,
    WRITE_MODE,
    WRITES_THROUGH,
    HAS_TRACE,
    TABLE_MEMORY,
    TABLE_EDGE,
    TABLE_REGION,
    TABLE_LIST,
    TABLE_LAG,
    TABLE_SYNC,
    ROW_TIER,
    ROW_SPACE,
    ROW_COUNTRY,
    ROW_WRITE,
    ROW_STALE,
    COPY_SHIFT,
    FETCHING_SHIFT,
    WRITTEN_SHIFT,
    READ_UNIT,
    WRITE_UNIT,
) = range(35)

MEMORY_TTL, EDGE_TTL, REGION_TTL, REFRESH_AFTER, WRITE_GAP, LONGEST_LAG, HORIZON = range(7)


def kv_arrays(inputs: Inputs, growth: Growth, books: KvBooks) -> dict[str, Any]:
    """Return the arrays of the state that belong to the key-value store, at time 0."""
    kv = inputs.kv
    stores = records(KV_STORE_DTYPE, len(kv.stores))
    stores.read_table, stores.write_table, stores.up = (
        kv.stores.read_table,
        kv.stores.write_table,
        1,
    )
    return {
        "kv_ints": _ints(inputs, growth),
        "kv_floats": _floats(inputs),
        "tags": np.zeros(growth.copies if kv.is_used else 1, np.int64),
        "copies": aligned_records(COPY_DTYPE, growth.copies if kv.is_used else 1),
        "order": records(ORDER_DTYPE, growth.copies if is_limited(inputs) else 1),
        "caches": _caches(inputs),
        "fetching": records(FETCHING_DTYPE, growth.fetching if kv.is_used else 1),
        "written": records(WRITTEN_DTYPE, growth.written if kv.is_used else 1),
        "versions": records(VERSION_DTYPE, growth.versions if kv.is_used else 1),
        "parcels": records(PARCEL_DTYPE, growth.slots * kv.widest_get),
        "stores": stores,
        "branches": inputs.branches.copy(),
        "spaces": kv.spaces.copy(),
        "cells": kv.cells.copy(),
        "partitions": np.stack([kv.partitions, kv.shifts], axis=1),
        "tier_links": kv.tier_links.copy(),
        "choices": np.concatenate([kv.read_choices, kv.write_choices]).view(np.recarray),
        "told": kv.told.copy(),
        "lag_rtt": kv.lag_rtt.copy(),
        "expiries": kv.expiries.copy(),
        "trace": inputs.trace.copy(),
        "trace_sizes": kv.trace_sizes.copy(),
        "kv_histogram": books.histogram,
        "kv_by_space": books.by_space,
        "kv_by_site": books.by_site,
        "kv_watched": books.watched,
        "kv_seen": books.seen,
        "kv_stale_max": books.stale_max,
    }


def is_limited(inputs: Inputs) -> bool:
    """Tell whether any cache has a limit, so that an order of use is kept."""
    rules = inputs.kv.scalars
    return inputs.kv.is_used and max(rules.memory_bytes, rules.edge_bytes, rules.region_bytes) > 0


def shift_of(length: int) -> int:
    """Return how far a 64-bit product is shifted to index a table of that length, a power of 2 above 1."""
    return 64 - (length.bit_length() - 1)


def aligned_records(dtype: np.dtype[Any], count: int) -> Any:
    """Return zeroed records that begin at a cache line, so that none of 32 bytes lies in two."""
    size = dtype.itemsize * count
    raw = np.zeros(size + LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % LINE_BYTES
    return raw[start : start + size].view(dtype).view(np.recarray)


LINE_BYTES = 64


def _caches(inputs: Inputs) -> Any:
    rules, sites = inputs.kv.scalars, inputs.site_count
    caches = records(CACHE_DTYPE, 2 * sites + inputs.kv.regions)
    caches.limit[:sites] = rules.edge_bytes
    caches.limit[sites : sites + inputs.kv.regions] = rules.region_bytes
    caches.limit[sites + inputs.kv.regions :] = rules.memory_bytes
    caches.oldest, caches.newest = -1, -1
    return caches


def _ints(inputs: Inputs, growth: Growth) -> Ints:
    kv, rules = inputs.kv, inputs.kv.scalars
    rows = KvRows.of(len(kv.space_names), inputs.country_count)
    cache_nodes = inputs.site_count + kv.regions
    ints = np.zeros(35, np.int64)
    for index, value in {
        FREE_VERSION: -1,
        N_SITES: inputs.site_count,
        N_CACHE_NODES: cache_nodes,
        N_NODES: cache_nodes + len(kv.stores),
        N_COUNTRIES: inputs.country_count,
        N_CHOICES: kv.choices,
        WIDTH: kv.widest_get,
        HAS_MEMORY: rules.memory_bytes > 0,
        HAS_EDGE: rules.has_edge,
        COALESCES: rules.coalesces,
        READ_MODE: rules.reads,
        WRITE_MODE: rules.writes,
        WRITES_THROUGH: rules.writes_through,
        HAS_TRACE: kv.has_trace,
        TABLE_MEMORY: rules.memory_table,
        TABLE_EDGE: rules.edge_table,
        TABLE_REGION: rules.region_table,
        TABLE_LIST: rules.list_table,
        TABLE_LAG: rules.lag_table,
        TABLE_SYNC: rules.sync_table,
        ROW_TIER: rows.tier,
        ROW_SPACE: rows.space,
        ROW_COUNTRY: rows.country,
        ROW_WRITE: rows.write,
        ROW_STALE: rows.stale,
        COPY_SHIFT: shift_of(growth.copies),
        FETCHING_SHIFT: shift_of(growth.fetching),
        WRITTEN_SHIFT: shift_of(growth.written),
        READ_UNIT: rules.read_unit,
        WRITE_UNIT: rules.write_unit,
    }.items():
        ints[index] = value
    return ints


def _floats(inputs: Inputs) -> Floats:
    rules = inputs.kv.scalars
    floats = np.zeros(7)
    floats[MEMORY_TTL], floats[EDGE_TTL] = rules.memory_ttl, rules.edge_ttl
    floats[REGION_TTL], floats[REFRESH_AFTER] = rules.region_ttl, rules.refresh_after
    floats[WRITE_GAP], floats[LONGEST_LAG] = rules.write_gap, rules.longest_lag
    floats[HORIZON] = rules.horizon
    return floats
