"""The steps of a handler, and walking over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from popsim.scenario.fields import LawField, PositiveMs, Weight
from popsim.scenario.laws import parse_law
from popsim.scenario.objects import (
    AlarmStep,
    BroadcastStep,
    ObjectCallStep,
    StorageGetStep,
    StoragePutStep,
    TransactionStep,
)
from popsim.scenario.parts import FetchReuse, Spec, Where, text_or_mapping

NOTHING = parse_law("0ms")
# Keys in a bulk read of Workers KV: https://developers.cloudflare.com/kv/platform/limits/, 2026
MAX_BULK_KEYS = 100
StepPath = tuple[str | int, ...]


class TtlByPlace(Spec):
    """Expiration times by the client's country, else continent, else ``default``, else never."""

    by_country: dict[str, PositiveMs] = {}
    """Lifetimes by two-letter code of the client's country; they count first."""
    by_continent: dict[str, PositiveMs] = {}
    """Lifetimes by code of the client's continent: AF, AN, AS, EU, NA, OC, SA."""
    default: PositiveMs | None = None
    """Lifetime for all other clients; without it their values never expire."""

    @model_validator(mode="after")
    def _some_place(self) -> TtlByPlace:
        if not self.parts():
            raise ValueError("expected one or more of by_country, by_continent, default")
        return self

    def parts(self) -> list[tuple[tuple[str, ...], float]]:
        """Return every TTL in ms, with its path."""
        found: list[tuple[tuple[str, ...], float]] = [
            (("by_country", name), ttl) for name, ttl in self.by_country.items()
        ]
        found += [(("by_continent", name), ttl) for name, ttl in self.by_continent.items()]
        return found if self.default is None else [*found, (("default",), self.default)]


class FetchStep(Spec):
    """Ask an origin and wait for its answer."""

    origin: str
    """One of ``origins``."""
    round_trips: int = Field(default=1, ge=1, le=1_000)
    """Between compute site and origin."""
    service: LawField = NOTHING
    """The origin's own time."""
    reuse: FetchReuse = "always"
    """The connection to the origin: always open, always new, or how long an idle one stays open."""
    handshakes: int = Field(default=2, ge=0, le=10)
    """Extra round trips of a new connection (TCP and TLS 1.3)."""


class KvGetStep(Spec):
    """Read a key; if it has no value, run ``on_miss``."""

    keys: str
    """One of ``workload.keys``; all steps of a request that name it are about the same key."""
    count: int = Field(default=1, ge=1, le=MAX_BULK_KEYS)
    """Keys of a bulk read; each is drawn alone."""
    cache_ttl: PositiveMs | None = None
    """How old a copy may be that answers this read, and how long it is kept; the model's ``ttl`` if left out."""
    on_miss: tuple[StepSpec, ...] = ()
    """Steps that are done if the key, or one of several, has no value."""
    on_error: Literal["fail", "miss"] = "fail"
    """If no store answers: ``fail``: the request fails; ``miss``: as if the key had no value."""


class KvPutStep(Spec):
    """Write a key; its value expires after ``expiration_ttl``, which may depend on the client's place."""

    keys: str
    """One of ``workload.keys``; all steps of a request that name it are about the same key."""
    expiration_ttl: (
        Annotated[
            Annotated[PositiveMs, Tag("name")] | Annotated[TtlByPlace, Tag("mapping")],
            Discriminator(text_or_mapping),
        ]
        | None
    ) = None
    """How long the value lives: a duration, or by the client's place; for ever, if left out."""
    on_error: Literal["fail", "ignore"] = "fail"
    """If no store takes the write: ``fail``: the request fails; ``ignore``: it goes on."""


class KvStep(Spec):
    """Delete a key, or list keys."""

    keys: str
    """One of ``workload.keys``; all steps of a request that name it are about the same key."""
    on_error: Literal["fail", "ignore"] = "fail"
    """If no store answers, or refuses: ``fail``: the request fails; ``ignore``: it goes on."""


class KvTraceStep(Spec):
    """Do what the trace's line says."""

    keys: str
    """The one key space of ``workload.keys``."""
    on_miss: tuple[StepSpec, ...] = ()
    """Steps that are done if the key has no value."""
    on_error: Literal["fail", "ignore"] = "fail"
    """If no store answers, or refuses: ``fail``: the request fails; ``ignore``: it goes on."""


