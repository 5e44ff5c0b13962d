"""Figures of objects: where the time of calls goes, how far they go, where homes are, how soon others see a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter

from popsim.engine.object_layout import H_CREATED, H_LIVING, PARTS, SPREADS
from popsim.engine.outputs import Ints, bucket_edges
from popsim.engine.sums import in_units
from popsim.report.land import draw_land
from popsim.report.style import Chart, bare, colours, curve_style, grid, log_axis, ms_text
from popsim.results.object_frames import kinds_of_messages
from popsim.results.objects import OTHER, ObjectPool
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from popsim.results.result import Result

PART_COLOURS = {
    "to_home": "#0072B2",
    "queue": "#F0E442",
    "open": "#D55E00",
    "execute": "#009E73",
    "storage": "#CC79A7",
    "await": "#BBBBBB",
    "gate": "#E69F00",
    "back": "#56B4E9",
}
PART_NAMES = {
    "to_home": "way to the home",
    "queue": "waiting for the thread",
    "open": "opening the object",
    "execute": "computing",
    "storage": "reading storage",
    "await": "waiting for others",
    "gate": "waiting for confirmation",
    "back": "way back",
}
SPREAD_NAMES = {
    "city": "in one city",
    "country": "in one country",
    "continent": "on one continent",
    "world": "all over the world",
}
SPREAD_COLOURS = dict(zip(SPREADS, ("#009E73", "#56B4E9", "#0072B2", "#D55E00"), strict=True))
KINDS = 3  # of messages, each with a panel
READABLE = 0.07  # share of the longest bar that has room for a number
NAMED_HOSTS = 6
HALO = [withStroke(linewidth=2.0, foreground="white")]


def objects_of(result: Result) -> dict[str, ObjectPool]:
    """Return the objects of the platforms whose handler calls some.

    Raises:
        ValueError: there is none.
    """
    found = {name: pool.objects for name, pool in result.pools.items() if pool.objects.is_used}
    if not found:
        raise ValueError("no step of the handler calls an object")
    return found


# --- where the time goes --------------------------------------------------------------------------------


def parts(result: Result) -> Chart:
    """Draw the mean of each part of a call, stacked, one bar per platform."""
    pools = objects_of(result)
    figure = Chart(figsize=(8.5, 2.1 + 0.42 * len(pools)))
    axes = figure.subplots()
    means = {
        part: np.nan_to_num([pool.part_mean(part) for pool in pools.values()]) for part in PARTS
    }
    totals = np.sum(list(means.values()), axis=0)
    longest, left = float(totals.max()), np.zeros(len(pools))
    for part, ms in means.items():
        if ms.sum() <= 0.001 * totals.sum():
            left += ms
            continue
        axes.barh(
            range(len(pools)), ms, left=left, color=PART_COLOURS[part], label=PART_NAMES[part],
            height=0.7,
        )  # fmt: skip
        for row, (start, width) in enumerate(zip(left, ms, strict=True)):
            if width >= READABLE * longest:
                _inside(axes, start + width / 2, row, width, dark=part in ("to_home", "execute"))
        left += ms
    for row, pool in enumerate(pools.values()):
        text = f"  p50 {ms_text(pool.call_p(50))}, p95 {ms_text(pool.call_p(95))}"
        axes.text(totals[row], row, text if pool.calls else "  no calls", va="center", fontsize=8)
    axes.set_yticks(range(len(pools)), list(pools))
    axes.invert_yaxis()
    axes.set(xlim=(0, longest * 1.35 or 1.0), xlabel="mean of all answered calls in ms")
    bare(axes)
    figure.headline(_parts_finding(pools, means, totals), result.scenario.name)
    figure.legend_below(4)
    return figure


def _inside(axes: Axes, x: float, row: int, ms: float, *, dark: bool) -> None:
    colour = "white" if dark else "black"
    axes.text(x, row, f"{ms:.3g}", ha="center", va="center", fontsize=8, color=colour)


def _parts_finding(
    pools: Mapping[str, ObjectPool], means: Mapping[str, np.ndarray], totals: np.ndarray
) -> str:
    called = [row for row, pool in enumerate(pools.values()) if pool.calls]
    if not called or totals.max() <= 0.0:
        return "No call of an object was answered"
    way = means["to_home"] + means["back"]
    kinds = {"way to the home and back": way} | {
        PART_NAMES[part]: ms for part, ms in means.items() if part not in ("to_home", "back")
    }
    largest = max(kinds, key=lambda kind: float(kinds[kind].sum()))
    shares = kinds[largest][called] / totals[called]
    low, high = (f"{100 * share:.0f}" for share in (shares.min(), shares.max()))
    span = low if low == high else f"{low} to {high}"
    return f"{largest.capitalize()}: {span} % of a call's time"


# --- how far ----------------------------------------------------------------------------------------------


def distance(result: Result) -> Chart:
    """Draw the cumulative distribution of the distance from callers' sites to homes, one line per platform."""
    pools = objects_of(result)
    figure = Chart(figsize=(8.0, 5.2))
    axes = figure.subplots()
    for number, (name, pool) in enumerate(pools.items()):
        label = f"{name}  (p50 {_km(pool.distance_p(50))}, p95 {_km(pool.distance_p(95))})"
        if pool.distance.any():
            _curve(axes, pool.distance, label, curve_style(number))
    axes.set(xlabel="distance from the caller's site to the object's home in km")
    axes.set(ylabel="share of calls in %", ylim=(0, 100))
    most = max((pool.distance_p(99.9) for pool in pools.values() if pool.distance.any()), default=1)
    axes.set_xlim(0.0, max(1.05 * most, 1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    grid(axes)
    half = {f"with {n}": pool.distance_p(50) for n, pool in pools.items() if pool.distance.any()}
    figure.headline(_extremes(half, _km, "Half of the calls go", "less than"), result.scenario.name)
    figure.legend_below(2)
    return figure


def _km(km: float) -> str:
    return f"{km:.3g} km" if km < 100.0 else f"{km:,.0f} km"


# --- where homes are --------------------------------------------------------------------------------------


def homes(result: Result) -> Chart:
    """Draw the world: a disc per host, its area the share of objects that live there at the end; one map per platform.

    Where objects have moved, or lost their homes, rings tell where they were made.
    """
    pools = objects_of(result)
    rows, columns = -(-len(pools) // 2), min(2, len(pools))
    figure = Chart(figsize=(7.0 * columns, 3.1 * rows + 0.5))
    panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    shares = {name: _shares(pool, H_LIVING) for name, pool in pools.items()}
    for axes, (name, pool), colour in zip(panels, pools.items(), colours(), strict=False):
        draw_land(axes)
        made = _shares(pool, H_CREATED)
        _discs(axes, pool, shares[name], colour)
        used = int(np.count_nonzero(shares[name]))
        hosts = "1 host" if used == 1 else f"{used} hosts"
        text = f"{name}: {pool.by_host()[:, H_LIVING].sum():,} objects at {hosts}"
        if not np.array_equal(made, shares[name]):
            _rings(axes, pool, made)
            text += " at the end; rings: where they were made"
        axes.set_title(text, fontsize=10)
    for axes in panels[len(pools) :]:
        axes.remove()
    figure.headline(_homes_finding(pools, shares), result.scenario.name)
    return figure


def _shares(pool: ObjectPool, column: int) -> np.ndarray:
    """Return which share of the objects each host has, by what was counted, shape (H,); zeros if there is none."""
    counted = pool.by_host()[:, column]
    return in_units(counted, max(int(counted.sum()), 1))


def _rings(axes: Axes, pool: ObjectPool, shares: np.ndarray) -> None:
    known, lat, lon, area = _placed(pool, shares)
    if known:
        axes.scatter(lon, lat, s=area, facecolors="none", edgecolors="#555555", linewidths=0.8, zorder=2)  # fmt: skip


def _placed(
    pool: ObjectPool, shares: np.ndarray
) -> tuple[list[int], np.ndarray, np.ndarray, np.ndarray]:
    """Return hosts with a share, largest first, with their latitudes, longitudes and areas in points squared."""
    places = dict(zip(pool.runs[0].labels["site"], pool.runs[0].site_positions, strict=True))
    order = [int(row) for row in np.argsort(-shares, kind="stable") if shares[row] > 0.0]
    known = [row for row in order if pool.hosts[row] in places]
    lat, lon = np.array([places[pool.hosts[row]] for row in known]).reshape(-1, 2).T
    return known, lat, lon, 8.0 + 900.0 * shares[np.array(known, dtype=np.int64)]


def _discs(axes: Axes, pool: ObjectPool, shares: np.ndarray, colour: str) -> None:
    known, lat, lon, area = _placed(pool, shares)
    if not known:
        return
    axes.scatter(
        lon, lat, s=area, color=colour, alpha=0.6, linewidths=0.5, edgecolors="white", zorder=2
    )
    named: list[tuple[float, float]] = []
    for row, x, y, size in zip(known, lon, lat, area, strict=True):
        near = any(abs(x - other) < 35.0 and abs(y - above) < 5.0 for other, above in named)
        if near or len(named) == NAMED_HOSTS:
            continue  # a name would cover another
        named.append((x, y))
        axes.annotate(
            f"{pool.hosts[row]} {_percent(shares[row])}", (x, y), fontsize=7, va="center",
            xytext=(np.sqrt(size / np.pi) + 2.0, 0.0), textcoords="offset points", zorder=3, path_effects=HALO,
        )  # fmt: skip


def _homes_finding(pools: Mapping[str, ObjectPool], shares: Mapping[str, np.ndarray]) -> str:
    largest = {name: float(share.max()) for name, share in shares.items() if share.any()}
    if not largest:
        return "No object was made"
    if len(pools) == 1:
        ((name, share),) = largest.items()
        host = pools[name].hosts[int(shares[name].argmax())]
        return f"{host} is home to {_of_objects(share)}"
    named = {f"with {name}": share for name, share in largest.items()}
    return _extremes(named, _of_objects, "The largest host is home", "to")


def _of_objects(share: float) -> str:
    return f"{_percent(share)} of the objects"


def _percent(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.1 else 1}f} %"


# --- how soon others see a message ------------------------------------------------------------------------


def visible(result: Result, message: str | None = None) -> Chart:
    """Draw the cumulative distribution of ms until another participant has a message.

    A row per platform, a panel per kind of message: the first KINDS of them, or ``message`` alone.

    Raises:
        ValueError: participants send no such message.
    """
    pools = {name: pool for name, pool in objects_of(result).items() if pool.visible().any()}
    kinds = list(dict.fromkeys(kind for pool in pools.values() for kind in kinds_of_messages(pool)))
    if message is not None and message not in kinds:
        raise ValueError(f"unknown message {quoted(message)}; expected one of {', '.join(kinds)}")
    shown = [message] if message is not None else _seen(pools, kinds)[:KINDS]
    panels = [(name, pool, kind) for name, pool in pools.items() for kind in shown]
    columns = len(shown) if len(shown) > 1 else min(2, len(panels)) or 1
    rows = -(-len(panels) // columns) or 1
    figure = Chart(figsize=(2.0 + 5.5 * columns, 1.2 + 4.0 * rows))
    grid_of = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).reshape(-1)
    for axes, (name, pool, kind) in zip(grid_of, panels, strict=False):
        _visible_panel(axes, pool, kind)
        names = [name] * (len(pools) > 1) + [f"message: {kind}"] * (kind != OTHER)
        axes.set_title(", ".join(names) or name, fontsize=10)
    if panels:
        ends = [[pool.visible_p(p, None, kind) for p in (0.5, 99.5)] for _, pool, kind in panels]
        low, high = np.nanmin(ends), np.nanmax(ends)
        grid_of[0].set_xlim(0.8 * low, 1.25 * high)
    for axes in grid_of[len(panels) :]:
        axes.remove()
    figure.headline(_visible_finding(pools, shown), result.scenario.name)
    return figure


def _seen(pools: Mapping[str, ObjectPool], kinds: list[str]) -> list[str]:
    """Return the kinds of messages that others see; not all are broadcast."""
    return [
        kind for kind in kinds if any(pool.visible(message=kind).any() for pool in pools.values())
    ]


def _visible_panel(axes: Axes, pool: ObjectPool, kind: str) -> None:
    for spread in SPREADS:
        if pool.visible(spread, kind).any():
            times = [ms_text(pool.visible_p(p, spread, kind)) for p in (50, 95)]
            label = f"{SPREAD_NAMES[spread]}  (p50 {times[0]}, p95 {times[1]})"
            _curve(axes, pool.visible(spread, kind), label, {"color": SPREAD_COLOURS[spread]})
    axes.set(xscale="log", ylim=(0, 100), ylabel="seen, in %")
    axes.set_xlabel("time since the message was sent in ms")
    log_axis(axes.xaxis)
    grid(axes)
    axes.tick_params(labelbottom=True, labelleft=True)
    below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.17)}
    axes.legend(**below, frameon=False, fontsize=8, ncols=2)


