"""Run many runs on the machine's cores; what one worker finishes is kept whatever happens to the others."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, MutableSequence, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from popsim.engine.build import Shared
from popsim.engine.control import ControlProcess
from popsim.engine.outputs import PlatformRun
from popsim.engine.run import simulate
from popsim.scenario.errors import RunError
from popsim.scenario.schema import Scenario
from popsim.sweeps.workers import begin_work, work_folder

ATTEMPTS = 3
POLL_S = 0.25  # between two looks at how far the workers are
PATIENCE_S = 5.0  # for a worker to end when it is told to


class Task(NamedTuple):
    """One run to be made."""

    platform: str
    replication: int


Tell = Callable[[float], None]  # how much is done of the runs under way, in runs


def nobody(_runs: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Job:
    """What all tasks of a sweep have in common."""

    scenario: Scenario
    engine: str
    processes: Sequence[ControlProcess] = ()
    _shared: dict[str, Shared] = field(default_factory=dict)

    def shared(self, platform: str) -> Shared:
        """Return what the runs of a platform have in common; read once in a process."""
        if platform not in self._shared:
            self._shared[platform] = Shared.of(self.scenario, platform)
        return self._shared[platform]

    def run(self, task: Task, tell: Tell = nobody) -> PlatformRun:
        """Make one run."""
        return simulate(
            self.scenario,
            *task,
            self.engine,
            processes=self.processes,
            tell=tell,
            shared=self.shared(task.platform),
        )


class Worker(NamedTuple):
    """What a worker process knows."""

    job: Job
    tasks: Sequence[Task]
    keys: Sequence[str | None]  # what names the contents of the tasks' runs
    folder: Path  # where it leaves its runs
    shares: MutableSequence[float]  # how much is done of each task; shared with the parent


Finished = Callable[[Task, PlatformRun, Path | None], None]  # with the file that holds it, if any
_me: Worker  # of a worker process


def run_tasks(
    job: Job,
    tasks: Sequence[Task],
    workers: int,
    finished: Finished,
    tell: Tell = nobody,
    keys: Sequence[str | None] = (),
) -> None:
    """Run every task and call ``finished`` with each and its run, in the order in which they end.

    ``tell`` hears how far the unfinished ones are. Files of runs carry the tasks' ``keys``, if there are any.
    Whatever goes wrong, in here or in ``finished``, no worker is left behind.

    Raises:
        RunError: workers died again and again (out of memory, as a rule).
    """
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            finished(task, job.run(task, tell), None)
        return
    remaining = dict(zip(tasks, keys or [None] * len(tasks), strict=True))
    with work_folder() as folder:
        for _ in range(ATTEMPTS):
            try:
                _attempt(job, remaining, workers, finished, tell, folder)
            except BrokenProcessPool:
                workers = max(1, workers // 2)
            else:
                return
    platform, replication = next(iter(remaining))
    raise RunError(
        f"worker processes died {ATTEMPTS} times, last with {platform}, replication {replication}, "
        "unfinished; finished runs are kept. Is there enough memory? Try --workers 1"
    )


def _attempt(
    job: Job,
    remaining: dict[Task, str | None],
    workers: int,
    finished: Finished,
    tell: Tell,
    folder: Path,
) -> None:
    """Run tasks in a pool of processes, and take those that are finished off the list.

    Runs come back as files: what a dying worker leaves half written in a pipe would block its reader for ever.
    """
    context = _context()
    tasks = list(remaining)
    if context.get_start_method() == "fork":
        for task in tasks:
            job.shared(task.platform)  # workers inherit it
    shares = context.RawArray("d", len(tasks))
    worker = Worker(job, tasks, list(remaining.values()), folder, shares)
    pool = ProcessPoolExecutor(
        min(workers, len(tasks)), context, initializer=_begin, initargs=(worker, os.getpid())
    )
    try:
        futures = {pool.submit(_work, number): number for number in range(len(tasks))}
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=POLL_S, return_when=FIRST_COMPLETED)
            for future in done:
                number, file = futures[future], folder / future.result()
                task, shares[number] = tasks[number], 0.0
                run = PlatformRun.load(file)
                del remaining[task]
                finished(task, run, file)
                file.unlink()
            tell(sum(shares))
        pool.shutdown()
    except BrokenProcessPool:
        pool.shutdown()  # its threads must end before another pool is forked
        raise
    except BaseException:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(timeout=PATIENCE_S)  # none may write any more when its folder goes
        raise


def _begin(worker: Worker, parent: int) -> None:
    """Prepare a worker process."""
    global _me
    _me = worker
    begin_work(parent, worker.folder)


def _work(number: int) -> str:
    """Make one run, and return the name of the file that holds it."""
    task = _me.tasks[number]
    name = f"{sha256(task.platform.encode()).hexdigest()[:20]}-{task.replication}.run"

    def tell(share: float) -> None:
        _me.shares[number] = share

    _me.job.run(task, tell).save(_me.folder / name, _me.keys[number])
    return name


def _context() -> multiprocessing.context.BaseContext:
    """Fork where that is safe: workers inherit the compiled kernel and need no guarded main module."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
