"""``popsim compare`` as users meet it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from commands import popsim_command

SCENARIO = {
    "name": "one",
    "duration": "20s",
    "replications": 4,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "50/s"}},
    "platforms": {
        "near": {"preset": "cloudflare-workers", "front_door": "1ms"},
        "far": {"preset": "cloudflare-workers", "front_door": "11ms"},
    },
}


def popsim(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = popsim_command(*arguments, cwd=cwd)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two scenarios, of which ``b.yaml`` has the platform ``near`` alone."""
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(SCENARIO), encoding="utf-8")
    slower = {"near": {"preset": "cloudflare-workers", "front_door": "6ms"}}
    text = yaml.safe_dump(SCENARIO | {"platforms": slower})
    (tmp_path / "b.yaml").write_text(text, encoding="utf-8")
    text = yaml.safe_dump(SCENARIO | {"seed": 9, "platforms": slower, "replications": 3})
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def found(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    data: dict[str, object] = json.loads(done.stdout)
    return data


def test_two_platforms_of_one_scenario(folder: Path) -> None:
    done = popsim("compare", "a.yaml", "--platforms", "near", "far", cwd=folder)
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.splitlines()
    assert first.split()[:4] == ["platform", "statistic", "near", "far"]
    assert [row.replace("near, far", "").split()[0] for row in rows[:4]] == ["p50", "p95", "p99", "mean"]  # fmt: skip
    assert "compared in pairs" in done.stdout
    data = found(popsim("compare", "a.yaml", "--platforms", "near", "far", "--json", "-", cwd=folder))  # fmt: skip
    mean = data["platforms"]["near, far"]["mean_ms"]  # type: ignore[index]
    assert mean["difference"]["value"] == pytest.approx(10.0, rel=0.01)
    assert mean["ratio"]["low"] < mean["ratio"]["value"] < mean["ratio"]["high"]


def test_two_scenarios(folder: Path) -> None:
    data = found(popsim("compare", "a.yaml", "b.yaml", "--json", "-", cwd=folder))
    assert data["method"] == "paired"
    assert list(data["platforms"]) == ["near"]  # type: ignore[call-overload]
    mean = data["platforms"]["near"]["mean_ms"]  # type: ignore[index]
    assert mean["difference"]["value"] == pytest.approx(5.0, rel=0.01)
    other = found(popsim("compare", "a.yaml", "c.yaml", "--json", "-", cwd=folder))
    assert other["method"] == "welch"
    wide = other["platforms"]["near"]["mean_ms"]["difference"]  # type: ignore[index]
    assert wide["high"] - wide["low"] > mean["difference"]["high"] - mean["difference"]["low"]
    done = popsim("compare", "a.yaml", "b.yaml", "--platforms", "far", "near", "--json", "it.json", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(json.loads((folder / "it.json").read_text("utf-8"))["platforms"]) == ["far, near"]


def test_what_cannot_be_compared(folder: Path) -> None:
    for arguments, message in (
        (("a.yaml",), "expected two scenarios, or one and --platforms"),
        (("a.yaml", "--platforms", "nera", "far"), "did you mean 'near'?"),
        (("a.yaml", "nearest_edge"), "no platform in common"),
        (("a.yaml", "d.yaml"), "d.yaml"),
    ):
        done = popsim("compare", *arguments, cwd=folder)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
