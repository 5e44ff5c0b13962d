"""Write a result's folder: summary.json, tables as CSV, figures."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from popsim.engine.outputs import write_all_atomically, write_atomically
from popsim.report.figures import figure_files
from popsim.report.verdicts import Checked, junit_xml, markdown, verdicts_json
from popsim.results.object_frames import DIMENSIONS
from popsim.results.result import Result
from popsim.scenario.loading import dump_resolved


def write_folder(result: Result, folder: Path, *, figures: str | None) -> list[Path]:
    """Write everything into ``folder``, all files or none; return the paths.

    ``figures`` is ``png``, ``svg``, or None for none.

    Raises:
        OSError: one cannot be written.
    """
    tables = {
        "summary.json": result.to_json(),
        "summary.csv": result.summary().to_csv(),
        "phases.csv": result.phases().to_csv(),
        "countries.csv": result.by("country").to_csv(index=False),
        "sites.csv": result.by("site").to_csv(index=False),
        "requests.csv": result.requests().to_csv(index=False),
        "timeline.csv": result.timeline().to_csv(index=False),
        "scenario.yaml": dump_resolved(result.scenario),
    }
    if len(stores := result.kv()):
        tables["kv.csv"] = stores.to_csv()
        for dimension in ("space", "site", "country"):
            tables[f"kv_by_{dimension}.csv"] = result.kv(dimension).to_csv(index=False)
        tables["kv_visibility.csv"] = result.kv_visibility().to_csv(index=False)
    if len(objects := result.objects()):
        tables["objects.csv"] = objects.to_csv()
        for dimension in DIMENSIONS:
            if len(frame := result.objects(dimension)):
                tables[f"objects_by_{dimension}.csv"] = frame.to_csv(index=False)
        tables["object_homes.csv"] = result.object_homes().to_csv(index=False)
    files = {name: text.encode() for name, text in tables.items()}
    if figures is not None:
        files |= figure_files(result, figures)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {folder / name: content for name, content in files.items()}
    write_all_atomically(contents)
    return list(contents)


def write_verdicts(
    checked: Sequence[Checked], json_to: str | None, junit: Path | None, markdown_to: Path | None
) -> None:
    """Write verdicts in the formats that were asked for, and for GitHub's summary of a step.

    Raises:
        OSError: one cannot be written.
    """
    if json_to == "-":
        sys.stdout.write(verdicts_json(checked))
    elif json_to is not None:
        write_atomically(Path(json_to), verdicts_json(checked).encode())
    if junit is not None:
        write_atomically(junit, junit_xml(checked).encode())
    if markdown_to is not None:
        write_atomically(markdown_to, markdown(checked).encode())
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown(checked))
