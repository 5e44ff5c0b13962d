"""Read the project's CSV files: comment lines with the source first, then a header, then rows."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from popsim.scenario.bundled import bundled_file
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.foreign import recognised
from popsim.scenario.text import quoted

MAX_BYTES = 50_000_000


@dataclass
class Row:
    """One line of a table; its problems are collected in ``table``."""

    table: Table
    line: int
    values: dict[str, str]

    def text(self, column: str) -> str:
        """Return a value that must not be empty."""
        value = self.values[column].strip()
        if not value:
            self.problem(f"{column} is empty")
        return value

    def number(self, column: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a finite number within bounds; 0 where there is none, and a problem."""
        text = self.values[column].strip()
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.problem(f"{column} must be a number, got {quoted(text)}")
            return 0.0
        if not low <= value <= high:
            self.problem(f"{column} must lie within {low:g} and {high:g}, got {text}")
        return value

    def problem(self, message: str, hint: str | None = None) -> None:
        """Note a mistake in this line."""
        self.table.problems.append(
            Problem(str(self.table.path), self.line, None, (), message, hint)
        )


@dataclass
class Table:
    """A CSV file's rows, and the mistakes found in it so far."""

    path: Path
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def raise_problems(self) -> None:
        """Raise what was found wrong.

        Raises:
            InputError: something was.
        """
        if self.problems:
            raise InputError(sorted(self.problems, key=lambda problem: problem.line or 0))

    def unique(self, column: str) -> None:
        """Note every value of a column that an earlier row has, too."""
        first: dict[str, int] = {}
        for row in self.rows:
            value = row.values[column].strip()
            if value in first:
                row.problem(
                    f"the {column} {quoted(value)} is there twice", f"first in line {first[value]}"
                )
            first.setdefault(value, row.line)


def find_table(kind: str, name: str) -> Path:
    """Return the path of a table: a file that ends in .csv, else a bundled one of ``topologies/<kind>``.

    Raises:
        InputError: there is none.
    """
    if not name.endswith(".csv"):
        return bundled_file(f"topologies/{kind}", name)
    path = Path(name)
    if not path.is_file():
        raise InputError([Problem(None, None, None, (), f"there is no file {quoted(name)}")])
    return path


def read_table(
    path: Path, columns: tuple[str, ...], check: Callable[[Row], None] | None = None
) -> Table:
    """Read a CSV file that has at least ``columns``; ``check`` may note problems of each row.

    Raises:
        InputError: it cannot be read, lacks columns, or has no rows.
    """
    table = Table(path)
    header: list[str] | None = None
    for line, values in _lines(path):
        if header is None:
            header = [value.strip() for value in values]
            missing = [column for column in columns if column not in header]
            if missing:
                message = f"the column {quoted(missing[0])} is missing"
                hint = f"expected {', '.join(columns)}"
                foreign = recognised(path.read_text("utf-8", "replace"))
                if foreign is not None:
                    message = f"this is {foreign.name}, and no table of places"
                place = line if foreign is None else None
                raise InputError([Problem(str(path), place, None, (), message, hint)])
            continue
        row = Row(table, line, dict(zip(header, values, strict=False)))
        if len(values) != len(header):
            row.problem(f"expected {len(header)} values, got {len(values)}")
            continue
        table.rows.append(row)
        if check is not None:
            check(row)
    if not table.rows and not table.problems:
        hint = f"expected a header {','.join(columns)} and at least one line"
        raise InputError([Problem(str(path), None, None, (), "the table is empty", hint)])
    return table


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return (line number, values) of every line that is neither empty nor a comment."""
    try:
        if path.stat().st_size > MAX_BYTES:
            hint = f"expected at most {MAX_BYTES // 10**6} MB"
            raise InputError([Problem(str(path), None, None, (), "is too large", hint)])
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        raise InputError([Problem(str(path), None, None, (), message)]) from None
    numbered = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    return [(number, next(csv.reader([line]))) for number, line in numbered]
