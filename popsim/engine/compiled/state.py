"""The kernel's state: a handful of record arrays in a NamedTuple, which numba caches on disk.

Fewer arrays make leaving and re-entering the kernel cheaper; records keep what is used together on one
cache line. Everything mutable of a run is here, everything constant too, so that ``advance`` has one argument.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from popsim.engine.arrays import Floats, Ints, Records, records, scalars, scalars_dtype
from popsim.engine.compiled.days import WINDOW, days_per_ms
from popsim.engine.compiled.kv_state import kv_arrays
from popsim.engine.compiled.object_state import object_arrays
from popsim.engine.compiled.pool_state import pool_places, pool_table
from popsim.engine.draws import NODES
from popsim.engine.layout import PHASE_COUNT, Growth, Inputs, Rules
from popsim.engine.recorder import SAMPLE_DTYPE, Books, HistogramRows
from popsim.engine.selection_inputs import Flags

HEAP_DTYPE = np.dtype([("time", "f8"), ("key", "i8"), ("slot", "i8")])
SLOT_DTYPE = np.dtype(
    [
        ("number", "i8"),
        ("stage", "i8"),
        ("at", "f8"),  # when its next event is, see calendar.py
        ("key", "i8"),
        ("later", "i8"),  # slot of the event behind it, on the same day
        ("start", "f8"),
        ("client", "i8"),
        ("function", "i8"),
        ("network", "i8"),
        ("ingress", "i8"),
        ("compute", "i8"),
        ("upstream", "i8"),
        ("epoch", "i8"),
        ("pool", "i8"),
        ("instance", "i8"),
        ("pc", "i8"),
        ("cold", "i8"),
        ("next", "i8"),  # next waiter, or next free slot
        ("rtt", "f8"),
        ("rtt_upstream", "f8"),
        ("slow_start", "f8"),
        ("hidden", "f8"),
        ("mark", "f8"),
        ("setup", "f8"),  # later the front door's time
        # a read or write of the key-value store
        ("job", "i8"),  # whose: a request's, or a cache's own
        ("space", "i8"),
        ("kind", "i8"),
        ("count", "i8"),  # keys
        ("absent", "i8"),
        ("failed", "i8"),
        ("store", "i8"),
        ("store_rtt", "f8"),
        ("service", "f8"),
        ("began", "f8"),
        ("lifetime", "f8"),
        ("version", "i8"),
        ("edge_waiters", "i8"),  # slots that wait for what this read brings to its site
        ("region_waiters", "i8"),  # and to its regional tier
        ("kv_tier", "i8"),
        ("kv_version", "i8"),
        ("kv_age", "f8"),
        ("kv_stale", "f8"),
        # calls of objects
        ("object", "i8"),  # number of the one that answered last
        ("object_version", "i8"),
        ("entity", "i8"),  # what names its draws
        ("calls", "i8"),  # of objects, so far
        ("turn", "i8"),  # of the call that it is in, see draws.py
        ("depth", "i8"),  # calls within calls
        ("due", "f8"),
        ("actor", "i8"),  # whom it is about to call
        ("seek", "i8"),  # number, class and replica of the actor that is looked for
        ("seek_class", "i8"),
        ("seek_replica", "i8"),
        ("is_placed", "i8"),  # a home was asked for
        ("makes", "i8"),  # and it is a new object's
        ("seen_object", "i8"),
        ("seen_version", "i8"),
        ("addressee", "i8"),  # number of the object whose participant sends this message
        ("member", "i8"),  # which participant
        ("message", "i8"),  # what kind
        ("attempt", "i8"),  # to connect again, since the session was cut
        ("tries", "i8"),  # of an alarm that have failed
    ]
)
INSTANCE_DTYPE = np.dtype(
    [
        ("site", "i8"),  # -1 = free
        ("pool", "i8"),
        ("active", "i8"),
        ("ready", "f8"),
        ("busy", "f8"),
        ("busy_since", "f8"),
        ("idle_since", "f8"),
        ("expiry", "f8"),
        ("newer", "i8"),  # neighbours in the pool's list (partly used or idle)
        ("older", "i8"),
        ("lru_older", "i8"),  # neighbours in the site's list of idle instances
        ("lru_newer", "i8"),
    ]
)
SITE_DTYPE = np.dtype(
    [
        ("up", "i8"),
        ("withdrawn", "i8"),
        ("epoch", "i8"),
        ("up_since", "f8"),  # ms, if it is up
        ("instances", "i8"),
        ("lru_oldest", "i8"),
        ("lru_newest", "i8"),
    ]
)
CLIENT_STATE_DTYPE = np.dtype(
    [
        ("clock_h", "f8"),
        ("country", "i8"),
        ("kind", "i8"),
        ("threshold", "f8"),
        ("alias", "i8"),
        ("surge", "f8"),
        ("dns_ready", "f8"),
        ("dns_expiry", "f8"),
    ]
)
LINK_DTYPE = np.dtype([("site", "i8"), ("rtt", "f8"), ("used", "f8")])

RULES_DTYPE = scalars_dtype(
    Rules,
    most_instances="i8",
    keeps_idle_in_order="i8",
    key="u8",
    route_count="i8",
    upstream_count="i8",
    origin_count="i8",
    client_count="i8",
    site_count="i8",
    country_count="i8",
)
ROWS_DTYPE = scalars_dtype(HistogramRows)
RUN_DTYPE = np.dtype(
    [
        ("now", "f8"),  # time of the latest event
        ("next_time", "f8"),  # of the next candidate
        ("next_number", "i8"),
        ("next_client", "i8"),
        ("arrivals_done", "i8"),
        ("in_flight", "i8"),
        # the calendar of events, see calendar.py
        ("days_per_ms", "f8"),
        ("today", "i8"),
        ("first", "i8"),  # slot of today's first event, -1 = none
        ("on_days", "i8"),  # events of later days, without those in the heap
        ("heap_size", "i8"),
        ("window", "i8"),  # events until somebody asks how long days should be
        ("taken", "i8"),  # events, since somebody did
        ("walked", "i8"),  # steps along today's events
        ("skipped", "i8"),  # days without events
        ("pushed_far", "i8"),  # events beyond the last day
        ("slot_top", "i8"),  # slots ever used
        ("free_slot", "i8"),  # first of those that were given back, -1 = none
        ("instance_top", "i8"),
        ("free_instance", "i8"),
        ("pool_count", "i8"),
        ("pool_room", "i8"),
        ("pool_shift", "i8"),
        ("sampled", "i8"),  # rows of the page of the sample
        ("pending", "i8"),
    ]
)

# Answered requests whose groups are counted together, so that memory is read side by side
PENDING = 512


class State(NamedTuple):
    """All arrays of a run. Scalars are records of one row: ``st.rules[0].queue_limit``."""

    rules: Records  # what never changes
    rows: Records
    run: Records  # what does
    counters: Ints
    durations: Ints
    heap: Records
    days: NDArray[np.int32]  # slot of an event of each day, -1 = none
    slots: Records
    phases: Floats  # [slot, phase]
    instances: Records
    pools: Records  # see pools.py
    sites: Records
    clients: Records
    routes: Records  # [client * R + candidate]
    upstreams: Records  # [site * K + candidate]
    fetches: Records  # [site * O + origin]
    tables: Floats  # [table, 2 * NODES + 1], last column: whether it has one value
    pieces: Records
    networks: Records
    functions: Records
    steps: Records
    profile: Floats  # [24]
    probe_offset: Floats
    probe_client: Ints
    histogram: Ints
    coarse: Ints
    phase_sum_ns: Ints
    timeline: Ints
    failures: Ints
    selected_clients: Flags  # [selection, client] and so on, see selection_inputs.py
    selected_networks: Flags
    selected_sites: Flags
    selected_windows: Floats
    selected_histogram: Ints
    selected_phase_sum_ns: Ints
    selected_counts: Ints
    pending: Ints  # [answered request, (country, site, client) as row * buckets + bucket]
    sample: Records
    sample_phases: Floats  # [row, phase]
    # the key-value store, see kv_state.py
    kv_rules: Records
    kv_rows: Records
    kv_run: Records
    tags: Ints  # of the copies: ((cache << 40) | key) + 1, 0 = empty; apart, so that probing stays near
    copies: Records
    order: Records  # of use of the copies, if any cache is limited
    caches: Records
    fetching: Records
    written: Records
    versions: Records
    parcels: Records  # [slot * WIDTH + key of a read]
    stores: Records
    branches: Records
    spaces: Records
    cells: Records
    partitions: Ints  # [space * countries + country, (partition, shift)]
    tier_links: Records
    choices: Records  # [(sites + regions) * choices] for reads, then [sites * choices] for writes
    told: Ints
    lag_rtt: Floats
    expiries: Floats
    trace: Records
    trace_sizes: Ints
    kv_histogram: Ints
    kv_by_space: Ints
    kv_by_site: Ints
    kv_watched: Floats
    kv_seen: Floats
    kv_stale_max: Floats
    # objects, see object_state.py
    object_rules: Records
    object_run: Records
    follower_times: Floats  # while they are sorted
    actors: Records
    commits: Floats  # [actor, version % history]
    object_index: Records  # actors by number and replica
    members: Records
    calls: Records  # [slot * depth + level]
    parts: Floats  # [slot * depth + level, part]
    classes: Records
    spreads: Records
    host_sites: Ints
    host_rtt: Floats
    host_km: Floats
    site_regions: Ints
    nearest_host: Ints
    home_choices: Records
    known_numbers: Ints
    known_homes: Ints
    followers: Records
    substitutes: Ints
    replica_hosts: Ints
    member_cells: Records
    messages: Records
    tally: Ints
    object_histogram: Ints
    object_by_message: Ints
    object_by_class: Ints
    object_by_host: Ints
    object_created: Ints
    object_spawn_ns: Ints


def initial_state(inputs: Inputs, growth: Growth) -> State:
    """Build the state of a run at time 0."""
    books = Books.empty(inputs)
    clients = records(CLIENT_STATE_DTYPE, len(inputs.clients))
    for name in inputs.clients.dtype.names or ():
        clients[name] = inputs.clients[name]
    clients.surge, clients.dns_ready, clients.dns_expiry = 1.0, -np.inf, -np.inf
    upstreams = records(LINK_DTYPE, len(inputs.upstreams))
    upstreams.site, upstreams.rtt = inputs.upstreams.site, inputs.upstreams.rtt
    upstreams.used = -np.inf
    fetches = records(LINK_DTYPE, len(inputs.origin_rtt))
    fetches.rtt, fetches.used = inputs.origin_rtt, -np.inf
    pools = pool_table(inputs, growth)
    run = records(RUN_DTYPE, 1)
    run.free_slot, run.free_instance, run.next_number = -1, -1, -1
    run.first, run.window, run.days_per_ms = -1, WINDOW, days_per_ms(inputs)
    run.pool_shift, run.pool_room = pool_places(inputs, len(pools), growth)
    sites = records(SITE_DTYPE, inputs.site_count)
    sites.up, sites.up_since, sites.lru_oldest, sites.lru_newest = 1, -np.inf, -1, -1
    instances = records(INSTANCE_DTYPE, growth.instances)
    instances.site = -1
    tables = np.zeros((len(inputs.tables), 2 * NODES + 1))
    tables[:, :-1] = inputs.tables
    tables[:, -1] = inputs.tables.min(axis=1) == inputs.tables.max(axis=1)
    return State(
        rules=scalars(RULES_DTYPE, inputs.rules, inputs, client_count=len(inputs.clients)),
        rows=scalars(ROWS_DTYPE, HistogramRows.of(inputs)),
        run=run,
        counters=books.counters,
        durations=books.durations,
        heap=records(HEAP_DTYPE, growth.slots),
        days=np.full(growth.days, -1, np.int32),
        slots=records(SLOT_DTYPE, growth.slots),
        phases=np.zeros((growth.slots, PHASE_COUNT)),
        instances=instances,
        pools=pools,
        sites=sites,
        clients=clients,
        routes=inputs.routes.copy(),
        upstreams=upstreams,
        fetches=fetches,
        tables=tables,
        pieces=inputs.pieces.copy(),
        networks=inputs.networks.copy(),
        functions=inputs.functions.copy(),
        steps=inputs.steps.copy(),
        profile=inputs.profile.copy(),
        probe_offset=inputs.probe_offset.copy(),
        probe_client=inputs.probe_client.copy(),
        histogram=books.histogram,
        coarse=books.coarse,
        phase_sum_ns=books.phase_sum_ns,
        timeline=books.timeline,
        failures=books.failures,
        selected_clients=inputs.selections.clients,
        selected_networks=inputs.selections.networks,
        selected_sites=inputs.selections.sites,
        selected_windows=inputs.selections.windows,
        selected_histogram=books.selected.histogram,
        selected_phase_sum_ns=books.selected.phase_sum_ns,
        selected_counts=books.selected.counts,
        pending=np.zeros((PENDING, 3), np.int64),
        sample=records(SAMPLE_DTYPE, growth.sample),
        sample_phases=np.zeros((growth.sample, PHASE_COUNT)),
        **kv_arrays(inputs, growth, books.kv),
        **object_arrays(inputs, growth, books.objects),
    )
