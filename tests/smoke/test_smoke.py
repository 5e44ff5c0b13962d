"""One test per command and mechanism, short enough for every Python and for the lowest versions of what popsim needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import popsim

pytestmark = pytest.mark.smoke
CLIENTS = (
    "id,city,country,lat,lon,utc_offset_h,weight\nb,Berlin,DE,52,13,1,1\np,Paris,FR,49,2,1,1\n"
)
ARRIVALS = {"rate": "5/s"}
BOARD = {
    "participants": {"count": 3, "spread": "country"},
    "handlers": {"edit": [{"cpu": "1ms"}, {"broadcast": {}}]},
}
WORKLOADS = {
    "handler": {"arrivals": ARRIVALS, "handler": [{"cpu": "5ms"}, {"sleep": {"exponential": {"mean": "5ms"}}}]},
    "fetch": {"arrivals": ARRIVALS, "handler": [{"fetch": {"origin": "o", "service": "1ms"}}]},
    "kv": {"arrivals": ARRIVALS, "keys": {"k": {"count": 10}}, "handler": [{"kv.get": {"keys": "k"}}, {"kv.put": {"keys": "k"}}]},
    "messages": {"arrivals": {"messages": {"class": "board", "rates": {"edit": "0.1/s"}}}, "objects": {"board": BOARD}},
}  # fmt: skip
PRESETS = ("cloudflare-workers", "aws-lambda", "aws-lambda-edge", "vercel-edge", "vercel-functions")


def scenario(**keys: object) -> dict[str, object]:
    return {
        "name": "smoke",
        "duration": "20s",
        "replications": 2,
        "engine": "simpy",
        "clients": {"topology": "cities", "where": {"continent": "EU"}},
        "workload": WORKLOADS["handler"],
        "origins": {"o": {"region": "us-east-1"}},
        "platforms": {"w": {"preset": "cloudflare-workers"}},
    } | keys


def run(**keys: object) -> popsim.Result:
    return popsim.run(scenario(**keys), workers=1, store=None)


@pytest.mark.parametrize("kind", WORKLOADS)
def test_workloads(kind: str) -> None:
    assert run(workload=WORKLOADS[kind]).pools["w"].answered > 0


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset: str) -> None:
    assert run(platforms={"w": {"preset": preset}}).pools["w"].answered > 0


def test_outages() -> None:
    result = run(
        events=[{"at": "5s", "for": "10s", "fail": {"busiest": 1}}], network={"convergence": "1s"}
    )
    assert result.pools["w"].requests > 0


def test_both_engines_agree() -> None:
    one, other = run(), run(engine="compiled")
    assert one.pools["w"].mean == other.pools["w"].mean


def test_tables_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "clients.csv"
    path.write_text(CLIENTS, encoding="utf-8")
    assert run(clients={"topology": str(path)}).pools["w"].answered > 0


def popsim_command(folder: Path, *arguments: str, code: int = 0) -> str:
    (folder / "it.yaml").write_text(json.dumps(scenario(claims=[
        {"id": "a", "says": "fast", "source": "ours", "expect": ["w.p(50) < 10s"]}
    ])), encoding="utf-8")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "popsim", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout


def test_run(tmp_path: Path) -> None:
    arguments = ("--out", "out", "--html", "it.html", "--workers", "2")
    assert "Latency in ms" in popsim_command(tmp_path, "run", "it.yaml", *arguments)
    assert list((tmp_path / "out").glob("*.png"))


def test_check(tmp_path: Path) -> None:
    assert "1 holds" in popsim_command(tmp_path, "check", "it.yaml", "--markdown", "it.md")


def test_baselines_and_comparisons(tmp_path: Path) -> None:
    popsim_command(tmp_path, "baseline", "save", "it.yaml")
    assert "nothing has changed" in popsim_command(tmp_path, "baseline", "compare", "it.yaml")
    assert "p95" in popsim_command(tmp_path, "compare", "it.yaml", "it.yaml")


@pytest.mark.parametrize("command", ["validate it.yaml --resolved", "schema", "list"])
def test_what_runs_nothing(command: str, tmp_path: Path) -> None:
    assert popsim_command(tmp_path, *command.split())


def test_mistakes(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("name: 1\nduration: x\n", encoding="utf-8")
    popsim_command(tmp_path, "validate", "wrong.yaml", code=2)
