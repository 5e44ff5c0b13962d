"""Read a key trace: the lines of a cache's log, as Twitter published them.

Columns timestamp (s), key, key_size, value_size (bytes), client_id, operation, TTL (s, 0 = never), without a header or
with one, in any order and with others. Source of the format: https://github.com/twitter/cache-trace, 2020; J. Yang, Y. Yue, K. V.
Rashmi, "A large scale analysis of hundreds of in-memory cache clusters at Twitter", OSDI 2020.
"""

from __future__ import annotations

import csv
from array import array
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.arrays import Ints, Records, records
from popsim.engine.kv_layout import TRACE_DTYPE
from popsim.engine.tables import choose
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.files import open_regular
from popsim.scenario.foreign import HEAD, recognised
from popsim.scenario.own_files import FileVersion, file_version
from popsim.scenario.text import quoted
from popsim.scenario.workload import MAX_KEY_BYTES, MAX_VALUE_BYTES

FIELDS = ("time", "key", "client", "kind", "expiry")  # of TRACE_DTYPE, that are read
COLUMNS = ("timestamp", "key", "key_size", "value_size", "client_id", "operation", "TTL")
READS = ("get", "gets")
WRITES = ("set", "add", "replace", "cas", "append", "prepend", "incr", "decr")
DELETES = ("delete",)
MAX_BYTES = 1_000_000_000
MAX_LINE = 100_000  # bytes
MOST_PROBLEMS = 20


@dataclass(frozen=True, eq=False)
class KeyTrace:
    """A trace as arrays; times in ms from its first line on."""

    rows: Records  # fields of TRACE_DTYPE; client is the number of the client_id
    sizes: Ints  # [key], bytes of key and value where they were first named
    clients: tuple[str, ...]  # client_ids in order of appearance


def read_trace(path: Path) -> KeyTrace:
    """Read a trace file.

    Raises:
        InputError: it is not there, or lines of it are wrong, with file and line.
    """
    try:
        version = file_version(path)
    except OSError:
        raise _refusal(f"there is no trace file {quoted(str(path))}") from None
    if path.is_dir():
        raise _refusal("the trace is a folder", "expected a CSV file")
    return _read(path, version)


def _refusal(message: str, hint: str | None = None) -> InputError:
    return InputError([Problem(None, None, None, (), message, hint)])


@lru_cache(maxsize=4)
def _read(path: Path, _version: FileVersion) -> KeyTrace:
    reading = _Reading(path)
    try:
        with open_regular(path, MAX_BYTES, "a CSV file") as file:
            if (foreign := recognised(file.read(HEAD).decode("utf-8", "replace"))) is not None:
                message = f"this is {foreign.name}, and no key trace"
                raise InputError([Problem(str(path), None, None, (), message, foreign.advice)])
            file.seek(0)
            reading.all(_lines(file, path.stat().st_size))
    except UnicodeDecodeError:
        reading.problem(reading.number + 1, "not UTF-8 text")
    except csv.Error as error:
        reading.problem(reading.number + 1, f"not valid CSV: {error}")
    except OSError as error:
        reading.problem(None, f"cannot be read: {(error.strerror or str(error)).lower()}")
    if not reading.time and not reading.problems:
        reading.problem(None, "the trace has no lines")
    if reading.problems:
        raise InputError(reading.problems)
    rows = records(TRACE_DTYPE, len(reading.time))
    for name in FIELDS:
        rows[name] = getattr(reading, name)
    rows.time -= rows.time[0]
    return KeyTrace(rows, np.array(reading.sizes, dtype=np.int64), tuple(reading.clients))


