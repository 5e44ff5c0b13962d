"""What ``popsim check`` says of claims: for people, for CI's test reports, for pull requests, for programs."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from popsim.results.verdict import Expectation, Outcome, Verdict
from popsim.scenario.text import markdown, markdown_code, markdown_link, visible

SCHEMA = 1
LARGER_UNITS = (
    ("ms", 10_000.0, 1e3, "s"),
    ("B", 1e9, 1e9, "GB"),
    ("B", 1e6, 1e6, "MB"),
    ("B", 1e3, 1e3, "kB"),
)  # unit, from which value another is easier to read, how many of the one it is, which
MARKS = {"holds": "✓", "fails": "✗", "undecided": "?"}
VERBS: tuple[Outcome, ...] = ("holds", "fails")
STYLES = {"holds": "green", "fails": "red", "undecided": "yellow"}


@dataclass(frozen=True)
class Checked:
    """A scenario whose claims were judged; ``source`` is the file or name that was asked for."""

    source: str
    name: str
    id: str
    replications: int
    verdicts: tuple[Verdict, ...]


def observed_text(expectation: Expectation) -> str:
    """Write what was observed with its interval, and the bound if that was observed, too.

    Such as ``84.7 ms (76.6 to 92.8), against 81.2 ms; 0.12 % failed``.
    """
    observed = expectation.observed
    if not math.isfinite(observed.value):
        return f"no data{failed_text(expectation)}"
    scale, unit = _scale(observed.value, expectation.unit)
    text = f"{_four_digits(observed.value / scale)}{unit}"
    low, high = (_four_digits(bound / scale) for bound in (observed.low, observed.high))
    if math.isfinite(observed.high - observed.low):
        text += f" ({low} to {high})"
    elif math.isfinite(observed.low):
        text += f" ({low} or more)"
    elif math.isfinite(observed.high):
        text += f" ({high} or less)"
    if expectation.against:
        bounds = [f"{_four_digits(bound / scale)}{unit}" for bound in expectation.against]
        text += f", against {' and '.join(bounds)}"
    return text + failed_text(expectation)


def failed_text(expectation: Expectation) -> str:
    """Write which share of requests failed, which have no latency: ``; 0.12 % of workers failed``; nothing if none did."""
    some = [(name, ratio) for name, ratio in expectation.failed_ratio if ratio > 0.0]
    if not some:
        return ""
    return f"; {' and '.join(f'{100.0 * ratio:.3g} % of {name}' for name, ratio in some)} failed"


def advice(expectation: Expectation) -> str:
    """Say why an expectation is undecided, or fails without data, and what would decide it; nothing if nothing is to say."""
    parts = [expectation.reason] if expectation.reason else []
    if expectation.replications is not None:
        parts.append(f"about {expectation.replications} replications would decide")
    return ", ".join(parts)


def _scale(value: float, unit: str) -> tuple[float, str]:
    """Return by what to divide a value for reading, and the unit that it then has, after a blank."""
    for small, least, scale, large in LARGER_UNITS:
        if unit == small and value >= least:
            return scale, f" {large}"
    return 1.0, f" {unit}" if unit else ""


def _four_digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def print_checked(checked: Checked, console: Console) -> None:
    """Print a block per scenario: a mark and the sentence of each claim, then what was expected and observed."""
    title = visible(f"{checked.source}: {checked.name}")
    console.print(Text(title, style="bold"), soft_wrap=True)
    for verdict in checked.verdicts:
        line = Text("  ").append(MARKS[verdict.verdict], style=STYLES[verdict.verdict])
        line.append(f" {visible(verdict.id)}", style="bold").append(f"  {visible(verdict.says)}")
        if verdict.severity == "warn":
            line.append("  (a warning only)", style="dim")
        console.print(line, soft_wrap=True)
        for expectation in verdict.expectations:
            console.print(_line(expectation), soft_wrap=True)
        if verdict.source:
            console.print(Text(f"      {_source(verdict)}", style="dim"), soft_wrap=True)
    console.print()


def _line(expectation: Expectation) -> Text:
    line = Text("    ").append(MARKS[expectation.verdict], style=STYLES[expectation.verdict])
    line.append(f" {visible(expectation.expect)}: ")
    line.append(observed_text(expectation))
    if expectation.verdict == "undecided" or expectation.reason:
        line.append(f"; {_verdict_text(expectation)}", style=STYLES[expectation.verdict])
    return line


def _verdict_text(expectation: Expectation) -> str:
    said = advice(expectation)
    return f"{expectation.verdict}, {said}" if said else expectation.verdict


def _source(verdict: Verdict) -> str:
    parts = (verdict.source.get(key, "") for key in ("url", "date", "scope"))
    return visible(", ".join(part for part in parts if part))


def counts_text(checked: Sequence[Checked]) -> str:
    """Return how many claims hold, fail and are undecided: ``4 hold, 1 fails, 0 undecided``.

    Those of severity warn that do not hold are counted apart, since the exit code does not follow them.
    """
    verdicts = [verdict for each in checked for verdict in each.verdicts]
    warnings = sum(v.severity == "warn" and v.verdict != "holds" for v in verdicts)
    found = Counter(v.verdict for v in verdicts if v.severity == "error" or v.verdict == "holds")
    verbs = [f"{found[verb]} {verb if found[verb] == 1 else verb[:-1]}" for verb in VERBS]
    told = [*verbs, f"{found['undecided']} undecided"]
    if warnings:
        told.append(f"{warnings} warning{'s' if warnings != 1 else ''}")
    return ", ".join(told)


# --- for programs -------------------------------------------------------------------------------------------


def verdicts_json(checked: Sequence[Checked]) -> str:
    """Return all verdicts as JSON, schema 1."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "scenarios": [
            {
                "source": each.source,
                "name": each.name,
                "id": each.id,
                "replications": each.replications,
                "claims": [verdict.to_json_dict() for verdict in each.verdicts],
            }
            for each in checked
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def junit_xml(checked: Sequence[Checked]) -> str:
    """Return a JUnit report: a suite per scenario, a test case per claim; undecided ones are errors, warnings skipped."""
    root = ElementTree.Element("testsuites", name="popsim")
    for each in checked:
        suite = ElementTree.SubElement(root, "testsuite", name=visible(each.name))
        wrong = dict.fromkeys(("failures", "errors", "skipped"), 0)
        for verdict in each.verdicts:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=visible(each.source),
                name=visible(f"{verdict.id}: {verdict.says}"),
            )
            kind = _junit_kind(verdict)
            if kind is not None:
                wrong[kind] += 1
                message = visible(f"{verdict.verdict}: {verdict.deciding.expect}")
                tag = {"failures": "failure", "errors": "error", "skipped": "skipped"}[kind]
                ElementTree.SubElement(case, tag, message=message).text = _details(verdict)
        suite.set("tests", str(len(each.verdicts)))
        for kind, count in wrong.items():
            suite.set(kind, str(count))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _junit_kind(verdict: Verdict) -> str | None:
    if verdict.verdict == "holds":
        return None
    if verdict.severity == "warn":
        return "skipped"
    return "failures" if verdict.verdict == "fails" else "errors"


