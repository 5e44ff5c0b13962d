"""Ctrl-C and signals end a command as such, wherever they meet it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from pydantic import BaseModel, field_serializer

from popsim.cli.common import ENDING_SIGNALS, interruptible

SIGNALS = [name for name in ENDING_SIGNALS if hasattr(signal, name)]
KEPT = "; finished runs are kept, the same command goes on\n"


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return the exit codes that a command has ended with; handlers are those of a fresh process, and come back."""
    codes: list[int] = []
    before = {name: signal.getsignal(getattr(signal, name)) for name in SIGNALS}
    for name in SIGNALS:
        signal.signal(getattr(signal, name), ENDING_SIGNALS[name][0])

    def end(code: int) -> None:
        codes.append(code)
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    yield codes
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


class Dumped(BaseModel):
    """As scenarios are: what is written calls functions of ours."""

    number: int = 1

    @field_serializer("number")
    def _write(self, _value: int) -> str:
        signal.raise_signal(signal.SIGINT)
        return "1"


def in_a_library() -> None:
    """Pydantic turns what is raised within into an error of its own, and no KeyboardInterrupt is left."""
    Dumped().model_dump()


def swallowed() -> None:
    """As callbacks from C do."""
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        return


def at_the_exit() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        sys.exit(99)


@pytest.mark.parametrize("body", [in_a_library, swallowed, at_the_exit])
def test_an_interrupt_that_a_library_takes(
    body: Callable[[], None], ended: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Ended):
        interruptible(body)()
    assert ended == [130]
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("fresh", [True, False])
def test_each_signal_has_its_code(
    name: str, fresh: bool, ended: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """And nobody is told that runs are kept where they are not."""
    number = getattr(signal, name)

    @interruptible
    def command(*, fresh: bool) -> None:
        signal.raise_signal(number)

    with pytest.raises(Ended):
        command(fresh=fresh)
    assert ended == [128 + number]
    how = "interrupted" if name == "SIGINT" else "terminated"
    assert capsys.readouterr().err == how + ("\n" if fresh else KEPT)


def test_whoever_ignores_signals_goes_on(ended: list[int]) -> None:
    """As under nohup, or in the background of a shell."""
    for name in SIGNALS:
        signal.signal(getattr(signal, name), signal.SIG_IGN)

    @interruptible
    def command() -> int:
        for name in SIGNALS:
            signal.raise_signal(getattr(signal, name))
        return 5

    assert command() == 5
    assert not ended


def test_errors_stay_errors(ended: list[int]) -> None:
    @interruptible
    def command() -> None:
        raise ValueError("no signal")

    with pytest.raises(ValueError, match="no signal"):
        command()
    assert not ended


def test_ctrl_c_while_the_command_is_imported() -> None:
    code = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from popsim.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == ""
