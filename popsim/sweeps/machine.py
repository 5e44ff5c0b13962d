"""What this machine gives: cores, and memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")


def core_count() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_bytes() -> float | None:
    """Return how much more memory this process and its children may take; None if the system does not say.

    The least of what the machine has free, what the container or job leaves, and the limit of the process (``ulimit -v``).
    """
    return min((size for size in _limits() if size is not None), default=None)


def _limits() -> Iterator[float | None]:
    yield _free()
    yield _of_cgroup("memory.max", "memory.current")
    yield _of_cgroup("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")
    yield _of_process()


def _free() -> float | None:
    try:
        for line in (PROC / "meminfo").read_text("utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    try:  # macOS says how much there is, not how much is free
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return None


def _of_cgroup(limit: str, usage: str) -> float | None:
    """Return what is left of a limit; in a container its own group is the root of the tree."""
    folders = [CGROUPS]
    try:
        for line in (PROC / "self" / "cgroup").read_text("utf-8").splitlines():
            folders.append(CGROUPS / line.split(":", 2)[2].lstrip("/"))
    except (OSError, IndexError):
        pass
    left = [
        _number(folder / limit) - (_number(folder / usage) if (folder / usage).exists() else 0.0)
        for folder in folders
        if (folder / limit).exists()
    ]
    return min(left, default=None)


def _number(path: Path) -> float:
    try:
        return float(path.read_text("utf-8"))  # "max" is no number
    except (OSError, ValueError):
        return float("inf")


def _of_process() -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        used = int((PROC / "self" / "statm").read_text("utf-8").split()[0]) * resource.getpagesize()
    except OSError:
        used = 0
    return float(limit - used)
