"""What several commands share: their options, running a scenario, notes and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from popsim.scenario.text import visible, visible_json

if TYPE_CHECKING:
    from popsim.results.result import Result
    from popsim.results.verdict import Verdict
    from popsim.scenario.loading import Source
    from popsim.scenario.schema import Scenario

EXIT_UNDECIDED, EXIT_FAILS, EXIT_INPUT, EXIT_RUN = 98, 99, 2, 3
# Ctrl-C; what CI, Slurm and Kubernetes send; a terminal that is closed. Whoever has another handler, or ignores one, keeps it.
ENDING_SIGNALS = {
    "SIGINT": (signal.default_int_handler,),
    "SIGTERM": (signal.SIG_DFL,),
    "SIGHUP": (signal.SIG_DFL,),
}

Command = TypeVar("Command", bound=Callable[..., Any])


def say(text: str) -> None:
    """Tell the user something beside the results, in one line."""
    click.echo(visible(text), err=True)


def notify(message: str) -> None:
    """Tell the user something that is no error."""
    say(f"note: {message}")


def print_json(text: str) -> None:
    """Print JSON as the standards want it, UTF-8, whatever the terminal takes."""
    click.echo(visible_json(text).encode(), nl=False)


class Terminated(KeyboardInterrupt):
    """A signal asked the command to end; whatever heeds Ctrl-C heeds it."""


_received: list[int] = []  # signals that asked for the end


def _terminate(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    if number != signal.SIGINT:
        signal.signal(number, signal.SIG_IGN)  # the next one must not interrupt the clearing up
    raise Terminated(number)


def interruptible(command: Command) -> Command:
    """Let a command end at once when it is interrupted or terminated, with a word on what is kept.

    The signal counts, not the exception: libraries that call functions of ours, such as pydantic, turn an interrupt within
    into errors of their own.
    """

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _received.clear()
        try:
            for name, handlers in ENDING_SIGNALS.items():
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is not None and signal.getsignal(number) in handlers:
                    signal.signal(number, _terminate)
            return command(*args, **kwargs)
        finally:
            if _received:
                _end(_received[0], are_runs_kept=not kwargs.get("fresh", True))

    return wrapped  # type: ignore[return-value]


def _end(number: int, *, are_runs_kept: bool) -> None:
    """End the process at once: workers are ended already, what else holds the interpreter must not delay the exit."""
    how = "interrupted" if number == signal.SIGINT else "terminated"
    kept = "; finished runs are kept, the same command goes on" if are_runs_kept else ""
    with suppress(OSError):  # the terminal may be gone
        click.echo(f"{how}{kept}", err=True)
        sys.stdout.flush()
    os._exit(128 + number)


def run_options(command: Command) -> Command:
    """Add the options of every command that runs scenarios; ``simulate`` takes them."""
    options = [
        click.option(
            "--engine",
            type=click.Choice(["compiled", "simpy"]),
            help="Override the scenario's engine.",
        ),
        click.option(
            "--replications", type=click.IntRange(1, 10_000), help="Override how many replications."
        ),
        click.option("--seed", type=click.IntRange(0), help="Override the scenario's seed."),
        click.option(
            "--workers", type=click.IntRange(1), help="Processes to use; default: all cores."
        ),
        click.option(
            "--fresh", is_flag=True, help="Neither use nor keep finished runs (.popsim/)."
        ),
        click.option(
            "--force", is_flag=True, help="Run what would take days, or more memory than there is."
        ),
        click.option("--quiet", is_flag=True, help="Show no progress."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


extend_option = click.option(
    "--extend",
    type=click.IntRange(1, 10_000),
    help="Run this many replications more than are finished and kept (.popsim/).",
)


def changes_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the options of ``run_options`` change in a scenario."""
    keys = ("engine", "replications", "seed")
    return {key: options[key] for key in keys if options[key] is not None}


def load(source: Source | Scenario, options: dict[str, Any]) -> Scenario:
    """Load and check a scenario with the options of ``run_options``; raises InputError."""
    from popsim.sweeps import load as load_scenario

    return load_scenario(source, force=options["force"], **changes_of(options))


def simulate(source: Source | Scenario, options: dict[str, Any]) -> Result:
    """Run a scenario with the options of ``run_options``; say what is doubtful about its warm-up and length.

    Raises:
        InputError: the scenario is wrong; every mistake is listed.
        RunError: a run could not be finished.
        UsageError: options contradict each other.
    """
    from popsim.sweeps import run as run_scenario
    from popsim.sweeps.store import FOLDER

    extend = options.get("extend")
    for other in ("replications", "fresh"):
        if extend and options[other]:
            raise click.UsageError(f"--extend does not go with --{other}: it counts on from what is kept")  # fmt: skip
    changes = changes_of(options)
    store = None if options["fresh"] else FOLDER
    result = run_scenario(
        source, workers=options["workers"], notify=notify, store=store, extend=extend,
        progress=not options["quiet"], force=options["force"], **changes,
    )  # fmt: skip
    for note in result.notes:
        notify(note)
    return result


@contextmanager
def stage(text: str, options: dict[str, Any]) -> Iterator[None]:
    """Show that something takes time that is no run, unless nobody wants to know."""
    from popsim.sweeps.progress import progress_bar

    with progress_bar(shown=not options["quiet"]) as bar, bar.stage(text):
        yield


def writable(folder: Path) -> None:
    """Fail before the work is done rather than after it.

    Raises:
        OSError: nothing can be written there.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise NotADirectoryError(20, "is not a folder", str(existing))
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(13, "cannot be written", str(folder))


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Return the exit code of some verdicts; those of severity warn don't count."""
    found = {verdict.verdict for verdict in verdicts if verdict.severity == "error"}
    if "fails" in found:
        return EXIT_FAILS
    return EXIT_UNDECIDED if "undecided" in found else 0
