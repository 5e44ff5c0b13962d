"""Run all benchmarks; print a table, write benchmarks/latest.json.

Expectations are ratios within one run, or bounds that the slowest machine here keeps; a miss is printed, not hidden.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.cache_lookups import compare_caches
from benchmarks.commands import LARGE_REQUESTS, flagship_commands_s, large_run_s
from benchmarks.loads import ASKED, flagship, keep_alive, key_value, objects, spread
from benchmarks.measure import cold_compile_s, command_s, peak_memory_mb, speed
from popsim.engine import warmup
from popsim.scenario.schema import Scenario

LATEST = Path(__file__).parent / "latest.json"
console = Console(width=None if Console().is_terminal else 110)


def main() -> None:
    """Measure everything, one after the other."""
    warmup()
    book = Book()
    for name, scenario, small, least in (
        ("flagship", flagship(1_000_000), flagship(4_000), 1.0e6),
        ("300 sites, 1,000 functions", keep_alive(2_000_000), keep_alive(20_000), 1.2e6),
        ("three of four read KV", key_value(3_000_000), key_value(10_000), 0.5e6),
        ("half call an object", objects(2_000_000), objects(10_000), 0.5e6),
    ):
        compare_engines(book, name, scenario, small, least)
    measure_asking(book)
    compare_sites(book)
    compare_caches(book)
    compare_memory(book)
    measure_start(book)
    measure_commands(book)
    LATEST.write_text(json.dumps(book.found, indent=1) + "\n", encoding="utf-8")
    print_table(book.rows)


class Book:
    """What was measured, as numbers and as rows of the table."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {
            "machine": platform.machine(),
            "python": platform.python_version(),
        }
        self.rows: list[tuple[str, str, str, bool | None]] = []

    def note(
        self, name: str, value: float, text: str, expected: str = "", holds: bool | None = None
    ) -> None:
        """Keep one number, and show it at once."""
        self.found[name] = value
        self.rows.append((name, text, expected, holds))
        console.print(f"{name}: {text}", style="dim")


def compare_engines(
    book: Book, name: str, scenario: Scenario, small: Scenario, least: float
) -> None:
    """Measure both engines on one load; SimPy on a shorter one."""
    fast = speed(scenario, "compiled")
    rate = fast.requests_per_s
    book.note(
        f"{name}, compiled, requests/s",
        rate,
        f"{rate / 1e6:.2f} M",
        f">= {least / 1e6:g} M",
        rate >= least,
    )
    book.note(f"{name}, compiled, events/s", fast.events_per_s, f"{fast.events_per_s / 1e6:.2f} M")
    slow = speed(small, "simpy", repeats=1)
    book.note(
        f"{name}, SimPy, requests/s", slow.requests_per_s, f"{slow.requests_per_s / 1e3:.1f} k"
    )
    book.note(f"{name}, SimPy, events/s", slow.events_per_s, f"{slow.events_per_s / 1e3:.1f} k")
    ratio = rate / slow.requests_per_s
    book.note(f"{name}, compiled / SimPy", ratio, f"{ratio:.0f}", ">= 30", ratio >= 30)


def measure_asking(book: Book) -> None:
    """Measure the load of objects with a placement model that Python is asked for each object."""
    rate = speed(objects(1_000_000, ASKED), "compiled").requests_per_s
    name = "half call an object, Python asked for each new one, requests/s"
    book.note(name, rate, f"{rate / 1e6:.2f} M", ">= 0.3 M", rate >= 0.3e6)


def compare_sites(book: Book) -> None:
    """Measure the same traffic on 1, 34 and 340 PoPs."""
    rates = {}
    for sites in (1, 34, 340):
        rates[sites] = speed(spread(sites, 2_000_000), "compiled").requests_per_s
        book.note(f"{sites} PoPs, requests/s", rates[sites], f"{rates[sites] / 1e6:.2f} M")
    ratio = rates[1] / rates[340]
    book.note("cost per request, 340 PoPs / 1 PoP", ratio, f"{ratio:.2f}", "< 1.5", ratio < 1.5)


def compare_memory(book: Book) -> None:
    """Measure the peak memory of a million requests, and of ten."""
    memory = {requests: peak_memory_mb(requests) for requests in (10**6, 10**7)}
    for requests, megabytes in memory.items():
        book.note(f"peak memory at {requests:.0e} requests, MB", megabytes, f"{megabytes:.0f} MB")
    ratio = memory[10**7] / memory[10**6]
    book.note("memory, 1e7 / 1e6 requests", ratio, f"{ratio:.2f}", "<= 1.2", ratio <= 1.2)
    # caches are full after a TTL of 60 s, which is 1.2e6 requests
    memory = {requests: peak_memory_mb(requests, "key_value") for requests in (3 * 10**6, 10**7)}
    for requests, megabytes in memory.items():
        name = f"peak memory at {requests:.0e} requests, KV, MB"
        book.note(name, megabytes, f"{megabytes:.0f} MB")
    ratio = memory[10**7] / memory[3 * 10**6]
    book.note("memory, KV, 1e7 / 3e6 requests", ratio, f"{ratio:.2f}", "<= 1.2", ratio <= 1.2)
    # 92 % of the million objects have been called after 5e6 requests, 99 % after 1e7
    memory = {requests: peak_memory_mb(requests, "objects") for requests in (5 * 10**6, 10**7)}
    for requests, megabytes in memory.items():
        name = f"peak memory at {requests:.0e} requests, objects, MB"
        book.note(name, megabytes, f"{megabytes:.0f} MB")
    ratio = memory[10**7] / memory[5 * 10**6]
    book.note("memory, objects, 1e7 / 5e6 requests", ratio, f"{ratio:.2f}", "<= 1.2", ratio <= 1.2)


def measure_start(book: Book) -> None:
    """Measure what a user waits for before anything is simulated."""
    seconds = cold_compile_s()
    book.note("cold compile, s", seconds, f"{seconds:.1f} s", "< 40 s", seconds < 40)
    seconds = command_s("run", "nearest_edge", "--fresh", "--replications", "2")
    book.note(
        "warm `popsim run nearest_edge`, s", seconds, f"{seconds:.2f} s", "< 3 s", seconds < 3
    )
    seconds = command_s("--help")
    book.note("`popsim --help`, s", seconds, f"{seconds:.2f} s", "< 0.3 s", seconds < 0.3)


def measure_commands(book: Book) -> None:
    """Measure whole commands in CPU seconds, and which part of a large one the kernel is."""
    for name, seconds in flagship_commands_s().items():
        book.note(f"`popsim run workers_vs_lambda`, {name}, CPU s", seconds, f"{seconds:.1f} CPU s")
    seconds = large_run_s()
    book.note("1e8 requests with figures and page, CPU s", seconds, f"{seconds:.0f} CPU s")
    kernel = LARGE_REQUESTS / book.found["flagship, compiled, requests/s"] / seconds
    book.note("of which the kernel", kernel, f"{kernel:.0%}", ">= 60%", kernel >= 0.6)


def print_table(rows: list[tuple[str, str, str, bool | None]]) -> None:
    """Print every number, with what was expected of it."""
    table = Table("benchmark", "measured", "expected", "", box=None, pad_edge=False)
    for name, text, expected, holds in rows:
        table.add_row(name, text, expected, {None: "", True: "ok", False: "MISSED"}[holds])
    console.print(table)
    console.print(f"written: {LATEST}")


if __name__ == "__main__":
    main()
