"""What replications of a platform share is read once; no run leaves a mark on it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import popsim
from popsim.engine.build import Shared
from popsim.engine.run import simulate
from popsim.scenario.schema import Scenario

CLASSES: dict[str, Any] = {
    "room": {"count": 40, "handlers": {"read": [{"storage.get": {}}]}},
}
SURGE_AND_OUTAGES: list[dict[str, Any]] = [
    {"at": "4s", "surge": {"factor": 3, "where": {"continent": "EU"}}, "for": "3s"},
    {"at": "6s", "fail": {"busiest": 2}, "for": "5s"},
]


def scenario(residual: bool | str) -> Scenario:
    return popsim.load(
        {
            "name": "shared",
            "duration": "20s",
            "replications": 1,
            "clients": {"topology": "cities"},
            "network": {"residual": residual},
            "workload": {
                "arrivals": {"rate": "20/s"},
                "keys": {"items": {"count": 100, "popularity": {"zipf": 1.0}, "per": "country"}},
                "objects": CLASSES,
                "handler": [
                    {"kv.get": {"keys": "items"}},
                    {"object.call": {"class": "room", "handler": "read"}},
                ],
            },
            "platforms": {"p": {"preset": "cloudflare-workers"}},
            "events": SURGE_AND_OUTAGES,
        }
    )


def saved(one: Scenario, replication: int, engine: str, shared: Shared | None, to: Path) -> bytes:
    simulate(one, "p", replication, engine, shared=shared).save(to)
    return to.read_bytes()


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
@pytest.mark.parametrize("residual", [True, False, "fixed"])
def test_runs_with_shared_inputs_are_those_without(
    residual: bool | str, engine: str, tmp_path: Path
) -> None:
    one = scenario(residual)
    shared = Shared.of(one, "p")
    before = pickle.dumps(shared.inputs)
    for replication in (0, 1, 0):
        expected = saved(one, replication, engine, None, tmp_path / "run")
        assert saved(one, replication, engine, shared, tmp_path / "run") == expected
    assert pickle.dumps(shared.inputs) == before
