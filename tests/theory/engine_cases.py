"""The generated runs of ``tests/engines``, for laws of conservation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))

from generate import Case, case
from run_case import run_compiled, run_specification

__all__ = ["Case", "case", "run_compiled", "run_specification"]
