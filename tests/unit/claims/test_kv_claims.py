"""Expectations about key-value stores: how they are read, what they observe, what is refused at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import popsim
from popsim.claims import ClaimSyntaxError, judge, parse_expectation
from popsim.claims.expression import Metric, Number
from popsim.claims.kv_metric import NUMBERS, RATIOS, KvMetric
from popsim.claims.unit import NONE, TIME
from popsim.results import Result
from popsim.results.kv import KvPool
from popsim.scenario.errors import Problem

PLATFORMS = ["workers", "lambda"]
SCENARIO: dict[str, Any] = {
    "name": "claims about a store",
    "seed": 3,
    "duration": "20s",
    "replications": 2,
    "clients": {"topology": "cities"},
    "workload": {
        "arrivals": {"rate": "50/s"},
        "keys": {"users": {"count": 50}, "flags": {"count": 5}},
        "handler": [
            {"kv.get": {"keys": "users"}},
            {"kv.get": {"keys": "flags"}},
            {
                "choose": [
                    {"weight": 1, "steps": [{"kv.put": {"keys": "users", "on_error": "ignore"}}]},
                    {"weight": 9},
                ]
            },
        ],
    },
    "platforms": {"workers": {"preset": "cloudflare-workers"}},
}


def metric(
    name: str,
    statistic: str = "",
    percent: float = 0.0,
    *,
    space: str | None = None,
    tier: str | None = None,
) -> KvMetric:
    return KvMetric("workers", space, name, statistic, percent, tier, TIME if statistic else NONE)


# --- reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kv.read.p(99)", metric("read", "p", 99.0)),
        ("kv.read.p99", metric("read", "p", 99.0)),
        ("kv.read.p(99.9)", metric("read", "p", 99.9)),
        ("kv.read.mean", metric("read", "mean")),
        ("kv.read.avg", metric("read", "mean")),
        ("kv.read.edge.avg", metric("read", "mean", tier="edge")),
        ("kv.read.memory.p(50)", metric("read", "p", 50.0, tier="memory")),
        ("kv.read.edge.p(50)", metric("read", "p", 50.0, tier="edge")),
        ("kv.read.coalesced.p(50)", metric("read", "p", 50.0, tier="coalesced")),
        ("kv.read.region.mean", metric("read", "mean", tier="region")),
        ("kv.read.store.p95", metric("read", "p", 95.0, tier="store")),
        ("kv.write.p(50)", metric("write", "p", 50.0)),
        ("kv.write.mean", metric("write", "mean")),
        ("kv.staleness.p(99)", metric("staleness", "p", 99.0)),
        ("kv.staleness.max", metric("staleness", "max")),
        ("kv.visibility.p(50)", metric("visibility", "p", 50.0)),
        ("kv.visibility.p(100)", metric("visibility", "p", 100.0)),
        ("kv.visibility.p100", metric("visibility", "p", 100.0)),
        ("kv[users].read.p(95)", metric("read", "p", 95.0, space="users")),
        ("kv[users].read.mean", metric("read", "mean", space="users")),
        ("kv[users].staleness.p(99)", metric("staleness", "p", 99.0, space="users")),
        ("kv[users].staleness.max", metric("staleness", "max", space="users")),
        ("kv [ users ] . read . p ( 95 )", metric("read", "p", 95.0, space="users")),
    ],
)
def test_times(text: str, expected: KvMetric) -> None:
    found = parse_expectation(f"workers.{text} < 5ms", PLATFORMS)
    assert found.left == expected
    assert found.unit == "ms"


@pytest.mark.parametrize("space", [None, "users"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_without_a_unit(name: str, space: str | None) -> None:
    store = "kv" if space is None else f"kv[{space}]"
    found = parse_expectation(f"workers.{store}.{name} >= 5%", PLATFORMS)
    assert found.left == metric(name, space=space)
    assert found.bounds == ((">=", Number(0.05, NONE)),)
    assert found.unit == ""


def test_there_is_a_ratio_of_every_tier() -> None:
    tiers = ("memory", "edge", "coalesced", "region", "store", "failed")
    assert {f"{tier}_ratio" for tier in tiers} < set(RATIOS)


@pytest.mark.parametrize(
    ("text", "statistic", "percent"),
    [("kv.p(95)", "p", 95.0), ("kv.p95", "p", 95.0), ("kv.mean", "mean", 0.0)],
)
def test_a_statistic_right_after_kv_is_of_the_phase(
    text: str, statistic: str, percent: float
) -> None:
    found = parse_expectation(f"workers.{text} < 5ms", PLATFORMS).left
    assert found == Metric("workers", "kv", statistic, percent, TIME)


def test_stores_stand_in_arithmetic_like_all_else() -> None:
    text = "lambda.kv.read.p(99) / workers.kv[users].read.p(99) between 2 and 3"
    found = parse_expectation(text, PLATFORMS)
    assert [m.platform for m in found.metrics()] == ["lambda", "workers"]
    assert found.unit == ""
    assert parse_expectation("workers.kv.read.mean - workers.mean < 0ms", PLATFORMS).unit == "ms"


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("workers.kv.read.p(95) < 5", 0, "the units differ: a time and a bare number", "13ms"),
        ("workers.kv.hit_ratio > 5ms", 0, "the units differ: a bare number and a time", "13ms"),
        ("workers.kv.write.mean + workers.kv.hit_ratio < 1ms", 22, "the units differ", "13ms"),
        ("workers.kv.visibility.p(50) < 60", 0, "the units differ", "13ms"),
        ("workers.kv.staleness.max / 2s < 1s", 0, "the units differ", "13ms"),
        ("workers.kv.stale_ratoi < 1%", 11, "no metric 'stale_ratoi' of", "'stale_ratio'?"),
        ("workers.kv.reed.p(95) < 1ms", 11, "no metric 'reed' of a key-value store", "'read'?"),
        ("workers.kv[users].hitratio > 1%", 18, "no metric 'hitratio' of", "'hit_ratio'?"),
        ("workers.kv.zzz < 1%", 11, "no metric 'zzz' of", "expected read, write, staleness"),
        ("workers.kv.costs < 1", 11, "no metric 'costs' of", "did you mean 'cost'?"),
        ("workers.kv.cost < 1ms", 0, "the units differ: a bare number and a time", "13ms"),
        ("workers.kvs.read.p(95) < 1ms", 8, "there is no metric 'kvs'", "did you mean 'kv'?"),
        ("wokers.kv.read.p(95) < 1ms", 0, "there is no platform 'wokers'", "'workers'?"),
        (
            "workers.kv.read.max < 1ms",
            16,
            "read has no 'max'",
            "known: coalesced, edge, mean, memory, p(95)",
        ),
        ("workers.kv.read.egde.p(50) < 1ms", 16, "read has no 'egde'", "did you mean 'edge'?"),
        ("workers.kv.read.maen < 1ms", 16, "read has no 'maen'", "did you mean 'mean'?"),
        (
            "workers.kv.read.failed.p(50) < 1ms",
            16,
            "read has no 'failed'",
            "known: coalesced, edge",
        ),
        ("workers.kv.read.edge.max < 1ms", 21, "read has no 'max'", "known: mean, p(95)"),
        ("workers.kv.write.edge.p(50) < 1ms", 17, "write has no 'edge'", "known: mean, p(95)"),
        ("workers.kv.staleness.mean < 1s", 21, "staleness has no 'mean'", "known: max, p(95)"),
        ("workers.kv.visibility.max < 1s", 22, "visibility has no 'max'", "known: p(95)"),
        ("workers.kv.read < 1ms", 16, "expected '.'", None),
        ("workers.kv < 1ms", 11, "expected '.'", None),
        ("workers.kv[users.read.p(95) < 1ms", 16, "expected ']'", None),
        ("workers.kv[] < 1ms", 13, "expected ']'", None),
        ("workers.kv.read.p(95 < 1ms", 21, "expected ')'", None),
        ("workers.kv.read.p(100) < 1s", 18, "between 0 and 100, got '100'", None),
        ("workers.kv.write.p100 < 1s", 17, "between 0 and 100", None),
        ("workers.kv.staleness.p(100) < 1s", 23, "between 0 and 100, got '100'", None),
        ("workers.kv.p(100) < 1s", 13, "between 0 and 100, got '100'", None),
        ("workers.kv.visibility.p(101) < 1s", 24, "between 0 and 100, got '101'", None),
        ("workers.kv.visibility.p(0) < 1s", 24, "between 0 and 100, got '0'", None),
        ("workers.kv.visibility.p(1s) < 1s", 24, "between 0 and 100, got '1s'", None),
        ("workers.kv[users].read.edge.p(50) < 1ms", 18, "tiers are not kept by key space", None),
        ("workers.kv[users].write.p(50) < 1ms", 18, "write is not kept by key space", None),
        ("workers.kv[users].visibility.p(50) < 1s", 18, "visibility is not kept by key", None),
    ],
)
def test_mistakes_have_a_column_and_a_hint(
    text: str, column: int, message: str, hint: str | None
) -> None:
    with pytest.raises(ClaimSyntaxError, match=re.escape(message)) as caught:
        parse_expectation(text, PLATFORMS)
    assert caught.value.column == column
    if hint is not None:
        assert hint in (caught.value.hint or "")


# --- observing ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> Result:
    return popsim.run(SCENARIO, store=None, progress=False, workers=1)


def observed(result: Result, metric: str, **keys: Any) -> float:
    unit = "" if metric.endswith(("_ratio", "_misses", "cost")) else "ms"
    claims = [
        {
            "id": "it",
            "says": "it",
            "source": "ours",
            "expect": [f"workers.{metric} >= 0{unit}"],
            **keys,
        }
    ]
    (verdict,) = judge(result.scenario.changed(claims=claims), result.pools)
    assert verdict.deciding.unit == unit
    return verdict.deciding.observed.value


def test_claims_observe_what_results_say(result: Result) -> None:
    kv = result.pools["workers"].kv
    users = KvPool(kv.runs, "users")
    expected = {
        "kv.read.p(99)": kv.read_p(99),
        "kv.read.mean": kv.read_mean(),
        "kv.read.edge.p(50)": kv.read_p(50, "edge"),
        "kv.read.store.mean": kv.read_mean("store"),
        "kv.write.p(50)": kv.write_p(50),
        "kv.write.mean": kv.write_mean,
        "kv.staleness.p(99)": kv.staleness_p(99),
        "kv.staleness.max": kv.staleness_max,
        "kv.visibility.p(50)": kv.visibility(0.5),
        "kv.visibility.p(100)": kv.visibility(1.0),
        "kv[users].read.p(95)": users.read_p(95),
        "kv[users].read.mean": users.read_mean(),
        "kv[users].staleness.p(99)": users.staleness_p(99),
        "kv[users].staleness.max": users.staleness_max,
    }
    assert {name: observed(result, name) for name in expected} == expected
    assert expected["kv.read.p(99)"] > expected["kv.read.edge.p(50)"] > 0.0
    assert expected["kv.staleness.max"] > 0.0
    assert expected["kv.visibility.p(100)"] > 0.0


@pytest.mark.parametrize("space", [None, "users", "flags"])
def test_ratios_are_those_of_results(result: Result, space: str | None) -> None:
    kv = KvPool(result.runs["workers"], space)
    store = "kv" if space is None else f"kv[{space}]"
    for name in RATIOS:
        tier = name.removesuffix("_ratio")
        known = {
            "hit_ratio": kv.hit_ratio,
            "miss_ratio": kv.miss_ratio,
            "absent_ratio": kv.absent_ratio,
            "stale_ratio": kv.stale_ratio,
            "own_stale_ratio": kv.own_stale_ratio,
            "region_share_of_misses": kv.region_share_of_misses,
        }
        expected = known[name] if name in known else kv.ratio(tier)
        assert observed(result, f"{store}.{name}") == expected


def test_the_phase_is_the_time_of_the_whole_request(result: Result) -> None:
    pool = result.pools["workers"]
    assert observed(result, "kv.p(95)") == pool.phase_p("kv", 95)
    assert observed(result, "kv.mean") == pool.phase_mean("kv")
    assert observed(result, "kv.mean") > observed(result, "kv.read.mean")  # two reads in each


def test_reads_of_a_place_are_its_own_whatever_else_is_kept_of_it(result: Result) -> None:
    """A phase of the same clients has them kept apart, which knows nothing of stores: it once gave the reads of all."""
    place = "workers{continent: OC}"
    expect = [f"{place}.kv.read.mean > 1000s", f"{place}.cold_start.p(50) > 1000s"]
    claim = {"id": "a", "says": "x", "source": "ours", "expect": expect}
    kept = popsim.run(SCENARIO, claims=[claim], store=None, progress=False, workers=1)
    read = kept.verdicts[0].expectations[0].observed.value
    assert read == observed(result, "kv.read.mean", where={"continent": "OC"})
    assert read != pytest.approx(observed(result, "kv.read.mean"), rel=0.05)


def test_where_restricts_reads_by_country(result: Result) -> None:
    kv = result.pools["workers"].kv
    table = result.kv("continent").set_index("continent")
    assert (
        observed(result, "kv.read.p(95)", where={"continent": "EU"})
        == table.loc["EU", "read_p95_ms"]
    )
    us = observed(result, "kv.read.p(95)", where={"country": "US"})
    assert us == kv.read_p(95, countries=["US"])
    assert us < kv.read_p(95)
    mean = observed(result, "kv.read.mean", where={"country": "AU"})
    assert mean == kv.read_mean(countries=["AU"])


def test_costs_are_by_the_platforms_prices(result: Result) -> None:
    usd = result.kv().at["workers", "usd_per_million_requests"]
    assert observed(result, "kv.cost") == usd > 0.0
    spaces = [observed(result, f"kv[{space}].cost") for space in ("users", "flags")]
    assert sum(spaces) == pytest.approx(usd)
    assert spaces[1] == pytest.approx(0.5)  # one read a request, and no writes


def test_intervals_of_costs_come_from_the_replications(result: Result) -> None:
    claims = [{"id": "it", "says": "it", "source": "ours", "expect": ["workers.kv.cost > 0"]}]
    (verdict,) = judge(result.scenario.changed(claims=claims), result.pools)
    estimate = verdict.deciding.observed
    assert estimate.low < estimate.value < estimate.high
    each = result.pools["workers"].each
    costs = [pool.kv.cost_usd_per_million_requests(pool.prices) for pool in each]
    assert min(costs) < estimate.value < max(costs)


def test_intervals_come_from_the_replications(result: Result) -> None:
    claims = [{"id": "it", "says": "it", "source": "ours", "expect": ["workers.kv.hit_ratio <= 1"]}]
    (verdict,) = judge(result.scenario.changed(claims=claims), result.pools)
    estimate = verdict.deciding.observed
    assert estimate.low < estimate.value < estimate.high
    values = [pool.kv.hit_ratio for pool in result.pools["workers"].each]
    assert min(values) <= estimate.value <= max(values)
    assert verdict.verdict == "holds"


@pytest.mark.parametrize("text", ["kv.read.p(50) < 1s", "kv[users].hit_ratio < 1"])
def test_a_claim_about_no_store_matches_no_data(result: Result, text: str) -> None:
    scenario = result.scenario.changed(
        claims=[{"id": "it", "says": "it", "source": "ours", "expect": [f"workers.{text}"]}]
    )
    without = popsim.run(
        SCENARIO | {"workload": {"arrivals": {"rate": "50/s"}}, "replications": 1},
        store=None, progress=False, workers=1,
    )  # fmt: skip
    (verdict,) = judge(scenario, without.pools)
    assert verdict.verdict == "undecided"
    assert "no data" in str(verdict.deciding.reason)


# --- refusing -------------------------------------------------------------------------------------------


def problem_of(folder: Path, text: str, **changes: Any) -> tuple[Problem, str]:
    """Return the one problem of a claim in a file, and the file's line that it points at."""
    claim = {"id": "it", "says": "it", "source": "ours", "expect": [text]} | changes.pop(
        "claim", {}
    )
    path = folder / "it.yaml"
    content = SCENARIO | changes | {"claims": [claim]}
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with pytest.raises(popsim.InputError) as caught:
        popsim.load(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert problem.path[:3] == ("claims", 0, "expect")
    assert problem.line is not None
    assert problem.col is not None
    return problem, path.read_text(encoding="utf-8").splitlines()[problem.line - 1]


def test_unknown_key_spaces(tmp_path: Path) -> None:
    text = "workers.kv[user].hit_ratio > 1%"
    problem, line = problem_of(tmp_path, text)
    assert problem.message == "there is no key space 'user'"
    assert problem.hint == "did you mean 'users'?"
    assert text in line


@pytest.mark.parametrize("keys", [{"users": {"count": 50}}, {}])
def test_claims_about_a_store_that_nobody_asks(tmp_path: Path, keys: dict[str, Any]) -> None:
    text = "workers.kv.hit_ratio > 1%"
    workload = {"arrivals": {"rate": "50/s"}, "handler": [{"cpu": "1ms"}]}
    problem, line = problem_of(tmp_path, text, workload=workload | ({"keys": keys} if keys else {}))
    assert problem.message == "no step of the handler asks a key-value store"
    assert text in line


@pytest.mark.parametrize(
    ("where", "text", "message"),
    [
        ({"city": "Chicago"}, "workers.kv.read.p(95) < 1s", "kept by country, not by place"),
        ({"continent": "EU"}, "workers.kv.hit_ratio > 1%", "cannot be used with this metric"),
        ({"continent": "EU"}, "workers.kv.read.edge.p(95) < 1s", "cannot be used with this metric"),
        (
            {"continent": "EU"},
            "workers.kv[users].read.p(95) < 1s",
            "cannot be used with this metric",
        ),
        ({"continent": "EU"}, "workers.kv.write.p(95) < 1s", "cannot be used with this metric"),
        ({"continent": "EU"}, "workers.kv.cost < 1", "cannot be used with this metric"),
    ],
)
def test_claims_about_places_that_are_not_kept(
    tmp_path: Path, where: dict[str, str], text: str, message: str
) -> None:
    problem, line = problem_of(tmp_path, text, claim={"where": where})
    assert message in problem.message
    assert text in line


def test_columns_are_inside_the_expectation(tmp_path: Path) -> None:
    text = "workers.kv.stale_ratoi < 1%"
    problem, line = problem_of(tmp_path, text)
    assert problem.col == line.index("stale_ratoi") + 1
    assert problem.hint == "did you mean 'stale_ratio'?"


def test_reads_by_country_are_accepted() -> None:
    claim = {
        "id": "it",
        "says": "it",
        "source": "ours",
        "where": {"continent": "EU"},
        "expect": ["workers.kv.read.p(95) < 1s", "workers.kv.read.mean < 1s"],
    }
    assert len(popsim.load(SCENARIO | {"claims": [claim]}).claims[0].expect) == 2
