"""Scenarios with one client and one site, or few, in which nothing is random but what a test asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import popsim
from popsim.engine.control import ControlProcess
from popsim.engine.outputs import PlatformRun
from popsim.engine.run import simulate

PLATFORM = "p"
AMSTERDAM, LONDON, ASHBURN = "NL,52.37,4.89", "GB,51.5,-0.12", "US,39.04,-77.49"


def topology(folder: Path, sites: Mapping[str, tuple[str, str]]) -> str:
    """Write sites to a file, {id: (place, roles)}; return its name."""
    lines = ["id,city,country,lat,lon,roles"]
    lines += [f"{name},City {name},{place},{roles}" for name, (place, roles) in sites.items()]
    return _written(folder, "-".join(sites), lines)


def client(folder: Path) -> str:
    """Write a topology of one client in Amsterdam; return its name."""
    head = "id,city,country,lat,lon,utc_offset_h,weight"
    return _written(folder, "client", [head, f"c,City,{AMSTERDAM},0,1"])


def _written(folder: Path, name: str, lines: Sequence[str]) -> str:
    path = folder / f"{name}.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def scenario(folder: Path, **over: Any) -> dict[str, Any]:
    """Return a scenario of one client, with ``over`` laid over it, one level deep; its platform is at one site A."""
    base: dict[str, Any] = {
        "name": "one site",
        "seed": 7,
        "duration": "100s",
        "clients": {"topology": client(folder), "network": "datacenter"},
        "network": {"residual": False, "jitter": "none", "convergence": "0ms"},
        "workload": {
            "arrivals": {"rate": "20/s"},
            "connection": {"reuse": "always"},
            "handler": [{"cpu": "1ms"}],
        },
        "platform": {
            "topology": topology(folder, {"A": (AMSTERDAM, "pop region")}),
            "ingress": {"routing": "nearest"},
            "runtime": "always_warm",
        },
    }
    for key, value in over.items():
        is_part = isinstance(value, dict) and isinstance(base.get(key), dict)
        base[key] = base[key] | value if is_part else value
    base["platforms"] = {PLATFORM: base.pop("platform")}
    return base


def run(
    data: dict[str, Any],
    engine: str,
    replication: int = 0,
    processes: Sequence[ControlProcess] = (),
    kept: int = 10**9,
) -> PlatformRun:
    """Run one replication; its sample has every request, unless ``kept`` says fewer."""
    with patch("popsim.engine.build.SAMPLE_REQUESTS", kept):
        return simulate(popsim.load(data), PLATFORM, replication, engine, processes)
