from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import popsim
from popsim.engine.archive import archived, unarchived
from popsim.engine.control import Control
from popsim.engine.outputs import PlatformRun
from popsim.results import Result
from popsim.scenario.errors import RunError
from popsim.scenario.schema import Scenario
from popsim.sweeps import pool as pool_module
from popsim.sweeps import store as store_module
from popsim.sweeps.machine import core_count
from popsim.sweeps.pool import Job, Task, run_tasks
from popsim.sweeps.store import run_key

BASE: dict[str, Any] = {
    "name": "sweep",
    "duration": "30s",
    "replications": 4,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "50/s"}},
    "platforms": {
        "workers": {"preset": "cloudflare-workers"},
        "lambda": {"preset": "aws-lambda"},
    },
}


def same(one: Result, other: Result) -> bool:
    return all(
        np.array_equal(a.latency, b.latency) and np.array_equal(a.sample, b.sample)
        for name in one.platforms
        for a, b in zip(one.runs[name], other.runs[name], strict=True)
    )


def tasks(scenario: Scenario) -> list[Task]:
    return [
        Task(name, replication)
        for replication in range(scenario.replications)
        for name in scenario.platforms
    ]


def collected(scenario: Scenario, workers: int) -> dict[Task, PlatformRun]:
    found: dict[Task, PlatformRun] = {}

    def keep(task: Task, run: PlatformRun, file: Path | None) -> None:
        found[task] = run

    run_tasks(Job(scenario, "compiled"), tasks(scenario), workers, keep)
    return found


def test_one_worker_equals_two() -> None:
    scenario = popsim.load(BASE)
    one, two = collected(scenario, workers=1), collected(scenario, workers=2)
    assert one.keys() == two.keys()
    for key, run in one.items():
        assert np.array_equal(run.latency, two[key].latency)
        assert np.array_equal(run.sample, two[key].sample)


def test_engines_agree_on_real_scenarios() -> None:
    for name in (
        "workers_vs_lambda",
        "pop_outage",
        "probes_2018_australia",
        "cold_starts",
        "network_table",
    ):
        short: dict[str, Any] = {"duration": "20s", "warmup": "2s", "replications": 1, "claims": []}
        if name == "pop_outage":
            short["events"] = [
                {"at": "5s", "fail": {"busiest": 19, "platforms": ["workers"]}, "for": "10s"},
                {"at": "8s", "surge": {"factor": 3, "where": {"continent": "EU"}}, "for": "5s"},
            ]
            short["network"] = {"convergence": "3s"}
        if name.startswith("probes"):
            short["duration"] = "20min"
        compiled, simpy = (
            popsim.run(name, store=None, progress=False, engine=engine, **short)
            for engine in ("compiled", "simpy")
        )
        assert compiled.engine == "compiled"
        assert simpy.engine == "simpy"
        assert same(compiled, simpy), name
        for platform in compiled.platforms:
            a, b = compiled.runs[platform][0], simpy.runs[platform][0]
            assert np.array_equal(a.sample_phases, b.sample_phases)
            assert a.events == b.events
            assert a.log == b.log


