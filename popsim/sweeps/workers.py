"""What worker processes need so that nothing of a sweep is left behind, however its main process ends.

The main process may be killed without a word (SIGKILL, out of memory). Its workers notice and end, and the last to go takes
the temporary folder along. What even they could not clear, because all were killed at once, the next sweep clears.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

PREFIX = "popsim-work-"
LOCK = "lock"
LOOK_S = 0.5  # between two looks at who the parent is


@contextmanager
def work_folder() -> Iterator[Path]:
    """Make a folder for what workers hand over; it is gone afterwards."""
    _clear_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = _lock(folder)
    try:
        yield folder
    finally:
        if lock is not None:
            lock.close()
        shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> IO[str] | None:
    """Hold a lock on a folder, in this process and all that are forked from it, for as long as one of them lives."""
    if sys.platform == "win32":
        return None
    unfinished = folder / f".{LOCK}"
    file = unfinished.open("w", encoding="utf-8")
    with suppress(OSError):  # a file system without locks: nobody takes the folder for abandoned
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unfinished.rename(folder / LOCK)  # a lock that is there is held
    return file


def _clear_abandoned() -> None:
    """Remove the folders of sweeps all of whose processes were killed."""
    if sys.platform == "win32":  # there such folders stay until the system clears its own
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            with (folder / LOCK).open("r+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # it is in use, or another user's, or not ours at all
            continue


def begin_work(parent: int, folder: Path) -> None:
    """Prepare a worker process: Ctrl-C is left to the parent, whose end is the worker's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent, folder), daemon=True).start()


def _end_with(parent: int, folder: Path) -> None:
    """Wait until the parent is gone; then end this process at once, and clear the folder.

    The pipe whose other end the parent holds tells at once, except where others have inherited that end; hence the look at
    the parent's number, which changes when it dies (not on Windows, where the pipe is a handle of the process).
    """
    process = multiprocessing.parent_process()
    sentinels = [] if process is None else [process.sentinel]
    while not wait(sentinels, timeout=LOOK_S) and os.getppid() == parent:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
