"""Runs made by hand, of which every number can be told beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from popsim.engine import object_books as ob
from popsim.engine import object_layout as obl
from popsim.engine.kv_layout import KV_COLUMNS
from popsim.engine.object_layout import HOST_COLUMNS, OBJECT_COLUMNS, PARTS, SPREADS
from popsim.engine.outputs import (
    BUCKETS,
    COARSE,
    COLD_PHASES,
    PHASES,
    REASONS,
    TIMELINE_COLUMNS,
    Ints,
    PlatformRun,
    SparseHist,
    bucket_index,
)
from popsim.engine.recorder import SAMPLE_DTYPE
from popsim.engine.selections import SELECTED_COLUMNS

COUNTRIES = ("US", "DE", "FR")
SITES = ("IAD", "FRA", "CDG", "NRT")


def nothing(rows: int, buckets: int = BUCKETS) -> SparseHist:
    return SparseHist.from_dense(np.zeros((rows, buckets), np.int64))


def made(**changes: Any) -> PlatformRun:
    """Return a run that answered no request, with what is given instead of a store not in use."""
    values: dict[str, Any] = {
        "platform": "workers",
        "replication": 0,
        "engine": "compiled",
        "requests": 0,
        "failed": np.zeros(len(REASONS), np.int64),
        "latency": np.zeros(BUCKETS, np.int64),
        "by": {"country": nothing(3), "site": nothing(4), "network": nothing(1)},
        "cells": nothing(1, COARSE),
        "phase_hist": np.zeros((len(PHASES), BUCKETS), np.int64),
        "without_setup": np.zeros(BUCKETS, np.int64),
        "first_byte": np.zeros(BUCKETS, np.int64),
        "phase_sum_ns": np.zeros((BUCKETS, len(PHASES)), np.int64),
        "latency_sum_ns": 0,
        "cold_starts": 0,
        "starts": 0,
        "evictions": 0,
        "cold_phase_sum_ns": np.zeros(len(COLD_PHASES), np.int64),
        "busy_us": 0,
        "idle_us": 0,
        "instance_bytes": 0,
        "timeline": np.zeros((1, len(TIMELINE_COLUMNS)), np.int64),
        "timeline_hist": nothing(1, COARSE),
        "timeline_bin_ms": 1e3,
        "warmup_ms": 0.0,
        "arrivals": 0,
        "events": 0,
        "sample": np.zeros(0, SAMPLE_DTYPE),
        "sample_phases": np.zeros((0, len(PHASES))),
        "failures_over_time": nothing(3, len(REASONS)),
        "failures_by_client": nothing(1, len(REASONS)),
        "failures_by_site": nothing(5, len(REASONS)),
        "failures_by_network": nothing(1, len(REASONS)),
        "selected_hist": nothing(0),
        "selected_phase_sum_ns": np.zeros((0, len(PHASES)), np.int64),
        "selected_counts": np.zeros((0, SELECTED_COLUMNS), np.int64),
        "kv_histogram": nothing(0),
        "kv_by_space": np.zeros((0, KV_COLUMNS), np.int64),
        "kv_by_site": np.zeros((0, KV_COLUMNS), np.int64),
        "kv_watched": np.zeros((0, 2)),
        "kv_seen": np.zeros((0, 0, 2)),
        "kv_stale_max_ms": np.zeros(0),
        "objects_histogram": nothing(0),
        "objects_by_message": nothing(0),
        "objects_by_class": np.zeros((0, OBJECT_COLUMNS), np.int64),
        "objects_by_host": np.zeros((0, HOST_COLUMNS), np.int64),
        "objects_created": np.zeros((0, 1), np.int64),
        "objects_spawn_ns": np.zeros(0, np.int64),
        "labels": {
            "country": COUNTRIES, "site": SITES, "network": ("cable",), "client": ("here",),
            "function": ("f",), "space": (), "store": (), "object_class": (), "host": (),
        },
        "site_positions": np.zeros((len(SITES), 2)),
        "log": [],
    }  # fmt: skip
    return PlatformRun(**(values | changes))


# --- objects --------------------------------------------------------------------------------------------

CLASSES = ("document", "room")
HOSTS = ("IAD", "FRA")
POSITIONS = np.array([(38.9, -77.5), (50.0, 8.6), (49.0, 2.5), (35.8, 140.4)])

# 120 calls, of which 100 were answered; half of these within the region, in 10 ms; the others in 40 ms
DOCUMENT = {
    "calls": 100, "lost": 5, "overloaded": 10, "unavailable": 3, "failed": 2, "in_region": 60,
    "created": 8, "activations": 20, "failovers": 1, "moves": 4, "restarts": 2, "gets": 30,
    "puts": 40, "transactions": 5, "commits": 25, "broadcasts": 50, "delivered": 90, "missed": 10,
    "alarms": 6, "cut": 3, "reconnected": 2, "reconnect_failures": 7, "replica_reads": 40,
    "stale": 4, "truncated": 2, "alarm_retries": 3, "alarms_lost": 1, "payload_bytes": 4_000,
    "active_us": 2_000_000, "idle_us": 10_000_000, "existed_us": 40_000_000,
}  # fmt: skip
ROOM = {"calls": 20, "in_region": 5, "created": 2, "activations": 2, "active_us": 1_000_000,
        "idle_us": 4_000_000, "existed_us": 10_000_000}  # fmt: skip


def part(name: str) -> int:
    return ob.FIRST_PART + PARTS.index(name)


def spread(first: int, name: str) -> int:
    return first + SPREADS.index(name)


OF_DOCUMENTS = {
    ob.CALL: {10.0: 50, 40.0: 50},
    part("to_home"): {8.0: 50},
    part("execute"): {10.0: 50, 4.0: 50},
    part("gate"): {20.0: 50},
    part("back"): {8.0: 50},
    ob.DISTANCE: {0.0: 50, 1_000.0: 30, 6_000.0: 20},
    ob.SPAWN: {30.0: 8},
    ob.STALENESS: {500.0: 4},
    ob.RECONNECT: {1_000.0: 1, 3_000.0: 1},
    spread(ob.VISIBLE, "city"): {15.0: 10},  # of alarms
    spread(ob.VISIBLE, "world"): {100.0: 10},
}
MESSAGES = ("edit", "cursor")  # to documents
OF_EDITS = {
    spread(ob.ACKNOWLEDGED, "city"): {20.0: 20},
    spread(ob.ACKNOWLEDGED, "world"): {150.0: 10},
    spread(ob.SEEN, "city"): {15.0: 40},
    spread(ob.SEEN, "world"): {100.0: 20},
}
OF_CURSORS = {
    spread(ob.ACKNOWLEDGED, "city"): {12.0: 10},
    spread(ob.SEEN, "city"): {6.0: 10},
}
OF_ROOMS = {ob.CALL: {5.0: 20}, part("execute"): {5.0: 20}, ob.DISTANCE: {0.0: 20}}


def object_columns(counts: Mapping[str, int]) -> Ints:
    found = np.zeros(OBJECT_COLUMNS, np.int64)
    for name, count in counts.items():
        found[getattr(obl, f"O_{name.upper()}")] = count
    return found


def object_histogram(*classes: Mapping[int, Mapping[float, int]]) -> SparseHist:
    return _histogram(classes, ob.ROWS_PER_CLASS)


def message_histogram(*kinds: Mapping[int, Mapping[float, int]]) -> SparseHist:
    return _histogram(kinds, ob.ROWS_PER_MESSAGE)


def _histogram(groups: Sequence[Mapping[int, Mapping[float, int]]], rows_each: int) -> SparseHist:
    dense = np.zeros((len(groups) * rows_each, BUCKETS), np.int64)
    for number, rows in enumerate(groups):
        for row, counts in rows.items():
            for value, count in counts.items():
                bucket = bucket_index(np.array([value]))
                dense[number * rows_each + row, bucket] += count
    return SparseHist.from_dense(dense)


def with_objects(**changes: Any) -> PlatformRun:
    """Return a run of 50 requests with the counts above."""
    values: dict[str, Any] = {
        "requests": 50,
        "objects_histogram": object_histogram(OF_DOCUMENTS, OF_ROOMS),
        "objects_by_message": message_histogram(OF_EDITS, OF_CURSORS),
        "objects_by_class": np.array([object_columns(DOCUMENT), object_columns(ROOM)]),
        "objects_by_host": np.array([[6, 80, 15, 1_500_000, 6], [4, 40, 10, 1_500_000, 4]]),
        "objects_created": np.array([[5, 1], [0, 3], [0, 0], [1, 0]]),
        "objects_spawn_ns": np.array([120_000_000, 30_000_000, 0, 100_000_000]),
        "labels": made().labels
        | {
            "object_class": CLASSES,
            "object_class_that_stays": ("room",),
            "host": HOSTS,
            "message": MESSAGES,
            "message_class": ("document",),
        },
        "site_positions": POSITIONS,
    }
    return made(**(values | changes))
