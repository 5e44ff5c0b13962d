"""Run many runs on the machine's cores; what one worker finishes is kept whatever happens to the others."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from popsim.engine.outputs import PlatformRun
from popsim.engine.run import simulate
from popsim.scenario.errors import RunError
from popsim.scenario.schema import Scenario

ATTEMPTS = 3


@dataclass(frozen=True)
class Task:
    """One run to be made."""

    scenario: Scenario
    platform: str
    replication: int
    engine: str

    def run(self) -> PlatformRun:
        """Make it."""
        return simulate(self.scenario, self.platform, self.replication, self.engine)


def run_tasks(tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, PlatformRun]]:
    """Yield every task with its run, in the order in which they finish.

    Raises:
        RunError: workers died again and again (out of memory, as a rule).
    """
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield task, task.run()
        return
    remaining = {(task.platform, task.replication): task for task in tasks}
    for _ in range(ATTEMPTS):
        try:
            for key, run in _attempt(list(remaining.values()), workers):
                yield remaining.pop(key), run
            return
        except BrokenProcessPool:
            workers = max(1, workers // 2)
    platform, replication = next(iter(remaining))
    raise RunError(
        f"worker processes died {ATTEMPTS} times, last with {platform}, replication {replication}, unfinished; "
        "finished runs are kept. Is there enough memory? Try --workers 1"
    )


def _attempt(tasks: Sequence[Task], workers: int) -> Iterator[tuple[tuple[str, int], PlatformRun]]:
    pool = ProcessPoolExecutor(
        min(workers, len(tasks)), mp_context=_context(), initializer=_ignore_interrupts
    )
    futures: dict[Future[PlatformRun], tuple[str, int]] = {}
    try:
        futures = {pool.submit(task.run): (task.platform, task.replication) for task in tasks}
        pending = set(futures)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield futures.pop(future), future.result()
        pool.shutdown()
    except BaseException:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise


def _context() -> multiprocessing.context.BaseContext:
    """Fork where that is safe: workers inherit the compiled kernel and need no guarded main module."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which then ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def core_count() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
