"""The answer every cold start model gives: how the instances of a platform behave at a site."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from popsim.models.answers import Answer, check_laws
from popsim.models.registry import Model
from popsim.scenario.laws import Law, parse_law

UNBOUNDED = 2**31
NO_TIME = parse_law("0ms")


def constant(duration_ms: float) -> Law:
    """Return the law of a duration in ms that never varies."""
    return parse_law(f"{duration_ms!r}ms")


def is_constant(law: Law | None) -> bool:
    """Tell whether a law has one value only."""
    return law is not None and law.maximum() == law.mean()


@dataclass(frozen=True)
class PoolRules:
    """What instances do: one mechanism with parameters for isolates, microVMs and containers.

    A start takes ``placement`` + ``code_fetch`` + ``init`` (laws in ms), less what the TLS
    handshake hides if ``prewarm_on_tls``. ``idle`` is how long (ms) an instance without requests
    stays: None is for ever, a constant 0 ends it with its request.
    """

    placement: Law
    code_fetch: Law
    init: Law
    idle: Law | None
    concurrency: int = 1  # requests inside one instance at once; UNBOUNDED = any number
    cpu_serial: bool = False  # requests inside one instance share one thread
    prewarm_on_tls: bool = False
    instance_bytes: int = 0
    memory_budget_bytes: int = 0  # per site; 0 = unlimited; needs a constant idle time
    max_requests: int = 0  # at once per function and site; 0 = unlimited
    queue_limit: int = -1  # who waits beyond max_requests: -1 = all, 0 = nobody (answered 429)

    def __post_init__(self) -> None:
        """Refuse what the engines cannot run; raises ValueError."""
        check_laws(self)
        if self.concurrency < 1:
            raise ValueError(f"concurrency is {self.concurrency}, must be at least 1")
        if self.memory_budget_bytes > 0 and not is_constant(self.idle):
            raise ValueError(
                "a memory budget needs a constant idle time (the eviction list is sorted)"
            )
        if 0 < self.memory_budget_bytes < self.instance_bytes:
            raise ValueError(
                f"one instance takes {self.instance_bytes} bytes,"
                f" more than the memory of a site, {self.memory_budget_bytes} bytes"
            )


class ColdStartModel(Model, ABC):
    """How a runtime starts, keeps and ends instances."""

    answers: ClassVar[Mapping[str, Answer]] = {"rules": Answer(PoolRules)}

    @abstractmethod
    def rules(self, memory_bytes: int) -> PoolRules:
        """Return the rules for a function with ``memory_bytes`` of memory configured."""
