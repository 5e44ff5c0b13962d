"""The project's inputs, changed at random, are accepted or refused, and nothing else; `make fuzz` tries many more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_input_ends_in_a_traceback() -> None:
    command = [sys.executable, str(Path(__file__).parent / "fuzz.py"), "2000"]
    seed = os.environ.get("POPSIM_FUZZ_SEED", "1")
    done = subprocess.run(
        [*command, "--seed", seed], capture_output=True, text=True, timeout=900, check=False
    )
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
