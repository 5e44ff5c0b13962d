"""Address every random number: a draw is a pure function of (seed, stream, entity, index).

The generator is Threefry2x64 with 13 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy
as 1, 2, 3", SC 2011, https://doi.org/10.1145/2063384.2063405), which passes BigCrush and costs about a
nanosecond compiled. Its key is (run key, stream), its counter (entity, index); it yields two 64-bit words.
Nothing carries a generator object, so neither the order of events, nor the engine, nor the number of
workers can change a result, and all platforms meet the same users (common random numbers).
"""

from __future__ import annotations

from math import frexp
from typing import Protocol

MASK64 = (1 << 64) - 1
PARITY = 0x1BD11BDAA9FC1A22  # Threefish key-schedule parity, Random123 SKEIN_KS_PARITY64
ROTATIONS = (16, 42, 12, 31, 16, 32, 24, 21)  # Threefry2x64 rotation constants, same paper, table 2
ROUNDS = 13

# Streams: what a draw is for. A number never changes its meaning, or seeds would change theirs.
RUN_KEY = 1
ARRIVAL = 2
USER = 3
START = 4
IDLE = 5
FRONT_DOOR = 6
STEP = 7
SAMPLE = 8
PHASE_OFFSET = 9
CONVERGENCE = 10
KEY = 11  # (request, key space * 256 + which of a bulk); + KEY_LOCALITY for whose popularity counts
KEY_VALUE = 12  # (key, 0): size of its value, whether it has one from the start
KV_SERVICE = 13  # (request, position << DETAIL_BITS | part << 16 | store)
KV_LAG = 14  # (write, node that hears of it)
TRACE_CLIENT = 15  # (client of a trace, 0): where it lives
KEY_SHIFT = 16  # (key space, country): where its own order of popularity begins
MEMBER = 17  # (object, 0): spread, where its first participant lives; then two per member: where it lives, its line, route
MESSAGE = 18  # (request, 0): which participant sends it, what kind it is
PLACE = 19  # (object, generation): its home
CONFIRM = 20  # (task, position << DETAIL_BITS | follower): when a follower has a write
ACTIVATION = 21  # (task, turn of the call)
STORED = 22  # (task, turn of the call): when an object that is left alone is evicted
TAKEOVER = 23  # (object, generation): how long until a new home takes over
HEARD = 24  # (task, position << 16 | member): a participant's line when a message gets there
CONNECT = 25  # (object, member << 32 | attempt): how long a session waits before it connects again
LAG = 26  # (object, version << 6 | replica)
CACHE_PHASE = 27  # (key, cache): where in its life a cache's first copy is
RESOLVER_PHASE = 28  # (client, 0): where in its life a resolver's first answer is
MOVE = 29  # (task, turn of the call): how long until a move is done

# Indices within USER, each yielding two words: (first word, second word)
USER_CLIENT_FUNCTION = 0
USER_ROUTE_NETWORK = 1
USER_ACCESS_JITTER = 2
USER_REUSE_RESUMPTION = 3
USER_DNS_TLS = 4
USER_LOSS = 5

KEY_LOCALITY = 128

# Parts of KV_SERVICE
AT_EDGE, AT_REGION, AT_STORE, WRITING, LISTING = 0, 1 << 16, 2 << 16, 3 << 16, 4 << 16
DETAIL_BITS = 20

# A position is turn << PC_BITS | step. A step may run again, in another call of the same task: the turn says which.
# Of a request, it counts the calls of objects that it made before; of an alarm, how often one was set; of a session
# that connects again, how often it has tried. A request's own program has turn 0, as its first call: steps differ.
PC_BITS = 8  # a program has at most 256 steps
TURN_BITS = (
    16  # of a request; those of an alarm or a session have no more behind them, and may take 36
)

# A write is named request << WRITE_SHIFT | position, or, if the control plane wrote, from CONTROL_WRITE on;
# a cache's own read request << REFRESH_SHIFT | position << 1 | (0 edge, 1 regional tier)
WRITE_SHIFT = TURN_BITS + PC_BITS
REFRESH_SHIFT = WRITE_SHIFT + 1
CONTROL_WRITE = 1 << 62

# A task is a request, or who acts without one: an object's alarm (ALARM_ENTITY + object), a session that connects again
# (CONNECT_ENTITY + (object << MEMBER_BITS) + member)
ALARM_ENTITY, CONNECT_ENTITY = 1 << 62, 1 << 61
MEMBER_BITS = 10


class WordSource(Protocol):
    """Anything that answers :func:`words` for one run key; the compiled twin is one."""

    def __call__(self, key: int, stream: int, entity: int, index: int) -> tuple[int, int]:
        """Return two 64-bit words."""


def words(key: int, stream: int, entity: int, index: int) -> tuple[int, int]:
    """Return two uniform 64-bit words for one address (all arguments unsigned 64-bit)."""
    ks = (key, stream, PARITY ^ key ^ stream)
    x0 = (entity + key) & MASK64
    x1 = (index + stream) & MASK64
    for r in range(ROUNDS):
        rotation = ROTATIONS[r % 8]
        x0 = (x0 + x1) & MASK64
        x1 = ((x1 << rotation) | (x1 >> (64 - rotation))) & MASK64
        x1 ^= x0
        if r % 4 == 3:
            injection = r // 4 + 1
            x0 = (x0 + ks[injection % 3]) & MASK64
            x1 = (x1 + ks[(injection + 1) % 3] + injection) & MASK64
    return x0, x1


def position(turn: int, step: int) -> int:
    """Return where a task is: a step of its program, in which turn."""
    return turn << PC_BITS | step


def run_key(seed: int, replication: int) -> int:
    """Return the generator key of one replication of one scenario."""
    return words(seed & MASK64, RUN_KEY, replication, 0)[0]


def uniform(word: int) -> float:
    """Map a word to [0, 1) with 53 bits."""
    return (word >> 11) * 2.0**-53


# --- tail probabilities: how a word addresses a quantile table -----------------------------------------

OCTAVES = 53  # tail probabilities from 2**-54 to 1/2
NODES_PER_OCTAVE = 64
NODES = OCTAVES * NODES_PER_OCTAVE + 1  # one table side, lower or upper tail
COUNT_BITS = 24  # of the number of pieces, in the code of a cell that is in pieces


def tail_probability(word: int) -> float:
    """Return the tail probability in (0, 1/2) of a word, whichever the side."""
    return (((word & (MASK64 >> 1)) >> 11) + 0.5) * 2.0**-53


def tail(word: int) -> tuple[int, int, float]:
    """Split a word into (side, node, fraction) of a quantile table.

    The top bit chooses the side (0 lower, 1 upper tail), the next 52 bits the tail probability
    p = (k + 1/2) * 2**-53 in (0, 1/2). Node and fraction place p among nodes that are 64 to the octave
    and linear within it; all operations are exact in binary floating point.
    """
    mantissa, exponent = frexp(tail_probability(word))
    position = (mantissa * 2.0 - 1.0) * NODES_PER_OCTAVE
    cell = int(position)
    return word >> 63, (exponent + OCTAVES) * NODES_PER_OCTAVE + cell, position - cell
