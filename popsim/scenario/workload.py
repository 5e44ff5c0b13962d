"""What is asked for: arrivals, functions, connections, keys, objects, and the handler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from popsim.scenario.fields import (
    LawField,
    PositiveMs,
    RatePerS,
    Share,
    SizeBytes,
    SizeLawField,
)
from popsim.scenario.laws import parse_law
from popsim.scenario.objects import (
    MAX_OBJECTS,
    MessagesSpec,
    ParticipantsSpec,
)
from popsim.scenario.parts import (
    Spec,
    Version,
    text_or_mapping,
    word_or_share,
)
from popsim.scenario.size_laws import parse_size_law
from popsim.scenario.steps import StepPath, StepSpec, nested
from popsim.scenario.text import quoted

NOTHING = parse_law("0ms")

# Limits of Workers KV, which are about those of its kind: keys of 512 B, metadata of 1,024 B, values of 25 MiB.
# https://developers.cloudflare.com/kv/platform/limits/, 2026
MAX_KEY_BYTES, MAX_METADATA_BYTES, MAX_VALUE_BYTES = 512, 1024, 25 * 2**20
MAX_KEYS = 1_000_000_000
MAX_SPACES = 100  # each has histograms of its own


class ArrivalsSpec(Spec):
    """When requests come: Poisson at a rate, periodic probes, the lines of a key trace, or over open sessions."""

    rate: RatePerS | None = None
    """Mean of all clients together, a Poisson process."""
    by_local_hour: tuple[float, ...] | str | None = None
    """How busy each hour of the client's day is: a profile, or 24 numbers of any scale; with ``rate``."""
    every: PositiveMs | None = None
    """Every client sends one request per period, as probes do."""
    stagger: bool = True
    """With ``every``: spread the probes over the period; ``false``: all at once."""
    trace: str | None = None
    """A CSV file of which every line is a request; its path counts from the scenario's folder."""
    messages: MessagesSpec | None = None
    """Messages of the participants of a class of objects are the requests."""

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
    """Rank k is called in proportion to k^-s: the exponent s."""


class FunctionsSpec(Spec):
    """How many functions are deployed, and how unequally they are called."""

    count: int = Field(default=1, ge=1, le=1_000_000)
    """Deployed functions; each has instances of its own."""
    popularity: Annotated[
        Annotated[Literal["uniform"], Tag("name")] | Annotated[Zipf, Tag("mapping")],
        Discriminator(text_or_mapping),
    ] = "uniform"
    """How unequally they are called: ``uniform``, or a Zipf law."""


class TopShare(Spec):
    """How unequal popularity is: the ``keys`` share of all keys gets the ``reads`` share of all reads."""

    keys: Annotated[Share, Field(gt=0, lt=1)]
    """Share of all keys, the most popular ones."""
    reads: Annotated[Share, Field(gt=0, lt=1)]
    """Share of all reads that they get."""


class Popularity(Spec):
    """A Zipf law, by its exponent or by how much its most popular keys get."""

    zipf: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    """Rank k is read in proportion to k^-s: the exponent s."""
    top: TopShare | None = None
    """The Zipf law by which the most popular ``keys`` get this share of the ``reads``."""

    @model_validator(mode="after")
    def _one_form(self) -> Popularity:
        if (self.zipf is None) == (self.top is None):
            raise ValueError("expected either zipf (an exponent) or top (of keys and reads)")
        return self


class KeySpaceSpec(Spec):
    """Some keys, who reads which of them, and what they hold."""

    count: Annotated[int, Field(ge=1, le=MAX_KEYS)] = 1
    """How many keys; of each country or continent with ``per``."""
    per: Literal["world", "continent", "country"] = "world"
    """Who has keys of its own: the world, each continent, each country."""
    popularity: Annotated[
        Annotated[Literal["uniform"], Tag("name")] | Annotated[Popularity, Tag("mapping")],
        Discriminator(text_or_mapping),
    ] = "uniform"
    """How unequally they are read: ``uniform``, or a Zipf law by exponent or by its most popular keys."""
    locality: Share = 0.0
    """Share of reads that go by an order of popularity of the client's country."""
    filled: Share = 1.0
    """Share of keys that have a value when the run begins."""
    value_size: SizeLawField = parse_size_law("288B")
    """Bytes of values; at most 25 MiB, but for one in 10,000, which then counts as 25 MiB."""
    metadata_size: Annotated[SizeBytes, Field(le=MAX_METADATA_BYTES)] = 0
    """Stored and sent with the value; at most 1,024 B."""
    key_size: Annotated[SizeBytes, Field(le=MAX_KEY_BYTES)] = 32
    """Stored and sent with the value; at most 512 B."""


class Resolver(Spec):
    """A resolver cache: entries live ``ttl``; a hit and a miss cost what their laws say."""

    ttl: PositiveMs
    """How long an answer stays in the cache; there is one cache per client row."""
    hit: LawField = NOTHING
    """Time of a query that the cache answers."""
    miss: LawField
    """Time of a query that it does not answer."""


