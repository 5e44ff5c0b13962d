"""What is asked for: arrivals, functions, connections, keys, and the handler's steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from popsim.scenario.fields import (
    Count,
    DurationMs,
    LawField,
    RatePerS,
    Share,
    SizeBytes,
    SizeLawField,
    Weight,
)
from popsim.scenario.laws import parse_law
from popsim.scenario.objects import (
    MAX_OBJECTS,
    AlarmStep,
    BroadcastStep,
    MessagesSpec,
    ObjectCallStep,
    ParticipantsSpec,
    StorageGetStep,
    StoragePutStep,
    TransactionStep,
)
from popsim.scenario.parts import (
    FetchReuse,
    Spec,
    Version,
    Where,
    text_or_mapping,
    word_or_share,
)
from popsim.scenario.size_laws import parse_size_law

NOTHING = parse_law("0ms")
StepPath = tuple[str | int, ...]

# Limits of Workers KV, which are about those of its kind: keys of 512 B, metadata of 1,024 B, values of 25 MiB,
# 100 keys in a bulk read. https://developers.cloudflare.com/kv/platform/limits/, 2026
MAX_KEY_BYTES, MAX_METADATA_BYTES, MAX_VALUE_BYTES = 512, 1024, 25 * 2**20
MAX_BULK_KEYS = 100
MAX_KEYS = 1_000_000_000
MAX_SPACES = 100  # each has histograms of its own


class ArrivalsSpec(Spec):
    """When requests come: Poisson at a rate, periodic probes, the lines of a key trace, or over open sessions."""

    rate: RatePerS | None = None
    by_local_hour: tuple[float, ...] | str | None = None
    every: DurationMs | None = Field(default=None, gt=0)
    stagger: bool = True
    trace: str | None = None
    messages: MessagesSpec | None = None

    @model_validator(mode="after")
    def _one_process(self) -> ArrivalsSpec:
        ways = (self.rate, self.every, self.trace, self.messages)
        if sum(way is not None for way in ways) != 1:
            raise ValueError(
                "expected one of rate (such as 200/s), every (such as 5min), trace (a CSV file), "
                "messages (of a class of objects)"
            )
        if self.rate is None and self.by_local_hour is not None:
            raise ValueError("by_local_hour needs a rate; probes and traces come when they come")
        return self


class Zipf(Spec):
    """Popularity of rank k proportional to k**-zipf."""

    zipf: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class FunctionsSpec(Spec):
    """How many functions are deployed, and how unequally they are called."""

    count: int = Field(default=1, ge=1, le=1_000_000)
    popularity: Annotated[
        Annotated[Literal["uniform"], Tag("name")] | Annotated[Zipf, Tag("mapping")],
        Discriminator(text_or_mapping),
    ] = "uniform"


class TopShare(Spec):
    """How unequal popularity is: the ``keys`` share of all keys gets the ``reads`` share of all reads."""

    keys: Annotated[Share, Field(gt=0, lt=1)]
    reads: Annotated[Share, Field(gt=0, lt=1)]


class Popularity(Spec):
    """A Zipf law, by its exponent or by how much its most popular keys get."""

    zipf: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    top: TopShare | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Popularity:
        if (self.zipf is None) == (self.top is None):
            raise ValueError("expected either zipf (an exponent) or top (of keys and reads)")
        return self


Ttl = Annotated[DurationMs, Field(gt=0)]


class TtlByPlace(Spec):
    """Expiration times by the client's country, else continent, else ``default``, else never."""

    by_country: dict[str, Ttl] = {}
    by_continent: dict[str, Ttl] = {}
    default: Ttl | None = None

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


class KeySpaceSpec(Spec):
    """Some keys, who reads which of them, and what they hold."""

    count: Annotated[Count, Field(ge=1, le=MAX_KEYS)] = 1
    per: Literal["world", "continent", "country"] = "world"
    popularity: Annotated[
        Annotated[Literal["uniform"], Tag("name")] | Annotated[Popularity, Tag("mapping")],
        Discriminator(text_or_mapping),
    ] = "uniform"
    locality: Share = 0.0
    filled: Share = 1.0
    value_size: SizeLawField = parse_size_law("288B")
    metadata_size: Annotated[SizeBytes, Field(le=MAX_METADATA_BYTES)] = 0
    key_size: Annotated[SizeBytes, Field(le=MAX_KEY_BYTES)] = 32


class Resolver(Spec):
    """A resolver cache: entries live ``ttl``; a hit and a miss cost what their laws say."""

    ttl: DurationMs = Field(gt=0)
    hit: LawField = NOTHING
    miss: LawField


class ConnectionSpec(Spec):
    """What a request needs before it can be sent."""

    reuse: Annotated[Any, word_or_share("never", "always")] = "never"
    protocol: Literal["h1", "h2", "h3"] = "h2"
    tls: Version = "1.3"
    resumption: Share = 0.0
    zero_rtt: bool = False
    dns: Annotated[
        Annotated[Literal["cached"], Tag("name")] | Annotated[Resolver, Tag("mapping")],
        Discriminator(text_or_mapping),
    ] = "cached"
    loss: Annotated[Share, Field(lt=1.0)] = 0.0

    @model_validator(mode="after")
    def _protocols_fit(self) -> ConnectionSpec:
        if self.protocol == "h3" and self.tls != "1.3":
            raise ValueError(
                f"h3 runs over QUIC, which has TLS 1.3 built in, not tls: {self.tls!r}"
            )
        if self.zero_rtt and self.tls != "1.3":
            raise ValueError(f"zero_rtt needs tls: '1.3', not {self.tls!r}")
        return self


