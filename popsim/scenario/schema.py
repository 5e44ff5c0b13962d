"""The scenario: what YAML may say, with defaults, checked by pydantic. docs/reference/scenario.md explains each key."""

from __future__ import annotations

import hashlib
import json
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from popsim.scenario.claims import ClaimSpec
from popsim.scenario.fields import (
    DurationMs,
    LawField,
    Names,
    PositiveBytes,
    PositiveMs,
    Share,
    Weight,
)
from popsim.scenario.laws import parse_law
from popsim.scenario.limits import LimitsSpec
from popsim.scenario.objects import ObjectsSpec
from popsim.scenario.own_files import own_files
from popsim.scenario.parts import (
    IdleTimeout,
    Jitter,
    ModelSpec,
    OriginSpec,
    Spec,
    Where,
    or_null,
    text_or_mapping,
)
from popsim.scenario.prices import FunctionPrices
from popsim.scenario.selections import MOST_SELECTIONS, Selection
from popsim.scenario.text import quoted
from popsim.scenario.workload import WorkloadSpec

NOTHING = parse_law("0ms")
MOST_SURGES = 500  # whatever begins or ends multiplies the factors of all that hold at its time
NOT_CONTENT = ("name", "description", "claims", "replications", "precision", "max_replications")
# A bill is computed from what the runs keep; limits refuse a scenario, and change nothing in one that they let pass.
NOT_CONTENT_OF_PLATFORMS = ("description", "prices", "limits")


