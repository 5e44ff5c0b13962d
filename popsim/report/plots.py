"""Figures of a result, as ``result.plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from popsim.engine.outputs import PHASES, bucket_value
from popsim.report import kv_plots, object_plots
from popsim.report.land import draw_land
from popsim.report.style import Chart, colours, line_style, ms_text
from popsim.results.pooled import Pool
from popsim.world.clients import load_clients

if TYPE_CHECKING:
    from popsim.results.result import Result

MS_PER_MINUTE = 60_000.0
MARKED_VERBS = ("fail", "restore", "surge", "surge ends", "stop store", "start store", "write")
PHASE_COLOURS = {
    "dns": "#999999",
    "connect": "#56B4E9",
    "tls": "#0072B2",
    "network": "#004C7F",
    "front_door": "#E69F00",
    "queue": "#F0E442",
    "cold_start": "#D55E00",
    "execute": "#009E73",
    "kv": "#7F3FBF",
    "object": "#8C564B",
    "fetch": "#CC79A7",
    "sleep": "#BBBBBB",
}


class Plots:
    """The figures of one result; each returns a matplotlib figure."""

    def __init__(self, result: Result) -> None:
        self.result = result

    def cdf(self) -> Figure:
        """Draw the cumulative distribution of the latency, one line per platform."""
        figure = Chart(figsize=(8.0, 5.2), layout="constrained")
        axes = figure.subplots()
        low, high = np.inf, 0.0
        for (name, pool), colour in zip(self.result.pools.items(), colours(), strict=False):
            buckets = np.flatnonzero(pool.latency)
            if not len(buckets):
                continue
            values, share = bucket_value(buckets), np.cumsum(pool.latency[buckets]) / pool.answered
            label = f"{name}  (p50 {ms_text(pool.p(50))}, p95 {ms_text(pool.p(95))})"
            axes.step(
                values, share * 100.0, where="post", color=colour, label=label, linewidth=1.8,
                linestyle=line_style(len(axes.lines)),
            )  # fmt: skip
            low, high = min(low, pool.p(0.5)), max(high, pool.p(99.5))
        axes.set(
            xscale="log", xlabel="latency in ms", ylabel="share of requests in %", ylim=(0, 100)
        )
        if high > 0.0:
            axes.set_xlim(low * 0.8, high * 1.25)
        for percent in (50, 95):
            axes.axhline(percent, color="#BBBBBB", linewidth=0.8, linestyle=":")
        axes.grid(visible=True, which="major", axis="x", color="#E5E5E5")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        if axes.get_legend_handles_labels()[1]:
            figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        axes.set_title(self.result.scenario.name, fontsize=11)
        return figure

    def phases(self, percents: tuple[float, ...] = (50.0, 95.0, 99.0)) -> Figure:
        """Draw the phases of the requests around some percentiles, stacked, one bar per platform."""
        names = self.result.platforms
        height = 1.4 + 0.42 * len(names)
        figure = Chart(figsize=(4.2 * len(percents), height + 0.6), layout="constrained")
        panels = figure.subplots(1, len(percents), sharey=True, squeeze=False)[0]
        used: set[str] = set()
        for axes, percent in zip(panels, percents, strict=True):
            used |= self._phase_panel(axes, percent)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].invert_yaxis()
        handles = [
            panels[0].barh([0], [0], color=PHASE_COLOURS[phase])
            for phase in PHASES
            if phase in used
        ]
        labels = [phase.replace("_", " ") for phase in PHASES if phase in used]
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        return figure

    def _phase_panel(self, axes: Axes, percent: float) -> set[str]:
        frame = self.result.phases(percent)
        left = np.zeros(len(frame))
        used = set()
        for phase in PHASES:
            ms = frame[phase].fillna(0.0).to_numpy()
            if ms.sum() > 0.001 * np.nansum(frame.to_numpy()):
                used.add(phase)
            axes.barh(range(len(frame)), ms, left=left, color=PHASE_COLOURS[phase], height=0.7)
            left += ms
        for row, total in enumerate(left):
            axes.text(total, row, f" {ms_text(total)}", va="center", fontsize=8)
        axes.set_xlim(0, left.max() * 1.2 or 1.0)
        axes.set(xlabel="ms", title=f"requests around p{percent:g}")
        axes.spines[["top", "right"]].set_visible(False)
        return used

    def map(self, platforms: tuple[str, ...] | None = None) -> Figure:
        """Draw the world: clients coloured by their p50, sites as dots, one map per platform."""
        names = platforms or self.result.platforms
        rows, columns = -(-len(names) // 2), min(2, len(names))
        figure = Chart(figsize=(7.0 * columns, 3.1 * rows + 0.3), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
        scale = self._map_scale(names)
        shades: Any = None
        for axes, name in zip(panels, names, strict=False):
            draw_land(axes)
            shades = self._map_clients(axes, name, scale) or shades
            positions = self.result.runs[name][0].site_positions
            axes.scatter(
                positions[:, 1], positions[:, 0], s=9, marker="^", c="black", linewidths=0, zorder=3
            )
            sites = "1 site" if len(positions) == 1 else f"{len(positions)} sites"
            axes.set_title(f"{name}: {sites}, p50 {ms_text(self.result.pools[name].p(50))}")
        for axes in panels[len(names) :]:
            axes.remove()
        if shades is not None:
            bar = figure.colorbar(shades, ax=panels[: len(names)].tolist(), shrink=0.7, aspect=30)
            bar.set_label("p50 of each place in ms")
            low, high = scale.vmin or 0.0, scale.vmax or 0.0
            ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low <= t <= high]
            bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
            bar.ax.minorticks_off()
        return figure

    def _map_scale(self, names: tuple[str, ...]) -> LogNorm:
        values = np.concatenate([_medians(self.result.pools[name])[1] for name in names])
        if not len(values):
            return LogNorm(1.0, 1_000.0)
        low, high = np.quantile(values, (0.02, 0.98))
        return LogNorm(float(low), float(max(high, low * 1.5)))

    def _map_clients(self, axes: Axes, name: str, scale: LogNorm) -> Any:
        scenario = self.result.scenario
        clients = load_clients(scenario.clients.topology).select(scenario.clients.where)
        rows, medians = _medians(self.result.pools[name])
        if not len(rows):
            return None
        size = np.clip(np.sqrt(clients.weight[rows] / clients.weight.max()) * 60.0, 2.0, 60.0)
        slowest_last = np.argsort(medians)
        rows, size, medians = rows[slowest_last], size[slowest_last], medians[slowest_last]
        return axes.scatter(
            clients.lon[rows], clients.lat[rows], s=size, c=medians, norm=scale, cmap="viridis_r",
            linewidths=0, alpha=0.85, zorder=2,
        )  # fmt: skip

    def kv_tiers(self) -> Figure:
        """Draw which tier of the key-value store answers how many reads, one bar per platform."""
        return kv_plots.tiers(self.result)

    def kv_reads(self) -> Figure:
        """Draw the cumulative distribution of reads from the key-value store."""
        return kv_plots.reads(self.result)

    def kv_staleness(self) -> Figure:
        """Draw which share of reads is staler than how long."""
        return kv_plots.staleness(self.result)

    def kv_visibility(self) -> Figure:
        """Draw how many sites see a write after how long."""
        return kv_plots.visibility(self.result)

    def object_parts(self) -> Figure:
        """Draw where the time of calls of objects goes, one bar per platform."""
        return object_plots.parts(self.result)

    def object_distance(self) -> Figure:
        """Draw the cumulative distribution of how far calls go to an object's home."""
        return object_plots.distance(self.result)

    def object_homes(self) -> Figure:
        """Draw the world: how many objects were made at which host, one map per platform."""
        return object_plots.homes(self.result)

    def object_visible(self) -> Figure:
        """Draw the cumulative distribution of how long until others see a message, by how far they are spread."""
        return object_plots.visible(self.result)

    def timeline(self) -> Figure:
        """Draw median, p95 and failed requests over time, marked with what the control plane did."""
        frame, log = self.result.timeline(), self.result.log()
        figure = Chart(figsize=(9.0, 6.0), layout="constrained")
        latency, failed = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for (name, part), colour in zip(
            frame.groupby("platform", sort=False), colours(), strict=False
        ):
            minutes = part["start_ms"] / MS_PER_MINUTE
            latency.plot(minutes, part["p50_ms"], color=colour, label=f"{name} p50")
            latency.plot(
                minutes,
                part["p95_ms"],
                color=colour,
                linestyle="--",
                linewidth=1,
                label=f"{name} p95",
            )
            share = 100.0 * part["failed"] / part["requests"].clip(lower=1)
            failed.plot(minutes, share, color=colour)
        for time_ms, verb in log[["time_ms", "verb"]].drop_duplicates().itertuples(index=False):
            if verb in MARKED_VERBS:
                for axes in (latency, failed):
                    axes.axvline(time_ms / MS_PER_MINUTE, color="#BBBBBB", linewidth=0.8, zorder=0)
                latency.annotate(
                    verb, (time_ms / MS_PER_MINUTE, 0.98), xycoords=("data", "axes fraction"),
                    fontsize=8, rotation=90, va="top", ha="right", color="#666666",
                )  # fmt: skip
        latency.set(yscale="log", ylabel="latency in ms", title=self.result.scenario.name)
        for formatter in (latency.yaxis.set_major_formatter, latency.yaxis.set_minor_formatter):
            formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        latency.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
        failed.set(xlabel="minutes since the start", ylabel="failed in %")
        failed.set_ylim(bottom=0.0)
        return figure


def _medians(pool: Pool) -> tuple[Any, Any]:
    """Return the clients that were answered, and their p50 in ms."""
    histograms = pool.groups("client")
    dense = np.zeros((histograms.n_rows, histograms.n_buckets), np.int64)
    dense[histograms.rows, histograms.buckets] = histograms.counts
    counts = dense.sum(axis=1)
    rows = np.flatnonzero(counts)
    reached = np.cumsum(dense[rows], axis=1) >= (counts[rows, None] + 1) // 2
    return rows, bucket_value(reached.argmax(axis=1), buckets=histograms.n_buckets)
