"""Curves of the latency: which share of requests is answered by when, and which is not yet; bands over replications."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from popsim.engine.outputs import Floats, bucket_edges
from popsim.report import findings
from popsim.report.style import Chart, curve_style, grid, log_axis, ms_text
from popsim.results.pooled import Pool
from popsim.results.statistics import CONFIDENCE

if TYPE_CHECKING:
    from popsim.results.result import Result

FEWEST = 10  # requests; a tail of fewer is not drawn


def cdf(result: Result) -> Chart:
    """Draw the share of requests answered within a time, one line per platform."""
    figure = Chart(figsize=(8.0, 5.2))
    axes = figure.subplots()
    for number, (name, pool) in enumerate(result.pools.items()):
        if pool.answered:
            label = f"{name}  (p50 {ms_text(pool.p(50))}, p95 {ms_text(pool.p(95))})"
            _curve(axes, pool, number, label)
    axes.set(ylabel="share of requests in %", ylim=(0, 100))
    for percent in (50, 95):
        axes.axhline(percent, color="#BBBBBB", linewidth=0.8, linestyle=":")
    _latency_axis(axes, result, 99.5)
    figure.legend_below(2)
    figure.headline(findings.compared(result, 95.0), _subtitle(result))
    return figure


def ccdf(result: Result) -> Chart:
    """Draw the share of requests that take longer than a time, both axes logarithmic, one line per platform.

    Bands are as for ``cdf``; a tail of fewer than ten requests is not drawn.
    """
    figure = Chart(figsize=(8.0, 5.2))
    axes = figure.subplots()
    least = 1.0
    for number, (name, pool) in enumerate(result.pools.items()):
        if pool.answered:
            label = f"{name}  (p99 {ms_text(pool.p(99))}, p99.9 {ms_text(pool.p(99.9))})"
            _curve(axes, pool, number, label, is_tail=True)
            least = min(least, FEWEST / pool.answered)
    axes.set(yscale="log", ylabel="share of requests that take longer, in %")
    axes.set_ylim(100.0 * min(least, 0.1), 100.0)
    log_axis(axes.yaxis, minor=False)
    _latency_axis(axes, result, 100.0 * (1.0 - least))
    figure.legend_below(2)
    figure.headline(findings.compared(result, 99.0), _subtitle(result))
    return figure


def _latency_axis(axes: Axes, result: Result, last_percent: float) -> None:
    pools = [pool for pool in result.pools.values() if pool.answered]
    axes.set(xscale="log", xlabel="latency in ms")
    if pools:
        low, high = min(p.p(0.5) for p in pools), max(p.p(last_percent) for p in pools)
        axes.set_xlim(0.8 * low, 1.25 * high)
    log_axis(axes.xaxis)
    grid(axes)


def _subtitle(result: Result) -> str:
    bands = "; bands: 95 % intervals" if result.replications > 1 else ""
    return f"{result.scenario.name}{bands}"


def _curve(axes: Axes, pool: Pool, number: int, label: str, *, is_tail: bool = False) -> None:
    found = np.flatnonzero(pool.latency)
    first, end = found[0], found[-1] + 1
    edges = bucket_edges(np.arange(first, end))[1]
    share, half = shares(pool)
    share, half = share[first:end], half[first:end]
    if is_tail:
        share = 1.0 - share
        enough = share * pool.answered >= FEWEST - 0.5
        edges, share, half = edges[enough], share[enough], half[enough]
    style = curve_style(number)
    axes.step(edges, 100.0 * share, where="post", label=label, **style)
    if np.isfinite(half).all():
        tiny = 0.1 / pool.answered  # a logarithmic axis knows no 0
        low, high = (np.clip(share + sign * half, tiny, 1.0) for sign in (-1.0, 1.0))
        axes.fill_between(
            edges, 100.0 * low, 100.0 * high, step="post", color=style["color"], alpha=0.2,
            linewidth=0,
        )  # fmt: skip


def shares(pool: Pool) -> tuple[Floats, Floats]:
    """Return the share of requests answered within each bucket's upper edge, and half of its 95 % interval.

    Both have shape (BUCKETS,). The interval is Student's t over the replications' own shares, as for quantiles; nan
    where fewer than two replications answered anybody.
    """
    share = np.cumsum(pool.latency) / pool.answered
    each = [np.cumsum(run.latency) / run.answered for run in pool.each if run.answered]
    if len(each) < 2:
        return share, np.full(len(share), np.nan)
    from scipy.special import stdtrit

    t = float(stdtrit(len(each) - 1, 0.5 + CONFIDENCE / 2.0))
    return share, t * np.std(each, axis=0, ddof=1) / math.sqrt(len(each))
