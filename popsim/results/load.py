"""How much work instances and objects are given, over how much they can do: what is over 1 is overload, however long a run is.

It is known where capacity is fixed: of a function at a site by one thread that its requests share, or by ``max_requests``; of an object by
its thread. The work is arrivals times the mean time that one takes of the thread, or of its place. Of functions it comes from the
sample of whole requests: those that seem busiest in one half of it are judged by the other half, since the largest of many
estimates is too large.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from popsim.engine.keyspaces import popularity
from popsim.engine.outputs import PHASES, Floats, Ints
from popsim.models.cold_start.rules import UNBOUNDED, PoolRules
from popsim.models.registry import resolve
from popsim.results.objects import ObjectPool
from popsim.results.pooled import Pool
from popsim.scenario.schema import Scenario
from popsim.scenario.workload import ObjectClassSpec

HANDLER = [PHASES.index(phase) for phase in ("execute", "kv", "object", "fetch", "sleep")]
EXECUTE = PHASES.index("execute")
OF_THREAD = ("open", "execute", "storage")  # parts of a call that keep the object's thread
SURE = 4.0  # standard errors by which a load exceeds 1; the busiest of many places is looked at
# Of the work of Poisson arrivals, each with a time that varies as an exponential one does: 1 + 1
SQUARED = 2.0
HEAD = 1_000  # terms of a Zipf law that are added one by one


@dataclass(frozen=True)
class Load:
    """The busiest place of a platform: offered work over capacity."""

    ratio: float
    error: float  # standard error of the ratio
    place: str  # such as "at FRA a function"

    @property
    def surely(self) -> float:
        """What the ratio is at least, beyond chance."""
        return self.ratio - SURE * self.error

    @property
    def is_overload(self) -> bool:
        """Tell whether more work arrives than can be done, beyond chance."""
        return self.surely > 1.0


def busiest(scenario: Scenario, platform: str, pool: Pool) -> Load | None:
    """Return the load of the busiest function at a site, or object; None if capacity has no limit that is known."""
    loads = [*_of_functions(scenario, platform, pool), *_of_objects(scenario, platform, pool)]
    return max(loads, key=lambda load: load.surely, default=None)


# --- functions ----------------------------------------------------------------------------------------------


def _of_functions(scenario: Scenario, platform: str, pool: Pool) -> Iterator[Load]:
    spec = scenario.platforms[platform]
    rules: PoolRules = resolve("cold_start", spec.runtime).rules(spec.memory)
    functions = scenario.workload.functions.count
    if rules.cpu_serial and rules.concurrency >= UNBOUNDED:
        yield from _of_sites(pool, [EXECUTE], 1, functions)
    if rules.max_requests:
        yield from _of_sites(pool, HANDLER, rules.max_requests, functions)


def _of_sites(pool: Pool, phases: list[int], servers: int, functions: int) -> Iterator[Load]:
    """Yield loads of each site: of all functions, and of those that are the busiest."""
    sample = np.concatenate([run.sample for run in pool.runs])
    times = np.concatenate([run.sample_phases[:, phases].sum(axis=1) for run in pool.runs])
    if not len(sample):
        return
    weight = sum(run.requests for run in pool.runs) / len(sample)
    per_request = weight / (servers * pool.measured_ms)
    keys, groups = np.unique(sample[["compute", "function"]], return_inverse=True)
    times = _offered(times, sample["outcome"] == 0, groups, len(keys)) * per_request
    half = np.arange(len(sample)) % 2 == 0
    for site in np.unique(keys["compute"]):
        if site < 0:  # reached no site
            continue
        name = pool.runs[0].labels["site"][int(site)]
        here = (keys["compute"] == site)[groups]
        rows, local = times[here], groups[here] - int(np.flatnonzero(keys["compute"] == site)[0])
        yield _load(rows, functions, name)
        if functions > 1:
            yield from _of_busiest(rows, local, half[here], name)


def _of_busiest(times: Floats, groups: Ints, half: Ints, site: str) -> Iterator[Load]:
    """Yield the loads of the busiest function, two, four, ...: each half of the requests says which, the other how much."""
    sides = []
    for chosen in (half, ~half):
        work = np.bincount(groups[chosen], times[chosen], int(groups.max()) + 1)
        rank = np.empty(len(work), np.int64)
        rank[np.argsort(-work)] = np.arange(len(work))
        sides.append((rank[groups[~chosen]], times[~chosen]))
    for power in range(len(np.unique(groups)).bit_length()):
        many = 1 << power
        yield _load(np.concatenate([times[place < many] for place, times in sides]), many, site)


def _load(times: Floats, functions: int, site: str) -> Load:
    """Return the mean load of functions; its error is that of arrivals by chance, each with its own time."""
    error = math.sqrt(float((times**2).sum())) / functions
    return Load(float(times.sum()) / functions, error, f"at {site} a function")


def _offered(times: Floats, answered: Ints, groups: Ints, count: int) -> Floats:
    """Return the times of requests; of those that failed, what an answered one of their function takes, or any."""
    many = np.bincount(groups[answered], minlength=count)
    work = np.bincount(groups[answered], times[answered], count)
    usual = float(times[answered].mean()) if answered.any() else 0.0
    means = np.where(many > 0, work / np.maximum(many, 1), usual)
    return np.asarray(np.where(answered, times, means[groups]))


# --- objects ------------------------------------------------------------------------------------------------


def _of_objects(scenario: Scenario, platform: str, pool: Pool) -> Iterator[Load]:
    """Yield the load of the busiest object of each class; at least that of a mean one, where it is not known which it is."""
    spec = scenario.platforms[platform].objects
    if spec is None or not spec.single_threaded or not pool.objects.is_used:
        return
    for name, kind in scenario.workload.objects.items():
        objects = ObjectPool(pool.runs, name)
        calls = objects.count("calls")
        if not calls or objects.count("replica_reads"):  # replicas have threads of their own
            continue
        offered = calls + objects.count("overloaded")
        share = _busiest_share(kind, len(pool.runs[0].labels["country"]))
        time = sum(objects.part_mean(part) for part in OF_THREAD)
        ratio = offered * share * time / pool.measured_ms
        error = ratio * math.sqrt(SQUARED / max(offered * share, 1e-9))
        yield Load(ratio, error, f"an object of {name}")


def _busiest_share(kind: ObjectClassSpec, countries: int) -> float:
    """Return the share of a class's calls that its busiest object gets, or a mean one."""
    if kind.per != "world" or kind.locality:
        return 1.0 / (kind.count * (1 if kind.per == "world" else countries))
    exponent = popularity(kind.as_keys())
    head = min(kind.count, HEAD)
    total = float((np.arange(1, head + 1) ** -exponent).sum())
    if kind.count > head:  # the middle of each term stands for it
        first, end = head + 0.5, kind.count + 0.5
        power = 1.0 - exponent
        total += math.log(end / first) if power == 0.0 else (end**power - first**power) / power
    return float(1.0 / total)
