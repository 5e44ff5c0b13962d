"""The kernel's state of objects: actors, their participants, calls in progress, and the constants of their classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from popsim.engine.arrays import Records, records, scalars, scalars_dtype
from popsim.engine.compiled.kv_state import shift_of
from popsim.engine.layout import Growth, Inputs
from popsim.engine.object_books import ObjectBooks
from popsim.engine.object_layout import PARTS, ObjectScalars

ACTOR_DTYPE = np.dtype(
    [
        ("number", "i8"),
        ("object_class", "i8"),
        ("replica", "i8"),  # 0 = the object itself
        ("home", "i8"),  # host; -1 = none
        ("generation", "i8"),
        ("lost_from", "i8"),
        ("available", "f8"),
        ("ready", "f8"),
        ("busy", "i8"),
        ("wait_head", "i8"),
        ("wait_tail", "i8"),
        ("waiting", "i8"),
        ("calls", "i8"),
        ("gate", "f8"),
        ("idle_since", "f8"),
        ("deadline", "f8"),
        ("active_since", "f8"),
        ("leaves", "f8"),  # when the last answer does
        ("version", "i8"),
        ("candidate", "i8"),
        ("votes", "i8"),
        ("alarm_turn", "i8"),  # of the alarm that was set last
        ("alarm_runs", "i8"),
        ("alarm_is_late", "i8"),
        ("spread", "i8"),
        ("members", "i8"),  # row of the first; -1 = none
    ]
)
MEMBER_DTYPE = np.dtype(
    [
        ("client", "i8"),
        ("network", "i8"),
        ("position", "f8"),
        ("ingress", "i8"),
        ("path", "f8"),
        ("since", "f8"),
        ("actor", "i8"),
        ("attempts", "i8"),  # to connect again, ever
    ]
)
INDEX_DTYPE = np.dtype([("tag", "i8"), ("row", "i8")])  # tag 0 = empty
CALL_DTYPE = np.dtype(  # [slot * depth + level]
    [
        ("actor", "i8"),
        ("site", "i8"),  # of the caller
        ("epoch", "i8"),  # of the caller's site
        ("pc", "i8"),  # where the caller goes on
        ("caller_turn", "i8"),
        ("turn", "i8"),
        ("entry", "i8"),
        ("host", "i8"),
        ("generation", "i8"),
        ("began", "f8"),
        ("rtt", "f8"),
        ("home", "f8"),  # more of the way back
        ("mark", "f8"),
        ("version", "i8"),
        ("gate", "f8"),
        ("is_dirty", "i8"),
        ("is_new", "i8"),
        ("is_answer", "i8"),
        ("has_begun", "i8"),
        ("has_thread", "i8"),
        ("outcome", "i8"),
    ]
)

OBJECT_RULES_DTYPE = scalars_dtype(
    ObjectScalars,
    choices="i8",
    depth="i8",
    host_count="i8",
    replica_count="i8",
    most_participants="i8",  # of any class
    first_number="i8",  # of the first object
)
OBJECT_RUN_DTYPE = np.dtype(
    [
        ("actor_count", "i8"),
        ("indexed_count", "i8"),
        ("index_shift", "i8"),
        ("member_count", "i8"),
        ("tallies", "i8"),  # whether calls are counted, in a rehearsal
        ("tallied_count", "i8"),
        ("ask_address", "i8"),  # of the function that says where a new object lives
    ]
)

SPARE_SLOTS = 8  # of one event: its own, a refresh, alarms that it sets
SPARE_ACTORS = 4
TALLY_PAGE = 1 << 16


def object_arrays(inputs: Inputs, growth: Growth, books: ObjectBooks) -> dict[str, Any]:
    """Return the arrays of the state that belong to objects, at time 0."""
    objects = inputs.objects
    used = objects.is_used
    depth = objects.depth
    has_replicas = len(objects.replica_hosts) > 0
    return {
        "object_rules": _rules(inputs),
        "object_run": _run(growth),
        "follower_times": np.zeros(objects.scalars.followers),
        "actors": records(ACTOR_DTYPE, growth.objects if used else 1),
        "commits": np.full(
            (growth.objects if has_replicas else 1, objects.scalars.history), -np.inf
        ),
        "object_index": records(INDEX_DTYPE, growth.object_index if used else 1),
        "members": records(MEMBER_DTYPE, growth.members if used else 1),
        "calls": records(CALL_DTYPE, growth.slots * depth if used else 1),
        "parts": np.zeros((growth.slots * depth if used else 1, len(PARTS))),
        "classes": objects.classes.copy(),
        "spreads": objects.spreads.copy(),
        "host_sites": objects.host_sites.copy(),
        "host_rtt": objects.rtt.copy(),
        "host_km": objects.distance_km.copy(),
        "site_regions": objects.site_regions.copy(),
        "nearest_host": objects.nearest_host.copy(),
        "home_choices": objects.home_choices.copy(),
        "known_numbers": objects.known_numbers.copy(),
        "known_homes": objects.known_homes.copy(),
        "followers": objects.followers.copy(),
        "substitutes": objects.substitutes.copy(),
        "replica_hosts": objects.replica_hosts.copy(),
        "member_cells": objects.member_cells.copy(),
        "messages": objects.messages.copy(),
        "tally": np.zeros(1, np.int64),
        "object_histogram": books.histogram,
        "object_by_message": books.by_message,
        "object_by_class": books.by_class,
        "object_by_host": books.by_host,
        "object_created": books.created,
        "object_spawn_ns": books.spawn_ns,
    }


def _rules(inputs: Inputs) -> Records:
    objects = inputs.objects
    first = int(inputs.kv.spaces.first[objects.classes.space[0]]) if objects.is_used else 0
    return scalars(
        OBJECT_RULES_DTYPE,
        objects.scalars,
        objects,
        host_count=len(objects.host_sites),
        replica_count=len(objects.replica_hosts),
        most_participants=int(objects.classes.participants.max()),
        first_number=first,
    )


def _run(growth: Growth) -> Records:
    run = records(OBJECT_RUN_DTYPE, 1)
    run.index_shift = shift_of(growth.object_index)
    return run
