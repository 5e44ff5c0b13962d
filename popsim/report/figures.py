"""A result's figures as PNG files."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from matplotlib.figure import Figure

from popsim.results.result import Result


def figure_files(result: Result) -> dict[str, bytes]:
    """Return cdf, map and phases, and those that have something to show, as file name and PNG."""
    figures = {"cdf": result.plot.cdf, "map": result.plot.map, "phases": result.plot.phases}
    if len(result.scenario.events):
        figures["timeline"] = result.plot.timeline
    pools = [pool.kv for pool in result.pools.values() if pool.kv.is_used]
    if pools:
        figures |= {"kv_tiers": result.plot.kv_tiers, "kv_reads": result.plot.kv_reads}
        if any(pool.stale_ratio > 0.0 for pool in pools):
            figures["kv_staleness"] = result.plot.kv_staleness
        if any(pool.visibility(1.0) >= 0.0 for pool in pools):
            figures["kv_visibility"] = result.plot.kv_visibility
    figures |= _of_objects(result)
    files = {}
    for name, draw in figures.items():
        buffer = BytesIO()
        draw().savefig(buffer, format="png", dpi=140)
        files[f"{name}.png"] = buffer.getvalue()
    return files


def _of_objects(result: Result) -> dict[str, Callable[[], Figure]]:
    pools = [pool.objects for pool in result.pools.values() if pool.objects.is_used]
    figures = {}
    if any(pool.calls for pool in pools):
        figures["object_parts"] = result.plot.object_parts
        figures["object_distance"] = result.plot.object_distance
    if any(pool.created_by().any() for pool in pools):
        figures["object_homes"] = result.plot.object_homes
    if any(pool.visible().any() for pool in pools):
        figures["object_visible"] = result.plot.object_visible
    return figures
