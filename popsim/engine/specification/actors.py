"""Objects as the specification keeps them: actors with a home, their participants, and calls in progress."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import simpy

from popsim.engine.layout import PHASE_COUNT
from popsim.engine.object_layout import PARTS

NEVER, FOREVER = float("-inf"), float("inf")


@dataclass(eq=False)
class Member:
    """A participant of an object's sessions."""

    client: int
    network: int
    position: float  # in its client's routing table
    ingress: int
    path: float  # RTT in ms to the ingress, without access network and jitter
    since: float  # ms; connected since then, inf = not connected
    attempts: int = 0  # to connect again, ever


@dataclass(eq=False)
class Actor:
    """An object, or a replica of one."""

    number: int
    object_class: int
    replica: int = 0  # 0 = the object itself
    home: int = -1  # host
    generation: int = 0  # of what runs: a loss or restart ends it
    lost_from: int = -1  # host that it was lost with, whose followers have what was confirmed
    available: float = NEVER  # when a takeover or a move is done; before, when it was lost
    ready: float = NEVER  # when its activation ends
    is_busy: bool = False
    waiting: deque[Call] = field(default_factory=deque)
    calls: int = 0  # begun and not ended
    gate: float = NEVER  # when all commits are confirmed
    idle_since: float = FOREVER
    deadline: float = NEVER  # when it leaves the memory, if nothing comes
    active_since: float = FOREVER
    leaves: float = NEVER  # when the last answer does
    version: int = 0  # commits so far
    commits: list[float] = field(default_factory=list)  # by version % history; for replicas
    candidate: int = -1  # host that the votes are for
    votes: int = 0
    alarm_turn: int = 0  # of the alarm that was set last, which replaces all others
    alarm_runs: bool = False
    alarm_is_late: bool = False
    spread: int = 0
    members: list[Member] = field(default_factory=list)


@dataclass(eq=False)
class Job:
    """Who acts without a request: an object's alarm, a session that connects again."""

    rank: int
    number: int  # with the rank, the key of its events
    entity: int  # of its draws
    turn: int
    start: float
    client: int
    member: int = -1
    tries: int = 0  # of an alarm that have failed
    is_absent: bool = False
    compute: int = -1
    makes: bool = False
    phases: list[float] = field(default_factory=lambda: [0.0] * PHASE_COUNT)
    bookmark: tuple[int, int] = (-1, 0)


@dataclass(eq=False)
class Call:
    """A call of an actor on its way, at the actor, or on its way back."""

    task: Any  # Request or Job
    actor: Actor
    level: int
    turn: int
    site: int  # of the caller
    host: int
    generation: int
    began: float
    rtt: float  # caller to host
    parts: list[float] = field(default_factory=lambda: [0.0] * len(PARTS))
    mark: float = 0.0
    version: int = 0
    gate: float = NEVER  # its own, where calls don't wait for each other
    is_dirty: bool = False
    is_new: bool = False  # it made the object
    is_answer: bool = False  # of the object itself, not an error of the runtime
    killed: bool = False
    wake: simpy.Event | None = None
