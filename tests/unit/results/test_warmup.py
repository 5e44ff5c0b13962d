"""MSER-5 and its notes, on series whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import popsim
from popsim.engine import simulate
from popsim.engine.outputs import PlatformRun
from popsim.results.pooled import Pool
from popsim.results.warmup import (
    BATCH,
    FAILED,
    LATENCY_US,
    REQUESTS,
    WarmupCheck,
    check_warmup,
    mser,
)
from popsim.scenario.schema import Scenario

BINS, PER_BIN = 120, 1_000
SCENARIO: dict[str, Any] = {
    "name": "steady",
    "duration": "20min",
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "1/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}},
}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return popsim.load(SCENARIO)


@pytest.fixture(scope="module")
def run(scenario: Scenario) -> PlatformRun:
    return simulate(scenario, "workers", 0)


def checked(scenario: Scenario, run: PlatformRun, means_ms: np.ndarray) -> WarmupCheck:
    """Check runs whose bins have these means in ms, shape [replication, bin]."""
    runs = []
    for row in means_ms:
        timeline = np.zeros_like(run.timeline)
        timeline[:, REQUESTS], timeline[:, FAILED] = PER_BIN, 0
        timeline[:, LATENCY_US] = np.rint(row * 1e3 * PER_BIN)
        runs.append(replace(run, timeline=timeline))
    (found,) = check_warmup(scenario, {"workers": Pool(runs)})
    return found


def noise(seed: int, replications: int = 5, deviation: float = 2.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(50.0, deviation, (replications, BINS))


def test_timelines_have_as_many_bins_as_these_tests_think(run: PlatformRun) -> None:
    assert len(run.timeline) == BINS


def test_steady_latency_needs_no_note(scenario: Scenario, run: PlatformRun) -> None:
    """MSER-5 leaves out something of pure noise quite often; a note is made of none of 500."""
    found = [checked(scenario, run, noise(seed)) for seed in range(500)]
    left_out = sum(check.truncation_ms > 0.0 for check in found)
    assert 0.1 < left_out / 500 < 0.6  # so that what follows is no accident
    assert [check.note for check in found if check.note] == []


@pytest.mark.parametrize("bins", [10, 20, 40])
def test_a_transient_is_found_and_left_out(scenario: Scenario, run: PlatformRun, bins: int) -> None:
    """A step up at the beginning: the truncation is its end, to a batch."""
    means = noise(1)
    means[:, :bins] += 25.0
    found = checked(scenario, run, means)
    bin_ms = run.timeline_bin_ms
    assert found.truncation_ms == pytest.approx(bins * bin_ms, abs=BATCH * bin_ms)
    assert found.bias == pytest.approx(25.0 * bins / BINS / 50.0, rel=0.1)
    assert found.is_significant
    assert found.note is not None
    assert "would leave that out (MSER-5)" in found.note


def test_a_decay_is_cut_where_noise_takes_over(scenario: Scenario, run: PlatformRun) -> None:
    means = noise(2) + 60.0 * np.exp(-np.arange(BINS) / 8.0)  # below the noise of 0.9 after 34 bins
    found = checked(scenario, run, means)
    assert 20 <= found.truncation_ms / run.timeline_bin_ms <= 45
    assert found.note is not None


def test_a_transient_that_moves_the_mean_by_less_than_a_percent_is_none(
    scenario: Scenario, run: PlatformRun
) -> None:
    means = noise(3, deviation=0.1)
    means[:, :5] += 8.0  # 0.7 % of the mean
    found = checked(scenario, run, means)
    assert found.is_significant
    assert found.truncation_ms > 0.0
    assert found.note is None


def test_a_ramp_that_never_ends_is_too_short_a_run(scenario: Scenario, run: PlatformRun) -> None:
    found = checked(scenario, run, noise(4) + np.linspace(80.0, 0.0, BINS))
    assert found.is_too_short
    assert found.note is not None
    assert "too short" in found.note


def autoregressive(coefficient: float, seed: int) -> np.ndarray:
    series = np.zeros((5, BINS + 50))
    shocks = np.random.default_rng(seed).normal(0.0, 1.0, series.shape)
    for bin_ in range(1, series.shape[1]):
        series[:, bin_] = coefficient * series[:, bin_ - 1] + shocks[:, bin_]
    return 50.0 + series[:, 50:]


@pytest.mark.parametrize(("coefficient", "warns"), [(0.0, False), (0.3, False), (0.8, True)])
def test_slow_drift_is_noted(
    scenario: Scenario, run: PlatformRun, coefficient: float, warns: bool
) -> None:
    found = [checked(scenario, run, autoregressive(coefficient, seed)) for seed in range(50)]
    mean = float(np.mean([check.autocorrelation for check in found]))
    assert mean == pytest.approx(coefficient, abs=0.1)
    drifts = [check.note is not None and "drifts slowly" in check.note for check in found]
    assert sum(drifts) >= 45 if warns else not any(drifts)


def test_one_replication_tells_no_transient_from_chance(
    scenario: Scenario, run: PlatformRun
) -> None:
    means = noise(5, replications=1)
    means[:, :20] += 25.0
    assert not checked(scenario, run, means).is_significant


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"workload": {"arrivals": {"every": "1min"}}}, "no Poisson process"),
        (
            {"events": [{"at": "1min", "for": "1min", "surge": {"factor": 2}}]},
            "there are events",
        ),
    ],
)
def test_what_changes_by_intent_is_not_checked(changes: dict[str, Any], reason: str) -> None:
    result = popsim.run(SCENARIO | changes, replications=2, store=None, progress=False, workers=1)
    (found,) = result.warmup_check()
    assert found.not_checked is not None
    assert reason in found.not_checked
    assert found.note is None
    in_json = result.to_json_dict()["platforms"]["workers"]["warmup"]
    assert in_json["not_checked"] == found.not_checked
    assert in_json["truncation_ms"] is None


def test_few_requests_are_not_checked(scenario: Scenario, run: PlatformRun) -> None:
    timeline = run.timeline.copy()
    timeline[60] = 0
    (found,) = check_warmup(scenario, {"workers": Pool([replace(run, timeline=timeline)])})
    assert found.not_checked == "too few bins, or requests in them"


def test_the_point_is_that_of_the_definition() -> None:
    """Minimum of the squared standard error over the first half, by brute force."""
    for seed in range(20):
        batches = np.random.default_rng(seed).exponential(1.0, 24)
        errors = [
            sum((x - batches[d:].mean()) ** 2 for x in batches[d:]) / (24 - d) ** 2
            for d in range(13)
        ]
        assert math.isclose(errors[mser(batches)], min(errors))
