"""What whole commands cost in CPU seconds, workers included: of a run, its tables and its figures."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from popsim.scenario.bundled import bundled_folder

JUDGED = (0, 98, 99)  # exit codes of a run that was judged
LARGE_REQUESTS = 1e8


def flagship_commands_s() -> dict[str, float]:
    """Return the CPU seconds of the flagship scenario: fresh, from kept runs, and as JSON alone."""
    with tempfile.TemporaryDirectory() as folder:
        run = ("run", "workers_vs_lambda")
        return {
            "fresh": command_cpu_s(folder, *run, "--out", "r"),
            "from kept runs": command_cpu_s(folder, *run, "--out", "r"),
            "from kept runs, --json - alone": command_cpu_s(folder, *run, "--json", "-"),
        }


def large_run_s() -> float:
    """Return the CPU seconds of the flagship scenario at a rate that gives 1e8 requests, with figures and page."""
    path = bundled_folder("scenarios") / "workers_vs_lambda.yaml"
    scenario = yaml.safe_load(path.read_text(encoding="utf-8"))
    runs = scenario["replications"] * len(scenario["platforms"])
    rate = LARGE_REQUESTS / runs / (30 * 60)
    assert scenario["duration"] == "30min"
    scenario["workload"]["arrivals"]["rate"] = f"{rate!r}/s"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "large.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
        return command_cpu_s(folder, "run", "large.yaml", "--out", "r", "--html", "page.html")


def command_cpu_s(folder: str, *arguments: str) -> float:
    """Return the CPU seconds, user and system, that a command and its workers take in a folder."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-m", "popsim", *arguments],
        cwd=folder,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert done.returncode in JUDGED, f"popsim {' '.join(arguments)} ended with {done.returncode}"
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
