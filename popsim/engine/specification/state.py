"""The objects that the specification keeps: requests, instances, pools, sites."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import simpy

from popsim.engine.layout import ORDINARY, PHASE_COUNT

NEVER = float("-inf")


@dataclass(eq=False)
class Request:
    """One request in flight; times in ms."""

    number: int
    start: float
    client: int
    function: int = 0
    network: int = 0
    ingress: int = -1
    compute: int = -1
    upstream: int = -1
    rtt: float = 0.0  # client to ingress, with access network and jitter
    rtt_upstream: float = 0.0  # ingress to compute
    slow_start: float = 0.0  # extra round trips of a large response
    hidden: float = 0.0  # how much of a cold start the TLS handshake hides
    mark: float = 0.0  # when it began to wait for an instance
    cold: bool = False
    killed: bool = False
    is_absent: bool = False  # the last read found no value
    kv_tier: int = -1  # of the last read, where it was answered
    kv_version: int = 0
    kv_age: float = 0.0
    kv_stale: float = 0.0
    object: int = -1  # number of the one that answered last
    object_version: int = 0
    addressee: int = -1  # number of the object whose participant sends this message
    member: int = -1  # which participant
    message: int = -1  # what kind of message
    entry: int = 0  # where its program begins
    makes: bool = False  # its call gives an object its first home
    bookmark: tuple[int, int] = (-1, 0)  # object and version that it has seen
    calls: int = 0  # of objects, so far
    turn: int = 0  # of the call that it is in, see draws.py
    instance: Instance | None = None
    wake: simpy.Event | None = None
    phases: list[float] = field(default_factory=lambda: [0.0] * PHASE_COUNT)

    rank = ORDINARY  # of its events at a site

    @property
    def entity(self) -> int:
        """What names its draws."""
        return self.number


@dataclass(eq=False)
class Instance:
    """An isolate, microVM, container or Wasm instance."""

    function: int
    ready: float  # when its start-up ends
    busy: float  # when its thread is free
    active: int = 0  # requests inside
    busy_since: float = 0.0
    idle_since: float = 0.0
    expiry: float = 0.0


@dataclass(eq=False)
class Pool:
    """The instances of one function at one site. Dicts keep insertion order; the last is the newest."""

    active: int = 0  # requests inside or granted
    waiting: deque[Request] = field(default_factory=deque)
    partly_used: dict[Instance, None] = field(default_factory=dict)
    idle: dict[Instance, None] = field(default_factory=dict)


@dataclass(eq=False)
class Site:
    """A PoP or region: what runs there now."""

    up: bool = True
    withdrawn: bool = False
    epoch: int = 0
    up_since: float = NEVER  # ms, if it is up
    pools: dict[int, Pool] = field(default_factory=dict)
    least_recent: dict[Instance, None] = field(default_factory=dict)  # idle instances, oldest first
    instances: dict[Instance, None] = field(default_factory=dict)
