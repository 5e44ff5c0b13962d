"""What re-creates a run: the resolved scenario, and the versions of everything that computed it."""

from __future__ import annotations

import platform
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from popsim.scenario.bundled import bundled_folder
from popsim.scenario.schema import Scenario

LIBRARIES = ("numpy", "simpy", "numba", "networkx", "scipy", "pandas", "pydantic")


def popsim_version() -> str:
    """Return popsim's version."""
    return _version("popsim") or "0+unknown"


def provenance(scenario: Scenario) -> dict[str, Any]:
    """Return popsim's version, the resolved scenario with its seed, data hash, and library versions."""
    return {
        "popsim": popsim_version(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "data": data_hash(),
        "seed": scenario.seed,
        "scenario": scenario.resolved(),
    }


@cache
def data_hash() -> str:
    """Return 12 hex digits of all bundled topologies: results change when they do."""
    digest = sha256()
    folder = bundled_folder("topologies")
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".csv", ".json", ".yaml")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def code_hash() -> str:
    """Return 12 hex digits of the code that computes a run: engine, models, world, scenario."""
    digest = sha256()
    package = Path(__file__).resolve().parent.parent
    for layer in ("engine", "models", "world", "scenario"):
        for path in sorted((package / layer).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
