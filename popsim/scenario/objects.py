"""Objects with one home each: what a class of them is, what its steps do, and where a platform keeps them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from popsim.scenario.fields import DurationMs, LawField, Names, RatePerS, Share, SizeBytes, Weight
from popsim.scenario.laws import parse_law
from popsim.scenario.parts import ModelSpec, Spec

NOTHING = parse_law("0ms")
SPREADS = ("city", "country", "continent", "world")
MAX_PARTICIPANTS = 1_000
# Key and value of an object with SQLite: https://developers.cloudflare.com/durable-objects/platform/limits/, 2026
MAX_STORED_BYTES = 2_000_000
MAX_OBJECTS = 1_000_000_000
MAX_CALLS_DEEP = 4  # calls within calls
MAX_ALARMS = 4  # steps of a handler that set the alarm

Stored = Annotated[SizeBytes, Field(gt=0)]
Spread = Literal["city", "country", "continent", "world"]


def _spread(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value if isinstance(value, dict) else []
    for name in names:
        if name not in SPREADS:
            raise ValueError(f"expected some of {', '.join(SPREADS)}, got {name!r}")
    return {value: 1.0} if isinstance(value, str) else value


class ParticipantsSpec(Spec):
    """Who is connected to an object: how many, and how far around the first one they live."""

    count: int = Field(ge=1, le=MAX_PARTICIPANTS)
    spread: Annotated[
        dict[Spread, Weight],
        BeforeValidator(_spread, json_schema_input_type=Spread | dict[Spread, Weight]),
        Field(min_length=1),
    ]


class MessagesSpec(Spec):
    """Messages over the sessions of a class's participants: how often each participant sends which."""

    object_class: str = Field(alias="class")
    rates: dict[str, RatePerS] = Field(min_length=1)


class ObjectCallStep(Spec):
    """Call an object and wait for its answer."""

    object_class: str = Field(alias="class")
    handler: str
    on_error: Literal["fail", "ignore"] = "fail"


class StorageGetStep(Spec):
    """Read from the object's own storage; ``time`` replaces the platform's."""

    time: LawField | None = None


class StoragePutStep(Spec):
    """Write to the object's own storage: takes no time, but nothing leaves before it is confirmed."""

    size: Stored = 1_000


class TransactionStep(Spec):
    """Read and write in one go; ``time`` is how long the object's thread is held."""

    time: LawField | None = None
    size: Stored = 1_000


class AlarmStep(Spec):
    """Let the object's alarm handler run after a while, instead of any alarm set before."""

    after: LawField


class BroadcastStep(Spec):
    """Send a message to all other participants."""


class ObjectPrices(Spec):
    """USD per million requests, per million GB-s in memory, per million rows read and written."""

    request: float = Field(default=0.0, ge=0, le=1e6)
    duration: float = Field(default=0.0, ge=0, le=1e6)
    read: float = Field(default=0.0, ge=0, le=1e6)
    write: float = Field(default=0.0, ge=0, le=1e6)
    memory: SizeBytes = 128_000_000
    message_share: Share = 0.05


class HostsSpec(Spec):
    """Which sites of the topology can be homes: those that match all keys that are given."""

    role: str | None = None
    sites: Names | None = None

    @model_validator(mode="after")
    def _some_way(self) -> HostsSpec:
        if self.role is None and self.sites is None:
            raise ValueError("expected role, or sites, or both")
        return self


class ObjectsSpec(Spec):
    """How a platform runs objects; times as laws, see docs/model.md."""

    placement: ModelSpec = {"model": "nearest_host"}
    hosts: HostsSpec | None = None
    activation: LawField = NOTHING
    read: LawField = NOTHING
    commit: LawField = NOTHING
    followers: int = Field(default=0, ge=0, le=15)
    quorum: int = Field(default=0, ge=0, le=15)
    hibernate_after: DurationMs = 10_000.0
    evict_after: LawField = parse_law({"uniform": {"low": "70s", "high": "140s"}})
    takeover: LawField = NOTHING
    reconnect: LawField = parse_law("1s")
    queue_limit: int | None = Field(default=None, ge=0)
    single_threaded: bool = True
    prices: ObjectPrices = ObjectPrices()

    @model_validator(mode="after")
    def _quorum_is_possible(self) -> ObjectsSpec:
        if self.followers == 0 and self.quorum == 0:
            return self
        if self.followers == 0:
            raise ValueError(f"without followers the quorum is 0, got {self.quorum}")
        if not 1 <= self.quorum <= self.followers:
            raise ValueError(
                f"expected a quorum from 1 to the {self.followers} followers, got {self.quorum}"
            )
        return self
