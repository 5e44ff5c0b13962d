"""Run objects at one or a few sites, and read what was counted of them.

Sites lie on the equator, so many degrees apart, some with a client beside them; all can be homes. Nothing but
arrivals and the laws under test is random: connections are open, paths have neither residual nor jitter. So the phase
``object`` of a request is its call, and half its phase ``network`` the way to the site that calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

import popsim
from popsim.engine import layout as lay
from popsim.engine.build import build
from popsim.engine.object_layout import ObjectInputs
from popsim.engine.outputs import PlatformRun
from popsim.engine.run import simulate
from popsim.engine.specification.plane import SpecificationPlane
from popsim.results.objects import ObjectPool
from popsim.scenario.schema import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Step = dict[str, Any]
PLATFORM, CLASS = "p", "thing"
KEPT = 4_000  # requests of a run that are kept whole, all of them if there are fewer
COUNTRIES = (
    "GA",
    "CO",
    "KE",
    "EC",
    "SG",
    "BR",
    "UG",
    "ID",
)  # some that the equator crosses, or nearly


def calling(handler: str, object_class: str = CLASS) -> tuple[Step, ...]:
    """Return a handler that does nothing but call an object."""
    return ({"object.call": {"class": object_class, "handler": handler}},)


@dataclass(frozen=True)
class Room:
    """A platform with objects. ``handlers`` and ``of`` are those of the class; ``more`` overrides parts of the scenario."""

    folder: Path
    handlers: Mapping[str, Sequence[Step]]
    objects: dict[str, Any] = field(default_factory=dict)  # how the platform runs them
    handler: Sequence[Step] = calling("do")
    arrivals: dict[str, Any] | None = None  # Poisson at the rate, if None
    rate: float = 1.0  # requests/s
    of: dict[str, Any] = field(default_factory=dict)
    weights: tuple[float, ...] = (1.0,)  # of the clients beside the sites; 0 = there is none
    degrees: float = 3.0  # of longitude between sites
    warmup_s: float = 0.0
    events: Sequence[dict[str, Any]] = ()
    workload: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def sites(self) -> tuple[str, ...]:
        """The ids of the sites: s0, s1, ..."""
        return tuple(f"s{number}" for number in range(len(self.weights)))

    def scenario(self, requests: float) -> Scenario:
        """Return the scenario of a run with about so many requests after the warm-up."""
        objects = {CLASS: {"handlers": self.handlers, **self.of}}
        extra = dict(self.workload)
        workload: dict[str, Any] = {
            "arrivals": self.arrivals or {"rate": f"{self.rate!r}/s"},
            "connection": {"reuse": "always"},
            "objects": objects | extra.pop("objects", {}),
        }
        if "messages" not in workload["arrivals"]:
            workload["handler"] = list(self.handler)
        return popsim.load(
            {
                "name": "theory",
                "seed": 7,
                "duration": f"{requests / self.rate + self.warmup_s!r}s",
                "warmup": f"{self.warmup_s!r}s",
                "clients": {"topology": self._clients(), "network": "datacenter"},
                "network": {"residual": False, "jitter": "none"},
                "workload": workload | extra,
                "platforms": {
                    PLATFORM: {
                        "topology": self._sites(),
                        "ingress": {"routing": {"model": "nearest"}},
                        "runtime": "always_warm",
                        "objects": self.objects,
                    }
                },
                "events": list(self.events),
                **self.more,
            }
        )

    def run(self, requests: float, replication: int = 0, engine: str = "compiled") -> PlatformRun:
        """Run one replication."""
        return simulate(self.scenario(requests), PLATFORM, replication, engine)

    def watch(
        self, requests: float, plane: type[SpecificationPlane], replication: int = 0
    ) -> PlatformRun:
        """Run one replication on a variant of the specification."""
        with patch("popsim.engine.specification.plane.SpecificationPlane", plane):
            return self.run(requests, replication, "simpy")

    def inputs(self) -> ObjectInputs:
        """Return what both engines are told about the objects."""
        return build(replace(self, events=()).scenario(1.0), PLATFORM, 0).inputs.objects

    def rtt(self) -> Floats:
        """Return the RTTs between sites in ms, [site, host]; all sites are hosts."""
        return np.asarray(self.inputs().rtt.reshape(len(self.weights), -1))

    def _sites(self) -> str:
        lines = ["id,city,country,lat,lon,roles"]
        for number, site in enumerate(self.sites):
            lines.append(f"{site},City {number},{_country(number)},0,{number * self.degrees},pop")
        return _written(self.folder / f"sites{len(self.sites)}-{self.degrees}.csv", lines)

    def _clients(self) -> str:
        lines = ["id,city,country,lat,lon,utc_offset_h,weight"]
        for number, weight in enumerate(self.weights):
            if weight == 0.0:
                continue
            place = f"City {number},{_country(number)},0,{number * self.degrees}"
            lines.append(f"c{number},{place},0,{weight!r}")
        name = "-".join(f"{weight:g}" for weight in self.weights)
        return _written(self.folder / f"clients{name}-{self.degrees}.csv", lines)


def _country(number: int) -> str:
    return COUNTRIES[number % len(COUNTRIES)]


def _written(path: Path, lines: Sequence[str]) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@dataclass(frozen=True)
class Answers:
    """Whole requests of a run, each of which makes one call; by the time of the arrival where they call from; ms."""

    number: Ints
    begin: Floats  # of the call, at the site that calls
    end: Floats
    client: Ints
    site: Ints
    outcome: Ints
    object: Ints
    version: Ints  # how many commits the object had

    @staticmethod
    def of(run: PlatformRun) -> Answers:
        """Return all requests of a run, which has kept them all."""
        sample, phases = run.sample, run.sample_phases
        assert len(sample) == run.requests, "the run is too long to be kept whole"
        begin = sample["start_ms"] + phases[:, lay.P_NETWORK] / 2.0
        order = np.argsort(begin, kind="stable")
        end = begin + phases[:, lay.P_OBJECT]
        fields = ("client", "compute", "outcome", "object", "object_version")
        columns = [sample["number"], begin, end, *(sample[name] for name in fields)]
        return Answers(*(column[order] for column in columns))

    def only(self, mask: NDArray[np.bool_]) -> Answers:
        """Return some of them."""
        return Answers(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def samples(
    room: Room,
    engine: str,
    statistic: Callable[[PlatformRun], Any],
    compiled: tuple[int, int] = (10, 50_000),
    simpy: tuple[int, int] = (5, 1_500),
) -> Floats:
    """Return a statistic of independent replications, [replication, ...]; sizes are (replications, requests)."""
    replications, requests = compiled if engine == "compiled" else simpy
    return np.array([statistic(room.run(requests, r, engine)) for r in range(replications)])


def pool(run: PlatformRun, object_class: str | None = None) -> ObjectPool:
    """Return what the objects of a run did."""
    return ObjectPool([run], object_class)
