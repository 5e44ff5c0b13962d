"""Read the project's CSV files: comment lines with the source first, then a header, then rows.

Values are separated by commas; by semicolons or tabs, as spreadsheets of some countries write them, if the header is so.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from popsim.scenario.bundled import NAMES, bundled_file, bundled_names, is_there
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.files import read_text
from popsim.scenario.foreign import HEAD, recognised
from popsim.scenario.text import quoted

MAX_BYTES = 50_000_000
MAX_LINE = 100_000  # characters; the csv module takes less than 131,072 in one value
MOST_PROBLEMS = 1_000  # whatever else is wrong is said when these are mended


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

    def unique(self, column: str) -> str:
        """Return a value that must not be empty, and that no earlier row may have."""
        value, seen = self.text(column), self.table.seen.setdefault(column, {})
        first = seen.setdefault(value, self.line)
        if first != self.line:
            self.problem(f"the {column} {quoted(value)} is there twice", f"first in line {first}")
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
            self.problem(f"{column} must lie within {low:g} and {high:g}, got {quoted(text)[1:-1]}")
        return value

    def problem(self, message: str, hint: str | None = None) -> None:
        """Note a mistake in this line."""
        self.table.problem(self.line, message, hint)


@dataclass
class Table:
    """The rows of a CSV file, to be read once, and the mistakes found in them so far.

    Rows are made one by one, so that a large table takes no more memory than what is kept of it.
    """

    path: Path
    columns: tuple[str, ...]
    problems: list[Problem] = field(default_factory=list)
    head: str = ""  # how the file begins
    seen: dict[str, dict[str, int]] = field(default_factory=dict)
    """By column: values, and in which line each was first."""

    def __iter__(self) -> Iterator[Row]:
        """Yield all rows, and at the end raise what was found wrong with them.

        Raises:
            InputError: something was; or the file cannot be read, lacks columns or has no rows.
        """
        header: list[str] | None = None
        is_empty, delimiter = True, ","
        for line, text in self._lines():
            if header is None:
                delimiter = next((each for each in ",;\t" if each in text), ",")
                header = self._header(line, next(csv.reader([text], delimiter=delimiter)))
                continue
            values, is_empty = next(csv.reader([text], delimiter=delimiter)), False
            if len(values) != len(header):
                self.problem(line, f"expected {len(header)} values, got {len(values)}")
            else:
                yield Row(self, line, dict(zip(header, values, strict=True)))
            if len(self.problems) >= MOST_PROBLEMS:
                break
        if is_empty:
            hint = f"expected a header {','.join(self.columns)} and at least one line"
            self.problem(None, "the table is empty", hint)
        if self.problems:
            raise InputError(sorted(self.problems, key=lambda problem: problem.line or 0))

    def problem(self, line: int | None, message: str, hint: str | None = None) -> None:
        """Note a mistake."""
        self.problems.append(Problem(str(self.path), line, None, (), message, hint))

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Yield number and text of every line that is neither empty nor a comment."""
        text = read_text(self.path, MAX_BYTES, "a CSV file")
        self.head = text[:HEAD]
        start = number = 0
        while start < len(text):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            line, start, number = text[start:end], end + 1, number + 1
            if len(line) > MAX_LINE:
                self.problem(
                    number, f"has {len(line):,} characters", f"expected at most {MAX_LINE:,}"
                )
            elif line.strip() and not line.startswith("#"):
                yield number, line

    def _header(self, line: int, values: list[str]) -> list[str]:
        header = [value.strip() for value in values]
        for column in self.columns:
            if header.count(column) != 1:
                is_there = "there twice" if column in header else "missing"
                message = f"the column {quoted(column)} is {is_there}"
                foreign = recognised(self.head)
                if foreign is not None:
                    message = f"this is {foreign.name}, and no table of places"
                hint = f"expected {', '.join(self.columns)}"
                self.problem(line if foreign is None else None, message, hint)
                raise InputError(self.problems)
        return header


def find_table(kind: str, name: str) -> Path:
    """Return the path of a table: a bundled one of ``topologies/<kind>``, else a file of the user's.

    Raises:
        InputError: there is none.
    """
    known = bundled_names(f"topologies/{kind}")
    if name in known:
        return bundled_file(f"topologies/{kind}", name)
    path = Path(name)
    if name.endswith(".csv") and not path.exists():
        raise InputError([Problem(None, None, None, (), f"there is no file {quoted(name)}")])
    if not is_there(path):
        what = f"there is no {NAMES[f'topologies/{kind}']} {quoted(name)}"
        raise InputError([Problem(None, None, None, (), what, did_you_mean(name, known))])
    return path
