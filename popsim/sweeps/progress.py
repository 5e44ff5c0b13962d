"""A progress bar on stderr, where somebody is looking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar(Protocol):
    """What a sweep tells about its progress."""

    def total(self, runs: int) -> None:
        """Say how many runs there are in all; may grow."""

    def finished(self, runs: int = 1) -> None:
        """Say that some runs are finished."""


class _Silent:
    def total(self, runs: int) -> None:
        """Say nothing."""

    def finished(self, runs: int = 1) -> None:
        """Say nothing."""


class _Rich:
    """No thread of its own: refreshed when runs finish, so that workers can be forked meanwhile."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("runs", total=None)

    def total(self, runs: int) -> None:
        """Set the bar's length."""
        self.progress.update(self.task, total=runs, refresh=True)

    def finished(self, runs: int = 1) -> None:
        """Move the bar."""
        self.progress.update(self.task, advance=runs, refresh=True)


@contextmanager
def progress_bar(*, shown: bool) -> Iterator[Bar]:
    """Show a bar while the block runs, if ``shown`` and stderr is a terminal."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield _Silent()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        yield _Rich(progress)