def _details(verdict: Verdict) -> str:
    lines = [
        visible(f"{_verdict_text(e)}: {e.expect}; observed {observed_text(e)}")
        for e in verdict.expectations
    ]
    return "\n".join(lines + ([_source(verdict)] if verdict.source else []))


# --- for pull requests --------------------------------------------------------------------------------------


def checked_markdown(checked: Sequence[Checked]) -> str:
    """Return a table of all claims, scenario by scenario."""
    lines = [f"## popsim: {counts_text(checked)}", ""]
    for each in checked:
        lines += [
            f"### {markdown(each.name)}",
            "",
            f"{markdown_code(each.source)}, {each.replications} replications",
            "",
        ]
        lines += ["| | claim | expected | observed (interval) |", "|---|---|---|---|"]
        for verdict in each.verdicts:
            for row, expectation in enumerate(verdict.expectations):
                says = _says(verdict) if row == 0 else ""
                observed = observed_text(expectation)
                if expectation.verdict == "undecided" or expectation.reason:
                    observed += f"; {_verdict_text(expectation)}"
                mark = MARKS[expectation.verdict]
                lines.append(
                    f"| {mark} | {says} | {markdown_code(expectation.expect)} | {observed} |"
                )
        lines.append("")
    return "\n".join(lines)


def _says(verdict: Verdict) -> str:
    says = f"**{markdown(verdict.id)}** {markdown(verdict.says)}"
    if verdict.severity == "warn":
        says += " (a warning only)"
    if verdict.source:
        says += f" ({markdown_link(verdict.source.get('date', 'source'), verdict.source['url'])})"
    return says
