from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from popsim.sweeps import progress
from popsim.sweeps.progress import progress_bar


class Handle:
    """What ``display(..., display_id=True)`` returns; keeps all that was shown."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the time in s."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[Handle]:
    """Pretend to run in a kernel; return what is displayed."""
    handles: list[Handle] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert raw and display_id
        handles.append(Handle())
        handles[-1].shown.append(data)
        return handles[-1]

    class Shell:
        kernel = object()

    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython, module.display = Shell, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return handles


def test_a_notebook_shows_a_bar_once_it_takes_long(
    notebook: list[Handle], clock: Callable[[float], None]
) -> None:
    with progress_bar(shown=True) as bar:
        bar.total(10)
        clock(1.0)
        bar.finished()
        assert notebook == []
        clock(3.0)
        bar.finished(2)
        clock(6.0)
        bar.finished(2)
    (handle,) = notebook
    texts = [data["text/plain"] for data in handle.shown]
    assert texts == ["3 of 10 runs, 3 s, about 7 s left", "5 of 10 runs, 6 s, about 6 s left", ""]
    assert '<progress value="5" max="10">' in handle.shown[1]["text/html"]


def test_a_notebook_shows_nothing_of_a_short_sweep(
    notebook: list[Handle], clock: Callable[[float], None]
) -> None:
    with progress_bar(shown=True) as bar:
        bar.total(2)
        clock(1.9)
        bar.finished(2)
    assert notebook == []


def test_a_bar_goes_when_a_run_fails(
    notebook: list[Handle], clock: Callable[[float], None]
) -> None:
    def interrupted() -> None:
        with progress_bar(shown=True) as bar:
            bar.total(2)
            clock(5.0)
            bar.finished()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert notebook[0].shown[-1] == {"text/plain": "", "text/html": ""}


def test_who_wants_no_bar_gets_none(notebook: list[Handle], clock: Callable[[float], None]) -> None:
    with progress_bar(shown=False) as bar:
        bar.total(2)
        clock(5.0)
        bar.finished()
    assert notebook == []


class Stream(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def written(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, **environment: str) -> str:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    stream = Stream(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "IPython", None)
    with progress_bar(shown=True) as bar:
        bar.total(3)
        bar.finished()
    return stream.getvalue()


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1/3" in written(monkeypatch, is_terminal=True)


NOT_FOR_PEOPLE = [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}]


@pytest.mark.parametrize("environment", NOT_FOR_PEOPLE)
def test_logs_get_nothing_of_a_short_sweep(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    assert written(monkeypatch, is_terminal=False, **environment) == ""


def test_dumb_terminals_are_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(monkeypatch, is_terminal=True, TERM="dumb") == ""


def test_logs_get_a_plain_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, clock: Callable[[float], None]
) -> None:
    stream = Stream(is_terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "IPython", None)
    with progress_bar(shown=True) as bar:
        bar.total(4)
        bar.finished(kept=True)  # took no time, and says nothing about the others
        for second in range(1, 41):
            clock(float(second))
            bar.under_way(second / 20 % 1.0)
            if second % 20 == 0:
                bar.finished()
    assert stream.getvalue().splitlines() == [
        "popsim: 1 of 4 runs, 43.8% in all, 0:00:15 elapsed, about 0:00:45 left",
        "popsim: 2 of 4 runs, 62.5% in all, 0:00:30 elapsed, about 0:00:30 left",
    ]


def test_something_else_than_runs_moves_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no thread is left, which a worker would inherit."""
    stream = Stream(is_terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "IPython", None)
    monkeypatch.setattr(progress, "LOG_S", 0.1)
    monkeypatch.setattr(progress, "TICK_S", 0.02)
    before = threading.enumerate()  # other tests' libraries may have some
    with progress_bar(shown=True) as bar, bar.stage("making the page"):
        assert len(threading.enumerate()) == len(before) + 1
        time.sleep(1.0)
    assert "popsim: making the page, 0:00:01 elapsed\n" in stream.getvalue()
    assert threading.enumerate() == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_clock_moves_while_one_run_goes_on(tmp_path: Path) -> None:
    """On a terminal, with one run in the main process: the clock, the bar and the time left move within it."""
    import pty

    (tmp_path / "it.yaml").write_text(yaml.safe_dump(ONE_RUN), encoding="utf-8")
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "popsim", "run", "it.yaml", "--fresh", "--json", "-"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.DEVNULL, stderr=child,
    )  # fmt: skip
    os.close(child)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(parent, 65_536):
            shown += more
    os.close(parent)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    clocks = set(re.findall(r"0/1 (0:\d\d:\d\d)", text))
    left = re.findall(r"0/1 0:\d\d:\d\d left (0:\d\d:\d\d)", text)
    assert len(clocks) >= 3, text
    assert len(set(left)) >= 2, text


ONE_RUN: dict[str, Any] = {
    "name": "one run",
    "duration": "60h",
    "replications": 1,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "50/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}},
}


def test_a_real_kernel_shows_and_clears_the_bar() -> None:
    code = """
from popsim.sweeps import progress
progress.PATIENCE_S = 0.0
with progress.progress_bar(shown=True) as bar:
    bar.total(2)
    bar.finished()
    print("between")
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    seen: list[Any] = []
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    client.on_cell_executed = lambda cell, cell_index, execute_reply: seen.extend(cell["outputs"])
    client.execute()
    kinds = [output["output_type"] for output in seen]
    assert kinds == ["display_data", "stream"]
    assert seen[0]["data"] == {"text/plain": "", "text/html": ""}  # the last update
    assert "1 of 2" not in str(seen)
