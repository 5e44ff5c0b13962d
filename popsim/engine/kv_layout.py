"""Name the arrays and codes of key-value stores: constants, inputs, and what is counted.

Nodes are numbered: sites first (their edge caches), then regional tiers, then central stores. Caches have
numbers of their own: the sites' edge caches, the regional tiers, then the sites' in-memory sets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from popsim.engine.arrays import Floats, Ints, Records, records

# Where a read found its key. COALESCED: another read had it under way. FAILED: no store answered.
MEMORY, EDGE, COALESCED, REGION, STORE, FAILED = 0, 1, 2, 3, 4, 5
TIERS = ("memory", "edge", "coalesced", "region", "store", "failed")

# What a tier does with a newer version that it is told of
NOTHING, PURGE, VALUE = 0, 1, 2

# How a store is chosen: in order of preference, or whoever answers first
IN_ORDER, RACE = 0, 1

# What is counted, by key space and by site: TIERS first (keys read there), then
(
    K_ABSENT,  # keys read that had no value
    K_STALE,  # keys read in an old version
    K_OWN_STALE,  # of these, with a newer version that this very site had written and seen confirmed
    K_TRUNCATED,  # of the stale, those whose age is a lower bound
    K_GETS,  # operations; a bulk read is one
    K_PUTS,
    K_DELETES,
    K_LISTS,
    K_LIMITED,  # writes refused because the key had just been written
    K_WRITES_FAILED,
    K_EDGE_REFRESHES,
    K_REGION_REFRESHES,
    K_REFRESH_STORE_READS,  # refreshes that went to a store
    K_BYTES_MEMORY,  # bytes read at each tier
    K_BYTES_EDGE,
    K_BYTES_COALESCED,
    K_BYTES_REGION,
    K_BYTES_STORE,
    K_BYTES_WRITTEN,
    K_READ_UNITS,  # that answered reads are billed by, key by key, where a price list rounds sizes up
    K_WRITE_UNITS,  # and accepted writes and deletions
) = range(len(TIERS), len(TIERS) + 21)
KV_COLUMNS = len(TIERS) + 21

WATCHED = 32  # writes per run whose way to the sites is followed
MAX_VERSIONS = 64  # of one key; an older one counts as visible everywhere
MAX_CHOICES = 8  # stores that a node may choose among

SPACE_DTYPE = np.dtype(
    [
        ("first", "i8"),  # number of its first key
        ("count", "i8"),  # keys in each partition
        ("first_cell", "i8"),  # of its popularity law
        ("cells", "i8"),
        ("locality", "f8"),  # share of reads by the country's own order of popularity
        ("filled", "f8"),  # share of keys that have a value from the start
        ("bytes", "i8"),  # of a key with its value, if constant
        ("size_table", "i8"),  # else quantile table of the value's bytes, added to size; or a code
    ]
)
SIZE_CONSTANT, SIZE_OF_TRACE = -1, -2  # instead of a size_table
CELL_DTYPE = np.dtype(  # of a popularity law: an alias table over ranges of ranks
    [("threshold", "f8"), ("alias", "i8"), ("first", "i8"), ("width", "i8")]
)
TIER_LINK_DTYPE = np.dtype(  # [site]; region -1 = none
    [("region", "i8"), ("rtt", "f8"), ("vouches", "i8")]  # 1 = the tier hears of every write
)
CHOICE_OF_STORE_DTYPE = np.dtype([("store", "i8"), ("rtt", "f8")])  # [node, choice]; -1 = none
STORE_DTYPE = np.dtype([("read_table", "i8"), ("write_table", "i8")])
TRACE_DTYPE = np.dtype(
    [
        ("time", "f8"),  # ms
        ("client", "i8"),
        ("kind", "i8"),  # KV_GET, KV_PUT or KV_DELETE
        ("key", "i8"),
        ("expiry", "f8"),  # ms after the write; inf = never
    ]
)


@dataclass(frozen=True)
class KvScalars:
    """Scalars of the key-value store of one run: times in ms, sizes in bytes, tables by number."""

    memory_bytes: int = 0  # of a site's in-memory set; 0 = there is none
    edge_bytes: int = 0  # of a site's cache; 0 = unlimited
    region_bytes: int = 0
    has_edge: bool = False
    memory_ttl: float = 0.0
    edge_ttl: float = 0.0
    region_ttl: float = 0.0
    refresh_after: float = np.inf  # share of the TTL after which a read starts a refresh
    coalesces: bool = False
    reads: int = IN_ORDER
    writes: int = IN_ORDER
    writes_through: bool = False
    read_unit: int = 0  # bytes that a read is billed by, each begun; 0 = operations are billed
    write_unit: int = 0
    write_gap: float = 0.0  # least time between two writes of a key
    longest_lag: float = 0.0  # a version this old is visible everywhere
    horizon: float = 0.0  # a version superseded this long ago is in no cache any more
    memory_table: int = 0
    edge_table: int = 0
    region_table: int = 0
    list_table: int = 0
    lag_table: int = 0  # beyond the light, from a store to a cache that is told
    sync_table: int = 0  # beyond the light, from store to store


@dataclass(frozen=True, eq=False)
class KvInputs:
    """A run's key spaces and stores.

    Shapes: P key spaces, C countries, S sites, G regional tiers, K stores, Q choices.
    """

    scalars: KvScalars = KvScalars()
    spaces: Records = field(default_factory=lambda: records(SPACE_DTYPE, 1))  # [P]
    cells: Records = field(default_factory=lambda: records(CELL_DTYPE, 1))
    partitions: Ints = field(default_factory=lambda: np.zeros(1, np.int64))  # [P * C]
    shifts: Ints = field(default_factory=lambda: np.zeros(1, np.int64))  # [P * C]
    tier_links: Records = field(default_factory=lambda: records(TIER_LINK_DTYPE, 1))  # [S]
    read_choices: Records = field(
        default_factory=lambda: records(CHOICE_OF_STORE_DTYPE, 1)
    )  # [(S + G) * Q]
    write_choices: Records = field(
        default_factory=lambda: records(CHOICE_OF_STORE_DTYPE, 1)
    )  # [S * Q]
    choices: int = 1  # Q
    stores: Records = field(default_factory=lambda: records(STORE_DTYPE, 1))  # [K]
    told: Ints = field(default_factory=lambda: np.zeros(1, np.int64))  # [K * (S + G)]
    lag_rtt: Floats = field(default_factory=lambda: np.zeros(1))  # [K * (S + G + K)]
    expiries: Floats = field(default_factory=lambda: np.zeros(1))  # [row * C], ms after a write
    regions: int = 0  # G
    is_used: bool = False
    widest_get: int = 1  # keys of the largest bulk read
    trace_sizes: Ints = field(default_factory=lambda: np.zeros(1, np.int64))  # by key of a trace
    has_trace: bool = False
    space_names: tuple[str, ...] = ()
    store_names: tuple[str, ...] = ()
