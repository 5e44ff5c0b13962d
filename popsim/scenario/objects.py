"""Objects with one home each: what a class of them is, what its steps do, and where a platform keeps them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from popsim.scenario.fields import (
    MAX_WAITING,
    DurationMs,
    LawField,
    Names,
    PositiveBytes,
    RatePerS,
    Share,
    SizeBytes,
    SizeLawField,
    Weight,
)
from popsim.scenario.laws import parse_law
from popsim.scenario.parts import ModelSpec, Spec, Where, or_null
from popsim.scenario.prices import Usd
from popsim.scenario.text import quoted

NOTHING = parse_law("0ms")
SPREADS = ("city", "country", "continent", "world")
MAX_PARTICIPANTS = 1_000
# Key and value of an object with SQLite: https://developers.cloudflare.com/durable-objects/platform/limits/, 2026
MAX_STORED_BYTES = 2_000_000
MAX_OBJECTS = 1_000_000_000
MAX_CALLS_DEEP = 4  # calls within calls
MAX_CALLS = 1 << 16  # of a request, with those within calls
MAX_ALARMS = 4  # steps of a handler that set the alarm
# Arguments and result of a call by RPC: https://developers.cloudflare.com/workers/runtime-apis/rpc/, 2026
MAX_PAYLOAD_BYTES = 32 * 2**20

Spread = Literal["city", "country", "continent", "world"]


def _spread(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value if isinstance(value, dict) else []
    for name in names:
        if name not in SPREADS:
            raise ValueError(f"expected some of {', '.join(SPREADS)}, got {quoted(name)}")
    return {value: 1.0} if isinstance(value, str) else value


class ParticipantsSpec(Spec):
    """Who is connected to an object: how many, and how far around the first one they live."""

    count: int = Field(ge=1, le=MAX_PARTICIPANTS)
    """How many are connected to each object, from its first use to the end of the run."""
    spread: Annotated[
        dict[Spread, Weight],
        BeforeValidator(_spread, json_schema_input_type=Spread | dict[Spread, Weight]),
        Field(min_length=1),
    ]
    """How far around the first one the others live: one word, or words by weight, drawn for each object."""


class MessagesSpec(Spec):
    """Messages over the sessions of a class's participants: how often each participant sends which."""

    object_class: str = Field(alias="class")
    """One of ``workload.objects``, with participants."""
    rates: dict[str, RatePerS] = Field(min_length=1)
    """How often each participant sends which message; it runs the class's handler of that name."""


class ObjectCallStep(Spec):
    """Call an object and wait for its answer."""

    object_class: str = Field(alias="class")
    """One of ``workload.objects``; all calls of a request to a class are about the same object."""
    handler: str
    """One of the class's handlers."""
    payload: SizeLawField | None = None
    """Bytes sent with the call, a size or a law of sizes, at most 32 MiB; they are counted and take no time."""
    on_error: Literal["fail", "ignore"] = "fail"
    """If the call fails: ``fail``: the request fails; ``ignore``: it goes on."""


class StorageGetStep(Spec):
    """Read from the object's own storage; ``time`` replaces the platform's."""

    time: LawField | None = None
    """How long the object's thread is held; the platform's ``objects.read`` if left out."""


class StoragePutStep(Spec):
    """Write to the object's own storage: takes no time, but nothing leaves before it is confirmed."""

    size: PositiveBytes = 1_000
    """Bytes of key and value, up to 2 MB."""


class TransactionStep(Spec):
    """Read and write in one go; ``time`` is how long the object's thread is held."""

    time: LawField | None = None
    """How long the object's thread is held; the platform's ``objects.read`` if left out."""
    size: PositiveBytes = 1_000
    """Bytes of key and value, up to 2 MB."""


class AlarmStep(Spec):
    """Let the object's alarm handler run after a while, instead of any alarm set before."""

    after: LawField
    """How long until the handler ``alarm`` runs."""


class BroadcastStep(Spec):
    """Send a message to all other participants."""


class ObjectPrices(Spec):
    """USD per million requests, per million GB-s in memory, per million rows read and written."""

    request: Usd = 0.0
    """USD per million answered calls, alarms and connections made anew."""
    duration: Usd = 0.0
    """USD per million GB-s in memory."""
    read: Usd = 0.0
    """USD per million rows read."""
    write: Usd = 0.0
    """USD per million rows written."""
    memory: SizeBytes = 128_000_000
    """How much memory each object in memory counts as."""
    message_share: Share = 0.05
    """How much of a call a participant's message counts as."""


class HostsSpec(Spec):
    """Which sites of the topology can be homes: those that match all keys that are given."""

    role: str | None = None
    """Sites with this role."""
    sites: Names | None = None
    """Sites with these ids."""

    @model_validator(mode="after")
    def _some_way(self) -> HostsSpec:
        if self.role is None and self.sites is None:
            raise ValueError("expected role, or sites, or both")
        return self


class FollowerSitesSpec(Spec):
    """Which sites of the topology can be followers: those that match all keys that are given."""

    role: str | None = None
    """Only sites with this role; any site, if left out."""
    sites: Names | None = None
    """Only sites with these ids; all, if left out."""
    where: Annotated[Where, or_null(Where)] = Where()
    """Only sites in these places; everywhere, if left out."""
    exclude: Annotated[Where, or_null(Where)] = Where()
    """Leave out sites in these places."""


class ObjectsSpec(Spec):
    """How a platform runs objects; times as laws, see docs/background/model.md."""

    placement: ModelSpec = {"model": "nearest_host"}
    """Where new objects live: a model's name, or a mapping with ``model`` and its parameters."""
    hosts: HostsSpec | None = None
    """Which sites of the topology can be homes; where code runs, if left out."""
    activation: LawField = NOTHING
    """Opening an object that is not in memory."""
    read: LawField = NOTHING
    """Time of ``storage.get`` and ``storage.transaction`` steps that do not say theirs."""
    commit: LawField = NOTHING
    """A follower's own time to confirm a write."""
    followers: int = Field(default=0, ge=0, le=15)
    """How many other sites, the nearest to the home, get each write; 0: the home alone confirms."""
    follower_sites: FollowerSitesSpec = FollowerSitesSpec()
    """Which sites of the topology can be followers, and count for read replicas; any, if left out."""
    quorum: int = Field(default=0, ge=0, le=15)
    """How many followers must confirm a write; 0 without followers."""
    hibernate_after: DurationMs = 10_000.0
    """Idle time after which an object leaves the memory."""
    hibernates: bool = True
    """``false``: no class of objects hibernates, as if all had plain WebSockets."""
    evict_after: LawField = parse_law({"uniform": {"low": "70s", "high": "140s"}})
    """The same, of classes with ``hibernates: false`` and no participants."""
    takeover: LawField = NOTHING
    """Until a new home can answer, from the loss of the old one on."""
    reconnect: LawField = parse_law("1s")
    """How long a participant waits before it connects again; doubled with each failure, up to 64 times."""
    queue_limit: int | None = Field(default=None, ge=0, le=MAX_WAITING)
    """How many calls may wait for an object, the rest fail; any number, if left out."""
    single_threaded: bool = True
    """``false``: calls of an object do not wait for each other, as in a database."""
    prices: ObjectPrices = ObjectPrices()
    """USD per million calls, GB-s, rows read and written; 0 = free."""

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
