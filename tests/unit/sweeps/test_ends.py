"""However a sweep ends, nothing finished is lost, nothing false is believed, and nothing is left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import popsim
from popsim.engine.outputs import PlatformRun
from popsim.sweeps import sweep as sweep_module
from popsim.sweeps import workers as workers_module
from popsim.sweeps.store import run_key
from popsim.sweeps.workers import LOCK, PREFIX, work_folder

LONG: dict[str, Any] = {
    "name": "ends",
    "duration": "20h",
    "replications": 40,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "50/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}},
}
SHORT = LONG | {"duration": "3h", "replications": 6}
QUIET: dict[str, Any] = {"progress": False, "workers": 1}
SOON_S = 20.0  # on a machine that does other things, too


def _heed_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(folder: Path, scenario: dict[str, Any], *options: str) -> subprocess.Popen[str]:
    """Start a run whose temporary folders are in a folder of its own."""
    (folder / "it.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "popsim", "run", "it.yaml", *options],
        cwd=folder, env=os.environ | {"TMPDIR": str(folder / "tmp")}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_signals,
    )  # fmt: skip


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in tasks for child in path.read_text("utf-8").split()]


def until(what: Any, patience_s: float = 90.0) -> bool:
    deadline = time.monotonic() + patience_s
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(what())


def kept(folder: Path) -> list[Path]:
    return sorted((folder / ".popsim" / "runs").glob("*.run"))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_no_worker_outlives_its_parent(name: str, tmp_path: Path) -> None:
    """As when a job in CI is cancelled: the main process alone is told, or killed without a word."""
    process = started(tmp_path, LONG, "--workers", "2", "--quiet")
    assert until(lambda: len(kept(tmp_path)) >= 1)
    workers = children(process.pid)
    assert len(workers) == 2
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=SOON_S)
    assert until(lambda: not any(is_alive(worker) for worker in workers), SOON_S)
    assert until(lambda: not list((tmp_path / "tmp").glob(f"{PREFIX}*")), SOON_S)
    assert kept(tmp_path)
    if name == "SIGTERM":
        assert process.returncode == 143
        assert errors == "terminated; finished runs are kept, the same command goes on\n"
        left = (tmp_path / ".popsim" / "runs").glob(".*")
        assert [path.name for path in left] in ([], [".gitignore"])


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_kernel_in_the_main_process_heeds_signals(name: str, tmp_path: Path) -> None:
    """One run of days of computing: there is no worker, and no end in sight."""
    scenario = LONG | {"duration": "1900d", "replications": 1}
    process = started(tmp_path, scenario, "--force", "--fresh", "--quiet")
    assert not until(lambda: process.poll() is not None, 8.0), process.communicate()
    sent = time.monotonic()
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=SOON_S)
    assert time.monotonic() - sent < 5.0  # 0.2 s on an idle machine
    assert process.returncode == {"SIGINT": 130, "SIGTERM": 143}[name]
    assert "Traceback" not in errors


def test_kills_at_any_time_lose_nothing(tmp_path: Path) -> None:
    """And the result is the same as without a kill."""
    seed = int(os.environ.get("POPSIM_SEED", time.time_ns() % 2**32))
    sys.stdout.write(f"POPSIM_SEED={seed}\n")
    chance = random.Random(seed)
    before: list[Path] = []
    for _ in range(4):
        process = started(tmp_path, SHORT, "--workers", "2", "--quiet")
        time.sleep(chance.uniform(0.2, 8.0))
        process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.communicate(timeout=SOON_S)
        for path in before:
            PlatformRun.load(path, path.stem)
        assert set(before) <= set(kept(tmp_path))
        before = kept(tmp_path)
    process = started(tmp_path, SHORT, "--quiet", "--json", "-")
    told, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    whole = popsim.run(SHORT, store=None, **QUIET)
    assert json.loads(told)["platforms"] == whole.to_json_dict()["platforms"]
    assert until(lambda: not list((tmp_path / "tmp").glob(f"{PREFIX}*")), SOON_S)


def test_abandoned_folders_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of sweeps all of whose processes were killed at once; not those in use, nor others'."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    abandoned, other = tmp_path / f"{PREFIX}dead", tmp_path / f"{PREFIX}without-lock"
    for folder in (abandoned, other):
        folder.mkdir()
        (folder / "run.run").touch()
    (abandoned / LOCK).touch()
    with work_folder() as living:
        assert not abandoned.exists()
        with work_folder() as second:
            assert living.exists() and second != living
    assert [path.name for path in tmp_path.iterdir()] == [other.name]


def test_worker_leaves_when_its_parent_has_another_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipe may be held open by others; then it is the parent's number that tells."""
    left: list[int] = []
    monkeypatch.setattr(workers_module.os, "_exit", left.append)
    monkeypatch.setattr(workers_module, "LOOK_S", 0.01)
    (tmp_path / "work").mkdir()
    workers_module._end_with(os.getppid() + 1, tmp_path / "work")
    assert left == [1]
    assert not (tmp_path / "work").exists()


BASE: dict[str, Any] = SHORT | {"duration": "60s", "replications": 2}


