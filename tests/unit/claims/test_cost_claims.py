"""Expectations about the whole bill: ``workers.cost``."""

from __future__ import annotations

from typing import Any

import pytest

import popsim
from popsim.claims import judge, parse_expectation
from popsim.claims.expression import Metric
from popsim.claims.unit import NONE
from popsim.results import Result
from popsim.results.verdict import Verdict

PLATFORMS = ["workers", "lambda"]
GET = {"kv.get": {"keys": "pages"}}


def verdict_of(result: Result, *expect: str) -> Verdict:
    claims = [{"id": "it", "says": "it", "source": "ours", "expect": list(expect)}]
    return judge(result.scenario.changed(claims=claims), result.pools)[0]


def scenario_of(expect: str, platform: dict[str, Any], **workload: Any) -> dict[str, Any]:
    return {
        "name": "it",
        "duration": "20s",
        "replications": 2,
        "clients": {"topology": "cities"},
        "workload": {"arrivals": {"rate": "20/s"}} | workload,
        "platforms": {"it": platform},
        "claims": [{"id": "it", "says": "it", "source": "ours", "expect": [expect]}],
    }


def test_it_is_a_bare_number() -> None:
    found = parse_expectation("lambda.cost / workers.cost >= 1.8", PLATFORMS)
    assert found.metrics()[0] == Metric("lambda", None, "cost", 0.0, NONE)
    assert parse_expectation("workers.cost <= 0.55 * lambda.cost", PLATFORMS).unit == ""


def test_it_is_what_the_table_of_costs_says(small_result: Result) -> None:
    costs = small_result.costs()
    found = verdict_of(small_result, "workers.cost > 0").deciding.observed
    expected = costs.loc["workers", ["total_usd", "total_low_usd", "total_high_usd"]]
    assert [found.value, found.low, found.high] == pytest.approx(expected.tolist())
    ratio = verdict_of(small_result, "lambda.cost / workers.cost > 0").deciding.observed.value
    assert ratio == pytest.approx(
        costs.at["lambda", "total_usd"] / costs.at["workers", "total_usd"]
    )


def test_bounds_near_the_ratio_decide(small_result: Result) -> None:
    costs = small_result.costs()["total_usd"]
    ratio = costs["lambda"] / costs["workers"]
    assert (
        verdict_of(small_result, f"lambda.cost / workers.cost >= {0.98 * ratio}").verdict == "holds"
    )
    assert (
        verdict_of(small_result, f"lambda.cost >= {1.02 * ratio} * workers.cost").verdict == "fails"
    )


def test_it_has_the_store_in_it() -> None:
    scenario = scenario_of(
        "it.cost > 0",
        {"preset": "cloudflare-workers"},
        keys={"pages": {"count": 100}},
        handler=[GET],
    )
    result = popsim.run(scenario, store=None, progress=False, workers=1)
    pool = result.pools["it"]
    found = verdict_of(result, "it.cost > 0").deciding.observed.value
    store = verdict_of(result, "it.kv.cost > 0").deciding.observed.value
    assert store == pytest.approx(0.5)  # one read a request
    assert found == pytest.approx(store + pool.cost_by_part()["functions"])
    assert result.costs().at["it", "kv_usd"] == pytest.approx(store)


def test_messages_cost_what_their_objects_do() -> None:
    scenario = popsim.load("document_editor", duration="20s", warmup="1s", replications=1)
    result = popsim.run(scenario, store=None, progress=False, workers=1)
    name = result.platforms[0]
    total = verdict_of(result, f"{name}.cost > 0").deciding.observed.value
    objects = verdict_of(result, f"{name}.objects.cost > 0").deciding.observed.value
    assert total == objects > 0.0


def test_a_free_function_with_a_store_has_a_bill() -> None:
    platform = {"preset": "cloudflare-workers", "prices": None}
    workload = {"keys": {"pages": {"count": 9}}, "handler": [GET]}
    with pytest.raises(popsim.InputError, match="the functions of it have no price"):
        popsim.load(scenario_of("it.cost < 9", platform, **workload))
    platform = {"preset": "cloudflare-workers-2018", "prices": {}} | {
        "kv": {"model": "strong", "stores": {"us": {"region": "us-east-1"}}, "prices": {"read": 1}}
    }
    assert popsim.load(scenario_of("it.cost < 9", platform, **workload))
    with pytest.raises(popsim.InputError, match="nothing that is done on it has a price"):
        popsim.load(scenario_of("it.cost < 9", platform))


def test_where_and_phases_have_no_bill() -> None:
    platform = {"preset": "cloudflare-workers"}
    scenario = scenario_of("it.cost < 9", platform)
    scenario["claims"][0]["where"] = {"continent": "EU"}
    with pytest.raises(popsim.InputError, match="`where` cannot be used with this metric"):
        popsim.load(scenario)
    with pytest.raises(popsim.InputError, match="there is no metric 'cost'"):
        popsim.load(scenario_of("it.execute.cost < 9", platform))
