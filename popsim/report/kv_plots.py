"""Figures of key-value stores: where reads are answered, how fast, how stale, how soon writes are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from popsim.engine.kv_layout import TIERS
from popsim.engine.outputs import bucket_edges
from popsim.report import findings
from popsim.report.style import (
    Chart,
    bare,
    colours,
    curve_style,
    grid,
    log_axis,
    ms_text,
    percent_text,
)
from popsim.results.kv import KvPool

if TYPE_CHECKING:
    from popsim.results.result import Result

TIER_COLOURS = {
    "memory": "#009E73",
    "edge": "#56B4E9",
    "coalesced": "#F0E442",
    "region": "#0072B2",
    "store": "#CC79A7",
    "failed": "#000000",
}
TIER_NAMES = {"coalesced": "waited for another's read", "region": "regional tier"}
READABLE = 0.06  # share of a bar that has room for a number


def stores(result: Result) -> dict[str, KvPool]:
    """Return the stores of the platforms that have one in use.

    Raises:
        ValueError: there is none.
    """
    found = {name: pool.kv for name, pool in result.pools.items() if pool.kv.is_used}
    if not found:
        raise ValueError("no step of the handler asks a key-value store")
    return found


def tiers(result: Result) -> Chart:
    """Draw which tier answers how many reads, one bar per platform."""
    pools = stores(result)
    figure = Chart(figsize=(8.5, 1.6 + 0.42 * len(pools)))
    axes = figure.subplots()
    left = np.zeros(len(pools))
    for tier in TIERS:
        share = np.array([np.nan_to_num(pool.ratio(tier)) for pool in pools.values()])
        if share.sum() == 0.0:
            continue
        label = TIER_NAMES.get(tier, tier)
        axes.barh(
            range(len(pools)), 100 * share, left=100 * left, color=TIER_COLOURS[tier],
            label=label, height=0.7,
        )  # fmt: skip
        for row, (start, width) in enumerate(zip(left, share, strict=True)):
            if width >= READABLE:
                dark = tier in ("region", "failed", "memory")
                axes.text(
                    100 * (start + width / 2), row, f"{100 * width:.0f} %", ha="center",
                    va="center", fontsize=8, color="white" if dark else "black",
                )  # fmt: skip
        left += share
    axes.set_yticks(range(len(pools)), list(pools))
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="share of keys read in %")
    bare(axes)
    figure.legend_below(3)
    figure.headline(findings.answered_by_store(pools), result.scenario.name)
    return figure


def reads(result: Result) -> Chart:
    """Draw the cumulative distribution of how long reads take; under it, the same by tier."""
    pools = stores(result)
    used = [t for t in TIERS if any(pool.latency(t).any() for pool in pools.values())]
    rows = len(used) * (0.18 + 0.1 * len(pools))  # inches
    figure = Chart(figsize=(8.0, 5.2 + rows))
    low, high = np.inf, 0.0
    if used:
        axes, by_tier = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, rows))
        low, high = _tier_panel(by_tier, pools, used)
    else:
        axes = by_tier = figure.subplots()
    for number, (name, pool) in enumerate(pools.items()):
        histogram = pool.latency()
        buckets = np.flatnonzero(histogram)
        if not len(buckets):
            continue
        share = np.cumsum(histogram[buckets]) / histogram.sum()
        label = f"{name}  (p50 {ms_text(pool.read_p(50))}, p95 {ms_text(pool.read_p(95))})"
        axes.step(bucket_edges(buckets)[1], 100 * share, label=label, **curve_style(number))
        low, high = min(low, pool.read_p(1)), max(high, pool.read_p(99.5))
    axes.set(xscale="log", ylabel="share of reads in %", ylim=(0, 100))
    by_tier.set_xlabel("time of a read in ms")
    if high > 0.0:
        axes.set_xlim(max(low * 0.8, 0.05), high * 1.3)
    log_axis(axes.xaxis)
    grid(axes)
    figure.legend_below(2)
    figure.headline(findings.read_times(pools), result.scenario.name)
    return figure


def _tier_panel(
    axes: Axes, pools: Mapping[str, KvPool], used: Sequence[str]
) -> tuple[float, float]:
    """Draw median and p5 to p95 of each tier's reads, one line per platform in its colour; return the ends in ms."""
    step, least, most = 0.8 / len(pools), np.inf, 0.0
    for row, tier in enumerate(used):
        for place, (pool, colour) in enumerate(zip(pools.values(), colours(), strict=False)):
            if not pool.latency(tier).any():
                continue
            low, middle, high = (pool.read_p(percent, tier) for percent in (5, 50, 95))
            y = row + (place + 0.5) * step - 0.4
            axes.plot([low, high], [y, y], color=colour, linewidth=1.8)
            axes.plot(middle, y, "o", color=colour, markersize=4.5)
            least, most = min(least, low), max(most, high)
    names = [TIER_NAMES.get(tier, tier).replace("for another", "for\nanother") for tier in used]
    axes.set_yticks(range(len(used)), names)
    axes.set_ylim(len(used) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    grid(axes, "x")
    axes.set_title("by where they are answered: median, p5 to p95", fontsize=9, loc="left")
    return least, most


def staleness(result: Result) -> Chart:
    """Draw which share of all reads is staler than how long, both axes logarithmic."""
    pools = stores(result)
    figure = Chart(figsize=(8.0, 5.2))
    axes = figure.subplots()
    least = 1.0
    for number, (name, pool) in enumerate(pools.items()):
        histogram = pool.stale
        buckets = np.flatnonzero(histogram)
        if not len(buckets):
            axes.plot([], [], label=f"{name}  (never stale)", **curve_style(number))
            continue
        stale = percent_text(pool.stale_ratio)
        label = f"{name}  (stale {stale}, at most {_time(pool.staleness_max)})"
        staler = np.cumsum(histogram[buckets][::-1])[::-1] / pool.answered
        least = min(least, staler[-1])
        seconds = bucket_edges(buckets)[0] / 1e3
        axes.step(seconds, 100 * staler, label=label, **curve_style(number))
    axes.set(
        xscale="log", yscale="log", xlabel="staleness in s", ylabel="reads staler than that, in %"
    )
    axes.set_xlim(left=0.01)
    axes.set_ylim(100 * least / 2, 100)
    for axis in (axes.xaxis, axes.yaxis):
        log_axis(axis, minor=False)
    grid(axes)
    figure.legend_below(2)
    figure.headline(findings.stale_reads(pools), result.scenario.name)
    return figure


def visibility(result: Result) -> Chart:
    """Draw how many sites see a write after how long, the mean over followed writes."""
    pools = stores(result)
    figure = Chart(figsize=(8.0, 5.2))
    axes = figure.subplots()
    shares = np.linspace(0.01, 1.0, 100)
    for number, (name, pool) in enumerate(pools.items()):
        seconds = np.array([pool.visibility(float(share)) for share in shares]) / 1e3
        if np.isfinite(seconds).any():
            half, everywhere = (_time(1e3 * seconds[row]) for row in (49, -1))
            label = f"{name}  (half after {half}, all after {everywhere})"
            axes.plot(seconds, 100 * shares, label=label, **curve_style(number))
    axes.set_xlabel("time since the write in s")
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlim(left=0.0)
    log_axis(axes.xaxis, minor=False)
    axes.set(ylabel="sites that see it, in %", ylim=(0, 100))
    grid(axes)
    figure.legend_below(2)
    figure.headline(findings.seen_writes(pools), result.scenario.name)
    return figure


def _time(ms: float) -> str:
    return ms_text(ms) if ms < 1e3 else f"{ms / 1e3:.2g} s" if ms < 1e5 else f"{ms / 1e3:,.0f} s"
