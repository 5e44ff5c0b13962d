"""``popsim baseline``: keep what scenarios yield, and say later what has changed."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from popsim.cli.common import (
    EXIT_FAILS,
    interruptible,
    notify,
    print_json,
    run_options,
    say,
    simulate,
    writable,
)

if TYPE_CHECKING:
    from popsim.claims.baseline import Report
    from popsim.scenario.schema import Scenario

_folder = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("baselines"),
    show_default="baselines",
    help="Where the baselines are, a JSON file for each scenario.",
)


def share_option(_: click.Context, __: click.Parameter, value: str) -> float:
    """Read an option that is a share, such as 1%."""
    from popsim.scenario.units import parse_share

    try:
        return parse_share(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def baseline() -> None:
    """Save results and compare later runs with them."""


@baseline.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@_folder
@run_options
@interruptible
def save(scenarios: tuple[str, ...], folder: Path, **options: Any) -> None:
    """Run SCENARIOs and write their baselines, over those that were there."""
    from popsim.claims.baseline import save as baseline_of
    from popsim.claims.baseline import to_json
    from popsim.engine.outputs import write_atomically

    loaded = _load(scenarios, folder)
    writable(folder)
    for name, (path, scenario) in zip(scenarios, loaded, strict=True):
        result = simulate(scenario, options)
        if result.replications < 2:
            notify(f"{name}: one replication has no spread; no change can be told from chance")
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(baseline_of(result)).encode())
        say(f"written: {path}")


@baseline.command()
@click.argument("scenarios", metavar="SCENARIO...", nargs=-1, required=True)
@_folder
@click.option(
    "--tolerance",
    default="1%",
    show_default=True,
    callback=share_option,
    help="Relative changes up to this don't count.",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a Markdown report; also appended to $GITHUB_STEP_SUMMARY if that is set.",
)
@click.option(
    "--json", "json_to", metavar="FILE", help="Write all of it as JSON; - for stdout, no tables."
)
@run_options
@interruptible
def compare(
    scenarios: tuple[str, ...],
    folder: Path,
    tolerance: float,
    markdown: Path | None,
    json_to: str | None,
    **options: Any,
) -> None:
    """Run SCENARIOs and say what has changed since their baselines.

    Exit codes: 0 nothing got worse, 99 something did, 2 bad input.
    """
    from popsim.claims.baseline import compare as compared
    from popsim.report.differences import print_report
    from popsim.report.terminal import console_for_output

    loaded = _load(scenarios, folder)
    baselines = _read(scenarios, loaded, folder)
    for target in (markdown, Path(json_to) if json_to not in (None, "-") else None):
        if target is not None:
            writable(target.parent)
    reports = []
    for name, (_, scenario), before in zip(scenarios, loaded, baselines, strict=True):
        report = compared(simulate(scenario, options), before, tolerance)
        reports.append((name, report))
        for note in report.notes:
            notify(f"{name}: {note}")
        if json_to != "-":
            print_report(report, name, console_for_output())
    _write(reports, markdown, json_to)
    sys.exit(EXIT_FAILS if any(report.outcome == "worse" for _, report in reports) else 0)


def _load(scenarios: Sequence[str], folder: Path) -> list[tuple[Path, Scenario]]:
    """Check all scenarios before one is run, and tell where their baselines are.

    Raises:
        InputError: one is wrong, or two would have the same baseline.
    """
    from popsim.scenario.errors import InputError, Problem
    from popsim.sweeps import load

    names = [Path(scenario).stem for scenario in scenarios]
    for name in names:
        if names.count(name) > 1:
            message = f"two scenarios would have the baseline {folder / name}.json"
            raise InputError([Problem(None, None, None, (), message, "rename one's file")])
    return [
        (folder / f"{name}.json", load(source, force=True))  # a run refuses what takes too long
        for name, source in zip(names, scenarios, strict=True)
    ]


def _read(
    scenarios: Sequence[str], loaded: Sequence[tuple[Path, Scenario]], folder: Path
) -> list[dict[str, Any]]:
    """Read all baselines before a scenario is run.

    Raises:
        InputError: one or more are missing, damaged, or of other platforms; all are listed.
    """
    from popsim.claims.baseline import check_comparable, read
    from popsim.scenario.errors import InputError, Problem

    found, problems = [], list[Problem]()
    for name, (path, scenario) in zip(scenarios, loaded, strict=True):
        words = ["popsim", "baseline", "save", name]
        if folder != Path("baselines"):
            words += ["--dir", str(folder)]
        try:
            found.append(read(path, shlex.join(words)))
            check_comparable(found[-1], scenario, path)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def _write(
    reports: Sequence[tuple[str, Report]], markdown: Path | None, json_to: str | None
) -> None:
    from popsim.engine.outputs import write_atomically
    from popsim.report.differences import reports_markdown

    plain = {"schema": 1, "comparisons": {name: report.to_json_dict() for name, report in reports}}
    text = json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
    if json_to == "-":
        print_json(text)
    elif json_to is not None:
        write_atomically(Path(json_to), text.encode("utf-8", "backslashreplace"))
    if markdown is not None:
        write_atomically(markdown, reports_markdown(reports).encode())
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(reports_markdown(reports))
