"""popsim where numba is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import popsim

SCENARIO = {
    "name": "ten seconds",
    "duration": "10s",
    "replications": 1,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "20/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}},
}
HIDDEN = f"""
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None  # importing either raises ModuleNotFoundError
import popsim
scenario = popsim.load({SCENARIO!r})
"""


def without_numba(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", HIDDEN + code]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_simpy_runs_and_yields_the_same(tmp_path: Path) -> None:
    code = "print(popsim.run(scenario, engine='simpy').to_json())"
    done = without_numba(code, tmp_path)
    assert done.returncode == 0, done.stderr
    here = popsim.run(popsim.load(SCENARIO), store=None, progress=False)
    assert here.engine == "compiled"
    found = json.loads(done.stdout)
    assert found["platforms"] == here.to_json_dict()["platforms"]


def test_the_compiled_engine_says_what_is_missing(tmp_path: Path) -> None:
    code = """
try:
    popsim.run(scenario)
except popsim.PopsimError as error:
    print(error.exit_code, error)
"""
    done = without_numba(code, tmp_path)
    assert done.stdout.startswith("3 the compiled engine needs numba"), done.stderr
    assert "install numba, or engine='simpy'" in done.stdout


def test_the_command_says_so_without_a_traceback(tmp_path: Path) -> None:
    code = """
import popsim.cli
sys.argv = ["popsim", "run", "nearest_edge", "--replications", "1"]
popsim.cli.main()
"""
    done = without_numba(code, tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("error: the compiled engine needs numba")
    assert "Traceback" not in done.stderr
