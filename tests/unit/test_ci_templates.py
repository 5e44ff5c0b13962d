"""The GitHub Action and the GitLab jobs: their commands, run as the two systems would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCENARIO = {
    "name": "under watch",
    "duration": "20s",
    "replications": 3,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "50/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers", "front_door": "1ms"}},
}
HOLDS = {"id": "it", "says": "so", "source": "ours", "expect": ["workers.p(50) < 10s"]}
FAILS = HOLDS | {"expect": ["workers.p(50) < 1ms"]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with two scenarios, a baseline of one, and a pip that only notes what it is asked for."""
    for name, claim in (("good", HOLDS), ("bad", FAILS)):
        text = yaml.safe_dump(SCENARIO | {"claims": [claim]})
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    tools = tmp_path / "tools"
    tools.mkdir()
    pip = tools / "pip"
    pip.write_text('#!/bin/sh\necho "$@" > "$PIP_LOG"\n', encoding="utf-8")
    pip.chmod(0o755)
    run(tmp_path, "popsim baseline save good.yaml", {})
    return tmp_path


def run(folder: Path, script: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    here = f"{folder / 'tools'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": here, "PIP_LOG": str(folder / "pip.log")} | variables
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


class Action:
    """A composite action, as GitHub runs it: inputs with defaults, one shell per step."""

    def __init__(self) -> None:
        self.folder = ROOT / "ci" / "github"
        self.content = yaml.safe_load((self.folder / "action.yml").read_text("utf-8"))
        assert self.content["runs"]["using"] == "composite"

    def step(self, name: str) -> dict[str, Any]:
        return next(s for s in self.content["runs"]["steps"] if s.get("name") == name)

    def run(self, folder: Path, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        known = {key: str(spec["default"]) for key, spec in self.content["inputs"].items()}
        assert inputs.keys() <= known.keys()
        values = {f"inputs.{key}": value for key, value in (known | inputs).items()}
        values["github.action_path"] = str(self.folder)
        step = self.step(name)
        assert "${{" not in step["run"], "an input inside a command could be one"
        env = {
            key: re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: values[match[1]], text)
            for key, text in step.get("env", {}).items()
        }
        return run(folder, step["run"], env | {"GITHUB_STEP_SUMMARY": str(folder / "summary.md")})


def test_the_action_installs_the_copy_that_it_is_part_of(project: Path) -> None:
    assert Action().run(project, "Install popsim").returncode == 0
    *_, asked = (project / "pip.log").read_text("utf-8").split()
    assert (Path(asked) / "pyproject.toml").samefile(ROOT / "pyproject.toml")
    assert Action().run(project, "Install popsim", popsim="some.whl").returncode == 0
    assert (project / "pip.log").read_text("utf-8").split()[-1] == "some.whl"


def test_the_action_judges_claims(project: Path) -> None:
    good = Action().run(project, "Judge claims", check="good.yaml")
    assert good.returncode == 0, good.stderr
    assert "1 holds, 0 fail" in (project / "summary.md").read_text("utf-8")
    both = Action().run(project, "Judge claims", check="good.yaml bad.yaml")
    assert both.returncode == 99
    report = ElementTree.parse(project / "popsim-claims.xml").getroot()
    assert [suite.get("failures") for suite in report] == ["0", "1"]
    lines = Action().run(project, "Judge claims", check="good.yaml\n\n  bad.yaml\n")
    assert lines.returncode == 99, "a list over several lines is read to its end"
    assert Action().run(project, "Judge claims").returncode == 0, "nothing to check"


def test_the_action_compares_with_baselines(project: Path) -> None:
    same = Action().run(project, "Compare with baselines", compare="good.yaml")
    assert same.returncode == 0, same.stderr
    worse = yaml.safe_load((project / "good.yaml").read_text("utf-8"))
    worse["platforms"]["workers"]["front_door"] = "20ms"
    (project / "good.yaml").write_text(yaml.safe_dump(worse), encoding="utf-8")
    assert Action().run(project, "Compare with baselines", compare="good.yaml").returncode == 99
    assert "front door +19 ms" in (project / "summary.md").read_text("utf-8")
    runs_if = Action().step("Compare with baselines")["if"]
    assert runs_if == "${{ !cancelled() && steps.install.outcome == 'success' }}"


def test_what_is_not_a_scenario_ends_with_2_and_runs_nothing(project: Path) -> None:
    bad = Action().run(project, "Judge claims", check="good.yaml; touch pwned")
    assert bad.returncode == 2
    assert not (project / "pwned").exists()


def gitlab(project: Path, job: str, **variables: str) -> subprocess.CompletedProcess[str] | None:
    """Run a job as GitLab does: a job's variables beat the pipeline's, lines of both scripts in one shell; or not at all."""
    jobs = yaml.safe_load((ROOT / "ci" / "gitlab" / "popsim.yml").read_text("utf-8"))
    base = jobs[jobs[job]["extends"]]
    (rule,) = jobs[job]["rules"]
    if not variables.get(rule["if"].removeprefix("$")):
        return None
    assert not variables.keys() & base["variables"].keys(), "what a user sets must count"
    lines = [*base["before_script"], *jobs[job]["script"]]
    return run(project, "\n".join(lines), variables)


def test_gitlab_jobs(project: Path) -> None:
    def code(job: str, **variables: str) -> int | None:
        done = gitlab(project, job, POPSIM="a.whl", **variables)
        return None if done is None else done.returncode

    assert code("popsim-claims", POPSIM_CHECK="good.yaml") == 0
    assert code("popsim-claims", POPSIM_CHECK="good.yaml\nbad.yaml") == 99
    assert (project / "claims.xml").exists()
    assert "✗" in (project / "claims.md").read_text("utf-8")
    assert code("popsim-claims") is None
    assert code("popsim-baselines", POPSIM_COMPARE="good.yaml", POPSIM_TOLERANCE="5%") == 0
    assert (project / "baselines.md").exists()
    assert code("popsim-baselines", POPSIM_COMPARE="bad.yaml") == 2, "it has no baseline"
    assert (project / "pip.log").read_text("utf-8").split()[-1] == "a.whl"


def test_gitlab_jobs_do_not_guess_what_to_install(project: Path) -> None:
    done = gitlab(project, "popsim-claims", POPSIM_CHECK="good.yaml")
    assert done is not None
    assert done.returncode != 0
    assert "say what pip installs" in done.stderr
    assert not (project / "pip.log").exists()
