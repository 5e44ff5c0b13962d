"""Verdicts in a notebook: ticks and crosses, what was expected and observed, the source as a link."""

from __future__ import annotations

import math
from collections.abc import Sequence
from urllib.parse import urlsplit

from popsim.report.notebook.markup import (
    BR,
    Markup,
    counted,
    display,
    element,
    joined,
    quiet,
    table,
    titled,
)
from popsim.report.verdicts import MARKS, advice, observed_text
from popsim.results.verdict import Expectation, Outcome, Verdict

COLUMNS = ("", "claim", "expected", "observed", "source")
ORDER: tuple[Outcome, ...] = ("holds", "undecided", "fails")


def verdicts_html(verdicts: Sequence[Verdict]) -> str:
    """Return what a notebook shows of some verdicts."""
    return display(verdicts_block(verdicts))


def verdicts_block(verdicts: Sequence[Verdict]) -> Markup:
    """Return a table with a row for each expectation of each claim, under a line that counts the claims."""
    if not verdicts:
        return titled("No claims")
    found = [verdict.verdict for verdict in verdicts]
    counts = [_count(outcome, found.count(outcome)) for outcome in ORDER if outcome in found]
    title = element("strong", counted(len(verdicts), "claim"))
    head = element("p", title, ": ", joined(counts, ", "))
    return joined((head, table(COLUMNS, [row for each in verdicts for row in _rows(each)])))


def _count(outcome: Outcome, many: int) -> Markup:
    verb = outcome if many == 1 or outcome == "undecided" else outcome[:-1]
    return element("span", f"{MARKS[outcome]} {many} {verb}", class_=f"mark {outcome}")


def _rows(verdict: Verdict) -> list[tuple[str, ...]]:
    """Return a row per expectation; the first says what is claimed, by whom, and what was found in all."""
    is_one = len(verdict.expectations) == 1
    rows = []
    for expectation in verdict.expectations:
        expected: list[str] = [] if is_one else [_mark(expectation.verdict, ""), " "]
        expected.append(element("code", expectation.expect))
        rows.append((joined(expected), _observed(expectation, verdict.confidence)))
    first, *others = rows
    head = (_mark(verdict.verdict, f" {verdict.verdict}"), _claim(verdict), *first, _source(verdict))  # fmt: skip
    return [head, *(("", "", *row, "") for row in others)]


def _mark(outcome: Outcome, word: str) -> Markup:
    return element("span", f"{MARKS[outcome]}{word}", class_=f"mark {outcome}")


def _claim(verdict: Verdict) -> Markup:
    parts: list[str] = [element("strong", verdict.id), BR, verdict.says]
    if verdict.severity == "warn":
        parts += [" ", quiet("(a warning only)")]
    return joined(parts)


def _observed(expectation: Expectation, confidence: float) -> Markup:
    """Return what was observed; the level of its interval if it is not the usual one; why it is open, what would decide."""
    text = observed_text(expectation)
    parts: list[str] = [element("span", text, class_="whole")]
    if math.isfinite(expectation.observed.low) and confidence != 0.95:
        parts.append(quiet(f" {100.0 * confidence:g} % interval"))
    if said := advice(expectation):
        parts += [BR, quiet(said)]
    return joined(parts)


def _source(verdict: Verdict) -> Markup:
    """Return who published it as a link, with date and scope; a promise of one's own has no source."""
    if not verdict.source:
        return quiet("ours")
    url, date, scope = (verdict.source.get(key, "") for key in ("url", "date", "scope"))
    name = _host(url)
    who = element("a", name, href=url, target="_blank", rel="noopener noreferrer") if name else url
    first = joined([part for part in (who, date) if part], ", ")
    return joined([part for part in (first, scope and quiet(scope)) if part], BR)


def _host(url: str) -> str:
    """Return the host of a web address; nothing if it is none, which must not become a link."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    return parts.hostname.removeprefix("www.")
