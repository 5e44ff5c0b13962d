"""Which files of the user's a scenario names, and what they hold: results of other contents are not taken for the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from popsim.scenario.bundled import bundled_names

CHUNK = 1 << 20
KEYS = ("topology", "trace")  # keys of a scenario whose values may name a file, wherever they stand
KINDS = ("topologies/sites", "topologies/clients")


class FileVersion(NamedTuple):
    """What changes whenever a file's content does."""

    path: Path
    changed_ns: int
    status_changed_ns: int  # unlike the time before, nothing can set it back
    size: int


def file_version(path: Path) -> FileVersion:
    """Return a file's version.

    Raises:
        OSError: there is no such file.
    """
    status = path.stat()
    return FileVersion(path.resolve(), status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def is_file_name(key: str, value: object) -> bool:
    """Tell whether a scenario's key names a file of the user's: a trace, or a topology that is not bundled."""
    if key not in KEYS or not isinstance(value, str):
        return False
    return key == "trace" or value not in _bundled()


@cache
def _bundled() -> frozenset[str]:
    return frozenset(name for kind in KINDS for name in bundled_names(kind))


def named_files(content: Any) -> Iterator[str]:
    """Yield the names of the user's files in a part of a resolved scenario, in clients, platforms, stores, origins."""
    if isinstance(content, dict):
        for key, value in content.items():
            if is_file_name(key, value):
                yield value
            else:
                yield from named_files(value)
    elif isinstance(content, list | tuple):
        for item in content:
            yield from named_files(item)


def own_files(content: Any) -> dict[str, str | None]:
    """Return what the user's files hold that a part of a resolved scenario names, as hashes by name."""
    return {name: content_hash(name) for name in sorted(set(named_files(content)))}


def content_hash(name: str) -> str | None:
    """Return the SHA-256 of a file's content in hex; None if there is no such file."""
    try:
        return _hash(file_version(Path(name)))
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=64)
def _hash(version: FileVersion) -> str | None:
    if not version.path.is_file():
        return None
    digest, left = sha256(), version.size
    with version.path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()
