"""Name the arrays and codes of objects: constants, inputs, and what is counted.

Hosts are the sites where objects can live, numbered apart; ``Host.site`` is the row of a host's site. An object's number
is that of a key: classes are key spaces of their own, behind those of the key-value store.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from popsim.engine.arrays import Floats, Ints, Records, records

MAX_DEPTH = 4  # calls within calls
MAX_PARTICIPANTS = 1_000
HISTORY = 64  # commits of an object that replicas tell apart; older ones count as known everywhere
REPLICA_BITS = 6  # a tag is an object's number and which replica it is, 0 = the object itself

# An alarm whose run fails is tried again after 2 s, 4 s, 8 s, ..., six times in all:
# https://developers.cloudflare.com/durable-objects/api/alarms/, 2026
ALARM_RETRY_MS, ALARM_RETRIES = 2_000.0, 6

# No alarm goes off sooner, no session tries sooner again: whatever their laws say, time goes on. As clocks of alarms are in ms.
SHORTEST_WAIT_MS = 1.0

# How homes are found
BY_TABLE, KNOWN, ASKED = 0, 1, 2

# How far participants spread around the first one
SPREADS = ("city", "country", "continent", "world")

# Parts of a call's time
PARTS = ("to_home", "queue", "open", "execute", "storage", "await", "gate", "back")
TO_HOME, QUEUE, OPEN, EXECUTE, STORAGE, AWAIT, GATE, BACK = range(len(PARTS))

# What is counted, by class
(
    O_CALLS,  # answered
    O_LOST,  # failed: the home was lost, or the object restarted
    O_OVERLOADED,  # refused: too many were waiting
    O_UNAVAILABLE,  # failed: no host, or no quorum of followers
    O_FAILED,  # failed: an error in the handler, of what it had asked
    O_IN_REGION,  # of the answered: caller and home are in the same region
    O_CREATED,
    O_ACTIVATIONS,
    O_FAILOVERS,  # new homes after a loss
    O_MOVES,
    O_RESTARTS,
    O_GETS,
    O_PUTS,
    O_TRANSACTIONS,
    O_COMMITS,  # writes of a stretch without waiting are one
    O_BROADCASTS,
    O_DELIVERED,  # messages to participants
    O_MISSED,  # of participants who were not connected
    O_ALARMS,
    O_CUT,  # sessions
    O_RECONNECTED,
    O_RECONNECT_FAILURES,  # attempts
    O_REPLICA_READS,
    O_STALE,  # of these, without a commit that the object had when the call arrived
    O_ACTIVE_US,  # with work in progress, or an answer that waits until writes are confirmed
    O_IDLE_US,  # in memory, without
    O_EXISTED_US,  # since they were made; replicas since their first call
    O_ALARM_RETRIES,  # runs that failed and are tried again
    O_ALARMS_LOST,  # that failed for the last time
    O_TRUNCATED,  # of the replicas' reads: the history had no version that is known to be there
    O_PAYLOAD_BYTES,  # sent with calls
) = range(31)
OBJECT_COLUMNS = 31

# What is counted, by host
H_CREATED, H_CALLS, H_COMMITS, H_ACTIVE_US = 0, 1, 2, 3
H_LIVING = 4  # objects whose home it is when the run ends
HOST_COLUMNS = 5

CLASS_DTYPE = np.dtype(
    [
        ("space", "i8"),  # row of its key space
        ("alarm_entry", "i8"),  # where its alarm's program begins, -1 = none
        ("connect_entry", "i8"),  # what a session that connects again runs
        ("participants", "i8"),  # 0 = no sessions
        ("hibernates", "i8"),  # 0 = is evicted instead, later
        ("first_spread", "i8"),  # row in spreads
    ]
)
SPREAD_DTYPE = np.dtype([("cumulative", "f8"), ("spread", "i8")])
HOME_CHOICE_DTYPE = np.dtype([("cumulative", "f8"), ("host", "i8")])  # [site, choice]
FOLLOWER_DTYPE = np.dtype([("site", "i8"), ("rtt", "f8")])  # [host, follower]; site -1 = none
MEMBER_CELL_DTYPE = (
    np.dtype(  # [spread, client]: alias tables over the clients of its city, country, ...
        [
            ("first", "i8"),  # where the group of this client begins, within the spread
            ("width", "i8"),
            ("client", "i8"),  # who stands in this cell of the tables
            ("threshold", "f8"),
            ("alias", "i8"),  # cell within the group
        ]
    )
)
MESSAGE_DTYPE = np.dtype([("cumulative", "f8"), ("entry", "i8")])  # kinds of messages


@dataclass(frozen=True)
class ObjectScalars:
    """Scalars of the objects of one run: times in ms, tables by number."""

    mode: int = BY_TABLE
    is_serial: bool = True  # one thread; False = calls don't wait for each other
    hibernate_after: float = 10_000.0
    queue_limit: int = -1  # -1 = unbounded
    quorum: int = 3
    followers: int = 5  # F
    votes: int = 0  # lead of another host that makes an object move; 0 = never
    activation_table: int = 0
    commit_table: int = 0  # at a follower
    evict_table: int = 0
    takeover_table: int = 0
    move_table: int = 0
    reconnect_table: int = 0
    lag_table: int = 0  # beyond the light, until a replica has a commit
    message_class: int = -1  # whose participants send the messages that are the run's arrivals
    history: int = HISTORY
    alarm_retry: float = ALARM_RETRY_MS  # until the first; each one after takes twice as long
    alarm_retries: int = ALARM_RETRIES


@dataclass(frozen=True, eq=False)
class ObjectInputs:
    """A run's classes of objects and where these can live.

    Shapes: Q classes, S sites, H hosts, W choices of a home, F followers, R replicas, C clients, N known homes.
    """

    scalars: ObjectScalars = ObjectScalars()
    classes: Records = field(default_factory=lambda: records(CLASS_DTYPE, 1))  # [Q]
    spreads: Records = field(default_factory=lambda: records(SPREAD_DTYPE, 1))  # [Q * len(SPREADS)]
    host_sites: Ints = field(default_factory=lambda: np.zeros(1, np.int64))  # [H]
    rtt: Floats = field(default_factory=lambda: np.zeros(1))  # [S * H] ms
    distance_km: Floats = field(default_factory=lambda: np.zeros(1))  # [S * H]
    site_regions: Ints = field(default_factory=lambda: np.zeros(1, np.int64))  # [S]
    nearest_host: Ints = field(default_factory=lambda: np.zeros(1, np.int64))  # [S]
    home_choices: Records = field(default_factory=lambda: records(HOME_CHOICE_DTYPE, 1))  # [S * W]
    choices: int = 1  # W
    known_numbers: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # [N] ascending
    known_homes: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # [N] hosts
    followers: Records = field(
        default_factory=lambda: records(FOLLOWER_DTYPE, 1)
    )  # [H * F], nearest first
    substitutes: Ints = field(default_factory=lambda: np.zeros(1, np.int64))  # [H * H], or -1
    replica_hosts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # [R]
    member_cells: Records = field(
        default_factory=lambda: records(MEMBER_CELL_DTYPE, 1)
    )  # [len(SPREADS) * C]
    messages: Records = field(default_factory=lambda: records(MESSAGE_DTYPE, 1))
    depth: int = 0  # of calls; 0 = the run has no objects
    class_names: tuple[str, ...] = ()
    message_names: tuple[str, ...] = ()  # of the kinds of messages
    host_names: tuple[str, ...] = ()

    @property
    def is_used(self) -> bool:
        """Whether a handler calls objects."""
        return self.depth > 0