class BranchSpec(Spec):
    """One way a handler may take: its weight, for whom, and what is done there."""

    weight: Weight
    """The branch's part among those that are open to the client."""
    where: Where = Where()
    """Which clients the branch is open to; everyone, if left out."""
    steps: tuple[StepSpec, ...] = ()
    """What is done in it, in order."""


class StepSpec(Spec):
    """One step of a handler; exactly one key."""

    cpu: LawField | None = None
    """CPU time at one whole CPU; stretched by the platform's CPU share."""
    sleep: LawField | None = None
    """Wait without computing."""
    fetch: FetchStep | None = None
    """Ask an origin and wait for its answer."""
    choose: Annotated[tuple[BranchSpec, ...], Field(min_length=1)] | None = None
    """Take one of these branches, by weight."""
    kv_get: KvGetStep | None = Field(default=None, alias="kv.get")
    """Read a key, or several at once."""
    kv_put: KvPutStep | None = Field(default=None, alias="kv.put")
    """Write a key."""
    kv_delete: KvStep | None = Field(default=None, alias="kv.delete")
    """Delete a key, which is a write."""
    kv_list: KvStep | None = Field(default=None, alias="kv.list")
    """List keys; always asked of a store."""
    kv_trace: KvTraceStep | None = Field(default=None, alias="kv.trace")
    """Do what the request's line of the trace says."""
    object_call: ObjectCallStep | None = Field(default=None, alias="object.call")
    """Call an object and wait for its answer."""
    storage_get: StorageGetStep | None = Field(default=None, alias="storage.get")
    """In an object's handler: read its storage, which holds its thread."""
    storage_put: StoragePutStep | None = Field(default=None, alias="storage.put")
    """In an object's handler: write its storage; nothing leaves before it is confirmed."""
    storage_transaction: TransactionStep | None = Field(default=None, alias="storage.transaction")
    """In an object's handler: read and write its storage in one go."""
    alarm: AlarmStep | None = None
    """In an object's handler: run its handler ``alarm`` later, instead of when an earlier step said."""
    broadcast: BroadcastStep | None = None
    """In an object's handler: send a message to all other participants; ``broadcast: {}``."""

    @model_validator(mode="after")
    def _one_key(self) -> StepSpec:
        known = {name: info.alias or name for name, info in type(self).model_fields.items()}
        if sum(getattr(self, name) is not None for name in known) != 1:
            raise ValueError(f"a step has exactly one of {', '.join(known.values())}")
        return self

    @property
    def kv(self) -> KvGetStep | KvPutStep | KvStep | KvTraceStep | None:
        """The step as one that asks the key-value store; None if it does not."""
        return self.kv_get or self.kv_put or self.kv_delete or self.kv_list or self.kv_trace

    @property
    def of_an_object(self) -> str | None:
        """The step's key if only an object's handler can have it."""
        own = {
            "storage.get": self.storage_get,
            "storage.put": self.storage_put,
            "storage.transaction": self.storage_transaction,
            "alarm": self.alarm,
            "broadcast": self.broadcast,
        }
        return next((key for key, step in own.items() if step is not None), None)

    def inner(self) -> Iterator[tuple[tuple[str | int, ...], StepSpec]]:
        """Yield the steps inside this one, with their paths relative to it."""
        if self.kv_get is not None:
            for number, step in enumerate(self.kv_get.on_miss):
                yield ("kv.get", "on_miss", number), step
        if self.kv_trace is not None:
            for number, step in enumerate(self.kv_trace.on_miss):
                yield ("kv.trace", "on_miss", number), step
        for row, branch in enumerate(self.choose or ()):
            for number, step in enumerate(branch.steps):
                yield ("choose", row, "steps", number), step


for _kind in (KvGetStep, KvTraceStep, BranchSpec):
    _kind.model_rebuild(force=True)  # what StepSpec is, they can tell only now


def nested(path: StepPath, steps: Sequence[StepSpec]) -> Iterator[tuple[StepPath, StepSpec]]:
    """Yield steps and those inside them, with their paths."""
    for number, step in enumerate(steps):
        yield (*path, number), step
        for more, inner in step.inner():
            yield from _inside((*path, number, *more), inner)


def _inside(path: StepPath, step: StepSpec) -> Iterator[tuple[StepPath, StepSpec]]:
    yield path, step
    for more, inner in step.inner():
        yield from _inside((*path, *more), inner)