def _lines(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the lines of a file that was so large when it was looked at, but no line that is longer than any may be.

    Raises:
        csv.Error: a line is too long.
    """
    while size > 0 and (line := file.readline(MAX_LINE + 1)):
        if len(line) > MAX_LINE:
            raise csv.Error(f"a line has more than {MAX_LINE:,} bytes")
        size -= len(line)
        yield line


class _Reading:
    """What was read of a trace so far, and the mistakes in it."""

    def __init__(self, path: Path) -> None:
        self.path, self.number = path, 0
        self.columns = list(COLUMNS)
        self.problems: list[Problem] = []
        self.time, self.expiry = array("d"), array("d")
        self.key, self.client, self.kind = array("q"), array("q"), array("q")
        self.keys: dict[str, int] = {}
        self.clients: dict[str, int] = {}
        self.sizes: list[int] = []  # by number of key

    def problem(self, line: int | None, message: str) -> None:
        self.problems.append(Problem(str(self.path), line, None, (), message))

    def all(self, file: Iterable[bytes]) -> None:
        """Read lines until there are no more, or too many mistakes."""
        reader, is_first = csv.reader(_text(file)), True
        for line in reader:
            self.number = reader.line_num
            if not line or line[0].startswith("#"):
                continue
            if is_first and self._is_header(line):
                if self.problems:
                    return
            else:
                try:
                    self._line(line)
                except ValueError as error:
                    self.problem(self.number, str(error))
            is_first = False
            if len(self.problems) >= MOST_PROBLEMS:
                return

    def _is_header(self, line: list[str]) -> bool:
        """Take the first line for the columns' names, if it has some of them."""
        names = [name.strip() for name in line]
        if not {"timestamp", "operation", "key"} & set(names):
            return False
        for name in COLUMNS:
            if names.count(name) != 1:
                what = "lacks the column" if name not in names else "has twice the column"
                self.problem(self.number, f"the header {what} {name}")
        self.columns = names
        return True

    def _line(self, line: list[str]) -> None:
        if len(line) != len(self.columns):
            raise ValueError(
                f"expected {len(self.columns)} values ({', '.join(self.columns)}), got {len(line)}"
            )
        row = dict(zip(self.columns, line, strict=True))
        kind, time = _kind(row["operation"]), _number(row, "timestamp") * 1e3
        ttl = _number(row, "TTL")
        bytes_of_key = _number(row, "key_size", MAX_KEY_BYTES)
        size = int(bytes_of_key + _number(row, "value_size", MAX_VALUE_BYTES))
        if self.time and time < self.time[-1]:
            before = self.time[-1] / 1e3
            raise ValueError(f"times must not go back, from {before:g} s to {time / 1e3:g} s")
        if not row["key"]:
            raise ValueError("key is empty")
        key = self.keys.setdefault(row["key"], len(self.keys))
        if key == len(self.sizes):
            self.sizes.append(size)
        client = self.clients.setdefault(row["client_id"], len(self.clients))
        values = (time, key, client, kind, ttl * 1e3 if ttl > 0.0 else np.inf)
        for name, value in zip(FIELDS, values, strict=True):
            getattr(self, name).append(value)


def _text(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield (line.removeprefix(BOM_UTF8) if number == 0 else line).decode("utf-8")


def _kind(operation: str) -> int:
    name = operation.strip().lower()
    if name in READS:
        return lay.KV_GET
    if name in WRITES:
        return lay.KV_PUT
    if name in DELETES:
        return lay.KV_DELETE
    known = ", ".join((*READS, *WRITES, *DELETES))
    raise ValueError(f"unknown operation {quoted(operation)}, expected one of {known}")


def _number(row: dict[str, str], column: str, most: float = 1e12) -> float:
    text = row[column]
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0.0 <= value <= most:
        raise ValueError(f"{column} must be a number from 0 to {most:.15g}, got {quoted(text)}")
    return value


def trace_rows(trace: KeyTrace, key: int, threshold: np.ndarray, alias: np.ndarray) -> Records:
    """Return the rows with each client_id settled in a client cell by the cells' weights, for all of the run ``key``."""
    homes = np.array(
        [
            choose(threshold, alias, draws.words(key, draws.TRACE_CLIENT, client, 0)[0])
            for client in range(len(trace.clients))
        ],
        dtype=np.int64,
    )
    rows = trace.rows.copy()
    rows.client = homes[rows.client]
    return rows
