"""A result's figures as PNG files."""

from __future__ import annotations

from io import BytesIO

from popsim.results.result import Result


def figure_files(result: Result) -> dict[str, bytes]:
    """Return cdf, map and phases, and the timeline if something happened, as file name and PNG."""
    figures = {"cdf": result.plot.cdf, "map": result.plot.map, "phases": result.plot.phases}
    if len(result.scenario.events):
        figures["timeline"] = result.plot.timeline
    files = {}
    for name, draw in figures.items():
        buffer = BytesIO()
        draw().savefig(buffer, format="png", dpi=140)
        files[f"{name}.png"] = buffer.getvalue()
    return files
