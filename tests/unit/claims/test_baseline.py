from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import made

import popsim
from popsim.claims.baseline import Baseline, compare, compare_baselines, read, save, to_json
from popsim.engine.outputs import BUCKETS, PHASES, PlatformRun, bucket_index
from popsim.results import Result
from popsim.scenario.errors import InputError

SCENARIO: dict[str, Any] = {
    "name": "made up",
    "seed": 3,
    "duration": "60s",
    "workload": {"arrivals": {"rate": "10/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}},
}
NOISE = (0.0, 0.4, -0.3, 0.1, -0.2, 0.3, -0.1, 0.2)


def run_of(number: int, latencies: dict[str, float], failed: int = 0) -> PlatformRun:
    """Return a replication whose 200 requests take from half to one and a half of the phases' sum."""
    total, share = sum(latencies.values()), np.linspace(0.5, 1.5, 200)
    buckets = bucket_index(total * share)
    latency = np.bincount(buckets, minlength=BUCKETS)
    phases = np.zeros((BUCKETS, len(PHASES)), np.int64)
    for phase, ms in latencies.items():
        np.add.at(phases[:, PHASES.index(phase)], buckets, np.int64(ms * 1e6) * np.ones(200, int))
    failures = made().failed.copy()
    failures[0] = failed
    return made(
        replication=number, requests=200 + failed, failed=failures, latency=latency,
        latency_sum_ns=int(total * share.sum() * 1e6), phase_sum_ns=phases,
    )  # fmt: skip


def result(
    network: float = 30.0, queue: float = 5.0, failed: int = 0, jitter: float = 0.0, count: int = 8,
    **keys: Any,
) -> Result:  # fmt: skip
    runs = [
        run_of(number, {"network": network + NOISE[number] * (1 + jitter), "queue": queue}, failed)
        for number in range(count)
    ]
    scenario = popsim.load(SCENARIO | keys)
    return Result(scenario, dict.fromkeys(scenario.platforms, runs))


def outcomes(report: Any) -> dict[str, str]:
    (platform,) = report.platforms
    return {change.statistic: change.outcome for change in platform.changes}


def test_a_baseline_is_small_and_loads_back(tmp_path: Path) -> None:
    before = save(result())
    text = to_json(before)
    assert json.loads(text) == before
    assert len(text) < 5_000
    (tmp_path / "it.json").write_text(text, encoding="utf-8")
    assert read(tmp_path / "it.json", "") == before
    columns = before["platforms"]["workers"]["statistics"]
    assert set(columns) == {
        "requests", "failed_ratio", "cold_start_ratio", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms",
    }  # fmt: skip
    assert columns["mean_ms"][0] == pytest.approx(35.0)
    assert before["platforms"]["workers"]["phases_ms"]["queue"] == pytest.approx([5.0] * 8)


def test_the_same_result_has_not_changed() -> None:
    report = compare(result(), save(result()))
    assert (report.method, report.outcome, report.notes) == ("paired", "same", ())
    assert outcomes(report) == {}


def test_worse_latency_names_the_phase_that_moved() -> None:
    report = compare(result(queue=7.0, jitter=0.05), save(result()))
    assert report.outcome == "worse"
    assert outcomes(report) == dict.fromkeys(
        ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms"), "worse"
    )
    (platform,) = report.platforms
    assert [move.phase for move in platform.phases] == ["queue", "network"]
    assert platform.phases[0].difference == pytest.approx(2.0)
    change = platform.changes[-1]
    assert change.difference.absolute.low < 2.0 < change.difference.absolute.high
    assert change.difference.relative.value == pytest.approx(2.0 / 35.0, rel=0.05)
    assert compare(result(), save(result(queue=7.0))).outcome == "better"


def test_a_significant_change_within_the_tolerance_is_none() -> None:
    before, now = save(result()), result(queue=5.2)
    assert compare(now, before).outcome == "same"
    assert compare(now, before, tolerance=0.001).outcome == "worse"


def test_failures_count_even_if_there_were_none() -> None:
    report = compare(result(failed=3), save(result()))
    assert outcomes(report) == {"requests": "changed", "failed_ratio": "worse"}
    assert report.outcome == "worse"
    json.dumps(report.to_json_dict(), allow_nan=False)


def test_other_users_are_compared_by_ranks() -> None:
    before = save(result(seed=4))
    report = compare(result(queue=7.0), before)
    assert (report.method, report.outcome) == ("ranks", "worse")
    assert len(report.notes) == 1
    assert "its users are others" in report.notes[0]
    assert compare(result(), before).outcome == "same"


def test_another_id_with_the_same_users_is_still_paired() -> None:
    slower = {"workers": {"preset": "cloudflare-workers", "front_door": "9ms"}}
    report = compare(result(platforms=slower), save(result()))
    assert report.method == "paired"
    assert "the baseline is of scenario id" in report.notes[0]


@pytest.mark.parametrize(("count", "seed"), [(1, 3), (4, 4)])
def test_too_few_replications_are_told(count: int, seed: int) -> None:
    report = compare(result(count=count, queue=9.0), save(result(count=count, seed=seed)))
    assert report.outcome == "same"
    assert "too few replications" in report.notes[-1]


def test_replications_that_both_have_are_compared() -> None:
    report = compare(result(count=5, queue=7.0, jitter=0.1), save(result(count=8)))
    assert report.outcome == "worse"


def test_platforms_and_versions_that_are_not_the_same_are_told() -> None:
    before = save(result())
    before["popsim"] = "0.0.1"
    before["platforms"]["lambda"] = before["platforms"].pop("workers")
    report = compare(result(), before)
    assert report.platforms == ()
    assert report.notes[0].startswith("the baseline is of popsim 0.0.1, this is ")
    assert report.notes[1:] == (
        "platform workers is not in the baseline",
        "platform lambda is not here any more",
    )


def test_more_hits_are_better() -> None:
    before, after = save(result()), save(result())
    before["platforms"]["workers"]["statistics"] |= {
        "kv_hit_ratio": [0.5] * 8,
        "kv_stale_ratio": [0.1] * 7 + [None],
    }
    assert "workers: kv_hit_ratio is only on one side" in compare(result(), before).notes
    after["platforms"]["workers"]["statistics"] |= {
        "kv_hit_ratio": [0.6] * 8,
        "kv_stale_ratio": [0.2] * 8,
    }
    report = compare_baselines(Baseline(**before), Baseline(**after))
    assert outcomes(report) == {"kv_hit_ratio": "better", "kv_stale_ratio": "worse"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such baseline"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "is no baseline of popsim"),
        ('{"schema": 1, "platforms": {}}', "is no baseline of popsim"),
        ('{"schema": 9, "users": ""}', "schema 9; this popsim reads schema 1"),
        ('{"schema": 1, "users": ""}', "is damaged at scenario"),
        ('{"schema": 1, "users": "", "popsim": "9.9"}', "it is of popsim 9.9, this is"),
    ],
)
def test_what_is_no_baseline(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "it.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as found:
        read(path, "popsim baseline save it")
    assert str(found.value).startswith(str(path))
    assert "popsim baseline save it" in str(found.value)


def test_a_real_result(small_result: Result) -> None:
    before = save(small_result)
    assert compare(small_result, before).outcome == "same"
    one = before["platforms"]["lambda"]
    mean = np.mean(one["statistics"]["mean_ms"])
    phases = sum(np.mean(column) for column in one["phases_ms"].values())
    assert phases == pytest.approx(mean, rel=1e-3)


def by_chance(rng: np.random.Generator, seed: int, platforms: int = 3, count: int = 10) -> Baseline:
    """Return what a seed may yield: columns that correlate within a replication, and no true difference."""
    names = ("requests", "failed_ratio", "p50_ms", "p95_ms", "p99_ms", "mean_ms")
    made_up = {}
    for number in range(platforms):
        common = rng.normal(0.0, 5.0, count)
        columns = {name: list(100.0 + common + rng.normal(0.0, 5.0, count)) for name in names}
        made_up[f"p{number}"] = {
            "replications": list(range(count)),
            "statistics": columns,
            "phases_ms": {},
        }
    return Baseline(
        scenario="x", id="x", popsim="x", engine="x", seed=seed, users=str(seed), platforms=made_up
    )


def test_without_a_change_one_comparison_in_twenty_finds_one() -> None:
    """With another seed, and with several platforms, too: 300 comparisons, and 3.3 standard errors more."""
    rng = np.random.default_rng(12)
    found = [
        compare_baselines(by_chance(rng, 1), by_chance(rng, 2), 0.0).outcome for _ in range(300)
    ]
    share = sum(outcome != "same" for outcome in found) / len(found)
    assert share <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 300)
    assert share > 0.0


def test_what_one_draw_of_a_seed_decides_is_no_change() -> None:
    """One planet per seed: 40 ms in one and 30 in the other are both right."""

    def fixed(network_ms: float, seed: int) -> Result:
        found = result(network=network_ms, seed=seed)
        scenario = found.scenario.changed(network={"residual": "fixed"})
        return Result(scenario, found.runs)

    report = compare(fixed(30.0, 3), save(fixed(40.0, 4)))
    assert (report.method, report.outcome) == ("ranks", "same")
    assert any("one draw of each seed decides the lasting detours" in note for note in report.notes)
    assert compare(fixed(30.0, 3), save(fixed(40.0, 3))).outcome == "better"
    assert compare(result(), save(result(network=40.0, seed=4))).outcome == "better"
