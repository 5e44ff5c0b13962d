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

from popsim.scenario.text import visible

if TYPE_CHECKING:
    from popsim.results.result import Result
    from popsim.results.verdict import Verdict
    from popsim.scenario.loading import Source
    from popsim.scenario.schema import Scenario

EXIT_UNDECIDED, EXIT_FAILS, EXIT_INPUT, EXIT_RUN, EXIT_INTERRUPTED = 98, 99, 2, 3, 130
ENDING_SIGNALS = (
    "SIGTERM",
    "SIGHUP",
)  # what CI, Slurm and Kubernetes send; a terminal that is closed

Command = TypeVar("Command", bound=Callable[..., Any])


def say(text: str) -> None:
    """Tell the user something beside the results, in one line."""
    click.echo(visible(text), err=True)


def notify(message: str) -> None:
    """Tell the user something that is no error."""
    say(f"note: {message}")


def print_json(text: str) -> None:
    """Print JSON as the standards want it, UTF-8, whatever the terminal takes."""
    click.echo(text.encode("utf-8", "backslashreplace"), nl=False)  # \\udcff is JSON's own escape


class Terminated(KeyboardInterrupt):
    """A signal asked the command to end; whatever heeds Ctrl-C heeds it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _terminate(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # the next one must not interrupt the clearing up
    raise Terminated(number)


def interruptible(command: Command) -> Command:
    """Let a command end at once when it is interrupted or terminated, with a word on what is kept."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        for name in ENDING_SIGNALS:
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:
                signal.signal(getattr(signal, name), _terminate)
        try:
            return command(*args, **kwargs)
        except Terminated as error:
            _end("terminated", 128 + error.number)
        except KeyboardInterrupt:
            _end("interrupted", EXIT_INTERRUPTED)

    return wrapped  # type: ignore[return-value]


def _end(how: str, code: int) -> None:
    """End the process at once: workers are ended already, what else holds the interpreter must not delay the exit."""
    with suppress(OSError):  # the terminal may be gone
        click.echo(f"{how}; finished runs are kept, the same command goes on", err=True)
        sys.stdout.flush()
    os._exit(code)


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
