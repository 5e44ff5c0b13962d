"""Write a result's folder: summary.json, tables as CSV, figures."""

from __future__ import annotations

from pathlib import Path

from popsim.engine.outputs import write_atomically
from popsim.report.figures import save_figures
from popsim.results.result import Result
from popsim.scenario.loading import dump_resolved


def write_folder(result: Result, folder: Path, *, figures: bool) -> list[Path]:
    """Write everything into ``folder``, each file at once or not at all; return the paths.

    Raises:
        OSError: one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "summary.csv": result.summary().to_csv(),
        "phases.csv": result.phases().to_csv(),
        "countries.csv": result.by("country").to_csv(index=False),
        "sites.csv": result.by("site").to_csv(index=False),
        "requests.csv": result.requests().to_csv(index=False),
        "timeline.csv": result.timeline().to_csv(index=False),
        "scenario.yaml": dump_resolved(result.scenario),
    }
    paths = [folder / "summary.json"]
    result.to_json(paths[0])
    for name, text in tables.items():
        paths.append(folder / name)
        write_atomically(paths[-1], text.encode())
    return paths + (save_figures(result, folder) if figures else [])
