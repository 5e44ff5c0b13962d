"""Bundled and valid scenarios: they load, and their resolved form loads back to the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import popsim
from popsim.scenario.bundled import bundled_file, bundled_names
from popsim.scenario.document import parse_yaml, resolve_scalar
from popsim.scenario.errors import InputError
from popsim.scenario.loading import dump_resolved
from popsim.scenario.merge import merged
from popsim.scenario.units import (
    format_bytes,
    format_duration,
    format_rate,
    parse_bytes,
    parse_duration,
    parse_rate,
    parse_share,
)

VALID = sorted((Path(__file__).parents[2] / "data" / "valid").glob("*.yaml"))
ALL = [*(bundled_file("scenarios", name) for name in bundled_names("scenarios")), *VALID]


@pytest.mark.parametrize("path", ALL, ids=[path.stem for path in ALL])
def test_resolved_form_loads_back_to_the_same(path: Path) -> None:
    scenario = popsim.load(path)
    again = popsim.load(yaml.safe_load(dump_resolved(scenario)))
    assert again == scenario
    assert again.id == scenario.id
    assert dump_resolved(again) == dump_resolved(scenario)


@pytest.mark.parametrize("path", ALL, ids=[path.stem for path in ALL])
def test_every_scenario_says_what_to_look_at(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#")
    if path not in VALID:
        assert "# What to look at" in text


def test_the_promised_scenarios_are_there() -> None:
    assert set(bundled_names("scenarios")) >= {
        "workers_vs_lambda", "probes_2018_world", "probes_2018_australia", "network_table",
        "nearest_edge", "cold_starts", "pop_outage",
    }  # fmt: skip
    flagship = popsim.load("workers_vs_lambda")
    assert list(flagship.platforms) == ["workers", "lambda_edge", "lambda", "vercel_edge", "vercel"]


def test_everything_runs_on_both_engines() -> None:
    path = next(path for path in VALID if path.stem == "everything")
    short: dict[str, Any] = {
        "duration": "20s", "warmup": "1s", "precision": None, "claims": [],
        "events": [
            {"at": "5s", "fail": {"sites": ["FRA"], "platforms": ["workers"]}, "for": "5s"},
            {"at": "8s", "surge": {"factor": 3, "where": {"country": "DE"}}},
        ],
    }  # fmt: skip
    results = [
        popsim.run(path, store=None, progress=False, engine=engine, **short)
        for engine in ("simpy", "compiled")
    ]
    for name in results[0].platforms:
        for one, other in zip(*(result.runs[name] for result in results), strict=True):
            assert (one.sample == other.sample).all()
            assert (one.sample_phases == other.sample_phases).all()
            assert (one.phase_hist == other.phase_hist).all()
    sums = results[0].pools["workers"].phase_means()
    assert all(sums[phase] > 0 for phase in ("dns", "connect", "tls", "network", "fetch", "sleep"))


@pytest.mark.parametrize("name", ["keys", "trace"])
def test_all_about_keys_runs_on_both_engines(name: str) -> None:
    path = next(path for path in VALID if path.stem == name)
    over: dict[str, Any] = {"replications": 1, "store": None, "progress": False, "workers": 1}
    one, other = (popsim.run(path, engine=engine, **over) for engine in ("simpy", "compiled"))
    for platform in one.platforms:
        (run,), (twin,) = one.runs[platform], other.runs[platform]
        assert (run.sample == twin.sample).all(), platform
        assert (run.sample_phases == twin.sample_phases).all()
        assert (run.kv_by_space == twin.kv_by_space).all()
        assert (run.kv_by_site == twin.kv_by_site).all()
        assert (run.failed == twin.failed).all()
        assert run.log == twin.log
        assert run.requests > 0


def test_ids_name_what_is_computed() -> None:
    scenario = popsim.load("nearest_edge")
    same = scenario.changed(name="other", replications=3, claims=[], description="x")
    assert same.id == scenario.id
    changed = [
        scenario.changed(seed=8),
        scenario.changed(platforms={"workers": {"memory": "64MB"}}),
        scenario.changed(network={"residual": False}),
    ]
    assert len({scenario.id, *(other.id for other in changed)}) == 4


def test_norway_is_a_country() -> None:
    scenario = popsim.load(next(path for path in VALID if path.stem == "norway"))
    assert scenario.clients.where.country == ("NO",)
    assert scenario.name == "on"


@pytest.mark.parametrize(
    ("text", "value"),
    [("NO", "NO"), ("off", "off"), ("yes", "yes"), ("true", True), ("1e3", 1000.0), ("0o17", 15),
     ("0x1F", 31), ("1:30", "1:30"), ("~", None), ("017", 17), (".inf", float("inf")), ("1_000", "1_000")],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    assert resolve_scalar(text) == value
    assert type(resolve_scalar(text)) is type(value)


def test_quoted_scalars_are_text() -> None:
    assert parse_yaml("a: '12'\nb: \"true\"").data == {"a": "12", "b": "true"}


def test_problems_in_a_preset_are_placed_there() -> None:
    data = popsim.load("nearest_edge").resolved()
    data["platforms"] = {
        "workers": {"preset": "cloudflare-workers", "runtime": {"model": "isolate", "idle": "0s"}}
    }
    with pytest.raises(InputError, match="idle"):
        popsim.load(data)


def test_presets_are_laid_under_the_users_keys() -> None:
    base = {
        "runtime": {"model": "isolate", "idle": "30min", "init": {"lognormal": {"p50": "5ms"}}},
        "roles": [1, 2],
    }
    assert merged(base, {"runtime": {"idle": "5min"}})["runtime"]["init"] == {
        "lognormal": {"p50": "5ms"}
    }
    whole = merged(base, {"runtime": {"init": {"exponential": {"mean": "1ms"}}}})
    assert whole["runtime"]["init"] == {"exponential": {"mean": "1ms"}}
    other = merged(base, {"runtime": {"model": "always_warm"}, "roles": [3]})
    assert other == {"runtime": {"model": "always_warm"}, "roles": [3]}


@given(st.floats(min_value=0, max_value=1e12, allow_nan=False))
def test_durations_round_trip(ms: float) -> None:
    assert parse_duration(format_duration(ms)) == pytest.approx(ms, rel=1e-15, abs=1e-300)


@given(st.integers(min_value=1, max_value=10**15))
def test_sizes_round_trip(size: int) -> None:
    assert parse_bytes(format_bytes(size)) == size


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_rates_round_trip(per_s: float) -> None:
    assert parse_rate(format_rate(per_s)) == per_s


def test_units() -> None:
    assert parse_duration("1.5min") == 90_000.0
    assert parse_duration(0) == 0.0
    assert parse_bytes("2KiB") == 2_048
    assert parse_rate("120/min") == 2.0
    assert parse_share("2%") == parse_share(0.02)
    for parse, wrong in ((parse_duration, "5 parsecs"), (parse_duration, "-1s"), (parse_duration, True),
                         (parse_bytes, "1TB"), (parse_rate, "0/s"), (parse_share, "101%"), (parse_share, "x")):  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            parse(wrong)
