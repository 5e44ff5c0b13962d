"""Name every array and code that the two engines share: constants, inputs, and the shape of outputs.

Times are float64 milliseconds since the run's start, indices int64. ``Inputs`` is everything one run of
one platform needs, as flat record arrays: built once by ``build.py``, read by both engines, changed by
neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from popsim.engine.arrays import Floats, Ints, Records, records
from popsim.engine.kv_layout import TRACE_DTYPE, KvInputs
from popsim.engine.object_layout import ObjectInputs
from popsim.engine.selection_inputs import SelectionInputs

# Event keys (rule 1): key = rank * RANK + request number. SimPy's own priorities 0 and 1 come before all.
# The largest number is that of a cache's own read, a request's << draws.REFRESH_SHIFT; ``limits`` keeps that below a rank.
RANK = 1 << 59
DEAD, WAKE, ORDINARY, ENTER, NEW = 1, 2, 3, 4, 5

REFRESH = 6  # a read that a cache does for itself, before its copy expires
ALARM, RECONNECT = 7, 8  # an object's alarm; a session that connects again

# Handler steps; CHOOSE and JUMP take no time and no event
CPU, SLEEP, FETCH, END, CHOOSE, JUMP = 0, 1, 2, 3, 4, 5
KV_GET, KV_PUT, KV_DELETE, KV_LIST, KV_TRACE = 6, 7, 8, 9, 10
# Steps about objects: the call; then what only an object's own program has. The last three take no time and no event.
OBJECT_CALL, STORAGE_GET, TRANSACTION, STORAGE_PUT, SET_ALARM, BROADCAST = 11, 12, 13, 14, 15, 16
MAX_STEPS = 256  # a program counter fits a byte of a position, see draws.py

# Arrival processes
POISSON, PERIODIC, TRACE, MESSAGES = 0, 1, 2, 3

# Resolver models
DNS_CACHED, DNS_TTL = 0, 1

# Outcomes; failures are numbered as popsim.engine.outputs.REASONS, from 1
OK, NO_ROUTE, SITE_DOWN, THROTTLED, KILLED, KV_UNAVAILABLE, KV_LIMITED = 0, 1, 2, 3, 4, 5, 6
OBJECT_LOST, OBJECT_OVERLOADED, OBJECT_UNAVAILABLE, DISCONNECTED = 7, 8, 9, 10
OUTCOMES = 11

# Columns of a request's phases, as popsim.engine.outputs.PHASES
P_DNS, P_CONNECT, P_TLS, P_NETWORK, P_FRONT_DOOR = 0, 1, 2, 3, 4
P_QUEUE, P_COLD_START, P_EXECUTE, P_KV, P_OBJECT, P_FETCH, P_SLEEP = 5, 6, 7, 8, 9, 10, 11
PHASE_COUNT = 12

UNBOUNDED = 1 << 31  # concurrency of an instance that takes any number of requests
ALWAYS_POOLED = np.inf  # idle time-out of a connection pool that never closes
TIMELINE_BINS = 120

STEP_DTYPE = np.dtype(
    [
        ("kind", "i8"),
        ("table", "i8"),
        ("origin", "i8"),
        ("round_trips", "i8"),
        ("handshakes", "i8"),  # extra round trips of a fetch on a new connection
        ("idle_timeout", "f8"),  # ms; 0 = a new connection each time, inf = always open
        ("target", "i8"),  # where JUMP goes, and a get that found its key; CHOOSE: its first branch
        ("count", "i8"),  # CHOOSE: branches; KV_GET: keys
        ("space", "i8"),  # key space
        ("lifetime", "f8"),  # ms; KV_GET: how long caches keep what is read, 0 = as the store says
        ("expiry_row", "i8"),  # KV_PUT: row of expiration times by country, -1 = never
        ("is_tolerant", "i8"),  # goes on after an error of the store or object
        ("object_class", "i8"),
        ("entry", "i8"),  # OBJECT_CALL: where the object's program begins
        ("only_reads", "i8"),  # OBJECT_CALL: a replica can answer
    ]
)
BRANCH_DTYPE = np.dtype([("cumulative", "f8"), ("target", "i8")])  # [class of clients, branch]
CLIENT_DTYPE = np.dtype(
    [
        ("clock_h", "f8"),  # local hour of day at t = 0
        ("country", "i8"),
        ("kind", "i8"),  # which of the branches' places it lies in
        ("threshold", "f8"),  # alias table over clients
        ("alias", "i8"),
    ]
)
ROUTE_DTYPE = np.dtype([("site", "i8"), ("cumulative", "f8"), ("rtt", "f8")])  # [client, candidate]
UPSTREAM_DTYPE = np.dtype([("site", "i8"), ("rtt", "f8")])  # [ingress, candidate]; site -1 = none
CHOICE_DTYPE = np.dtype([("threshold", "f8"), ("alias", "i8")])  # an alias table
# A straight piece of a quantile function, between two tail probabilities
PIECE_DTYPE = np.dtype([("end", "f8"), ("start", "f8"), ("low", "f8"), ("slope", "f8")])


@dataclass(frozen=True)
class Rules:
    """Scalars of one run: durations in ms, probabilities, counts. See docs/background/semantics.md for their meaning."""

    duration: float
    warmup: float
    arrivals: int = POISSON
    intensity_bound: float = 1.0  # largest profile value x surge factor a candidate may meet
    period: float = 0.0  # probes: one request per client and period
    function_count: int = 1
    reuse: float = 0.0
    connect_round_trips: int = 1
    tls_full_round_trips: int = 1
    tls_resumed_round_trips: int = 1
    resumption: float = 0.0
    slow_start_round_trips: int = 0
    tcp_at_compute: bool = False
    tls_at_compute: bool = False
    dns: int = DNS_CACHED
    dns_ttl: float = 0.0
    loss: bool = False
    front_door: bool = False
    upstream_round_trips: int = 0
    upstream_idle_timeout: float = ALWAYS_POOLED
    concurrency: int = 1
    cpu_serial: bool = False
    prewarm_on_tls: bool = False
    has_cold_start: bool = True
    idle_kind: int = 0  # IDLE_LAW, IDLE_CONSTANT, IDLE_NEVER, IDLE_DESTROY
    idle_constant: float = 0.0
    instance_bytes: int = 0
    memory_budget_bytes: int = 0  # 0 = unlimited
    max_requests: int = 0  # 0 = unlimited
    queue_limit: int = -1  # -1 = unbounded
    sample_threshold: float = 1.0  # share of requests kept whole

    @property
    def most_instances(self) -> int:
        """How many instances the memory of a site holds; 0 = any number."""
        return self.memory_budget_bytes // self.instance_bytes if self.instance_bytes > 0 else 0

    @property
    def keeps_idle_in_order(self) -> bool:
        """Whether sites list their idle instances, which is for eviction; they expire in that order."""
        return self.memory_budget_bytes > 0 and self.idle_kind == IDLE_CONSTANT


IDLE_LAW, IDLE_CONSTANT, IDLE_NEVER, IDLE_DESTROY = 0, 1, 2, 3

# Fixed rows of the quantile tables; access networks follow, then handler steps
T_GAP, T_JITTER, T_DNS_HIT, T_DNS_MISS, T_TLS_TIME = 0, 1, 2, 3, 4
T_CONNECT_LOSS, T_FULL_LOSS, T_RESUMED_LOSS = 5, 6, 7  # of handshakes' packets
T_FRONT_DOOR, T_PLACEMENT, T_CODE_FETCH, T_INIT, T_IDLE = 8, 9, 10, 11, 12
T_ACCESS = 13


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything one run of one platform needs.

    Shapes: C clients, S sites, R ingress candidates, K compute candidates, O origins, N networks,
    F functions, T quantile tables.
    """

    key: int  # generator key of this run
    rules: Rules
    tables: Floats  # [T, 2 * draws.NODES], see tables.QuantileTable
    clients: Records  # [C]
    routes: Records  # [C * R]
    route_count: int  # R
    upstreams: Records  # [S * K]
    upstream_count: int  # K
    origin_rtt: Floats  # [S * O]
    origin_count: int  # O
    networks: Records  # [N] alias table
    functions: Records  # [F] alias table
    steps: Records  # handler program, ends with END
    profile: Floats  # [24] arrival intensity by local hour
    probe_offset: Floats  # [C] phase of each probe, ascending (periodic arrivals)
    probe_client: Ints  # [C] whose phase it is
    site_count: int
    country_count: int
    pieces: Records = field(default_factory=lambda: records(PIECE_DTYPE, 1))  # of the tables' cells
    branches: Records = field(default_factory=lambda: records(BRANCH_DTYPE, 1))  # of CHOOSE steps
    trace: Records = field(default_factory=lambda: records(TRACE_DTYPE, 1))  # a key trace's rows
    kv: KvInputs = field(default_factory=KvInputs)
    objects: ObjectInputs = field(default_factory=ObjectInputs)
    selections: SelectionInputs = field(default_factory=SelectionInputs)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)  # rows of the groups


@dataclass
class Growth:
    """Start sizes of the arrays that grow; tests make them tiny to force growth."""

    slots: int = 4096
    days: int = 1 << 14  # of the calendar of events, a power of 2; they do not grow
    instances: int = 4096
    pools: int = 1 << 14  # a power of 2
    pools_apart: int = 1 << 19  # so many can have a place each
    sample: int = 8192
    copies: int = 1 << 16  # cached copies of keys, a power of 2
    fetching: int = 1 << 12  # reads on their way, a power of 2
    written: int = 1 << 12  # keys that were written, a power of 2
    versions: int = 4096
    objects: int = 4096
    object_index: int = 1 << 13  # a power of 2
    members: int = 4096  # participants of sessions
