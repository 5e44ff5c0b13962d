"""The kernel's state of a key-value store: copies in caches, reads under way, versions, and its constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from popsim.engine.arrays import Records, records, scalars, scalars_dtype
from popsim.engine.kv_books import KvBooks, KvRows
from popsim.engine.kv_layout import KvScalars
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
KV_RULES_DTYPE = scalars_dtype(
    KvScalars,
    choices="i8",
    widest_get="i8",
    has_trace="i8",
    cache_node_count="i8",  # sites and regional tiers
    node_count="i8",  # and stores
)
KV_ROWS_DTYPE = scalars_dtype(KvRows)
KV_RUN_DTYPE = np.dtype(
    [
        ("copy_count", "i8"),
        ("copy_shift", "i8"),
        ("fetching_count", "i8"),
        ("fetching_shift", "i8"),
        ("written_count", "i8"),
        ("written_shift", "i8"),
        ("version_top", "i8"),  # records ever used
        ("free_version", "i8"),
        ("watched_count", "i8"),
    ]
)
KEY_BITS = 40
EPOCH_BIT, REFRESHED_BIT = 40, 39
REFRESHED = 1 << REFRESHED_BIT
STATE_MASK = REFRESHED - 1  # of a copy's state: version * 2 + is absent
LINE_BYTES = 64


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
        "kv_rules": _rules(inputs),
        "kv_rows": scalars(KV_ROWS_DTYPE, KvRows.of(len(kv.space_names), inputs.country_count)),
        "kv_run": _run(growth),
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


def _caches(inputs: Inputs) -> Any:
    rules, sites = inputs.kv.scalars, inputs.site_count
    caches = records(CACHE_DTYPE, 2 * sites + inputs.kv.regions)
    caches.limit[:sites] = rules.edge_bytes
    caches.limit[sites : sites + inputs.kv.regions] = rules.region_bytes
    caches.limit[sites + inputs.kv.regions :] = rules.memory_bytes
    caches.oldest, caches.newest = -1, -1
    return caches


def _rules(inputs: Inputs) -> Records:
    kv, cache_nodes = inputs.kv, inputs.site_count + inputs.kv.regions
    counts = {"cache_node_count": cache_nodes, "node_count": cache_nodes + len(kv.stores)}
    return scalars(KV_RULES_DTYPE, kv.scalars, kv, **counts)


def _run(growth: Growth) -> Records:
    run = records(KV_RUN_DTYPE, 1)
    run.copy_shift, run.fetching_shift = shift_of(growth.copies), shift_of(growth.fetching)
    run.written_shift, run.free_version = shift_of(growth.written), -1
    return run
