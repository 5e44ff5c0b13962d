"""What objects cost: the price list that a platform has, and the one of a platform that has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class ObjectPrices(Protocol):
    """A price list: USD per million requests, GB-seconds, rows read and rows written."""

    @property
    def request(self) -> float:
        """USD per million calls, alarms and connections."""

    @property
    def duration(self) -> float:
        """USD per million GB-seconds in memory."""

    @property
    def read(self) -> float:
        """USD per million reads from storage."""

    @property
    def write(self) -> float:
        """USD per million writes to storage."""

    @property
    def memory(self) -> float:
        """Bytes that an object in memory is billed for."""

    @property
    def message_share(self) -> float:
        """How many requests a participant's message counts as."""


@dataclass(frozen=True)
class FreeObjects:
    """The price list of a platform that has none."""

    request: float = 0.0
    duration: float = 0.0
    read: float = 0.0
    write: float = 0.0
    memory: float = 128e6
    message_share: float = 1.0


FREE_OBJECTS = FreeObjects()
