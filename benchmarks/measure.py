"""Measure one thing at a time; memory and start-up in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import simpy

from benchmarks.loads import key_value, objects, spread
from popsim.engine.build import build
from popsim.engine.cosimulation import cosimulate
from popsim.engine.recorder import C_ARRIVALS, C_EVENTS
from popsim.engine.rehearsal import asking
from popsim.engine.run import data_plane
from popsim.scenario.schema import Scenario


@dataclass(frozen=True)
class Speed:
    """What one engine did on one core, inputs built beforehand."""

    requests: int
    events: int
    seconds: float

    @property
    def requests_per_s(self) -> float:
        """Requests per second of computing."""
        return self.requests / self.seconds

    @property
    def events_per_s(self) -> float:
        """Events per second of computing."""
        return self.events / self.seconds


def speed(scenario: Scenario, engine: str, repeats: int = 3) -> Speed:
    """Return the speed over all platforms, the best of some repeats; asserts that they did the same."""
    best: Speed | None = None
    built = [build(scenario, platform, 0) for platform in scenario.platforms]
    for _ in range(repeats):
        requests = events = 0
        seconds = 0.0
        for each in built:
            env = simpy.Environment()
            ask = asking(each.objects, each.inputs.objects.class_names)
            plane = data_plane(env, each.inputs, engine, ask)
            began = time.perf_counter()
            books = cosimulate(env, plane)
            seconds += time.perf_counter() - began
            requests += int(books.counters[C_ARRIVALS])
            events += int(books.counters[C_EVENTS])
        assert best is None or (best.requests, best.events) == (requests, events)
        if best is None or seconds < best.seconds:
            best = Speed(requests, events, seconds)
    assert best is not None
    return best


def peak_memory_mb(requests: int, load: str = "spread") -> float:
    """Return the peak resident memory of a process that simulates so many requests on 340 PoPs."""
    code = f"from benchmarks.measure import report_memory; report_memory({requests}, {load!r})"
    return float(_in_process(code))


def report_memory(requests: int, load: str) -> None:
    """Simulate and print this process's peak resident memory in MB."""
    loads = {"key_value": key_value, "objects": objects}
    scenario = loads[load](requests) if load in loads else spread(340, requests)
    found = speed(scenario, "compiled", repeats=1)
    assert abs(found.requests / requests - 1.0) < 0.01
    print(_peak_mb())


def _peak_mb() -> float:
    """Return this process's peak resident memory; getrusage would count what its parent had when it forked."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not tell the peak of the resident memory")


def cold_compile_s() -> float:
    """Return how long the first run of a machine waits for the compiler."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        _in_process("from popsim.engine import warmup; warmup()", NUMBA_CACHE_DIR=folder)
        return time.perf_counter() - began


def command_s(*arguments: str) -> float:
    """Return how long a command takes, the best of three; the first fills caches."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "popsim", *arguments], check=True, stdout=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - began)
    return min(times)


def _in_process(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.strip()
