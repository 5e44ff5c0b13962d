"""How far a sweep is: a bar on a terminal's stderr or under a notebook's cell, a line now and then in a log.

Simulated time tells how far the unfinished runs are, so that a sweep of one long run moves, too.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

PATIENCE_S = 2.0  # a notebook's cell that takes less shows no bar
LOG_S = 15.0  # between two lines of a log
TICK_S = 0.25  # between two looks at the clock while something else than runs takes time
CERTAIN_S = 1.0  # before that, what is done says little about what is left


class Show(Protocol):
    """What draws a bar."""

    def draw(self, bar: Bar) -> None:
        """Draw it as it is now."""


class Bar:
    """What is known of a sweep's progress."""

    def __init__(self, show: Show | None) -> None:
        self.show = show
        self.began = self.since = time.perf_counter()  # since: the first run not taken from before
        self.runs = self.done = self.kept = 0
        self.share = 0.0  # of the runs under way, in runs
        self.text = "runs"
        self.has_worked = False

    def total(self, runs: int) -> None:
        """Say how many runs there are in all; may grow."""
        self.runs = runs
        self._draw()

    def finished(self, runs: int = 1, *, kept: bool = False) -> None:
        """Say that some runs are finished; those that were kept from before took no time."""
        self.done += runs
        self.kept += runs if kept else 0
        self.share = 0.0 if kept else max(0.0, self.share - runs)
        self._draw()

    def under_way(self, share: float) -> None:
        """Say how much is done of the runs that are under way, in runs."""
        self.share = share
        self._draw()

    @contextmanager
    def stage(self, text: str) -> Iterator[None]:
        """Say that something else than runs takes time; the clock goes on meanwhile.

        A thread draws it; it has ended when the block has, so that workers can be forked afterwards.
        """
        before, self.text = self.text, text
        over = threading.Event()

        def tick() -> None:
            while not over.wait(TICK_S):
                self._draw()

        ticker = threading.Thread(target=tick, daemon=True)
        if self.show is not None:
            self._draw()
            ticker.start()
        try:
            yield
        finally:
            over.set()
            if self.show is not None:
                ticker.join()
            self.text = before
            self._draw()

    @property
    def worked(self) -> float:
        """Runs' worth of work done here."""
        return self.done - self.kept + self.share

    @property
    def elapsed_s(self) -> float:
        """Seconds since the bar was made."""
        return time.perf_counter() - self.began

    @property
    def left_s(self) -> float | None:
        """Seconds that are left if the rest goes as fast as what was done here; None while nobody can tell."""
        working_s = time.perf_counter() - self.since
        if self.worked <= 0.0 or working_s < CERTAIN_S:
            return None
        return working_s * max(0.0, self.runs - self.done - self.share) / self.worked

    def _draw(self) -> None:
        self.has_worked = self.has_worked or self.worked > 0.0
        if not self.has_worked:
            self.since = time.perf_counter()
        if self.show is not None:
            self.show.draw(self)


class _Terminal:
    """No thread of its own: drawn when there is news, so that workers can be forked meanwhile."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("", total=None, runs="", elapsed="", left="")

    def draw(self, bar: Bar) -> None:
        """Draw it."""
        self.progress.update(
            self.task,
            description=bar.text,
            total=bar.runs or None,
            completed=bar.done + bar.share,
            runs=f"{bar.done}/{bar.runs}" if bar.runs else "",
            elapsed=_clock(bar.elapsed_s),
            left="" if bar.left_s is None else f"left {_clock(bar.left_s)}",
            refresh=True,
        )


class _Log:
    """Where nobody watches, such as in CI: a line now and then that says that it goes on."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def draw(self, bar: Bar) -> None:
        """Write a line, unless there was one lately."""
        if time.perf_counter() - self.last < LOG_S:
            return
        self.last = time.perf_counter()
        runs = f"{bar.done} of {bar.runs} runs, " if bar.runs else ""
        if bar.text != "runs":
            runs = f"{bar.text}, "
        elif bar.share > 0.0:
            runs = f"{runs}{(bar.done + bar.share) / bar.runs:.1%} in all, "
        left = "" if bar.left_s is None or not bar.runs else f", about {_clock(bar.left_s)} left"
        sys.stderr.write(f"popsim: {runs}{_clock(bar.elapsed_s)} elapsed{left}\n")
        sys.stderr.flush()


class _Notebook:
    """HTML under the cell, which needs no widgets."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self.display = display
        self.handle: Any = None
        self.shown = ""

    def draw(self, bar: Bar) -> None:
        """Draw it, if the sweep is taking long."""
        if bar.elapsed_s < PATIENCE_S or bar.done >= bar.runs:
            return
        done = f"{bar.done} of {bar.runs} runs" if bar.text == "runs" else bar.text
        left = "" if bar.left_s is None else f", about {bar.left_s:.0f} s left"
        text = f"{done}, {bar.elapsed_s:.0f} s{left}"
        if text != self.shown:
            value = f"{bar.done + bar.share:.4g}"
            self._show(text, f'<progress value="{value}" max="{bar.runs}"></progress> {text}')

    def clear(self) -> None:
        """Take the bar away."""
        if self.handle is not None:
            self._show("", "")

    def _show(self, text: str, html: str) -> None:
        self.shown = text
        data = {"text/plain": text, "text/html": html}
        if self.handle is None:
            self.handle = self.display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


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
    """Show a bar while the block runs, if ``shown``."""
    if not shown:
        yield Bar(None)
        return
    display = _notebook_display()
    if display is not None:
        notebook = _Notebook(display)
        try:
            yield Bar(notebook)
        finally:
            notebook.clear()
        return
    console = Console(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield Bar(_Log())
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[runs]}"),
        TextColumn("{task.fields[elapsed]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        yield Bar(_Terminal(progress))
