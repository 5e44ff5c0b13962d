"""Figures of a result, as ``result.plot``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Patch

from popsim.engine.outputs import PHASES, Floats, Ints, bucket_value
from popsim.report import curves, findings, kv_plots, object_plots
from popsim.report.land import draw_land
from popsim.report.style import QUIET, Chart, bare, colours, grid, log_axis, ms_text
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

    def cdf(self) -> Chart:
        """Draw the cumulative distribution of the latency, one line per platform, with bands over replications."""
        return curves.cdf(self.result)

    def ccdf(self) -> Chart:
        """Draw the tail: which share of requests takes longer than how long, both axes logarithmic."""
        return curves.ccdf(self.result)

    def phases(self, percents: tuple[float, ...] = (50.0, 95.0, 99.0)) -> Chart:
        """Draw the phases of the requests around some percentiles, stacked, one bar per platform."""
        names = self.result.platforms
        height = 2.2 + 0.42 * len(names)
        figure = Chart(figsize=(2.0 + 3.6 * len(percents), height))
        panels = figure.subplots(1, len(percents), sharey=True, squeeze=False)[0]
        used: set[str] = set()
        for axes, percent in zip(panels, percents, strict=True):
            used |= self._phase_panel(axes, percent)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].invert_yaxis()
        drawn = [phase for phase in PHASES if phase in used]
        handles = [Patch(color=PHASE_COLOURS[phase]) for phase in drawn]
        labels = [phase.replace("_", " ") for phase in drawn]
        if drawn:
            figure.legend_below(len(labels), handles=handles, labels=labels)
        at = 95.0 if 95.0 in percents else percents[-1]
        figure.headline(findings.largest_phase(self.result, at), self.result.scenario.name)
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
        axes.set_xlim(0, left.max() * 1.25 or 1.0)
        axes.set_xlabel("time in ms")
        axes.set_title(f"requests around p{percent:g}", fontsize=10)
        bare(axes)
        return used

    def map(self, platforms: tuple[str, ...] | None = None) -> Chart:
        """Draw the world: clients coloured by their p50, sites as triangles, one map per platform."""
        names = platforms or self.result.platforms
        columns = min(2, len(names))
        rows = -(-len(names) // columns)
        figure = Chart(figsize=(6.2 * columns + 0.8, 2.9 * rows + 0.7))
        panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
        medians = {name: _medians(self.result.pools[name]) for name in names}
        scale = _map_scale(medians)
        shades: Any = None
        for axes, name in zip(panels, names, strict=False):
            draw_land(axes)
            shades = self._map_clients(axes, medians[name], scale) or shades
            positions = self.result.runs[name][0].site_positions
            axes.scatter(
                positions[:, 1], positions[:, 0], s=9, marker="^", c="black", linewidths=0, zorder=3
            )
            sites = "1 site" if len(positions) == 1 else f"{len(positions)} sites"
            p50 = ms_text(self.result.pools[name].p(50))
            axes.set_title(f"{name}: {sites}, p50 {p50}", fontsize=10)
        for axes in panels[len(names) :]:
            axes.remove()
        if shades is not None:
            _colour_bar(figure, shades, panels[: len(names)].tolist(), scale)
        finding = findings.soon({name: found.soon_ratio for name, found in medians.items()})
        figure.headline(finding, f"{self.result.scenario.name}; triangles: sites; discs: clients")
        return figure

    def _map_clients(self, axes: Axes, medians: Medians, scale: LogNorm) -> Any:
        scenario = self.result.scenario
        clients = load_clients(scenario.clients.topology).select(scenario.clients.where)
        order = np.argsort(medians.ms)  # the slowest on top
        rows = medians.rows[order]
        if not len(rows):
            return None
        size = np.clip(np.sqrt(clients.weight[rows] / clients.weight.max()) * 60.0, 2.0, 60.0)
        return axes.scatter(
            clients.lon[rows], clients.lat[rows], s=size, c=medians.ms[order], norm=scale,
            cmap="viridis_r", linewidths=0, alpha=0.85, zorder=2,
        )  # fmt: skip

    def kv_tiers(self) -> Chart:
        """Draw which tier of the key-value store answers how many reads, one bar per platform."""
        return kv_plots.tiers(self.result)

    def kv_reads(self) -> Chart:
        """Draw the cumulative distribution of reads from the key-value store."""
        return kv_plots.reads(self.result)

    def kv_staleness(self) -> Chart:
        """Draw which share of reads is staler than how long."""
        return kv_plots.staleness(self.result)

    def kv_visibility(self) -> Chart:
        """Draw how many sites see a write after how long."""
        return kv_plots.visibility(self.result)

    def object_parts(self) -> Chart:
        """Draw where the time of calls of objects goes, one bar per platform."""
        return object_plots.parts(self.result)

    def object_distance(self) -> Chart:
        """Draw the cumulative distribution of how far calls go to an object's home."""
        return object_plots.distance(self.result)

    def object_homes(self) -> Chart:
        """Draw the world: how many objects live at which host when the run ends, one map per platform."""
        return object_plots.homes(self.result)

    def object_visible(self, message: str | None = None) -> Chart:
        """Draw the cumulative distribution of how long until others see a message, by how far they are spread.

        One panel per platform and kind of message, of the first three kinds; or of ``message`` alone.

        Raises:
            ValueError: participants send no such message.
        """
        return object_plots.visible(self.result, message)

    def timeline(self) -> Chart:
        """Draw median, p95 and failed requests over time, marked with what the control plane did."""
        frame = self.result.timeline()
        figure = Chart(figsize=(9.0, 6.0))
        latency, failed = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for (name, part), colour in zip(
            frame.groupby("platform", sort=False), colours(), strict=False
        ):
            minutes = part["start_ms"] / MS_PER_MINUTE
            latency.plot(minutes, part["p50_ms"], color=colour, label=f"{name} p50")
            latency.plot(
                minutes, part["p95_ms"], color=colour, linestyle="--", linewidth=1,
                label=f"{name} p95",
            )  # fmt: skip
            share = 100.0 * part["failed"] / part["sent"].clip(lower=1)
            failed.plot(minutes, share, color=colour)
        self._mark_actions(latency, failed)
        latency.set(yscale="log", ylabel="latency in ms")
        log_axis(latency.yaxis)
        grid(latency, "y")
        failed.set(xlabel="minutes since the start", ylabel="failed in %")
        first, end = self.result.scenario.warmup, self.result.scenario.duration
        failed.set_xlim(first / MS_PER_MINUTE, end / MS_PER_MINUTE)
        failed.set_ylim(bottom=0.0)
        latency.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
        figure.headline(findings.over_time(self.result), self.result.scenario.name)
        return figure

    def _mark_actions(self, latency: Axes, failed: Axes) -> None:
        log = self.result.log()[["time_ms", "verb"]].drop_duplicates()
        for time_ms, verb in log.itertuples(index=False):
            if verb not in MARKED_VERBS:
                continue
            for axes in (latency, failed):
                axes.axvline(time_ms / MS_PER_MINUTE, color="#BBBBBB", linewidth=0.8, zorder=0)
            latency.annotate(
                verb, (time_ms / MS_PER_MINUTE, 0.98), xycoords=("data", "axes fraction"),
                fontsize=8, rotation=90, va="top", ha="right", color=QUIET,
            )  # fmt: skip


