"""A result's figures as files."""

from __future__ import annotations

from collections.abc import Callable

from popsim.report.style import Chart
from popsim.results.result import Result

ALWAYS = ("cdf", "ccdf", "map", "phases")
Draw = Callable[[], Chart]


def figure_files(result: Result, kind: str = "png") -> dict[str, bytes]:
    """Return cdf, ccdf, map and phases, and those that have something to show, as file name and content.

    ``kind`` is ``png`` or ``svg``.
    """
    plot = result.plot
    figures: dict[str, Draw] = {name: getattr(plot, name) for name in ALWAYS}
    if len(result.scenario.events):
        figures["timeline"] = plot.timeline
    pools = [pool.kv for pool in result.pools.values() if pool.kv.is_used]
    if pools:
        figures |= {"kv_tiers": plot.kv_tiers, "kv_reads": plot.kv_reads}
        if any(pool.stale_ratio > 0.0 for pool in pools):
            figures["kv_staleness"] = plot.kv_staleness
        if any(pool.visibility(1.0) >= 0.0 for pool in pools):
            figures["kv_visibility"] = plot.kv_visibility
    figures |= _of_objects(result)
    return {f"{name}.{kind}": draw().image(kind) for name, draw in figures.items()}


def _of_objects(result: Result) -> dict[str, Draw]:
    plot = result.plot
    pools = [pool.objects for pool in result.pools.values() if pool.objects.is_used]
    figures: dict[str, Draw] = {}
    if any(pool.calls for pool in pools):
        figures["object_parts"] = plot.object_parts
        figures["object_distance"] = plot.object_distance
    if any(pool.created_by().any() for pool in pools):
        figures["object_homes"] = plot.object_homes
    if any(pool.visible().any() for pool in pools):
        figures["object_visible"] = plot.object_visible
    return figures
