"""The scenario: what YAML may say, with defaults, checked by pydantic. docs/scenario.md explains each key."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from popsim.scenario.claims import ClaimSpec
from popsim.scenario.fields import DurationMs, LawField, Names, Share, SizeBytes, Weight
from popsim.scenario.files import content_hash
from popsim.scenario.laws import parse_law
from popsim.scenario.objects import ObjectsSpec
from popsim.scenario.parts import (
    IdleTimeout,
    Jitter,
    ModelSpec,
    OriginSpec,
    Spec,
    Where,
    text_or_mapping,
)
from popsim.scenario.workload import WorkloadSpec

NOTHING = parse_law("0ms")
NOT_CONTENT = ("name", "description", "claims", "replications", "precision", "max_replications")


class AccessMix(Spec):
    """Access networks by weight, and which share of users sits behind Wi-Fi."""

    mix: dict[str, Weight] = Field(min_length=1)
    wifi: Share = 0.0

    @field_validator("mix", mode="before")
    @classmethod
    def _weights(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"expected weights such as {{fibre: 40%, cable: 60%}}, got {value!r}")
        return value


Access = Annotated[
    Annotated[str, Tag("name")] | Annotated[AccessMix, Tag("mapping")],
    Discriminator(text_or_mapping),
]


class ClientsSpec(Spec):
    """Who asks, from where, over what access network."""

    topology: str = "world-users"
    where: Where = Where()
    network: Access = "home"


class Removed(Spec):
    """Links and sites taken out of the latency graph."""

    links: tuple[tuple[str, str], ...] = ()
    sites: tuple[str, ...] = ()


class NetworkSpec(Spec):
    """The Internet between clients and sites."""

    residual: bool | Literal["redrawn"] = True
    jitter: Jitter = "measured"
    convergence: LawField = parse_law("30s")
    remove: Removed = Removed()


class IngressSpec(Spec):
    """Which sites accept clients, and how clients find them."""

    role: str | None = None
    sites: Names | None = None
    where: Where = Where()
    exclude: Where = Where()
    routing: ModelSpec = {"model": "anycast"}


class ComputeSpec(Spec):
    """Where handlers run."""

    at: Literal["ingress", "nearest"] = "ingress"
    role: str | None = None
    sites: Names | None = None
    backbone: Literal["public", "backbone"] = "backbone"


class TerminationSpec(Spec):
    """Where TCP and TLS end, and the server's time for a TLS handshake."""

    tcp: Literal["ingress", "compute"] = "ingress"
    tls: Literal["ingress", "compute"] = "ingress"
    time: LawField = NOTHING


class UpstreamSpec(Spec):
    """Connections from ingress to compute: what a new one costs, how long an idle one stays open."""

    round_trips: int = Field(default=0, ge=0, le=10)
    idle_timeout: IdleTimeout = "always-pooled"


class CpuSpec(Spec):
    """Memory that buys one whole CPU; None = always a whole one."""

    full_at: Annotated[SizeBytes, Field(gt=0)] | None = None


class PlatformSpec(Spec):
    """A platform, after its preset was merged in.

    ``preset`` itself never gets here: loading.py replaces it by the preset's keys.
    """

    preset: None = None
    description: str = ""
    topology: str
    regions: Names | None = None
    ingress: IngressSpec = IngressSpec()
    compute: ComputeSpec = ComputeSpec()
    termination: TerminationSpec = TerminationSpec()
    upstream: UpstreamSpec = UpstreamSpec()
    front_door: LawField = NOTHING
    runtime: ModelSpec
    kv: ModelSpec | None = None
    objects: ObjectsSpec | None = None
    memory: SizeBytes = Field(default=128_000_000, gt=0)
    cpu: CpuSpec = CpuSpec()


class FailSpec(Spec):
    """What fails: sites by id, the busiest of a platform, or central stores by name."""

    sites: Names | None = None
    busiest: int | None = Field(default=None, ge=1)
    stores: Names | None = None
    platforms: Names | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> FailSpec:
        if sum(kind is not None for kind in (self.sites, self.busiest, self.stores)) != 1:
            raise ValueError("expected one of sites, busiest, stores")
        return self


class SurgeSpec(Spec):
    """Multiply the arrival rate of some clients."""

    factor: float = Field(gt=0, le=1_000, allow_inf_nan=False)
    where: Where = Where()


class WriteSpec(Spec):
    """Write a key, as an operator's tool does: at the first store, beside all requests."""

    keys: str
    rank: int = Field(default=1, ge=1)
    every: DurationMs | None = Field(default=None, gt=0)
    delete: bool = False


class RestartSpec(Spec):
    """Restart every object of a class, as a deployment does."""

    object_class: str = Field(alias="class")


class EventSpec(Spec):
    """Something happens at a time, and ends after ``for`` if that is given."""

    at: DurationMs
    fail: FailSpec | None = None
    surge: SurgeSpec | None = None
    write: WriteSpec | None = None
    restart: RestartSpec | None = None
    lasting: DurationMs | None = Field(default=None, alias="for")

    @model_validator(mode="after")
    def _one_event(self) -> EventSpec:
        kinds = (self.fail, self.surge, self.write, self.restart)
        if sum(what is not None for what in kinds) != 1:
            raise ValueError("an event has exactly one of fail, surge, write, restart")
        return self


class Scenario(Spec):
    """One experiment: clients, workload, platforms, events, claims."""

    name: str = Field(min_length=1)
    description: str = ""
    seed: int = Field(default=1, ge=0, lt=2**63)
    start: str = Field(default="00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    duration: DurationMs = Field(gt=0)
    warmup: DurationMs = 0.0
    replications: int = Field(default=10, ge=1, le=10_000)
    precision: Share | None = None
    max_replications: int = Field(default=100, ge=1, le=10_000)
    engine: Literal["compiled", "simpy"] = "compiled"
    network: NetworkSpec = NetworkSpec()
    clients: ClientsSpec = ClientsSpec()
    workload: WorkloadSpec
    origins: dict[str, OriginSpec] = {}
    platforms: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], PlatformSpec] = Field(
        min_length=1
    )
    events: tuple[EventSpec, ...] = ()
    claims: tuple[ClaimSpec, ...] = ()

    @property
    def start_hour(self) -> float:
        """UTC hour of day at time 0."""
        hours, minutes = self.start.split(":")
        return int(hours) + int(minutes) / 60

    @property
    def id(self) -> str:
        """12 hex digits that name what this scenario computes: not its name, prose, claims or length."""
        content = self.content()
        platforms = self.platforms.values()
        names = [self.clients.topology, *(platform.topology for platform in platforms)]
        if files := self.own_files(*names):
            content["files"] = files
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def own_files(self, *topologies: str) -> dict[str, str | None]:
        """Return what the trace and those of some topologies that are the user's own hold, as hashes by name."""
        names = {name for name in topologies if name.endswith(".csv")}
        if self.workload.arrivals.trace is not None:
            names.add(self.workload.arrivals.trace)
        return {name: content_hash(name) for name in sorted(names)}

    def content(self) -> dict[str, Any]:
        """Return the part of the resolved form that determines the runs, whatever their number."""
        content = self.resolved()
        for key in NOT_CONTENT:
            content.pop(key, None)
        for platform in content["platforms"].values():
            platform.pop("description", None)
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


def _without_nones(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nones(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nones(item) for item in value]
    return value
