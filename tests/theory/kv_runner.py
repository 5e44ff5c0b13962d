"""Run a key-value store at one or a few sites, and read the counts of it.

Sites lie on the equator, so many degrees apart; each has a client beside it. A store that bears a site's name is in
it, at no distance. Nothing but arrivals, keys and the laws under test is random: connections are open, paths have
neither residual nor jitter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import popsim
from popsim.engine.control import ControlProcess
from popsim.engine.kv_layout import FAILED
from popsim.engine.outputs import PlatformRun
from popsim.engine.run import simulate
from popsim.scenario.schema import Scenario

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PLATFORM = "p"
COUNTRIES = ("GA", "CO", "KE", "EC", "SG", "BR")  # some that the equator crosses, or nearly
GET = ({"kv.get": {"keys": "k"}},)


@dataclass(frozen=True)
class Shop:
    """A platform whose handler uses a key-value store; ``kv`` is the store's model."""

    folder: Path
    kv: dict[str, Any]
    keys: dict[str, Any]
    rate: float  # requests/s
    handler: Sequence[dict[str, Any]] = GET
    weights: tuple[float, ...] = (1.0,)  # of the clients, one beside each site
    degrees: float = 3.0  # of longitude between sites
    warmup_s: float = 0.0
    trace: Path | None = None
    events: Sequence[dict[str, Any]] = ()
    seed: int = 7
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def sites(self) -> tuple[str, ...]:
        """The ids of the sites: s0, s1, ..."""
        return tuple(f"s{number}" for number in range(len(self.weights)))

    def scenario(self, requests: float) -> Scenario:
        """Return the scenario of a run with about so many requests after the warm-up."""
        arrivals = {"trace": str(self.trace)} if self.trace else {"rate": f"{self.rate!r}/s"}
        return popsim.load(
            {
                "name": "theory",
                "seed": self.seed,
                "duration": f"{requests / self.rate + self.warmup_s!r}s",
                "warmup": f"{self.warmup_s!r}s",
                "clients": {"topology": self._clients(), "network": "datacenter"},
                "network": {"residual": False, "jitter": "none"},
                "workload": {
                    "arrivals": arrivals,
                    "connection": {"reuse": "always"},
                    "keys": self.keys,
                    "handler": list(self.handler),
                },
                "platforms": {
                    PLATFORM: {
                        "topology": self._sites(),
                        "ingress": {"routing": {"model": "nearest"}},
                        "runtime": "always_warm",
                        "kv": self.kv,
                    }
                },
                "events": list(self.events),
                **self.more,
            }
        )

    def run(
        self,
        requests: float,
        replication: int = 0,
        engine: str = "compiled",
        processes: Sequence[ControlProcess] = (),
    ) -> PlatformRun:
        """Run one replication."""
        return simulate(self.scenario(requests), PLATFORM, replication, engine, processes)

    def _sites(self) -> str:
        lines = ["id,city,country,lat,lon,roles"]
        for number, site in enumerate(self.sites):
            lines.append(f"{site},City {number},{_country(number)},0,{number * self.degrees},pop")
        return _written(self.folder / f"sites{len(self.sites)}.csv", lines)

    def _clients(self) -> str:
        lines = ["id,city,country,lat,lon,utc_offset_h,weight"]
        for number, weight in enumerate(self.weights):
            place = f"City {number},{_country(number)},0,{number * self.degrees}"
            lines.append(f"c{number},{place},0,{weight!r}")
        return _written(self.folder / f"clients{len(self.sites)}.csv", lines)


def _country(number: int) -> str:
    return COUNTRIES[number % len(COUNTRIES)]


def _written(path: Path, lines: Sequence[str]) -> str:
    content = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.write_text(content, encoding="utf-8")
    return str(path)


def store_at(site: str, **laws: Any) -> dict[str, Any]:
    """Return the stores of a model: one, in a site."""
    return {site: {"lat": 0.0, "lon": 0.0, "country": COUNTRIES[0], **laws}}


def pull(ttl_s: float, **rules: Any) -> dict[str, Any]:
    """Return a store whose caches nobody tells anything, with its only copy in site s0."""
    return tiered("pull", ttl_s, **rules)


def tiered(model: str, ttl_s: float, **rules: Any) -> dict[str, Any]:
    """Return a store of a model with caches; lower limits of Workers KV are off."""
    stores = rules.pop("stores", store_at("s0"))
    free = {"minimum_ttl": "0s", "write_gap": "0s", "write_through": False}
    return {"model": model, "stores": stores, "ttl": f"{ttl_s!r}s", **free, **rules}


def zipf(exponent: float, count: int) -> Floats:
    """Return the probability of each rank."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())


def shares(run: PlatformRun, space: int = 0) -> Floats:
    """Return which share of the reads found its key where, as TIERS; none has failed."""
    tiers = run.kv_by_space[space, : FAILED + 1]
    assert tiers[FAILED] == 0
    return np.asarray(tiers / tiers.sum())


def samples(
    shop: Shop,
    engine: str,
    statistic: Callable[[PlatformRun], Any],
    compiled: tuple[int, int] = (10, 200_000),
    simpy: tuple[int, int] = (6, 2_500),
) -> Floats:
    """Return a statistic of independent replications, [replication, ...]; sizes are (replications, requests)."""
    replications, requests = compiled if engine == "compiled" else simpy
    return np.array([statistic(shop.run(requests, r, engine)) for r in range(replications)])
