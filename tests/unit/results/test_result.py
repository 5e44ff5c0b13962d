from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import popsim
from popsim.engine.outputs import PHASES, PlatformRun, write_all_atomically, write_atomically
from popsim.results import Result


def test_summary_has_intervals_around_values(small_result: Result) -> None:
    frame = small_result.summary()
    assert list(frame.index) == ["workers", "lambda"]
    for label in ("p50", "p90", "p95", "p99", "mean"):
        assert (frame[f"{label}_low_ms"] < frame[f"{label}_ms"]).all()
        assert (frame[f"{label}_ms"] < frame[f"{label}_high_ms"]).all()
    assert frame["sent"].between(34_000, 38_000).all()


def test_platforms_see_the_same_requests(small_result: Result) -> None:
    frame = small_result.requests()
    columns = ["replication", "number", "start_ms", "client", "network", "function"]
    one, other = (frame[frame["platform"] == name][columns] for name in ("workers", "lambda"))
    assert len(one) > 5_000
    assert np.array_equal(one.to_numpy(), other.to_numpy())


def test_phases_add_up(small_result: Result) -> None:
    means = small_result.phases().sum(axis=1)
    np.testing.assert_allclose(means, small_result.summary()["mean_ms"], rtol=1e-6)
    for percent in (50, 95, 99):
        around = small_result.phases(percent).sum(axis=1)
        at = [small_result.latency(name, percent).value for name in small_result.platforms]
        np.testing.assert_allclose(around, at, rtol=0.06)
    sample = small_result.requests()
    phases = sample[[f"{phase}_ms" for phase in PHASES]].sum(axis=1)
    np.testing.assert_allclose(phases, sample["total_ms"], atol=1e-6)


def test_sample_agrees_with_the_histogram(small_result: Result) -> None:
    sample = small_result.requests()
    for name in small_result.platforms:
        total = sample.loc[sample["platform"] == name, "total_ms"]
        assert total.median() == pytest.approx(small_result.latency(name, 50).value, rel=0.05)


@pytest.mark.parametrize("dimension", ["continent", "country", "site", "network", "client"])
def test_groups_count_every_answered_request(small_result: Result, dimension: str) -> None:
    frame = small_result.by(dimension)
    assert list(frame.columns[:3]) == ["platform", dimension, "sent"]
    counted = frame.groupby("platform")[["sent", "answered", "failed"]].sum()
    for name, pool in small_result.pools.items():
        assert counted.at[name, "answered"] == pool.answered
        assert (frame["sent"] == frame["answered"] + frame["failed"]).all()
        assert counted.at[name, "failed"] <= sum(pool.failed.values())  # of no site: in no group


def test_unknown_names_say_what_is_known(small_result: Result) -> None:
    with pytest.raises(ValueError, match="expected one of continent"):
        small_result.by("planet")
    with pytest.raises(KeyError, match="did you mean 'workers'"):
        small_result.latency("worker", 50)


@pytest.mark.parametrize("percent", [950, -5, 0, 100, float("nan")])
def test_what_is_no_percentile_is_refused(small_result: Result, percent: float) -> None:
    with pytest.raises(ValueError, match="a percentile lies between 0 and 100"):
        small_result.latency("workers", percent)
    with pytest.raises(ValueError, match="a percentile lies between 0 and 100"):
        small_result.phases(percent)


@pytest.mark.parametrize("percent", ["95", [95], {}, pytest.param(10**5000, id="huge")])
def test_what_is_no_number_is_no_percentile(small_result: Result, percent: Any) -> None:
    for asked in (lambda: small_result.latency("workers", percent), lambda: small_result.phases(percent)):  # fmt: skip
        with pytest.raises((TypeError, ValueError), match="a percentile") as caught:
            asked()
        assert len(str(caught.value)) < 200


def test_timeline_and_instances(small_result: Result) -> None:
    frame = small_result.timeline()
    counted = frame.groupby("platform")[["sent", "answered"]].sum()
    assert counted.at["workers", "sent"] == small_result.pools["workers"].requests
    assert counted.at["workers", "answered"] == small_result.pools["workers"].answered
    instances = small_result.instances()
    assert (instances["running_mean"] > 0).all()
    assert instances.loc["lambda", "init_ms"] == pytest.approx(145, rel=0.2)


def test_phase_quantiles(small_result: Result) -> None:
    frame = small_result.phase_quantiles("workers")
    assert frame.loc["connect", "p50_ms"] < frame.loc["connect", "p90_ms"]
    assert frame.loc["fetch"].sum() == 0.0


def test_json_has_the_promised_form(small_result: Result, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    text = small_result.to_json(path)
    assert path.read_text(encoding="utf-8") == text
    data = json.loads(text)
    assert data["schema"] == 1
    assert {"scenario", "id", "engine", "platforms", "claims"} <= set(data)
    workers = data["platforms"]["workers"]
    assert set(workers["latency_ms"]["p50"]) == {"value", "low", "high"}
    assert set(workers["groups"]) == {"continent", "country", "site", "network"}
    claim = data["claims"][0]
    assert {"id", "verdict", "observed", "low", "high", "expect"} <= set(claim)


def test_a_result_re_creates_its_run(small_result: Result) -> None:
    data = small_result.to_json_dict()["recreate"]
    again = popsim.run(data["scenario"], store=None, progress=False, workers=1)
    assert again.scenario.id == small_result.scenario.id
    assert again.summary().equals(small_result.summary())
    assert set(data) >= {"popsim", "python", "libraries", "seed", "scenario", "data"}


def test_runs_survive_saving(small_result: Result, tmp_path: Path) -> None:
    run = small_result.runs["workers"][0]
    run.save(tmp_path / "run.run")
    loaded = PlatformRun.load(tmp_path / "run.run")
    assert np.array_equal(loaded.latency, run.latency)
    assert np.array_equal(loaded.sample, run.sample)
    assert loaded.labels == run.labels
    assert loaded.by["country"].row_counts().tolist() == run.by["country"].row_counts().tolist()
    (tmp_path / "run.run").write_bytes(b"PK damaged")
    with pytest.raises((OSError, ValueError, KeyError)):
        PlatformRun.load(tmp_path / "run.run")


def test_repr_shows_the_medians(small_result: Result) -> None:
    assert "workers: p50" in repr(small_result)
    assert "<table" in small_result._repr_html_()


def test_files_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before", encoding="utf-8")
    missing = tmp_path / "missing" / "b"
    with pytest.raises(FileNotFoundError) as caught:
        write_all_atomically({tmp_path / "a": b"after", missing: b"x"})
    assert caught.value.filename == str(missing)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before"
    write_all_atomically({tmp_path / "a": b"after", tmp_path / "b": b"x"})
    assert (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes() == b"afterx"


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing" / "b"):  # at its end, at its beginning
        with pytest.raises(OSError) as caught:  # noqa: PT011
            write_atomically(path, b"x")
        assert caught.value.filename == str(path)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
