"""What compiled code is made of: it is compiled anew when that changes, and only then."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("numba")


def test_all_modules_that_kernels_load_are_sources() -> None:
    """Python itself says which modules of the engine are loaded with the kernels."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from popsim.engine.compiled import jit, plane\n"
        "loaded = [Path(module.__file__).resolve() for name, module in list(sys.modules.items())\n"
        "          if name.startswith('popsim.engine.')]\n"
        "missing = {str(file.relative_to(jit.ENGINE)) for file in loaded} - set(jit._sources())\n"
        "print(*sorted(missing), 'build.py' in jit._sources(), 'draws.py' in jit._sources())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
