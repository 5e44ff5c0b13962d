"""Run many runs on the machine's cores; what one worker finishes is kept whatever happens to the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from popsim.engine.outputs import PlatformRun
from popsim.engine.run import simulate
from popsim.scenario.errors import RunError
from popsim.scenario.schema import Scenario

ATTEMPTS = 3


class Task(NamedTuple):
    """One run to be made."""

    platform: str
    replication: int


@dataclass(frozen=True)
class Job:
    """What all tasks of a sweep have in common."""

    scenario: Scenario
    engine: str

    def run(self, task: Task) -> PlatformRun:
        """Make one run."""
        return simulate(self.scenario, task.platform, task.replication, self.engine)


Finished = Callable[[Task, PlatformRun, Path | None], None]  # with the file that holds it, if any
_job: Job  # of a worker process
_folder: Path  # where it leaves its runs


def run_tasks(job: Job, tasks: Sequence[Task], workers: int, finished: Finished) -> None:
    """Run every task and call ``finished`` with each and its run, in the order in which they end.

    Whatever goes wrong, in here or in ``finished``, no worker is left behind.

    Raises:
        RunError: workers died again and again (out of memory, as a rule).
    """
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            finished(task, job.run(task), None)
        return
    remaining = list(tasks)
    with tempfile.TemporaryDirectory(prefix="popsim-", ignore_cleanup_errors=True) as folder:
        for _ in range(ATTEMPTS):
            try:
                _attempt(job, remaining, workers, finished, Path(folder))
            except BrokenProcessPool:
                workers = max(1, workers // 2)
            else:
                return
    platform, replication = remaining[0]
    raise RunError(
        f"worker processes died {ATTEMPTS} times, last with {platform}, replication {replication}, "
        "unfinished; finished runs are kept. Is there enough memory? Try --workers 1"
    )


def _attempt(
    job: Job, remaining: list[Task], workers: int, finished: Finished, folder: Path
) -> None:
    """Run tasks in a pool of processes, and take those that are finished off the list.

    Runs come back as files: what a dying worker leaves half written in a pipe would block its reader for ever.
    """
    pool = ProcessPoolExecutor(
        min(workers, len(remaining)), _context(), initializer=_begin_work, initargs=(job, folder)
    )
    try:
        futures = {pool.submit(_work, task): task for task in remaining}
        pending = set(futures)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                task, file = futures[future], folder / future.result()
                remaining.remove(task)
                finished(task, PlatformRun.load(file), file)
                file.unlink()
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
            process.join(timeout=5.0)  # s; none may write any more when its folder goes
        raise


def _begin_work(job: Job, folder: Path) -> None:
    """Prepare a worker; Ctrl-C is left to the parent, which then ends the workers."""
    global _job, _folder
    _job, _folder = job, folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(task: Task) -> str:
    # a platform's name may be longer than a file's
    name = f"{sha256(task.platform.encode()).hexdigest()[:16]}-{task.replication}.npz"
    _job.run(task).save(_folder / name)
    return name


def _context() -> multiprocessing.context.BaseContext:
    """Fork where that is safe: workers inherit the compiled kernel and need no guarded main module."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def core_count() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
