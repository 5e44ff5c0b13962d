"""Run a scenario: every platform, every replication, until the intervals are narrow enough; then judge its claims."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any

from popsim.claims.judge import judge
from popsim.engine.control import ControlProcess
from popsim.engine.outputs import PlatformRun
from popsim.engine.run import needs_compiling, warmup
from popsim.results.result import Result
from popsim.scenario.errors import RunError
from popsim.scenario.loading import Source
from popsim.scenario.schema import Scenario
from popsim.scenario.text import quoted
from popsim.sweeps.forecast import forecast
from popsim.sweeps.machine import core_count
from popsim.sweeps.pool import Job, Task, run_tasks
from popsim.sweeps.prepare import load
from popsim.sweeps.progress import Bar, progress_bar
from popsim.sweeps.store import FOLDER, Notify, Store, finished_replications, run_key

SAMPLED_REPLICATIONS = 250  # of which whole requests are kept: up to a million of each platform
SMALL_REQUESTS = 400_000  # a sweep of fewer is faster in one process than in several


def run(
    source: Source | Scenario,
    *,
    workers: int | None = None,
    processes: Sequence[ControlProcess] = (),
    progress: bool = True,
    notify: Notify | None = None,
    store: str | PathLike[str] | None = FOLDER,
    extend: int | None = None,
    force: bool = False,
    **changes: Any,
) -> Result:
    """Run a scenario and return its result.

    ``changes`` are laid over it: ``run("cold_starts", replications=3, platforms={"lambda": {"memory": "1GB"}})``. Results do not
    depend on ``workers``, all cores by default. ``processes`` are control processes of your own, generator functions
    ``process(control)``. Finished runs are kept in ``store`` and used again; None keeps nothing. ``extend`` asks for so
    many replications more than are finished and kept, whatever the scenario says. A run that would take more memory than
    there is, or days, is refused unless ``force`` is set.

    Raises:
        InputError: the scenario is wrong; every mistake is listed.
        RunError: a run could not be finished, or there is nothing to extend.
        TypeError, ValueError: ``workers`` or ``store`` is none.
    """
    if workers is not None and index(workers) < 1:
        raise ValueError(f"expected at least 1 worker, got {workers}")
    store = None if store is None else Path(store)
    scenario = load(source, force=force, **changes)
    planned = scenario.replications
    if extend is not None:
        finished = 0 if store is None or processes else finished_replications(scenario, store)
        if not finished:
            raise RunError(
                f"there is nothing to extend: no finished replication of {quoted(scenario.name)} is kept "
                "by this version of popsim; run it first, without extend"
            )
        scenario = scenario.changed(replications=finished + extend)
    expected = forecast(scenario, workers or core_count())
    notify = notify or _warn
    if expected.is_worth_telling():
        notify(f"this takes {expected.text}")
    sweep = _Sweep(scenario, workers, tuple(processes), notify, store)
    began = time.perf_counter()
    with progress_bar(shown=progress) as bar:
        sweep.until_precise(bar)
    elapsed_s = time.perf_counter() - began
    result = Result(scenario, sweep.sorted_runs(), (), elapsed_s)
    verdicts = judge(scenario, result.pools, None if extend is None else planned)
    return Result(scenario, result.runs, verdicts, elapsed_s)


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=4)


class _Sweep:
    """The runs of one scenario, as they come in."""

    def __init__(
        self,
        scenario: Scenario,
        workers: int | None,
        processes: tuple[ControlProcess, ...],
        notify: Notify,
        folder: Path | None,
    ) -> None:
        self.scenario, self.processes = scenario, processes
        self.workers = workers or core_count()
        self.store = None if folder is None or processes else Store(folder, notify)
        self.notify = notify
        self.engine = scenario.engine
        self.is_ready = False
        self.runs: dict[str, list[PlatformRun]] = {name: [] for name in scenario.platforms}

    def until_precise(self, bar: Bar) -> None:
        """Run the scenario's replications; with ``precision``, more until it is reached or the maximum."""
        done, wanted = 0, self.scenario.replications
        while done < wanted:
            bar.total(wanted * len(self.runs))
            self._replications(range(done, wanted), bar)
            done = wanted
            if self._is_too_wide():
                wanted = min(done + max(2, done // 2), self.scenario.max_replications)
        if self._is_too_wide():
            widest = Result(self.scenario, self.sorted_runs()).widest_interval()
            self.notify(
                f"after {done} replications an interval is still ±{widest:.1%} wide; "
                f"precision: {self.scenario.precision:.3g} was asked for (see max_replications)"
            )

    def _is_too_wide(self) -> bool:
        precision = self.scenario.precision
        if precision is None:
            return False
        return Result(self.scenario, self.sorted_runs()).widest_interval() > precision

    def _replications(self, numbers: range, bar: Bar) -> None:
        """Run some replications of every platform, unless they are in the store."""
        tasks, keys = [], {}
        for replication in numbers:
            for platform in self.runs:
                key = self._key(Task(platform, replication)) if self.store else None
                kept = self.store.load(key) if self.store and key else None
                if kept is not None:
                    self._take(kept)
                    bar.finished(kept=True)
                    continue
                keys[Task(platform, replication)] = key
                tasks.append(Task(platform, replication))
        if not tasks:
            return
        self._make_ready(bar)

        def finished(task: Task, run: PlatformRun, file: Path | None) -> None:
            key = keys[task]
            if self.store is not None and key is not None and key == self._key(task):
                self.store.save(key, run, file)  # else a file has changed since the start
            self._take(run)
            bar.finished()

        # Generator functions of a notebook cannot be sent to another process
        is_here = bool(self.processes) or self._is_small(len(tasks))
        workers = 1 if is_here else self.workers
        job = Job(self.scenario, self.engine, self.processes)
        run_tasks(job, tasks, workers, finished, bar.under_way, list(keys.values()))

    def _take(self, run: PlatformRun) -> None:
        """Keep a run for the result in little memory; a sample of whole requests is enough of the first ones."""
        runs = self.runs[run.platform]
        if run.replication >= SAMPLED_REPLICATIONS:
            run = replace(run, sample=run.sample[:0], sample_phases=run.sample_phases[:0])
        runs.append(run.packed(like=runs[0] if runs else None))

    def _key(self, task: Task) -> str | None:
        return run_key(self.scenario, *task, self.engine)

    def _is_small(self, runs: int) -> bool:
        rate = self.scenario.workload.arrivals.rate
        if rate is None or self.engine != "compiled":
            return False
        return rate * self.scenario.duration / 1e3 * runs < SMALL_REQUESTS

    def _make_ready(self, bar: Bar) -> None:
        """Compile the kernel once, before there are workers."""
        if self.is_ready or self.engine != "compiled":
            return
        if needs_compiling():
            self.notify(
                "compiling the engine, once on this machine: up to a minute (popsim warmup does it ahead)"
            )
        with bar.stage("compiling the engine"):
            warmup()
        self.is_ready = True

    def sorted_runs(self) -> dict[str, list[PlatformRun]]:
        """Return the runs so far by platform, in order of replication."""
        return {
            name: sorted(runs, key=lambda run: run.replication) for name, runs in self.runs.items()
        }