class Medians(NamedTuple):
    """The clients that were answered."""

    rows: Ints
    ms: Floats  # p50 of each
    requests: Ints

    @property
    def soon_ratio(self) -> float:
        """Share of the requests that come from clients whose p50 is SOON_MS at most; nan without requests."""
        if not len(self.rows):
            return float("nan")
        return float(self.requests[self.ms <= findings.SOON_MS].sum() / self.requests.sum())


def _medians(pool: Pool) -> Medians:
    histograms = pool.groups("client")
    counts = histograms.row_counts()
    rows = np.flatnonzero(counts)
    half = (np.cumsum(counts) - counts + (counts + 1) // 2)[rows]
    place = np.searchsorted(np.cumsum(histograms.counts), half)
    buckets = histograms.buckets[place].astype(np.int64)
    medians = bucket_value(buckets, buckets=histograms.n_buckets)
    return Medians(rows, medians, counts[rows])


def _map_scale(medians: Mapping[str, Medians]) -> LogNorm:
    values = np.concatenate([found.ms for found in medians.values()])
    if not len(values):
        return LogNorm(1.0, 1_000.0)
    low, high = np.quantile(values, (0.02, 0.98))
    return LogNorm(float(low), float(max(high, low * 1.5)))


def _colour_bar(figure: Chart, shades: Any, panels: list[Axes], scale: LogNorm) -> None:
    bar = figure.colorbar(shades, ax=panels, shrink=0.7, aspect=30, extend="both")
    bar.set_label("p50 of each place in ms")
    low, high = scale.vmin or 0.0, scale.vmax or 0.0
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if low <= t <= high]
    bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
    bar.ax.minorticks_off()
