"""Figures of key-value stores: where reads are answered, how fast, how stale, how soon writes are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from popsim.engine.kv_layout import TIERS
from popsim.engine.outputs import bucket_edges
from popsim.report.style import Chart, colours, ms_text
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


def tiers(result: Result) -> Figure:
    """Draw which tier answers how many reads, one bar per platform."""
    pools = stores(result)
    figure = Chart(figsize=(8.5, 1.6 + 0.42 * len(pools)), layout="constrained")
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
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"Where reads are answered: {result.scenario.name}", fontsize=11)
    _legend(figure, len(TIERS))
    return figure


def reads(result: Result) -> Figure:
    """Draw the cumulative distribution of how long reads take; under it, the same by tier."""
    pools = stores(result)
    used = [t for t in TIERS if any(pool.latency(t).any() for pool in pools.values())]
    rows = len(used) * (0.18 + 0.1 * len(pools))  # inches
    figure = Chart(figsize=(8.0, 5.2 + rows), layout="constrained")
    low, high = np.inf, 0.0
    if used:
        axes, by_tier = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, rows))
        low, high = _tier_panel(by_tier, pools, used)
    else:
        axes = by_tier = figure.subplots()
    for (name, pool), colour in zip(pools.items(), colours(), strict=False):
        histogram = pool.latency()
        buckets = np.flatnonzero(histogram)
        if not len(buckets):
            continue
        share = np.cumsum(histogram[buckets]) / histogram.sum()
        label = f"{name}  (p50 {ms_text(pool.read_p(50))}, p95 {ms_text(pool.read_p(95))})"
        axes.step(bucket_edges(buckets)[1], 100 * share, color=colour, label=label, linewidth=1.8)
        low, high = min(low, pool.read_p(1)), max(high, pool.read_p(99.5))
    axes.set(xscale="log", ylabel="share of reads in %", ylim=(0, 100))
    by_tier.set_xlabel("time of a read in ms")
    if high > 0.0:
        axes.set_xlim(max(low * 0.8, 0.05), high * 1.3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.grid(visible=True, which="major", axis="x", color="#E5E5E5")
    axes.set_title(f"How long reads take: {result.scenario.name}", fontsize=11)
    _legend(figure, 2)
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
    axes.grid(visible=True, which="major", axis="x", color="#E5E5E5")
    axes.set_title("by where they are answered: median, p5 to p95", fontsize=9, loc="left")
    return least, most


def staleness(result: Result) -> Figure:
    """Draw which share of all reads is staler than how long, both axes logarithmic."""
    figure = Chart(figsize=(8.0, 5.2), layout="constrained")
    axes = figure.subplots()
    least = 1.0
    for (name, pool), colour in zip(stores(result).items(), colours(), strict=False):
        histogram = pool.stale
        buckets = np.flatnonzero(histogram)
        label = f"{name}  (stale {100 * pool.stale_ratio:.2g} %, at most {_seconds(pool.staleness_max)})"
        if not len(buckets):
            axes.plot([], [], color=colour, label=f"{name}  (never stale)")
            continue
        staler = np.cumsum(histogram[buckets][::-1])[::-1] / pool.answered
        least = min(least, staler[-1])
        axes.step(
            bucket_edges(buckets)[0] / 1e3, 100 * staler, color=colour, label=label, linewidth=1.8
        )
    axes.set(
        xscale="log", yscale="log", xlabel="staleness in s", ylabel="reads staler than that, in %"
    )
    axes.set_xlim(left=0.01)
    axes.set_ylim(100 * least / 2, 100)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.grid(visible=True, which="major", color="#E5E5E5")
    axes.set_title(f"How stale reads are: {result.scenario.name}", fontsize=11)
    _legend(figure, 2)
    return figure


def visibility(result: Result) -> Figure:
    """Draw how many sites see a write after how long, the mean over followed writes."""
    figure = Chart(figsize=(8.0, 5.2), layout="constrained")
    axes = figure.subplots()
    shares = np.linspace(0.01, 1.0, 100)
    for (name, pool), colour in zip(stores(result).items(), colours(), strict=False):
        seconds = np.array([pool.visibility(float(share)) for share in shares]) / 1e3
        if np.isfinite(seconds).any():
            label = f"{name}  (half after {_seconds(1e3 * seconds[49])}, all after {_seconds(1e3 * seconds[-1])})"
            axes.plot(seconds, 100 * shares, color=colour, label=label, linewidth=1.8)
    _seconds_axis(axes)
    axes.set(ylabel="sites that see it, in %", ylim=(0, 100))
    axes.set_title(f"How long until sites see a write: {result.scenario.name}", fontsize=11)
    _legend(figure, 2)
    return figure


def _legend(figure: Figure, columns: int) -> None:
    """Add the legend, if there is anything to name."""
    if any(axes.get_legend_handles_labels()[1] for axes in figure.axes):
        figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _seconds_axis(axes: Axes) -> None:
    axes.set_xlabel("time since the write in s")
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlim(left=0.0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.grid(visible=True, which="major", color="#E5E5E5")


def _seconds(ms: float) -> str:
    return f"{ms / 1e3:.2g} s" if ms < 1e4 else f"{ms / 1e3:.0f} s"