class ConnectionSpec(Spec):
    """What a request needs before it can be sent."""

    reuse: Annotated[Any, word_or_share("never", "always")] = "never"
    """Share of requests that find an open connection: no DNS, TCP, TLS, slow start."""
    protocol: Literal["h1", "h2", "h3"] = "h2"
    """``h3`` (QUIC) has no TCP round trip and needs TLS 1.3; ``h1`` and ``h2`` are the same here."""
    tls: Version = "1.3"
    """1.3: one round trip; 1.2: two, one if resumed; ``none``: none."""
    resumption: Share = 0.0
    """Share of new connections that resume an earlier session."""
    zero_rtt: bool = False
    """A resumed TLS 1.3 handshake takes no round trip and no server time."""
    dns: Annotated[
        Annotated[Literal["cached"], Tag("name")] | Annotated[Resolver, Tag("mapping")],
        Discriminator(text_or_mapping),
    ] = "cached"
    """``cached`` costs nothing; else a resolver with a cache."""
    loss: Annotated[Share, Field(lt=1.0)] = 0.0
    """Share of handshake packets that are lost: a time-out of 1 s, or 200 ms for TLS over TCP, doubling each time."""

    @model_validator(mode="after")
    def _protocols_fit(self) -> ConnectionSpec:
        if self.protocol == "h3" and self.tls != "1.3":
            raise ValueError(
                f"h3 runs over QUIC, which has TLS 1.3 built in, not tls: {quoted(self.tls)}"
            )
        if self.zero_rtt and self.tls != "1.3":
            raise ValueError(f"zero_rtt needs tls: '1.3', not {quoted(self.tls)}")
        return self


class ObjectClassSpec(Spec):
    """Objects of one kind: how many, who calls which, who is connected to them, and what they do."""

    count: Annotated[int, Field(ge=1, le=MAX_OBJECTS)] = 1
    """How many objects; of each country or continent with ``per``."""
    per: Literal["world", "continent", "country"] = "world"
    """Who has objects of its own: the world, each continent, each country."""
    popularity: Annotated[
        Annotated[Literal["uniform"], Tag("name")] | Annotated[Popularity, Tag("mapping")],
        Discriminator(text_or_mapping),
    ] = "uniform"
    """How unequally they are called: ``uniform``, or a Zipf law by exponent or by its most popular ones."""
    locality: Share = 0.0
    """Share of calls that go by an order of popularity of the client's country."""
    participants: ParticipantsSpec | None = None
    """Who is connected to each object; without it, no one."""
    hibernates: bool = True
    """An idle object leaves the memory after ``hibernate_after``; ``false``: after ``evict_after``, or, with participants, never."""
    handlers: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], tuple[StepSpec, ...]] = Field(
        min_length=1
    )
    """Names of methods, and the steps of each; ``alarm`` and ``connect`` are special."""

    def as_keys(self) -> KeySpaceSpec:
        """Return the objects as a key space, whose keys name them."""
        return KeySpaceSpec(
            count=self.count, per=self.per, popularity=self.popularity, locality=self.locality
        )


class WorkloadSpec(Spec):
    """What is asked for, how often, over what connections."""

    arrivals: ArrivalsSpec
    """When requests come: exactly one of ``rate``, ``every``, ``trace``, ``messages``."""
    functions: FunctionsSpec = FunctionsSpec()
    """How many functions are deployed, and how unequally they are called."""
    connection: ConnectionSpec = ConnectionSpec()
    """What happens before a request can be sent."""
    keys: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], KeySpaceSpec] = {}
    """Key spaces by name: what is in the platforms' key-value stores."""
    objects: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], ObjectClassSpec] = {}
    """Classes by name of objects that live in one place each, with state of their own."""
    handler: tuple[StepSpec, ...] = ()
    """What the function does: steps, in order."""
    response_size: SizeBytes = 2_000
    """Above 14,600 B a new connection needs extra round trips (slow start)."""

    def steps(self) -> Iterator[tuple[StepPath, StepSpec]]:
        """Yield every step of the handler and of objects' handlers, nested ones too, with its path."""
        yield from nested(("handler",), self.handler)
        for name, kind in self.objects.items():
            for handler, steps in kind.handlers.items():
                yield from nested(("objects", name, "handlers", handler), steps)

    @property
    def messages(self) -> tuple[str, ...]:
        """The kinds of messages that participants of objects send."""
        sent = self.arrivals.messages
        return () if sent is None else tuple(sent.rates)

    @property
    def uses_kv(self) -> bool:
        """Whether a handler's step asks the key-value store."""
        return any(step.kv is not None for _, step in self.steps())

    @property
    def uses_objects(self) -> bool:
        """Whether a handler calls an object, or messages go to one."""
        calls = any(step.object_call is not None for _, step in nested((), self.handler))
        return calls or self.arrivals.messages is not None
