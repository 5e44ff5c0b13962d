"""Write a result's figures as PNG files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from popsim.engine.outputs import write_atomically
from popsim.results.result import Result


def save_figures(result: Result, folder: Path) -> list[Path]:
    """Write cdf, map and phases, and the timeline if something happened, into ``folder``; return the paths.

    Raises:
        OSError: a file cannot be written; those before it are complete, it is not there.
    """
    figures = {"cdf": result.plot.cdf, "map": result.plot.map, "phases": result.plot.phases}
    if len(result.scenario.events):
        figures["timeline"] = result.plot.timeline
    paths = []
    for name, draw in figures.items():
        buffer = BytesIO()
        draw().savefig(buffer, format="png", dpi=140)
        paths.append(folder / f"{name}.png")
        write_atomically(paths[-1], buffer.getvalue())
    return paths
