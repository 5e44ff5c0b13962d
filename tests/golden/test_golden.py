"""Results of small runs of the bundled scenarios, to the last integer. ``make golden`` writes them anew.

When a golden result moves, CHANGELOG.md says so under "Changed results".
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popsim.engine import simulate
from popsim.engine.outputs import SparseHist
from popsim.scenario.bundled import bundled_names
from popsim.sweeps import load

FOLDER = Path(__file__).parent / "results"
SHORT = {"replications": 1, "duration": "40s", "warmup": 0, "events": []}
PROBES = {"replications": 1, "duration": "30min", "warmup": 0}


def digest(*arrays: np.ndarray) -> str:
    whole = np.concatenate([array.ravel() for array in arrays]).astype(np.int64)
    return sha256(whole.tobytes()).hexdigest()[:16]


def digest_of(histogram: SparseHist) -> str:
    return digest(histogram.rows, histogram.buckets, histogram.counts)


def small_run(name: str) -> dict[str, Any]:
    scenario = load(name)
    probes = scenario.workload.arrivals.every is not None
    scenario = scenario.changed(**(PROBES if probes else SHORT))
    found = {}
    for platform in scenario.platforms:
        run = simulate(scenario, platform, 0)
        found[platform] = {
            "requests": run.requests,
            "failed": run.failed.tolist(),
            "cold_starts": run.cold_starts,
            "events": run.events,
            "latency_sum_ns": run.latency_sum_ns,
            "phase_sums_ns": run.phase_sum_ns.sum(axis=0).tolist(),
            "latency": sha256(np.ascontiguousarray(run.latency).tobytes()).hexdigest()[:16],
        }
        if len(run.kv_by_space):
            found[platform]["kv_by_space"] = run.kv_by_space.tolist()
            found[platform]["kv"] = digest_of(run.kv_histogram)
        if len(run.objects_by_class):
            found[platform]["objects_by_class"] = run.objects_by_class.tolist()
            found[platform]["objects"] = digest_of(run.objects_histogram)
            found[platform]["homes"] = digest(run.objects_created)
            found[platform]["messages"] = digest_of(run.objects_by_message)
    return {"id": scenario.id, "platforms": found}


@pytest.mark.parametrize("name", bundled_names("scenarios"))
def test_results_are_as_they_were(name: str) -> None:
    path = FOLDER / f"{name}.json"
    found = small_run(name)
    if os.environ.get("POPSIM_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))
