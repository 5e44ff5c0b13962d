"""What has changed, and how two platforms differ: tables for the terminal, and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from popsim.claims.baseline import PlatformReport, Report
from popsim.claims.difference import Difference, Method
from popsim.report.fitting import fitted
from popsim.report.plain import PlainTable
from popsim.results.statistics import Estimate
from popsim.scenario.text import markdown, visible

STYLE = {"better": "green", "worse": "red", "changed": "yellow", "same": ""}
PHASES_SHOWN = 3  # the phases that moved most; the rest is in the JSON
HEAD = ("platform", "statistic", "before", "after", "difference (95 % interval)", "relative", "")
METHODS = {
    "paired": "replications compared in pairs",
    "welch": "independent replications (Welch)",
    "ranks": "independent replications compared by ranks",
}


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    cells: tuple[str, ...]
    outcome: str


def change_rows(report: Report) -> list[Row]:
    """Return a row for each statistic that changed."""
    return [
        Row((platform.platform, *_cells(change.statistic, change.difference), change.outcome), change.outcome)
        for platform in report.platforms
        for change in platform.changes
    ]  # fmt: skip


def phase_lines(report: Report) -> list[str]:
    """Return a line for each platform that changed: which phases moved most."""
    return [
        f"{each.platform}: {_moves(each)}"
        for each in report.platforms
        if each.changes and each.phases
    ]


def verdict_line(report: Report) -> str:
    """Return in one line what was found."""
    counted = [change.outcome for each in report.platforms for change in each.changes]
    looked = sum(len(each.statistics) for each in report.platforms)
    found = [
        f"{counted.count(kind)} {kind}"
        for kind in ("worse", "better", "changed")
        if kind in counted
    ]
    what = ", ".join(found) or "nothing has changed"
    return f"{what}; {looked} statistics, {METHODS[report.method]}, tolerance {report.tolerance * 100.0:.3g} %"  # fmt: skip


def print_report(report: Report, name: str, console: Console) -> None:
    """Print what has changed since a baseline."""
    console.print(Text(visible(f"{name}: {report.scenario}"), style="bold"), soft_wrap=True)
    if rows := change_rows(report):
        print_rows(rows, HEAD, console)
        for line in phase_lines(report):
            console.print(Text(visible(f"mean of the phases, {line}")))
    console.print(Text(verdict_line(report), style=STYLE[report.outcome]))
    console.print()


def print_comparison(
    sides: tuple[str, str],
    found: Mapping[str, Mapping[str, Difference]],
    method: Method,
    console: Console,
) -> None:
    """Print how two sides differ, by platform and statistic."""
    rows = []
    for platform, differences in found.items():
        for place, (statistic, difference) in enumerate(differences.items()):
            cells = _cells(statistic, difference)
            start = platform if place == 0 else ""
            rows.append(Row((start, *cells[:-1], _ratio_text(difference.ratio)), ""))
    head = ("platform", "statistic", *sides, "difference (95 % interval)", "ratio")
    print_rows(rows, head, console)
    console.print(METHODS[method])


def print_rows(rows: Sequence[Row], head: Sequence[str], console: Console) -> None:
    """Print a table; what is worse is red."""
    table = PlainTable(box=None, pad_edge=False)
    for title in head:
        table.add_column(
            title, justify="left" if title in ("platform", "statistic", "") else "right"
        )
    for row in rows:
        table.add_row(
            *(Text(visible(cell), style=STYLE.get(row.outcome, "")) for cell in row.cells)
        )
    for part in fitted(table, console.width):
        console.print(part)


def reports_markdown(reports: Sequence[tuple[str, Report]]) -> str:
    """Return reports as Markdown, for a comment on a change."""
    parts = ["# Compared with the baselines\n"]
    for name, report in reports:
        parts.append(f"## {markdown(name)}: {report.outcome}\n")
        if rows := change_rows(report):
            parts.append(_markdown_table(rows, HEAD))
            parts += [f"- mean of the phases, {_escaped(line)}" for line in phase_lines(report)]
            parts.append("")
        parts.append(f"{verdict_line(report)}\n")
        parts += [f"> {markdown(note)}\n" for note in report.notes]
    return "\n".join(parts)


def _markdown_table(rows: Sequence[Row], head: Sequence[str]) -> str:
    lines = [head, ["---"] * len(head), *([_escaped(cell) for cell in row.cells] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _escaped(text: str) -> str:
    """Return a cell: names are those of platforms, letters and digits, and the rest is ours."""
    return visible(text).replace("|", r"\|").replace("<", "&lt;").replace("_", r"\_")


def _moves(platform: PlatformReport) -> str:
    shown = [
        f"{move.phase.replace('_', ' ')} {move.difference:+.3g} ms ({move.before:.4g} to {move.after:.4g})"
        for move in platform.phases[:PHASES_SHOWN]
        if abs(move.difference) >= 0.001
    ]
    return ", ".join(shown) or "none moved"


def _cells(statistic: str, difference: Difference) -> tuple[str, ...]:
    """Return name, before, after, difference with its interval, and the relative change with its own."""
    name, unit = statistic.removesuffix("_ms").replace("_", " "), ""
    if statistic.endswith("_ms"):
        unit = " ms"
    return (
        name,
        f"{difference.before:.4g}{unit}",
        f"{difference.after:.4g}{unit}",
        _interval_text(difference.absolute, unit),
        _share_text(difference.relative),
    )


def _interval_text(estimate: Estimate, unit: str) -> str:
    """Return a difference with its sign and interval, such as ``+2.1 ms (1.9 to 2.3)``."""
    if not math.isfinite(estimate.value):
        return "-"
    text = f"{estimate.value:+.3g}{unit}"
    if math.isfinite(estimate.low):
        text += f" ({estimate.low:.3g} to {estimate.high:.3g})"
    return text


def _ratio_text(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "-"
    text = f"{estimate.value:.4g}"
    if math.isfinite(estimate.low):
        text += f" ({estimate.low:.4g} to {estimate.high:.4g})"
    return text


def _share_text(estimate: Estimate) -> str:
    """Return a relative change in percent with its interval, such as ``+5.1 % (4.8 to 5.4)``."""
    if not math.isfinite(estimate.value):
        return "-"
    text = f"{estimate.value * 100.0:+.3g} %"
    if math.isfinite(estimate.low):
        text += f" ({estimate.low * 100.0:.3g} to {estimate.high * 100.0:.3g})"
    return text
