"""Commands of ``popsim``. What takes time to import is imported by the command that needs it."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from popsim.cli.baseline import baseline
from popsim.cli.common import (
    EXIT_INPUT,
    EXIT_RUN,
    exit_code,
    extend_option,
    interruptible,
    load,
    notify,
    print_json,
    run_options,
    say,
    simulate,
    stage,
    writable,
)
from popsim.cli.compare import compare
from popsim.scenario.text import visible

PLAIN = {"±": "+-", "✓": "+", "✗": "x", "…": "...", "–": "-", "—": "-", "µ": "u"}


def main() -> None:
    """Run the command line; exit codes are in ``popsim --help``."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    with _errors():
        try:
            cli(prog_name="popsim")
        finally:
            sys.stdout.flush()


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Write what an ASCII terminal or log lacks with what it has."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    written = "".join(PLAIN.get(c) or ascii(c)[1:-1] for c in found)
    return written, error.end


def _forget_output() -> None:
    """Throw away what could not be written, or the interpreter tries again when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what users can do something about into a message and an exit code."""
    from popsim.scenario.errors import InputError, PopsimError

    try:
        yield
    except InputError as error:
        for line in error.lines():
            say(f"error: {line}")
        sys.exit(EXIT_INPUT)
    except PopsimError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `popsim run ... | head`
        _forget_output()
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"error: {where}{error.strerror or error}")
        _forget_output()
        sys.exit(EXIT_INPUT)
    except MemoryError:
        click.echo("error: out of memory; try --workers 1, or a lower rate or duration", err=True)
        sys.exit(EXIT_RUN)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all claims hold, 99 one fails, 98 one is undecided, 2 bad input, 3 a run failed, 130 interrupted, 143 terminated.",
)
@click.version_option(package_name="popsim")
def cli() -> None:
    """Simulate serverless applications on a planet of points of presence and cloud regions."""


cli.add_command(baseline)
cli.add_command(compare)


@cli.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option(
    "--json",
    "json_to",
    metavar="FILE",
    help="Write the summary as JSON; - for stdout, without tables.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write an interactive page, one file that needs no network.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write summary.json, tables and figures into this folder.",
)
@click.option(
    "--figures",
    type=click.Choice(["png", "svg", "none"]),
    default="png",
    show_default=True,
    help="How to draw figures into --out.",
)
@extend_option
@run_options
@interruptible
def run(
    scenario: str, json_to: str | None, html: Path | None, out: Path | None, figures: str, **options: Any
) -> None:  # fmt: skip
    """Run SCENARIO, a YAML file or a bundled scenario's name; print latencies, phases, verdicts."""
    files = (html, Path(json_to) if json_to and json_to != "-" else None)
    for target in (out, *(file and file.parent for file in files)):
        if target is not None:
            writable(target)
    result = simulate(scenario, options)
    if json_to == "-":
        print_json(result.to_json())
    else:
        from popsim.report.terminal import console_for_output, print_summary

        print_summary(result, console_for_output())
        if json_to:
            result.to_json(json_to)
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        with stage("making the page", options):
            result.to_html(html)
        say(f"written: {html}")
    if out is not None:
        from popsim.cli.output import write_folder

        with stage("making tables and figures", options):
            written = write_folder(result, out, figures=None if figures == "none" else figures)
        say(f"written: {', '.join(str(path) for path in written)}")
    sys.exit(exit_code(result.verdicts))


@cli.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@click.option(
    "--json",
    "json_to",
    metavar="FILE",
    help="Write the verdicts as JSON; - for stdout, without the block.",
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit report."
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a Markdown table; also appended to $GITHUB_STEP_SUMMARY if that is set.",
)
@extend_option
@run_options
@interruptible
def check(
    scenarios: tuple[str, ...], json_to: str | None, junit: Path | None, markdown: Path | None, **options: Any
) -> None:  # fmt: skip
    """Judge the claims of SCENARIOs and print nothing but verdicts, for CI.

    A claim of severity warn changes no exit code.
    """
    from popsim.cli.output import write_verdicts
    from popsim.report.terminal import console_for_output
    from popsim.report.verdicts import Checked, counts_text, print_checked

    for target in (junit, markdown, Path(json_to) if json_to not in (None, "-") else None):
        if target is not None:
            writable(target.parent)
    loaded = [
        load(scenario, options) for scenario in scenarios
    ]  # all files are checked before one is run
    checked = []
    for name, scenario in zip(scenarios, loaded, strict=True):
        if not scenario.claims:
            notify(f"{name} makes no claims")
            continue
        result = simulate(scenario, options)
        checked.append(
            Checked(name, scenario.name, scenario.id, result.replications, result.verdicts)
        )
        if json_to != "-":
            print_checked(checked[-1], console_for_output())
    if json_to != "-":
        click.echo(counts_text(checked))
    write_verdicts(checked, json_to, junit, markdown)
    sys.exit(exit_code(verdict for each in checked for verdict in each.verdicts))


@cli.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@click.option(
    "--resolved", is_flag=True, help="Print the scenario with presets and defaults filled in."
)
@interruptible
def validate(scenarios: tuple[str, ...], resolved: bool) -> None:
    """Check SCENARIOs without running them; report every mistake with file, line and column."""
    from popsim.scenario.errors import InputError, Problem
    from popsim.scenario.loading import dump_resolved
    from popsim.sweeps import load as load_scenario
    from popsim.sweeps.forecast import forecast
    from popsim.sweeps.machine import core_count

    problems: list[Problem] = []
    for name in scenarios:
        try:
            scenario = load_scenario(name)
        except InputError as error:
            problems += error.problems
            continue
        if resolved:
            click.echo(("---\n" if len(scenarios) > 1 else "") + dump_resolved(scenario), nl=False)
        else:
            click.echo(visible(f"{name}: ok, id {scenario.id}"))
        if (expected := forecast(scenario, core_count())).is_worth_telling():
            notify(f"{name} takes {expected.text}")
    if problems:
        raise InputError(problems)


@cli.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it into this file instead.",
)
@interruptible
def schema(out: Path | None) -> None:
    """Print the JSON Schema of scenarios, with which editors complete and check them."""
    from popsim.engine.outputs import write_atomically
    from popsim.json_schema import scenario_schema

    if out is None:
        click.echo(scenario_schema(), nl=False)
        return
    writable(out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, scenario_schema().encode())
    say(f"written: {out}")


@cli.command(name="list")
@interruptible
def list_() -> None:
    """List bundled scenarios, presets, topologies and models."""
    from popsim.models.registry import BUILT_IN, names
    from popsim.scenario.bundled import bundled_names

    kinds = {
        "scenarios": "scenarios",
        "presets": "presets",
        "topologies/sites": "topologies of sites",
        "topologies/clients": "topologies of clients",
    }
    for kind, title in kinds.items():
        click.echo(f"{title}: {', '.join(bundled_names(kind))}")
    for kind in BUILT_IN:
        click.echo(f"{kind.replace('_', ' ')} models: {', '.join(names(kind))}")


@cli.command()
@interruptible
def warmup() -> None:
    """Compile the engine ahead of the first run (up to a minute, once)."""
    from popsim.engine import is_compiled_engine_available, needs_compiling
    from popsim.engine import warmup as compile_engine
    from popsim.scenario.errors import RunError

    if not is_compiled_engine_available():
        raise RunError(
            "numba is not installed, or cannot be imported; the SimPy engine needs no warm-up"
        )
    if not needs_compiling():
        click.echo("the engine is compiled", err=True)
        return
    click.echo("compiling the engine ...", err=True)
    compile_engine()