def test_dead_workers_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed once, as by the kernel when memory is short, costs nothing but time."""
    mark = tmp_path / "died"
    simulate = pool_module.simulate

    def dies_once(
        scenario: Scenario, platform: str, replication: int, engine: str, **_: Any
    ) -> PlatformRun:
        if replication == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return simulate(scenario, platform, replication, engine)

    monkeypatch.setattr(pool_module, "simulate", dies_once)
    scenario = popsim.load(BASE)
    assert len(collected(scenario, workers=2)) == 8
    assert mark.exists()


def test_workers_that_always_die_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pool_module, "simulate", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    )
    with pytest.raises(RunError, match="worker processes died 3 times"):
        collected(popsim.load(BASE), workers=2)


def test_no_worker_outlives_an_error() -> None:
    """Ctrl-C may come while a finished run is being kept."""

    def interrupted(task: Task, run: PlatformRun, file: Path | None) -> None:
        raise KeyboardInterrupt

    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        run_tasks(Job(popsim.load(BASE), "compiled"), tasks(popsim.load(BASE)), 2, interrupted)
    deadline = time.monotonic() + 20
    while set(multiprocessing.active_children()) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(multiprocessing.active_children()) <= before


def test_precision_adds_replications() -> None:
    wide = popsim.run(BASE, store=None, progress=False, replications=3)
    wanted = wide.widest_interval() / 1.5
    narrow = popsim.run(
        BASE, store=None, progress=False, replications=3, precision=wanted, max_replications=60
    )
    assert narrow.replications > 3
    assert narrow.widest_interval() <= wanted


def test_unreached_precision_is_reported() -> None:
    notes: list[str] = []
    popsim.run(
        BASE,
        store=None,
        progress=False,
        notify=notes.append,
        replications=2,
        precision=1e-6,
        max_replications=4,
    )
    assert any("max_replications" in note for note in notes)


def test_run_key_names_what_determines_a_run(tmp_path: Path) -> None:
    scenario = popsim.load(BASE)
    key = run_key(scenario, "workers", 0, "compiled")
    assert key == run_key(scenario.changed(name="other", replications=9), "workers", 0, "compiled")
    alone = popsim.load({**BASE, "platforms": {"workers": BASE["platforms"]["workers"]}})
    assert key == run_key(alone, "workers", 0, "compiled")
    changed = {
        run_key(scenario, "workers", 1, "compiled"),
        run_key(scenario, "workers", 0, "simpy"),
        run_key(scenario.changed(seed=2), "workers", 0, "compiled"),
        run_key(
            scenario.changed(platforms={"workers": {"front_door": "1ms"}}), "workers", 0, "compiled"
        ),
    }
    assert len(changed | {key}) == 5
    mine = tmp_path / "mine.csv"
    keys = set()
    for lat in (50, 51):
        mine.write_text(f"id,city,country,lat,lon,roles\nA,X,DE,{lat},8,pop\n", encoding="utf-8")
        own = scenario.changed(platforms={"workers": {"topology": str(mine)}})
        keys.add(run_key(own, "workers", 0, "compiled"))
    assert len(keys) == 2


def test_an_unwritable_store_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notes: list[str] = []
    popsim.run(BASE, store=tmp_path / "file" / "runs", progress=False, notify=notes.append)
    assert len([note for note in notes if "are not kept" in note]) == 1


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"workers": -1}, {"workers": 1.5}, {"workers": "2"}, {"store": 5}]
)
def test_wrong_arguments_are_told_before_anything_runs(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        popsim.run("no such scenario", **wrong)


def test_control_processes_of_ones_own() -> None:
    seen = []

    def flap(control: Control) -> Any:
        yield control.env.timeout(5_000)
        control.fail("us-east-1")
        yield control.env.timeout(5_000)
        control.restore("us-east-1")
        seen.append(control.now)

    scenario = popsim.load(BASE, platforms={"lambda": {"regions": ["us-east-1"]}})
    only = scenario.changed(replications=1)
    only = popsim.load(
        {**only.resolved(), "platforms": {"lambda": only.resolved()["platforms"]["lambda"]}}
    )
    result = popsim.run(only, processes=[flap], progress=False)
    assert seen == [10_000.0]
    assert result.pools["lambda"].failed["site_down"] > 50
    assert list(result.log()["verb"]) == ["fail", "restore"]


def test_pool_uses_the_cores_it_may() -> None:
    assert 1 <= core_count() <= (os.cpu_count() or 1)


def kept(folder: Path) -> dict[str, int]:
    """Return when each kept run was written, in ns."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.run")}


