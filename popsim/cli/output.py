"""Write a result's folder: summary.json, tables as CSV, figures."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pandas import isna
from pandas.api.types import is_numeric_dtype

from popsim.cli.common import print_json
from popsim.engine.outputs import write_all_atomically, write_atomically
from popsim.report.figures import figure_files
from popsim.report.verdicts import Checked, checked_markdown, junit_xml, verdicts_json
from popsim.results.object_frames import DIMENSIONS
from popsim.results.result import Result
from popsim.scenario.loading import dump_resolved
from popsim.scenario.text import csv_cell


def write_folder(result: Result, folder: Path, *, figures: str | None) -> list[Path]:
    """Write everything into ``folder``, all files or none; return the paths.

    ``figures`` is ``png``, ``svg``, or None for none.

    Raises:
        OSError: one cannot be written.
    """
    tables = {
        "summary.json": result.to_json(),
        "summary.csv": _csv(result.summary()),
        "phases.csv": _csv(result.phases()),
        "countries.csv": _csv(result.by("country"), index=False),
        "sites.csv": _csv(result.by("site"), index=False),
        "requests.csv": _csv(result.requests(), index=False),
        "timeline.csv": _csv(result.timeline(), index=False),
        "scenario.yaml": dump_resolved(result.scenario),
    }
    if len(stores := result.kv()):
        tables["kv.csv"] = _csv(stores)
        for dimension in ("space", "site", "country"):
            tables[f"kv_by_{dimension}.csv"] = _csv(result.kv(dimension), index=False)
        tables["kv_visibility.csv"] = _csv(result.kv_visibility(), index=False)
    if len(objects := result.objects()):
        tables["objects.csv"] = _csv(objects)
        for dimension in DIMENSIONS:
            if len(frame := result.objects(dimension)):
                tables[f"objects_by_{dimension}.csv"] = _csv(frame, index=False)
        tables["object_homes.csv"] = _csv(result.object_homes(), index=False)
    files = {name: text.encode() for name, text in tables.items()}
    if figures is not None:
        files |= figure_files(result, figures)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {folder / name: content for name, content in files.items()}
    write_all_atomically(contents)
    return list(contents)


def _csv(frame: pd.DataFrame, *, index: bool = True) -> str:
    """Return a table as CSV whose texts no spreadsheet takes for formulas; what is unknown is empty.

    Column by column, because pandas takes five times as long over the millions of numbers in a sample of requests.
    """
    table = frame.reset_index() if index else frame
    rows = zip(*(_cells(table[name]) for name in table.columns), strict=True)
    return "\n".join([",".join(map(_quoted, table.columns)), *map(",".join, rows), ""])


def _cells(column: pd.Series[Any]) -> list[str]:
    """Return a column's cells as they are written; of texts there are few, and each is looked at once."""
    values: list[Any] = column.tolist()
    if values and values.count(values[0]) == len(values):
        values = values[:1]  # one value in all rows, such as the time of a phase that did not occur
    if is_numeric_dtype(column):
        cells = ["" if value != value else str(value) for value in values]
    else:
        shown = {text: _quoted(csv_cell(text)) for text in set(values) if isinstance(text, str)}
        cells = [shown[v] if isinstance(v, str) else "" if isna(v) else str(v) for v in values]
    return cells * (len(column) // max(1, len(cells)))


def _quoted(text: str) -> str:
    """Return a text as a cell, quoted if need be."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([text, ""])
    return buffer.getvalue()[: -len(",\n")]


def write_verdicts(
    checked: Sequence[Checked], json_to: str | None, junit: Path | None, markdown_to: Path | None
) -> None:
    """Write verdicts in the formats that were asked for, and for GitHub's summary of a step.

    Raises:
        OSError: one cannot be written.
    """
    if json_to == "-":
        print_json(verdicts_json(checked))
    elif json_to is not None:
        write_atomically(Path(json_to), verdicts_json(checked).encode("utf-8", "backslashreplace"))
    if junit is not None:
        write_atomically(junit, junit_xml(checked).encode())
    if markdown_to is not None:
        write_atomically(markdown_to, checked_markdown(checked).encode())
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(checked_markdown(checked))
