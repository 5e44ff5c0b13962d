"""The kernel's state: a handful of record arrays in a NamedTuple, which numba caches on disk.

Fewer arrays make leaving and re-entering the kernel cheaper; records keep what is used together on one
cache line. Everything mutable of a run is here, everything constant too, so that ``advance`` has one argument.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from popsim.engine.arrays import Floats, Ints, Records, records
from popsim.engine.compiled.kv_state import kv_arrays
from popsim.engine.compiled.object_state import object_arrays
from popsim.engine.compiled.pool_state import pool_places, pool_table
from popsim.engine.draws import NODES
from popsim.engine.layout import PHASE_COUNT, Growth, Inputs
from popsim.engine.recorder import COUNTER_COUNT, SAMPLE_DTYPE, Books, HistogramRows
from popsim.engine.selection_inputs import Flags

HEAP_DTYPE = np.dtype([("time", "f8"), ("key", "i8"), ("slot", "i8")])
SLOT_DTYPE = np.dtype(
    [
        ("number", "i8"),
        ("stage", "i8"),
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

# Integer scalars, after the counters of recorder.py
(
    I_HEAP,
    I_SLOT_TOP,
    I_SLOT_FREE,
    I_INSTANCE_TOP,
    I_INSTANCE_FREE,
    I_IN_FLIGHT,
    I_SAMPLED,
    I_PENDING,
    I_NEXT_NUMBER,
    I_NEXT_CLIENT,
    I_DONE,
    I_ARRIVAL_KIND,
    I_FUNCTIONS,
    I_CONNECT_TRIPS,
    I_TLS_TRIPS,
    I_TLS_RESUMED_TRIPS,
    I_SLOW_START_TRIPS,
    I_TCP_AT_COMPUTE,
    I_TLS_AT_COMPUTE,
    I_DNS,
    I_LOSS,
    I_FRONT_DOOR,
    I_UPSTREAM_TRIPS,
    I_CONCURRENCY,
    I_CPU_SERIAL,
    I_PREWARM,
    I_HAS_COLD,
    I_IDLE_KIND,
    I_IN_ORDER,
    I_MOST_INSTANCES,
    I_REQUEST_LIMIT,
    I_QUEUE_LIMIT,
    I_ROUTES,
    I_UPSTREAMS,
    I_ORIGINS,
    I_ROW_COUNTRY,
    I_ROW_SITE,
    I_ROW_NETWORK,
    I_ROW_PHASE,
    I_ROW_WITHOUT_SETUP,
    I_ROW_FIRST_BYTE,
    I_COUNTRIES,
    I_KEY,
    I_POOLS,
    I_POOL_ROOM,
    I_POOL_SHIFT,
) = range(COUNTER_COUNT, COUNTER_COUNT + 46)
INTEGER_COUNT = COUNTER_COUNT + 46

(
    F_NOW,
    F_NEXT_TIME,
    F_DURATION,
    F_WARMUP,
    F_INTENSITY_BOUND,
    F_PERIOD,
    F_REUSE,
    F_RESUMPTION,
    F_DNS_TTL,
    F_UPSTREAM_TIMEOUT,
    F_IDLE_CONSTANT,
    F_SAMPLE_THRESHOLD,
) = range(12)
FLOAT_COUNT = 12


PENDING = (
    512  # answered requests whose groups are counted together, so that memory is read side by side
)


class State(NamedTuple):
    """All arrays of a run. ``integers`` begins with the counters of recorder.py."""

    integers: Ints
    durations: Ints
    floats: Floats
    heap: Records
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
    kv_ints: Ints
    kv_floats: Floats
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
    object_ints: Ints
    object_floats: Floats
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
    integers, pools = _integers(inputs), pool_table(inputs, growth)
    integers[I_POOL_SHIFT], integers[I_POOL_ROOM] = pool_places(inputs, len(pools), growth)
    sites = records(SITE_DTYPE, inputs.site_count)
    sites.up, sites.up_since, sites.lru_oldest, sites.lru_newest = 1, -np.inf, -1, -1
    instances = records(INSTANCE_DTYPE, growth.instances)
    instances.site = -1
    tables = np.zeros((len(inputs.tables), 2 * NODES + 1))
    tables[:, :-1] = inputs.tables
    tables[:, -1] = inputs.tables.min(axis=1) == inputs.tables.max(axis=1)
    return State(
        integers=integers,
        durations=books.durations,
        floats=_floats(inputs),
        heap=records(HEAP_DTYPE, growth.slots),
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


def _integers(inputs: Inputs) -> Ints:
    rules, rows = inputs.rules, HistogramRows.of(inputs)
    integers = np.zeros(INTEGER_COUNT, np.int64)
    for index, value in {
        I_SLOT_FREE: -1,
        I_INSTANCE_FREE: -1,
        I_NEXT_NUMBER: -1,
        I_ARRIVAL_KIND: rules.arrivals,
        I_FUNCTIONS: rules.function_count,
        I_CONNECT_TRIPS: rules.connect_round_trips,
        I_TLS_TRIPS: rules.tls_full_round_trips,
        I_TLS_RESUMED_TRIPS: rules.tls_resumed_round_trips,
        I_SLOW_START_TRIPS: rules.slow_start_round_trips,
        I_TCP_AT_COMPUTE: rules.tcp_at_compute,
        I_TLS_AT_COMPUTE: rules.tls_at_compute,
        I_DNS: rules.dns,
        I_LOSS: rules.loss,
        I_FRONT_DOOR: rules.front_door,
        I_UPSTREAM_TRIPS: rules.upstream_round_trips,
        I_CONCURRENCY: rules.concurrency,
        I_CPU_SERIAL: rules.cpu_serial,
        I_PREWARM: rules.prewarm,
        I_HAS_COLD: rules.has_cold_start,
        I_IDLE_KIND: rules.idle_kind,
        I_IN_ORDER: rules.keeps_idle_in_order,
        I_MOST_INSTANCES: rules.most_instances,
        I_REQUEST_LIMIT: rules.request_limit,
        I_QUEUE_LIMIT: rules.queue_limit,
        I_ROUTES: inputs.route_count,
        I_UPSTREAMS: inputs.upstream_count,
        I_ORIGINS: inputs.origin_count,
        I_ROW_COUNTRY: rows.country,
        I_ROW_SITE: rows.site,
        I_ROW_NETWORK: rows.network,
        I_ROW_PHASE: rows.phase,
        I_ROW_WITHOUT_SETUP: rows.without_setup,
        I_ROW_FIRST_BYTE: rows.first_byte,
        I_COUNTRIES: inputs.country_count,
    }.items():
        integers[index] = value
    integers[I_KEY : I_KEY + 1].view(np.uint64)[0] = inputs.key
    return integers


def _floats(inputs: Inputs) -> Floats:
    rules = inputs.rules
    floats = np.zeros(FLOAT_COUNT)
    floats[F_DURATION], floats[F_WARMUP] = rules.duration, rules.warmup
    floats[F_INTENSITY_BOUND], floats[F_PERIOD] = rules.intensity_bound, rules.period
    floats[F_REUSE], floats[F_RESUMPTION] = rules.reuse, rules.resumption
    floats[F_DNS_TTL] = rules.dns_ttl
    floats[F_UPSTREAM_TIMEOUT] = rules.upstream_idle_timeout
    floats[F_IDLE_CONSTANT] = rules.idle_constant
    floats[F_SAMPLE_THRESHOLD] = rules.sample_threshold
    return floats