def test_extending_redoes_nothing(tmp_path: Path) -> None:
    """And is the same as asking for all replications at once, to the last bit."""
    quiet: dict[str, Any] = {"progress": False, "workers": 1}
    popsim.run(BASE, store=tmp_path, replications=2, **quiet)
    before = kept(tmp_path)
    extended = popsim.run(BASE, store=tmp_path, extend=3, **quiet)
    assert extended.replications == 5
    assert before.items() <= kept(tmp_path).items()
    assert len(kept(tmp_path)) == 5 * len(BASE["platforms"])
    assert same(extended, popsim.run(BASE, store=None, replications=5, **quiet))
    assert popsim.run(BASE, store=tmp_path, extend=1, **quiet).replications == 6


def test_extending_goes_on_from_the_first_gap(tmp_path: Path) -> None:
    """As after an interrupt: replication 1 of a platform is missing, 2 is not run again."""
    quiet: dict[str, Any] = {"progress": False, "workers": 1}
    result = popsim.run(BASE, store=tmp_path, replications=3, **quiet)
    key = run_key(result.scenario, "lambda", 1, "compiled")
    (tmp_path / f"{key}.run").unlink()
    before = kept(tmp_path)
    extended = popsim.run(BASE, store=tmp_path, extend=2, **quiet)
    assert extended.replications == 3
    assert before.items() <= kept(tmp_path).items()
    assert same(extended, result)


@pytest.mark.parametrize("change", ["nothing kept", "another version", "another seed", "no store"])
def test_what_cannot_be_extended(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {}
    if change != "nothing kept":
        popsim.run(BASE, store=tmp_path, replications=1, progress=False, workers=1)
    if change == "another version":
        monkeypatch.setattr(store_module, "code_hash", lambda: "of another version")
    if change == "another seed":
        changes["seed"] = 7
    folder = None if change == "no store" else tmp_path
    with pytest.raises(RunError, match="there is nothing to extend: no finished replication"):
        popsim.run(BASE, store=folder, extend=2, progress=False, **changes)


@pytest.mark.parametrize("what", ["code_hash", "data_hash"])
def test_kept_runs_of_another_version_are_left_alone(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their names say that they are others': they are neither read nor written, whatever is in them."""
    quiet: dict[str, Any] = {"store": tmp_path, "progress": False, "workers": 1, "replications": 1}
    with monkeypatch.context() as other:
        other.setattr(store_module, what, lambda: "of another version")
        popsim.run(BASE, **quiet)
    for path in tmp_path.glob("*.run"):
        path.write_bytes(b"in a form of its own")
    before = kept(tmp_path)
    assert len(before) == len(BASE["platforms"])
    notes: list[str] = []
    result = popsim.run(BASE, notify=notes.append, **quiet)
    assert same(result, popsim.run(BASE, **(quiet | {"store": None})))
    assert notes == []
    assert before.items() <= kept(tmp_path).items()
    assert len(kept(tmp_path)) == 2 * len(before)


@pytest.mark.parametrize("damage", ["a field less", "a field more", "no archive", "empty"])
def test_kept_runs_of_another_form_are_made_anew(damage: str, tmp_path: Path) -> None:
    quiet: dict[str, Any] = {"store": tmp_path, "progress": False, "workers": 1, "replications": 1}
    result = popsim.run(BASE, **quiet)
    for path in list(tmp_path.glob("*.run")):
        parts = unarchived(path.read_bytes())
        scalars = json.loads(bytes(parts["scalars"]))
        if damage == "a field less":
            del scalars["requests"]
        scalars |= {"invented": 1} if damage == "a field more" else {}
        parts["scalars"] = np.frombuffer(json.dumps(scalars).encode(), np.uint8)
        path.write_bytes(archived(parts))
        if damage in ("no archive", "empty"):
            path.write_bytes(b"something else" if damage == "no archive" else b"")
    assert same(popsim.run(BASE, **quiet), result)
    for path in tmp_path.glob("*.run"):
        PlatformRun.load(path)  # written over
