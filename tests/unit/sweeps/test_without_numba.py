"""popsim where numba is not installed, or does not fit what is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

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


def test_a_numba_that_cannot_be_imported_is_as_good_as_none(tmp_path: Path) -> None:
    """As one that does not fit the installed numpy, which says so when it is imported."""
    (tmp_path / "numba").mkdir()
    message = "Numba needs NumPy 1.26 or less. Got NumPy 9.0."
    (tmp_path / "numba/__init__.py").write_text(f"raise ImportError({message!r})", encoding="utf-8")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import popsim
scenario = popsim.load({SCENARIO!r})
print(popsim.run(scenario, engine="simpy", store=None).engine)
try:
    popsim.run(scenario)
except popsim.RunError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "simpy"
    expected = f"the compiled engine needs numba, which cannot be imported ({message}): install one that fits"
    assert expected in done.stdout


def test_a_notebook_without_numba(tmp_path: Path) -> None:
    """The compiled engine says what is missing and what to do; then the SimPy engine does it."""
    cells = (HIDDEN, "popsim.run(scenario)", "popsim.run(scenario, engine='simpy')")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", allow_errors=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )  # fmt: skip
    client.execute()
    hidden, compiled, simpy = (cell["outputs"] for cell in notebook.cells)
    assert hidden == []
    (error,) = compiled
    assert error["ename"] == "RunError"
    assert error["evalue"].startswith("the compiled engine needs numba, which is not installed: install numba, or engine='simpy'")  # fmt: skip
    (shown,) = (output for output in simpy if output["output_type"] == "execute_result")
    assert "1 replication of 10s, simpy engine" in shown["data"]["text/html"]
