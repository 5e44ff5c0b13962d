"""How much work instances are given, over how much they can do: what is over 1 is overload, however long a run is.

It is known where a function's capacity at a site is fixed: by one thread that its requests share, or by ``max_requests``.
The work comes from the sample of whole requests: arrivals times the mean time that one takes of the thread, or of its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from popsim.engine.outputs import PHASES, Floats
from popsim.models.cold_start.rules import UNBOUNDED, PoolRules
from popsim.models.registry import resolve
from popsim.results.pooled import Pool
from popsim.scenario.schema import Scenario

HANDLER = [PHASES.index(phase) for phase in ("execute", "kv", "object", "fetch", "sleep")]
EXECUTE = PHASES.index("execute")
SURE = 4.0  # standard errors by which a load exceeds 1; the busiest of many places is looked at


@dataclass(frozen=True)
class Load:
    """The busiest place of a platform: offered work over capacity, at a site, for one function."""

    ratio: float
    error: float  # standard error of the ratio
    site: str

    @property
    def is_overload(self) -> bool:
        """Tell whether more work arrives than can be done, beyond chance."""
        return self.ratio - SURE * self.error > 1.0


def busiest(scenario: Scenario, platform: str, pool: Pool) -> Load | None:
    """Return the load of the busiest function at a site; None if capacity has no limit that is known."""
    spec = scenario.platforms[platform]
    rules: PoolRules = resolve("cold_start", spec.runtime).rules(spec.memory)
    is_one_thread = rules.cpu_serial and rules.concurrency >= UNBOUNDED
    if not is_one_thread and not rules.max_requests:
        return None
    loads = []
    if is_one_thread:
        loads.append(_of_group(pool, [EXECUTE], 1))
    if rules.max_requests:
        loads.append(_of_group(pool, HANDLER, rules.max_requests))
    known = [load for load in loads if load is not None]
    return max(known, key=lambda load: load.ratio, default=None)


def _of_group(pool: Pool, phases: list[int], servers: int) -> Load | None:
    """Return the largest load of a function at a site."""
    sample = np.concatenate([run.sample for run in pool.runs])
    times = np.concatenate([run.sample_phases[:, phases].sum(axis=1) for run in pool.runs])
    inside = sample["compute"] >= 0
    sample, times = sample[inside], times[inside]
    weight = sum(run.requests for run in pool.runs) / max(sum(len(r.sample) for r in pool.runs), 1)
    if not len(sample):
        return None
    keys, groups = np.unique(sample[["compute", "function"]], return_inverse=True)
    arrivals = np.bincount(groups)
    answered = sample["outcome"] == 0
    mean, error = _means(times[answered], groups[answered], len(keys))
    ratios = arrivals * weight * mean / (servers * pool.measured_ms)
    errors = ratios * np.sqrt(1.0 / arrivals + (error / np.maximum(mean, 1e-12)) ** 2)
    errors = np.where(np.isfinite(errors), errors, math.inf)
    place = int(np.argmax(np.nan_to_num(ratios - SURE * errors, nan=-math.inf, neginf=-math.inf)))
    site = pool.runs[0].labels["site"][int(keys[place]["compute"])]
    return Load(float(np.nan_to_num(ratios[place])), float(errors[place]), site)


def _means(times: Floats, groups: Floats, count: int) -> tuple[Floats, Floats]:
    """Return the mean of each group, and its standard error; nan where there is none."""
    many = np.bincount(groups, minlength=count)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(groups, times, count) / many
        square = np.bincount(groups, times**2, count) / many
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0) / many)
