"""Compile kernels: the only place that imports numba.

``entry`` compiles a function that Python calls, ``helper`` one that only kernels call. Both run without
reference counting (kernels allocate nothing) and with numpy's division rules; helpers are inlined by LLVM.
Compiled code is cached on disk in a folder named by a hash of everything that shapes it, because numba's own cache does not
notice a change in an imported module.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])
ENGINE = Path(__file__).resolve().parent.parent


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for source in [*sorted(ENGINE.glob("compiled/*.py")), *sorted(ENGINE.glob("*.py"))]:
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    for part in (numba.__version__, np.__version__, sys.version, numba.config.BOUNDSCHECK):
        digest.update(str(part).encode())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path | None:
    """Return a writable folder for compiled code, or None."""
    root = os.environ.get("NUMBA_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) if root else Path(base) / "popsim" / "kernels"
    folder = folder / _fingerprint()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    return folder


CACHE_FOLDER = _cache_folder()
if CACHE_FOLDER is not None:
    numba.config.CACHE_DIR = str(CACHE_FOLDER)

IS_COMPILED = not numba.config.DISABLE_JIT
_COMMON: dict[str, Any] = {"_nrt": False, "error_model": "numpy"}


def entry(function: F) -> F:
    """Compile a kernel that is called from Python; cached on disk where that is possible."""
    return numba.njit(cache=CACHE_FOLDER is not None, **_COMMON)(function)  # type: ignore[no-any-return]


def helper(function: F) -> F:
    """Compile a function that only kernels call, inlined into them."""
    return numba.njit(  # type: ignore[no-any-return]
        no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, **_COMMON
    )(function)


def is_cached() -> bool:
    """Tell whether compiled kernels of this very code lie on disk."""
    return CACHE_FOLDER is not None and any(CACHE_FOLDER.rglob("*.nbc"))