class AccessMix(Spec):
    """Access networks by weight, and which share of users sits behind Wi-Fi."""

    mix: dict[str, Weight] = Field(min_length=1)
    """Weights of access networks by name; a request draws its network by weight."""
    wifi: Share = 0.0
    """Share of requests on fixed lines that pass Wi-Fi (+6 ms)."""

    @field_validator("mix", mode="before")
    @classmethod
    def _weights(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(
                f"expected weights such as {{fibre: 40%, cable: 60%}}, got {quoted(value)}"
            )
        return value


Access = Annotated[
    Annotated[str, Tag("name")] | Annotated[AccessMix, Tag("mapping")],
    Discriminator(text_or_mapping),
]


class ClientsSpec(Spec):
    """Who asks, from where, over what access network."""

    topology: str = "world-users"
    """A bundled list of clients, or a CSV file."""
    where: Where = Where()
    """Keep only these clients; everyone, if left out. Weights are scaled to sum to 1 again."""
    network: Access = "home"
    """The access network of each request: the name of a network or mix, or weights."""


class Removed(Spec):
    """Links and sites taken out of the latency graph."""

    links: tuple[tuple[str, str], ...] = ()
    """Pairs of ids, links of ``topologies/graph/links.csv``."""
    sites: tuple[str, ...] = ()
    """Nodes of the latency graph; the PoP there still serves, by longer ways."""


class NetworkSpec(Spec):
    """The Internet between clients and sites."""

    residual: bool | Literal["fixed", "redrawn"] = True
    """Lasting detours of pairs of places, redrawn in each replication; ``fixed``: one draw for all; false: none."""
    jitter: Jitter = "measured"
    """Added to the round trip of each request between client and ingress."""
    convergence: LawField = parse_law("30s")
    """How long routing takes to notice a site's failure and its return, one draw each."""
    remove: Removed = Removed()
    """What is taken out of the latency graph."""

    @field_validator("residual", mode="after")
    @classmethod
    def _redrawn_is_true(cls, value: bool | str) -> bool | str:
        return True if value == "redrawn" else value


class IngressSpec(Spec):
    """Which sites accept clients, and how clients find them."""

    role: str | None = None
    """Only sites with this role accept clients; any site, if left out."""
    sites: Names | None = None
    """Only sites with these ids accept clients; all, if left out."""
    where: Annotated[Where, or_null(Where)] = Where()
    """Only sites in these places accept clients; everywhere, if left out."""
    exclude: Annotated[Where, or_null(Where)] = Where()
    """Sites in these places accept no clients."""
    routing: ModelSpec = {"model": "anycast"}
    """How clients find a site: a model's name, or a mapping with ``model`` and its parameters."""


class ComputeSpec(Spec):
    """Where handlers run."""

    at: Literal["ingress", "nearest"] = "ingress"
    """Code runs at the ingress, or at the site nearest to it by round-trip time."""
    role: str | None = None
    """With ``at: nearest``: only sites with this role compute; any site, if left out."""
    sites: Names | None = None
    """With ``at: nearest``: only sites with these ids compute; all, if left out."""
    backbone: Literal["public", "backbone"] = "backbone"
    """Latency model of all ways but those of clients: between sites, to origins and stores."""


class TerminationSpec(Spec):
    """Where TCP and TLS end, and the server's time for a TLS handshake."""

    tcp: Literal["ingress", "compute"] = "ingress"
    """How far the TCP handshake travels."""
    tls: Literal["ingress", "compute"] = "ingress"
    """How far the TLS handshake travels."""
    time: LawField = NOTHING
    """The server's time in a TLS handshake."""


class UpstreamSpec(Spec):
    """Connections from ingress to compute: what a new one costs, how long an idle one stays open."""

    round_trips: int = Field(default=0, ge=0, le=10)
    """Extra round trips from ingress to compute when no pooled connection is open."""
    idle_timeout: IdleTimeout = "always-pooled"
    """How long an idle connection from ingress to compute stays open."""


class CpuSpec(Spec):
    """Memory that buys one whole CPU; None = always a whole one."""

    full_at: PositiveBytes | None = None
    """Memory that buys one CPU; with less, CPU steps take longer. Always a whole one, if left out."""


class PlatformSpec(Spec):
    """A platform: the keys of its preset, if it has one, and its own laid over them.

    ``preset`` itself never gets here: loading.py replaces it by the preset's keys.
    """

    preset: None = None
    """Start from the platform of this name that comes with popsim; own keys are laid over it."""
    description: str = ""
    """For readers."""
    topology: str
    """The sites: a bundled list, or a CSV file."""
    regions: Names | None = None
    """Ids of sites where code runs, instead of ``compute.sites``; at the ingress, only these accept clients."""
    ingress: IngressSpec = IngressSpec()
    """Which sites accept clients, and how clients find them."""
    compute: ComputeSpec = ComputeSpec()
    """Where code runs."""
    termination: TerminationSpec = TerminationSpec()
    """Where TCP and TLS end."""
    upstream: UpstreamSpec = UpstreamSpec()
    """Connections from ingress to compute."""
    front_door: LawField = NOTHING
    """Gateway, load balancer, proxy: at the ingress, once per request."""
    runtime: ModelSpec
    """How instances start, stay and end: a model's name, or a mapping with ``model`` and its parameters."""
    kv: ModelSpec | None = None
    """The key-value store: a model's name, or a mapping with ``model`` and its parameters; none, if left out."""
    objects: ObjectsSpec | None = None
    """Where objects live, and how; none, if left out."""
    memory: PositiveBytes = 128_000_000
    """Of a function: what an instance holds (not isolates), and its CPU share."""
    cpu: CpuSpec = CpuSpec()
    """How much memory buys how much CPU."""
    limits: Annotated[LimitsSpec, or_null(LimitsSpec)] = LimitsSpec()
    """What the vendor refuses: more is an error."""
    prices: FunctionPrices | None = None
    """Prices of the functions; without them the cost is unknown."""


class FailSpec(Spec):
    """What fails: sites by id, the busiest of a platform, or central stores by name."""

    sites: Names | None = None
    """Sites that fail, by id; on platforms that have them."""
    busiest: int | None = Field(default=None, ge=1)
    """Instead of ``sites``: this many, those with the largest expected share of incoming requests."""
    stores: Names | None = None
    """Central stores that fail, by name, in place of ``sites``; caches go on."""
    platforms: Names | None = None
    """On which platforms; all, if left out."""

    @model_validator(mode="after")
    def _one_kind(self) -> FailSpec:
        if sum(kind is not None for kind in (self.sites, self.busiest, self.stores)) != 1:
            raise ValueError("expected one of sites, busiest, stores")
        return self


class SurgeSpec(Spec):
    """Multiply the arrival rate of some clients."""

    factor: float = Field(gt=0, le=1_000, allow_inf_nan=False)
    """Multiplies the arrival rate; surges at the same time multiply."""
    where: Where = Where()
    """Whose rate; everyone's, if left out."""


class WriteSpec(Spec):
    """Write a key, as an operator's tool does: at the first store, beside all requests."""

    keys: str
    """One of ``workload.keys``, whose keys are of the world."""
    rank: int = Field(default=1, ge=1)
    """Which key, 1 = the most popular; of a trace, the first named."""
    every: PositiveMs | None = None
    """Again and again until the end; once, if left out."""
    delete: bool = False
    """Delete it instead."""


class RestartSpec(Spec):
    """Restart every object of a class, as a deployment does."""

    object_class: str = Field(alias="class")
    """One of ``workload.objects``: all of them restart where they are, as when code is deployed."""


class EventSpec(Spec):
    """Something happens at a time, and ends after ``for`` if that is given."""

    at: DurationMs
    """When it begins, since the start of the run."""
    fail: FailSpec | None = None
    """Sites or central stores fail."""
    surge: SurgeSpec | None = None
    """Some clients send more."""
    write: WriteSpec | None = None
    """A key is written, by an operator's tool."""
    restart: RestartSpec | None = None
    """All objects of a class restart."""
    lasting: DurationMs | None = Field(default=None, alias="for")
    """For how long; to the end of the run, if left out. Not with ``write`` and ``restart``."""

    @model_validator(mode="after")
    def _one_event(self) -> EventSpec:
        kinds = (self.fail, self.surge, self.write, self.restart)
        if sum(what is not None for what in kinds) != 1:
            raise ValueError("an event has exactly one of fail, surge, write, restart")
        return self


class Scenario(Spec):
    """One experiment: clients, workload, platforms, events, claims."""

    name: str = Field(min_length=1)
    """Title of tables and figures."""
    description: str = ""
    """For readers."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    """Where all randomness comes from; same seed, same result."""
    start: str = Field(default="00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Time of day when the run begins, UTC; matters with ``by_local_hour``."""
    duration: PositiveMs
    """How long requests keep coming; those in flight at the end are finished."""
    warmup: DurationMs = 0.0
    """Requests that begin before it do not count; shorter than ``duration``."""
    replications: int = Field(default=10, ge=1, le=10_000)
    """Independent repetitions; intervals come from their spread."""
    precision: Share | None = None
    """Go on until the intervals of p50 and p95 of all platforms are within ± this share."""
    max_replications: int = Field(default=100, ge=1, le=10_000)
    """Where ``precision`` stops trying."""
    engine: Literal["compiled", "simpy"] = "compiled"
    """Both give the same result; ``simpy`` takes about 150 times as long."""
    network: NetworkSpec = NetworkSpec()
    """The Internet between clients and sites."""
    clients: ClientsSpec = ClientsSpec()
    """Who asks, from where, over what access network."""
    workload: WorkloadSpec
    """What is asked for, how often, over what connections."""
    origins: dict[str, OriginSpec] = {}
    """Places by name that handlers fetch from."""
    platforms: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], PlatformSpec] = Field(
        min_length=1
    )
    """Platforms by name; all get the same requests from the same users at the same times."""
    events: tuple[EventSpec, ...] = ()
    """What happens meanwhile: failures, surges, writes, restarts."""
    selections: (
        Annotated[tuple[Selection, ...], Field(min_length=1, max_length=MOST_SELECTIONS)] | None
    ) = None
    """Of which requests results are kept apart, for ``result.select``; what claims select is kept anyway."""
    claims: tuple[ClaimSpec, ...] = ()
    """What is claimed about the results, and what that means."""

    @field_validator("events", mode="after")
    @classmethod
    def _few_surges(cls, events: tuple[EventSpec, ...]) -> tuple[EventSpec, ...]:
        if (count := sum(event.surge is not None for event in events)) > MOST_SURGES:
            raise ValueError(f"expected at most {MOST_SURGES} surges, got {count:,}")
        return events

    @property
    def start_hour(self) -> float:
        """UTC hour of day at time 0."""
        hours, minutes = self.start.split(":")
        return int(hours) + int(minutes) / 60

    @property
    def id(self) -> str:
        """12 hex digits that name what this scenario runs: not its name, prose, claims, length or prices of functions."""
        content = self.content()
        if files := own_files(content):
            content["files"] = files
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def content(self) -> dict[str, Any]:
        """Return the part of the resolved form that determines the runs, whatever their number."""
        content = self.resolved()
        for key in NOT_CONTENT:
            content.pop(key, None)
        for platform in content["platforms"].values():
            for key in NOT_CONTENT_OF_PLATFORMS:
                platform.pop(key, None)
        return content

    def resolved(self) -> dict[str, Any]:
        """Return the scenario as plain data with every default filled in; it loads back to itself."""
        plain: dict[str, Any] = _without_nones(self.model_dump(mode="json", by_alias=True))
        return plain

    def changed(self, **updates: Any) -> Scenario:
        """Return a copy with some keys changed, mappings merged deeply, checked again.

        >>> scenario.changed(replications=3, platforms={"lambda": {"memory": "1GB"}})  # doctest: +SKIP
        """
        from popsim.scenario.loading import read_scenario
        from popsim.scenario.merge import merged

        return read_scenario(merged(self.resolved(), updates))[0]

    def __repr__(self) -> str:
        """Name the scenario in one line."""
        platforms = ", ".join(self.platforms)
        return f"Scenario({self.name!r}, id={self.id}, platforms=[{platforms}], claims={len(self.claims)})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        # Upwards by name, so that this layer need not know about notebooks.
        text: str = import_module("popsim.report.notebook.scenario").scenario_html(self)
        return text


def _without_nones(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nones(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nones(item) for item in value]
    return value
