"""Find the files that come with popsim: in a source tree beside the package, in a wheel inside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.text import quoted

PACKAGE = Path(__file__).resolve().parent.parent
NAMES = {
    "scenarios": "bundled scenario",
    "presets": "preset",
    "topologies/sites": "topology of sites",
    "topologies/clients": "topology of clients",
}
ENDINGS = {"scenarios": ".yaml", "presets": ".yaml"}


def bundled_folder(kind: str) -> Path:
    """Return the folder of ``scenarios``, ``presets``, ``topologies/sites``, ``topologies/clients``, ..."""
    if kind == "presets":
        return PACKAGE / "models" / "presets"
    inside = PACKAGE / "_bundled" / kind
    return inside if inside.is_dir() else PACKAGE.parent / kind


@cache  # nothing comes while a program runs; a check of a scenario asks many times
def bundled_names(kind: str) -> tuple[str, ...]:
    """Return the names of bundled files of a kind, sorted; those in a folder as ``claims/NAME``."""
    ending, folder = ENDINGS.get(kind, ".csv"), bundled_folder(kind)
    paths = [path.relative_to(folder).with_suffix("") for path in folder.rglob(f"*{ending}")]
    names = (path.as_posix() for path in paths)
    return tuple(sorted(names, key=lambda name: ("/" in name, name)))


def is_there(path: Path) -> bool:
    """Tell whether there is a file or folder; a name that none can have is none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


@cache
def bundled_file(kind: str, name: str) -> Path:
    """Return the path of a bundled file; ``name`` may leave out the ending.

    Raises:
        InputError: there is none.
    """
    folder = bundled_folder(kind)
    for candidate in (folder / name, folder / f"{name}{ENDINGS.get(kind, '.csv')}"):
        if is_there(candidate) and candidate.is_file():
            return candidate
    what = f"there is no {NAMES[kind]} {quoted(name)}"
    raise InputError([Problem(None, None, None, (), what, did_you_mean(name, bundled_names(kind)))])
