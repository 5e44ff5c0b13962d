"""A result's figures as PNG files."""

from __future__ import annotations

from io import BytesIO

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
    files = {}
    for name, draw in figures.items():
        buffer = BytesIO()
        draw().savefig(buffer, format="png", dpi=140)
        files[f"{name}.png"] = buffer.getvalue()
    return files
