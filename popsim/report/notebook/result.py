"""A result in a notebook: what it shows in one sentence, latencies with intervals, claims, what is doubtful."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from popsim.report.html.finding import finding
from popsim.report.notebook.markup import (
    Markup,
    counted,
    display,
    element,
    joined,
    percent,
    table,
    titled,
)
from popsim.report.notebook.verdicts import verdicts_block
from popsim.results.statistics import Estimate
from popsim.scenario.units import format_duration

if TYPE_CHECKING:
    from popsim.results.result import Result

PERCENTS = (50.0, 90.0, 95.0, 99.0, None)
COLUMNS = ("platform", "sent", "p50", "p90", "p95", "p99", "mean", "cold", "failed")


def result_html(result: Result) -> str:
    """Return what a notebook shows of a result."""
    scenario = result.scenario
    what = (
        f"{counted(result.replications, 'replication')} of {format_duration(scenario.duration)}, "
        f"{result.engine} engine, id {scenario.id}"
    )
    parts = [titled(scenario.name, what), element("p", finding(result)), _latencies(result)]
    parts += [_note(note) for note in result.notes]
    if result.verdicts:
        parts.append(verdicts_block(result.verdicts))
    return display(*parts)


def _latencies(result: Result) -> Markup:
    """Return a row per platform; with what a million requests cost, where that is known."""
    costs = {name: pool.cost for name, pool in result.pools.items()}
    is_priced = any(map(math.isfinite, costs.values()))
    rows = [
        (
            name,
            f"{pool.requests:,}",
            *(plus_minus(result.latency(name, p)) for p in PERCENTS),
            percent(pool.cold_start_ratio),
            percent(pool.failed_ratio),
            *([_usd(costs[name]), _usd(pool.cost_answered)] * is_priced),
        )
        for name, pool in result.pools.items()
    ]
    columns = (*COLUMNS, *(["USD per million sent", "answered"] * is_priced))
    head = element("p", "Latency in ms", " ± half of its 95 % interval" * (result.replications > 1))
    return joined((head, table(columns, rows, numbers=len(columns) - 1)))


def _usd(usd: float) -> str:
    return f"{usd:.2f}" if math.isfinite(usd) else "-"


def _note(text: str) -> Markup:
    return element("p", element("span", "Note", class_="mark undecided"), f": {text}")


def plus_minus(estimate: Estimate) -> str:
    """Write a value in ms and half of its interval; both ends, if half would not tell where these are.

    >>> plus_minus(Estimate(145.63, 145.1, 146.2)), plus_minus(Estimate(2.0, float("nan"), float("nan")))
    ('145.6 ± 0.5', '2.0')
    >>> plus_minus(Estimate(20.0, 19.0, 480.0)), plus_minus(Estimate(20.0, 19.0, float("inf")))
    ('20.0 (19.0 to 480.0)', '20.0 (19.0 to ∞)')
    """
    if not math.isfinite(estimate.value):
        return "-"
    half = (estimate.high - estimate.low) / 2.0
    digits = 1 if estimate.value < 1e3 else 0
    text = f"{estimate.value:,.{digits}f}"
    if math.isnan(half):
        return text
    if estimate.is_lopsided and half >= 0.05:
        ends = [
            f"{end:,.{digits}f}" if math.isfinite(end) else "∞"
            for end in (estimate.low, estimate.high)
        ]
        return f"{text} ({ends[0]} to {ends[1]})"
    return f"{text} ± {half:,.{1 if half < 9.95 else 0}f}"