class FetchStep(Spec):
    """Ask an origin and wait for its answer."""

    origin: str
    round_trips: int = Field(default=1, ge=1, le=1_000)
    service: LawField = NOTHING
    reuse: FetchReuse = "always"
    handshakes: int = Field(default=2, ge=0, le=10)


class KvGetStep(Spec):
    """Read a key; if it has no value, run ``on_miss``."""

    keys: str
    count: int = Field(default=1, ge=1, le=MAX_BULK_KEYS)
    cache_ttl: Ttl | None = None
    on_miss: tuple[StepSpec, ...] = ()
    on_error: Literal["fail", "miss"] = "fail"


class KvPutStep(Spec):
    """Write a key; its value expires after ``expiration_ttl``, which may depend on the client's place."""

    keys: str
    expiration_ttl: (
        Annotated[
            Annotated[Ttl, Tag("name")] | Annotated[TtlByPlace, Tag("mapping")],
            Discriminator(text_or_mapping),
        ]
        | None
    ) = None
    on_error: Literal["fail", "ignore"] = "fail"


class KvStep(Spec):
    """Delete a key, or list keys."""

    keys: str
    on_error: Literal["fail", "ignore"] = "fail"


class KvTraceStep(Spec):
    """Do what the trace's line says."""

    keys: str
    on_miss: tuple[StepSpec, ...] = ()
    on_error: Literal["fail", "ignore"] = "fail"


class BranchSpec(Spec):
    """One way a handler may take: its weight, for whom, and what is done there."""

    weight: Weight
    where: Where = Where()
    steps: tuple[StepSpec, ...] = ()


class ObjectClassSpec(Spec):
    """Objects of one kind: how many, who calls which, who is connected to them, and what they do."""

    count: Annotated[Count, Field(ge=1, le=MAX_OBJECTS)] = 1
    per: Literal["world", "continent", "country"] = "world"
    popularity: Annotated[
        Annotated[Literal["uniform"], Tag("name")] | Annotated[Popularity, Tag("mapping")],
        Discriminator(text_or_mapping),
    ] = "uniform"
    locality: Share = 0.0
    participants: ParticipantsSpec | None = None
    hibernates: bool = True
    handlers: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], tuple[StepSpec, ...]] = Field(
        min_length=1
    )

    def as_keys(self) -> KeySpaceSpec:
        """Return the objects as a key space, whose keys name them."""
        return KeySpaceSpec(
            count=self.count, per=self.per, popularity=self.popularity, locality=self.locality
        )


class StepSpec(Spec):
    """One step of a handler; exactly one key."""

    cpu: LawField | None = None
    sleep: LawField | None = None
    fetch: FetchStep | None = None
    choose: Annotated[tuple[BranchSpec, ...], Field(min_length=1)] | None = None
    kv_get: KvGetStep | None = Field(default=None, alias="kv.get")
    kv_put: KvPutStep | None = Field(default=None, alias="kv.put")
    kv_delete: KvStep | None = Field(default=None, alias="kv.delete")
    kv_list: KvStep | None = Field(default=None, alias="kv.list")
    kv_trace: KvTraceStep | None = Field(default=None, alias="kv.trace")
    object_call: ObjectCallStep | None = Field(default=None, alias="object.call")
    storage_get: StorageGetStep | None = Field(default=None, alias="storage.get")
    storage_put: StoragePutStep | None = Field(default=None, alias="storage.put")
    storage_transaction: TransactionStep | None = Field(default=None, alias="storage.transaction")
    alarm: AlarmStep | None = None
    broadcast: BroadcastStep | None = None

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


for _kind in (KvGetStep, KvTraceStep, BranchSpec, ObjectClassSpec):
    _kind.model_rebuild(force=True)  # what StepSpec is, they can tell only now


class WorkloadSpec(Spec):
    """What is asked for, how often, over what connections."""

    arrivals: ArrivalsSpec
    functions: FunctionsSpec = FunctionsSpec()
    connection: ConnectionSpec = ConnectionSpec()
    keys: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], KeySpaceSpec] = {}
    objects: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], ObjectClassSpec] = {}
    handler: tuple[StepSpec, ...] = ()
    response_size: SizeBytes = 2_000

    def steps(self) -> Iterator[tuple[StepPath, StepSpec]]:
        """Yield every step of the handler and of objects' handlers, nested ones too, with its path."""
        yield from nested(("handler",), self.handler)
        for name, kind in self.objects.items():
            for handler, steps in kind.handlers.items():
                yield from nested(("objects", name, "handlers", handler), steps)

    @property
    def uses_kv(self) -> bool:
        """Whether a handler's step asks the key-value store."""
        return any(step.kv is not None for _, step in self.steps())

    @property
    def uses_objects(self) -> bool:
        """Whether a handler calls an object, or messages go to one."""
        calls = any(step.object_call is not None for _, step in nested((), self.handler))
        return calls or self.arrivals.messages is not None


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
