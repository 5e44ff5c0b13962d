"""A progress bar where somebody is looking: on a terminal's stderr, or under a notebook's cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PATIENCE_S = 2.0  # a notebook's cell that takes less shows no bar


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


class _Notebook:
    """HTML under the cell, which needs no widgets; like the other, refreshed when runs finish."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self.display = display
        self.handle: Any = None
        self.began = time.perf_counter()
        self.runs = self.done = 0

    def total(self, runs: int) -> None:
        """Set the bar's length."""
        self.runs = runs

    def finished(self, runs: int = 1) -> None:
        """Move the bar; show it, if the sweep is taking long."""
        self.done += runs
        elapsed_s = time.perf_counter() - self.began
        if elapsed_s < PATIENCE_S or self.done >= self.runs:
            return
        left_s = elapsed_s / self.done * (self.runs - self.done)
        text = f"{self.done} of {self.runs} runs, {elapsed_s:.0f} s, about {left_s:.0f} s left"
        self._show(text, f'<progress value="{self.done}" max="{self.runs}"></progress> {text}')

    def clear(self) -> None:
        """Take the bar away."""
        if self.handle is not None:
            self._show("", "")

    def _show(self, text: str, html: str) -> None:
        data = {"text/plain": text, "text/html": html}
        if self.handle is None:
            self.handle = self.display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


def _notebook_display() -> Callable[..., Any] | None:
    """Return what shows things under the cell that is running; None outside of notebooks."""
    ipython = sys.modules.get("IPython")  # whoever runs in a kernel has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    if not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display


@contextmanager
def progress_bar(*, shown: bool) -> Iterator[Bar]:
    """Show a bar while the block runs, if ``shown`` and somebody is looking; logs get nothing."""
    display = _notebook_display() if shown else None
    if display is not None:
        bar = _Notebook(display)
        try:
            yield bar
        finally:
            bar.clear()
        return
    console = Console(stderr=True)
    if not shown or not sys.stderr.isatty() or console.is_dumb_terminal:
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
