"""A wheel, installed elsewhere, runs the bundled scenarios by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from popsim import load, run
from popsim.cli.common import exit_code

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_wheel_runs_bundled_scenarios_in_an_empty_folder(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels, site, empty = tmp_path / "dist", tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    build = [
        *pip,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(wheels),
        str(ROOT),
    ]
    subprocess.run(build, check=True)
    (wheel,) = wheels.glob("popsim-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    environment = os.environ | {"PYTHONPATH": str(site)}

    def popsim(*arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-c", "import popsim.cli; popsim.cli.main()", *arguments]
        done = subprocess.run(
            command, cwd=empty, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    where = "import popsim; print(popsim.__file__)"
    home = subprocess.check_output(
        [sys.executable, "-c", where], cwd=empty, env=environment, text=True
    )
    assert home.startswith(str(site))
    assert "pop_outage" in popsim("list")
    assert popsim("schema") == (ROOT / "docs" / "scenario.schema.json").read_text("utf-8")
    flagship = load("workers_vs_lambda")
    assert f"workers_vs_lambda: ok, id {flagship.id}" in popsim("validate", "workers_vs_lambda")
    # Same data, same models, same numbers as in the source tree.
    expected = run("nearest_edge", engine="simpy", replications=2, store=None, progress=False)
    arguments = (
        "run",
        "nearest_edge",
        "--engine",
        "simpy",
        "--replications",
        "2",
        "--json",
        "it.json",
    )
    assert "Latency in ms" in popsim(*arguments, code=exit_code(expected.verdicts))
    found = json.loads((empty / "it.json").read_text("utf-8"))
    wanted = json.loads(expected.to_json())
    assert found["platforms"] == wanted["platforms"]
    assert found["claims"] == wanted["claims"]
