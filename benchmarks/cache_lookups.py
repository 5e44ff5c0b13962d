"""Measure the caches' tables alone, next to the usual LRU in C++, on the same accesses."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.loads import key_value
from popsim.engine.build import build
from popsim.engine.compiled.caches import find, keep
from popsim.engine.compiled.jit import entry
from popsim.engine.compiled.plane import CompiledPlane
from popsim.engine.layout import Growth
from popsim.scenario.workload import KeySpaceSpec

ACCESSES = 4_000_000
SITES = 340
CAPACITY = 1_000_000
SOURCE = Path(__file__).parent / "lru.cpp"
KEYS = 1_000_000


@entry
def replay(st: Any, caches: Any, keys: Any) -> int:
    """Look every key up in its cache, store it on a miss; return the hits."""
    hits = np.int64(0)
    epoch, size = np.int64(0), np.int64(1)
    for number in range(keys.shape[0]):
        cache, key = caches[number], keys[number]
        if find(st, cache, cache, key, 1.0, epoch, np.inf) >= 0:
            hits += 1
        else:
            keep(st, cache, key, epoch, np.inf, 1.0, 1e9, np.inf, epoch, size)
    return hits


def accesses() -> tuple[Any, Any]:
    """Return (site, key) of Zipf 0.9 accesses over 340 sites and a million keys."""
    from popsim.engine.keyspaces import probabilities

    spec = KeySpaceSpec.model_validate({"count": KEYS, "popularity": {"zipf": 0.9}})
    rng = np.random.default_rng(1)
    edges = np.cumsum(probabilities(spec))
    keys = np.searchsorted(edges, rng.random(ACCESSES)).clip(max=KEYS - 1)
    return rng.integers(0, SITES, ACCESSES), keys.astype(np.int64)


def ours(sites: Any, keys: Any, capacity: int) -> tuple[float, int]:
    """Return (ns per access, hits) of the kernel's tables; a limited cache is a single one."""
    inputs = build(key_value(1_000), "it", 0).inputs
    scalars = replace(inputs.kv.scalars, edge_bytes=capacity)
    inputs = replace(inputs, kv=replace(inputs.kv, scalars=scalars))
    best, hits = float("inf"), 0
    for _ in range(3):
        plane = CompiledPlane(inputs, Growth(copies=1 << 23))
        plane.state.tags[:] = 0  # touch the memory before the clock runs
        plane.state.copies.expiry[:] = 0.0
        began = time.perf_counter()
        hits = int(replay(plane.boxed, sites if capacity == 0 else np.zeros_like(sites), keys))
        best = min(best, time.perf_counter() - began)
    return best / len(keys) * 1e9, hits


def in_cpp(sites: Any, keys: Any, capacity: int) -> tuple[float, int] | None:
    """Return (ns per access, hits) of the C++ program; None where there is no compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program, trace = Path(folder) / "lru", Path(folder) / "keys"
        subprocess.run([compiler, "-O3", "-march=native", "-o", program, SOURCE], check=True)
        names = keys if capacity else (sites << 40) | keys
        names.astype(np.uint64).tofile(trace)
        results = [
            subprocess.run(
                [program, trace, str(capacity)], check=True, stdout=subprocess.PIPE, text=True
            ).stdout.split()
            for _ in range(3)
        ]
    return min(float(ns) for ns, _ in results), int(results[0][1])


def compare_caches(book: Any) -> None:
    """Note both, without a limit and as an LRU of a million entries; the hits must be the same."""
    sites, keys = accesses()
    replay(CompiledPlane(build(key_value(1_000), "it", 0).inputs).boxed, sites[:9], keys[:9])
    for name, capacity in (("unlimited", 0), ("LRU of 1e6", CAPACITY)):
        own, own_hits = ours(sites, keys, capacity)
        book.note(f"cache lookup, {name}, ns", own, f"{own:.0f} ns")
        other = in_cpp(sites, keys, capacity)
        if other is None:
            continue
        assert other[1] == own_hits, f"hits differ: {own_hits} and {other[1]}"
        book.note(f"the same in C++, {name}, ns", other[0], f"{other[0]:.0f} ns")
        ratio = other[0] / own
        book.note(f"C++ / kernel, {name}", ratio, f"{ratio:.1f}", ">= 1", ratio >= 1)
