"""Read a key trace: the lines of a cache's log, as Twitter published them.

Columns timestamp (s), key, key_size, value_size (bytes), client_id, operation, TTL (s, 0 = never), without a header or
with one in any order. Source of the format: https://github.com/twitter/cache-trace, 2020; J. Yang, Y. Yue, K. V.
Rashmi, "A large scale analysis of hundreds of in-memory cache clusters at Twitter", OSDI 2020.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.arrays import Ints, Records, records
from popsim.engine.kv_layout import TRACE_DTYPE
from popsim.engine.tables import choose
from popsim.scenario.errors import InputError, Problem

COLUMNS = ("timestamp", "key", "key_size", "value_size", "client_id", "operation", "TTL")
READS = ("get", "gets")
WRITES = ("set", "add", "replace", "cas", "append", "prepend", "incr", "decr")
DELETES = ("delete",)
MAX_BYTES = 1_000_000_000
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
        status = path.stat()
    except OSError:
        problem = Problem(None, None, None, (), f"there is no trace file {str(path)!r}")
        raise InputError([problem]) from None
    if status.st_size > MAX_BYTES:
        message = f"{path} has {status.st_size:,} bytes; a trace may have {MAX_BYTES:,}"
        raise InputError([Problem(None, None, None, (), message)])
    return _read(path, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, _changed_ns: int) -> KeyTrace:
    problems: list[Problem] = []
    parsed: list[tuple[float, int, int, int, float]] = []
    keys: dict[str, int] = {}
    clients: dict[str, int] = {}
    sizes: list[int] = []
    with path.open(encoding="utf-8", newline="") as file:
        columns = list(COLUMNS)
        for number, line in enumerate(csv.reader(file), start=1):
            if not line or line[0].startswith("#"):
                continue
            if not parsed and set(COLUMNS) <= set(line):
                columns = line
                continue
            try:
                row = dict(zip(columns, line, strict=True))
                parsed.append(_line(row, keys, clients, sizes))
            except ValueError as error:
                problems.append(Problem(str(path), number, None, (), _told(str(error), line)))
            if len(problems) >= MOST_PROBLEMS:
                break
    if not parsed and not problems:
        problems.append(Problem(str(path), None, None, (), "the trace has no lines"))
    if problems:
        raise InputError(problems)
    rows = records(TRACE_DTYPE, len(parsed))
    for name, values in zip(
        ("time", "key", "client", "kind", "expiry"), zip(*parsed, strict=True), strict=True
    ):
        rows[name] = values
    if np.any(np.diff(rows.time) < 0.0):
        first = int(np.flatnonzero(np.diff(rows.time) < 0.0)[0])
        message = f"times must not go back, as they do after {rows.time[first] / 1e3:g} s"
        raise InputError([Problem(str(path), None, None, (), message)])
    rows.time -= rows.time[0]
    return KeyTrace(rows, np.array(sizes, dtype=np.int64), tuple(clients))


def _line(
    row: dict[str, str], keys: dict[str, int], clients: dict[str, int], sizes: list[int]
) -> tuple[float, int, int, int, float]:
    operation = row["operation"].strip().lower()
    if operation in READS:
        kind = lay.KV_GET
    elif operation in WRITES:
        kind = lay.KV_PUT
    elif operation in DELETES:
        kind = lay.KV_DELETE
    else:
        known = ", ".join((*READS, *WRITES, *DELETES))
        raise ValueError(f"unknown operation {operation!r}, expected one of {known}")
    number = {name: float(row[name]) for name in ("timestamp", "key_size", "value_size", "TTL")}
    if not all(0.0 <= value < 1e15 for value in number.values()):
        raise ValueError("numbers must be finite and not negative")
    key = keys.setdefault(row["key"], len(keys))
    if key == len(sizes):
        sizes.append(int(number["key_size"] + number["value_size"]))
    client = clients.setdefault(row["client_id"], len(clients))
    expiry = number["TTL"] * 1e3 if number["TTL"] > 0.0 else np.inf
    return number["timestamp"] * 1e3, key, client, kind, float(expiry)


def _told(message: str, line: list[str]) -> str:
    if message.startswith("zip()"):
        return f"expected {len(COLUMNS)} columns ({', '.join(COLUMNS)}), got {len(line)}"
    return message


def trace_rows(trace: KeyTrace, key: int, threshold: np.ndarray, alias: np.ndarray) -> Records:
    """Return the rows with each client_id settled in a client cell, for good, by the cells' weights."""
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