def _visible_finding(pools: Mapping[str, ObjectPool], shown: list[str]) -> str:
    """Compare platforms by the first kind of message; if there is one, how far participants are spread."""
    if not pools:
        return "No data"
    kind = shown[0]
    half = {f"with {name}": pool.visible_p(50, None, kind) for name, pool in pools.items()}
    if len(pools) == 1:
        (pool,) = pools.values()
        used = [spread for spread in SPREADS if pool.visible(spread, kind).any()]
        half = {SPREAD_NAMES[spread]: pool.visible_p(50, spread, kind) for spread in used}
    what = "a message" if kind == OTHER else f"the message {quoted(kind)}"
    return _extremes(half, ms_text, f"Half of the others see {what}", "after")


# --- what they have in common -----------------------------------------------------------------------------


def _curve(axes: Axes, histogram: Ints, label: str, style: dict[str, Any]) -> None:
    """Draw a cumulative distribution in % from a histogram."""
    found = np.flatnonzero(histogram)
    share = np.cumsum(histogram[found]) / histogram.sum()
    values = bucket_edges(found)[1]
    axes.step(
        [values[0], *values], [0.0, *(100 * share)], where="post", label=label,
        **({"linewidth": 1.8} | style),
    )  # fmt: skip


def _extremes(
    values: Mapping[str, float], text: Callable[[float], str], begin: str, link: str
) -> str:
    """Return a sentence with the least of some named values and, if it is another, the largest."""
    if not values:
        return "No data"
    least, most = min(values, key=lambda n: values[n]), max(values, key=lambda n: values[n])
    low, high = text(values[least]), text(values[most])
    if low == high:
        return f"{begin} {link} {low}"
    return f"{begin} {link} {low} {least}, {link} {high} {most}"