def test_damaged_and_swapped_runs_are_never_believed(tmp_path: Path) -> None:
    """Cut short, with bits flipped, or another run's: refused, or, where nothing that counts was hit, the same."""
    seed = int(os.environ.get("POPSIM_SEED", time.time_ns() % 2**32))
    sys.stdout.write(f"POPSIM_SEED={seed}\n")
    chance = random.Random(seed)
    result = popsim.run(BASE, store=tmp_path, **QUIET)
    keys = [run_key(result.scenario, "workers", number, "compiled") for number in range(2)]
    paths = [tmp_path / f"{key}.run" for key in keys]
    whole = [path.read_bytes() for path in paths]
    refused = 0
    for kind in chance.choices(["cut", "flip", "swap", "mix"], k=200):
        content = bytearray(whole[0])
        if kind == "cut":
            del content[chance.randrange(len(content)) :]
        elif kind == "flip":
            for _ in range(chance.choice([1, 1, 8])):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        elif kind == "swap":
            content = bytearray(whole[1])
        else:
            place = chance.randrange(min(map(len, whole)))
            content = bytearray(whole[0][:place] + whole[1][place:])
        paths[0].write_bytes(content)
        try:
            run = PlatformRun.load(paths[0], keys[0])
        except Exception:  # as in the store: whatever a damaged archive raises
            refused += 1
        else:
            assert kind in ("flip", "mix")
            assert _same(run, result.runs["workers"][0])
    assert refused > 150
    paths[0].write_bytes(whole[1])
    again = popsim.run(BASE, store=tmp_path, **QUIET)
    assert [run.replication for run in again.runs["workers"]] == [0, 1]
    assert _same(again.runs["workers"][0], result.runs["workers"][0])


def _same(one: PlatformRun, other: PlatformRun) -> bool:
    return (
        one.replication == other.replication
        and one.latency_sum_ns == other.latency_sum_ns
        and np.array_equal(one.latency, other.latency)
        and np.array_equal(one.sample, other.sample)
        and np.array_equal(one.phase_sum_ns, other.phase_sum_ns)
    )


@pytest.mark.parametrize("name", ["w" * 300, "größe" * 50])
def test_names_of_platforms_need_not_be_names_of_files(name: str, tmp_path: Path) -> None:
    scenario = BASE | {"platforms": {name: {"preset": "cloudflare-workers"}}}
    busy = scenario | {"workload": {"arrivals": {"rate": "4000/s"}}}
    result = popsim.run(busy, store=tmp_path, progress=False, workers=2)
    assert result.replications == 2
    assert len(list(tmp_path.glob("*.run"))) == 2


SITES = "id,city,country,lat,lon,roles\nams,Amsterdam,NL,{lat},4.89,pop\n"


def named_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return changes to BASE by which file of the user's they name."""
    store = {"topology": "mine.txt", "region": "ams"}
    return {
        "sites": {"platforms": {"w": {"topology": "mine.txt", "runtime": "always_warm"}}},
        "origin": {
            "origins": {"db": store},
            "workload": BASE["workload"] | {"handler": [{"fetch": {"origin": "db"}}]},
        },
        "store": {
            "platforms": {
                "w": {"preset": "cloudflare-workers", "kv": {"model": "pull", "stores": {"a": store}}}
            },
            "workload": BASE["workload"]
            | {"keys": {"k": {"count": 9}}, "handler": [{"kv.get": {"keys": "k"}}]},
        },
    }  # fmt: skip


@pytest.mark.parametrize("what", ["sites", "origin", "store"])
def test_a_file_that_changes_makes_other_runs(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a scenario names a topology, and whatever its name ends in, beside the scenario's file."""
    mine, scenario = tmp_path / "mine.txt", tmp_path / "it.yaml"
    scenario.write_text(yaml.safe_dump(BASE | named_files(tmp_path)[what]), encoding="utf-8")
    ids, means = set(), set()
    for lat in (52.37, -33.9, 52.37):
        mine.write_text(SITES.format(lat=lat), encoding="utf-8")
        result = popsim.run(scenario, store=tmp_path / "runs", **QUIET)
        ids.add(result.scenario.id)
        (name,) = result.platforms
        means.add(result.latency(name).value)
        fresh = popsim.run(scenario, store=None, **QUIET)
        assert fresh.latency(name).value == result.latency(name).value
    assert len(ids) == len(means) == 2
    assert len(list((tmp_path / "runs").glob("*.run"))) == 4


def test_a_file_that_changes_meanwhile_makes_runs_that_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text(SITES.format(lat=52.37), encoding="utf-8")
    simulate = sweep_module.run_tasks

    def edited(*arguments: Any) -> None:
        mine.write_text(SITES.format(lat=-33.9), encoding="utf-8")
        simulate(*arguments)

    monkeypatch.setattr(sweep_module, "run_tasks", edited)
    scenario = BASE | {"platforms": {"w": {"topology": str(mine), "runtime": "always_warm"}}}
    popsim.run(scenario, store=tmp_path / "runs", **QUIET)
    assert not list(tmp_path.glob("runs/*.run"))


def test_a_bundled_name_is_never_a_file(tmp_path: Path) -> None:
    """Not even if there is one beside the scenario."""
    (tmp_path / "aws").write_text("nothing", encoding="utf-8")
    (tmp_path / "it.yaml").write_text(
        yaml.safe_dump(BASE | {"platforms": {"l": {"preset": "aws-lambda"}}}), encoding="utf-8"
    )
    assert popsim.load(tmp_path / "it.yaml").platforms["l"].topology == "aws"
