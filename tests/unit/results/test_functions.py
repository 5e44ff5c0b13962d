"""What functions cost: the arithmetic by hand, price lists against their sources, engines against each other."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_runs import made, with_objects

import popsim
from popsim.engine import simulate
from popsim.engine.outputs import BUCKETS, PHASES, REASONS, Ints, PlatformRun
from popsim.engine.recorder import SAMPLE_DTYPE
from popsim.results import Result
from popsim.results.functions import KINDS, FunctionBill, FunctionPool, function_bill
from popsim.results.pooled import Pool
from popsim.scenario.objects import ObjectPrices
from popsim.scenario.prices import FunctionPrices
from popsim.scenario.schema import Scenario

# 1,000 requests: 900 answered, 60 that failed inside of a handler, 40 that never got there
FAILED = {"kv_unavailable": 30, "object_lost": 30, "throttled": 25, "killed": 10, "site_down": 5}


def phases(**ms: float) -> Ints:
    """Return sums of phases in ns, all in one bucket."""
    found = np.zeros((BUCKETS, len(PHASES)), np.int64)
    for phase, total in ms.items():
        found[1_000, PHASES.index(phase)] = total * 1e6
    return found


def sampled(*each: dict[str, float], outcome: int = 0) -> dict[str, Any]:
    """Return a sample of requests with these phases in ms."""
    sample = np.zeros(len(each), SAMPLE_DTYPE)
    sample["outcome"] = outcome
    rows = [[request.get(phase, 0.0) for phase in PHASES] for request in each]
    return {"sample": sample, "sample_phases": np.array(rows)}


def run_of(answered: int = 900, **changes: Any) -> PlatformRun:
    latency = np.zeros(BUCKETS, np.int64)
    latency[1_000] = answered
    failed = np.array([FAILED.get(reason, 0) for reason in REASONS]) if answered == 900 else 0
    values: dict[str, Any] = {
        "requests": answered + int(np.sum(failed)),
        "latency": latency,
        "failed": np.zeros(len(REASONS), np.int64) + failed,
    }
    return made(**(values | changes))


def costs(
    run: PlatformRun, *, share: float = 1.0, gb: float = 0.5, **prices: Any
) -> dict[str, float]:
    bill = FunctionBill(FunctionPrices(**prices), gb, share, response_gb=2e-6)
    return FunctionPool([run]).costs(bill)


# --- by hand --------------------------------------------------------------------------------------------


def test_requests_are_those_that_a_function_was_called_for() -> None:
    assert FunctionPool([run_of()]).calls == 960
    # 960 of 1,000 requests at 0.20 a million
    assert costs(run_of(), request=0.2)["requests"] == pytest.approx(0.192)


def test_cpu_time_is_execute_less_what_a_small_share_of_a_cpu_adds() -> None:
    run = run_of(phase_sum_ns=phases(execute=1_800.0, queue=700.0, fetch=9_000.0))
    # 1,800 CPU-ms of 1,000 requests at 0.02 a million
    assert costs(run, cpu=0.02)["cpu"] == pytest.approx(0.036)
    assert costs(run, cpu=0.02, share=0.25)["cpu"] == pytest.approx(0.009)


def test_traffic_is_that_of_answers() -> None:
    # 900 answers of 2 kB per 1,000 requests are 1.8 GB a million
    assert costs(run_of(), egress=0.09)["egress"] == pytest.approx(0.162)


def test_duration_is_time_with_requests_inside_without_what_is_not_billed_of_starts() -> None:
    run = run_of(
        busy_us=50_000_000,  # 50 s
        cold_phase_sum_ns=np.array([1e9, 2e9, 5e9], np.int64),  # 8 s of starts, of which 5 s init
        phase_sum_ns=phases(cold_start=8_000.0, execute=42_000.0),
    )
    # 42 s, or 47 s, at half a GB; 10 a million GB-s; 1,000 requests
    assert costs(run, duration=10.0)["duration"] == pytest.approx(0.21)
    assert costs(run, duration=10.0, bills_start=True)["duration"] == pytest.approx(0.235)
    hidden = replace(run, phase_sum_ns=phases(cold_start=4_000.0))  # TLS hides half of it
    assert costs(hidden, duration=10.0)["duration"] == pytest.approx(0.23)
    assert costs(hidden, duration=10.0, bills_start=True)["duration"] == pytest.approx(0.2425)
    shared = replace(run, phase_sum_ns=phases(cold_start=80_000.0))  # ten wait for each start
    assert costs(shared, duration=10.0)["duration"] == pytest.approx(0.21)
    warm = replace(run, cold_phase_sum_ns=np.zeros(3, np.int64), phase_sum_ns=phases())
    assert costs(warm, duration=10.0)["duration"] == pytest.approx(0.25)


def test_each_request_is_rounded_up_to_whole_steps() -> None:
    sample = sampled(
        {
            "execute": 1.25,
            "kv": 2.0,
            "queue": 0.9,
        },  # 3.25 ms, rounded up by 0.75; queues are not billed
        {"execute": 3.0 + 1e-9, "network": 0.5},  # 3 ms but for the sum's last digits
        {"fetch": 0.5, "sleep": 0.1, "object": 0.25},  # 0.85
    )
    pool = FunctionPool([run_of(**sample)])
    assert pool.rounding_ms(1.0) == pytest.approx(900 * (0.75 + 0.0 + 0.15) / 3, abs=1e-3)
    assert pool.rounding_ms(0.0) == 0.0
    assert FunctionPool([run_of()]).rounding_ms(1.0) == pytest.approx(450.0)
    failed = sampled({"execute": 0.1}, outcome=5)
    assert FunctionPool([run_of(**failed)]).rounding_ms(1.0) == pytest.approx(450.0)


def test_all_is_added_up_over_runs_and_parts() -> None:
    prices = FunctionPrices(request=1.0, cpu=1.0, duration=1.0, egress=1.0)
    bill = FunctionBill(prices, memory_gb=2.0, response_gb=1e-6)
    one = with_objects(latency=run_of(50).latency, phase_sum_ns=phases(execute=100.0))
    other = replace(one, replication=1, busy_us=30_000_000)
    pool = Pool([one, other], object_prices=ObjectPrices(write=1.0), function_bill=bill)
    # of 100 requests: 100 calls; 200 CPU-ms; 60 GB-s; 100 answers of a kB, which are a GB a million
    assert pool.functions.costs(bill) == pytest.approx(
        {"requests": 1.0, "cpu": 2.0, "duration": 0.6, "egress": 1.0}
    )
    # writes per run: 40 puts, 5 transactions, 6 alarms
    parts = {"functions": 4.6, "kv": 0.0, "objects": 2 * 51 / 100}
    assert pool.cost_by_part() == pytest.approx(parts)
    assert pool.cost == pytest.approx(sum(parts.values()))
    assert [each.cost for each in pool.each] == pytest.approx([4.0 + 1.02, 4.0 + 1.2 + 1.02])
    assert math.isnan(Pool([one]).cost)
    assert math.isnan(Pool([made()], function_bill=bill).cost)  # no request


# --- price lists ----------------------------------------------------------------------------------------


def scenario_of(platform: dict[str, Any], **workload: Any) -> Scenario:
    return popsim.load(
        {
            "name": "one platform",
            "duration": "70s",
            "warmup": "10s",
            "clients": {"topology": "cities"},
            "workload": {"arrivals": {"rate": "50/s"}} | workload,
            "platforms": {"it": platform},
        }
    )


def million(preset: str, ms: float = 0.0, cpu_ms: float = 0.0, **over: Any) -> dict[str, float]:
    """Return what requests that take so long cost by a preset's price list, each in an instance of its own."""
    bill = function_bill(scenario_of({"preset": preset, **over}), "it")
    assert bill is not None
    each = 1_000
    run = run_of(
        each,
        busy_us=int(ms * 1e3) * each,
        phase_sum_ns=phases(execute=cpu_ms / bill.cpu_share * each),
        **sampled({"sleep": ms}),
    )
    return FunctionPool([run]).costs(bill)


def test_lambda_costs_what_its_price_list_says() -> None:
    """USD 0.20 per million, 0.0000166667 per GB-s; AWS, "How AWS Pricing Works", 2024."""
    assert million("aws-lambda", ms=100.0) == pytest.approx(
        {"requests": 0.20, "cpu": 0.0, "duration": 0.2083, "egress": 2e-6 * 0.09 * 1e6}, abs=1e-4
    )
    assert million("aws-lambda", ms=99.2)["duration"] == pytest.approx(0.2083, abs=1e-4)
    # 3 million calls of 512 MB and 1 s: 18.74, less a million calls and 400,000 GB-s; aws.amazon.com/lambda/pricing
    found = million("aws-lambda", ms=1_000.0, memory="512MB")
    total = 3 * (found["requests"] + found["duration"]) - 0.20 - 0.4 * 16.6667
    assert total == pytest.approx(18.74, abs=0.01)


def test_lambda_at_the_edge_costs_what_its_price_list_says() -> None:
    """USD 0.00000625125 per 128 MB-second, 0.60 per million calls, 1.00 per million HTTPS requests of CloudFront."""
    found = million("aws-lambda-edge", ms=1_000.0)
    assert found["duration"] == pytest.approx(6.25125)
    assert found["requests"] == pytest.approx(1.60)


def test_workers_cost_what_the_example_of_their_price_list_does() -> None:
    """100 million requests of 7 CPU-ms are USD 45.40 a month; 5 pay for 10 million requests and 30 million ms."""
    found = million("cloudflare-workers", ms=500.0, cpu_ms=7.0)
    monthly = 5.0 + 100 * sum(found.values()) - 10 * 0.30 - 30 * 0.02
    assert monthly == pytest.approx(45.40)
    assert found["duration"] == found["egress"] == 0.0


def test_vercel_functions_cost_what_their_price_list_says() -> None:
    """USD 0.128 per CPU-hour, 0.0106 per GB-hour, 0.60 per million calls and 2.00 per million requests."""
    hour_ms = 3_600_000.0
    for preset, gb in (("vercel-functions", 2.0), ("vercel-edge", 0.128)):
        found = million(preset, ms=hour_ms / 1_000, cpu_ms=hour_ms / 1_000)
        assert found["cpu"] == pytest.approx(1_000 * 0.128, rel=1e-4)  # 1,000 hours a million
        assert found["duration"] == pytest.approx(1_000 * gb * 0.0106, rel=1e-4)
        assert found["requests"] == pytest.approx(2.60)
        assert found["egress"] == pytest.approx(2.0 * (0.15 + 0.06))


def test_nobody_says_what_functions_of_2018_cost() -> None:
    for preset in ("cloudflare-workers-2018", "aws-lambda-2018", "aws-lambda-edge-2018"):
        assert function_bill(scenario_of({"preset": preset}), "it") is None
    free = function_bill(scenario_of({"preset": "aws-lambda-2018", "prices": {}}), "it")
    assert free is not None
    assert free.is_free
    taken = scenario_of({"preset": "aws-lambda", "prices": None})
    assert function_bill(taken, "it") is None


def test_messages_call_no_function() -> None:
    scenario = popsim.load("document_editor")
    bills = [function_bill(scenario, name) for name in scenario.platforms]
    assert all(bill is not None and bill.is_free for bill in bills)


def test_prices_of_functions_do_not_change_what_is_run() -> None:
    scenario = scenario_of({"preset": "aws-lambda"})
    dearer = scenario.changed(platforms={"it": {"prices": {"request": 7}}})
    assert dearer.id == scenario.id
    assert dearer.platforms["it"].prices != scenario.platforms["it"].prices
    assert popsim.load(dearer.resolved()) == dearer


# --- runs -----------------------------------------------------------------------------------------------

HANDLER = [{"cpu": "3ms"}, {"sleep": {"exponential": {"mean": "20ms"}}}]


def test_the_duration_of_lambdas_is_the_sum_of_what_their_requests_did() -> None:
    """Within 0.5 %: of 60 s, what is inside at either end is cut off or comes on top, three requests of 62 ms each."""
    scenario = scenario_of({"preset": "aws-lambda", "runtime": {"idle": "100ms"}}, handler=HANDLER)
    pool = FunctionPool([simulate(scenario, "it", 0)])
    inside = pool.runs[0].phase_sum_ns.sum(axis=0)[[PHASES.index("execute"), PHASES.index("sleep")]]
    assert pool.instance_ms(bills_start=False) == pytest.approx(inside.sum() / 1e6, rel=0.005)
    init = pool.runs[0].cold_phase_sum_ns[2] / 1e6
    more = pool.instance_ms(bills_start=True) - pool.instance_ms(bills_start=False)
    assert more == pytest.approx(init, rel=1e-6)
    assert init > 1_000.0
    mean_ms = inside.sum() / 1e6 / pool.answered
    assert pool.rounding_ms(1.0) / pool.answered == pytest.approx(0.5, abs=0.02)
    bill = function_bill(scenario, "it")
    assert bill is not None
    expected = (mean_ms + 0.5 + init / pool.answered) / 1e3 * 0.125 * 16.6667
    assert pool.costs(bill)["duration"] == pytest.approx(expected, rel=0.005)


def test_requests_that_share_an_instance_share_its_time() -> None:
    own = {"topology": "aws", "regions": ["us-east-1"], "prices": {"duration": 10}}
    scenario = scenario_of(
        own | {"runtime": {"model": "container", "init": "0ms", "idle": "1h", "concurrency": 30}},
        handler=[{"cpu": "1ms"}, {"sleep": "80ms"}],
    )
    shared = FunctionPool([simulate(scenario, "it", 0)])
    alone = scenario.changed(platforms={"it": {"runtime": {"concurrency": 1}}})
    one = FunctionPool([simulate(alone, "it", 0)])
    # 50 a second for 81 ms: an instance that takes them all is busy for 1 - exp(-50 * 0.081) of the time; in 60 s it is
    # idle 52 times for 20 ms, with a standard error of 0.0034 of the time
    assert one.instance_ms(bills_start=True) == pytest.approx(one.answered * 81.0, rel=0.005)
    busy = shared.instance_ms(bills_start=True) / 60_000.0
    assert busy == pytest.approx(-math.expm1(-50 * 0.081), abs=0.014)


def test_both_engines_send_the_same_bill() -> None:
    found = []
    for engine in ("compiled", "simpy"):
        scenario = popsim.load("workers_vs_lambda", engine=engine, duration="20s", warmup="1s")
        runs = {name: [simulate(scenario, name, 0)] for name in scenario.platforms}
        found.append(Result(scenario, runs).costs())
    assert found[0].equals(found[1])
    assert (found[0]["total_usd"] > 0.1).all()


# --- what results say ---------------------------------------------------------------------------------------


def test_the_summary_has_the_whole_bill_at_its_end(small_result: Result) -> None:
    frame = small_result.summary()
    assert list(frame.columns[-2:]) == ["usd_per_million_sent", "usd_per_million_answered"]
    costs = small_result.costs()
    assert frame["usd_per_million_sent"].equals(costs["total_usd"].rename(frame.columns[-2]))
    kinds = costs[[f"{kind}_usd" for kind in KINDS]].sum(axis=1)
    np.testing.assert_allclose(kinds, costs["functions_usd"])
    np.testing.assert_allclose(costs["functions_usd"], costs["total_usd"])  # there is nothing else
    assert (costs["total_low_usd"] <= costs["total_usd"]).all()
    assert (costs["total_usd"] <= costs["total_high_usd"]).all()
    assert costs.at["workers", "requests_usd"] == pytest.approx(0.3)
    assert costs.at["lambda", "egress_usd"] == pytest.approx(0.18)


def test_the_json_has_the_numbers_of_the_table(small_result: Result) -> None:
    found = json.loads(small_result.to_json())["platforms"]["lambda"]["cost"]
    row = small_result.costs().loc["lambda"]
    for key, column in (("value", "total"), ("low", "total_low"), ("high", "total_high")):
        usd = found["usd_per_million_requests"][key]
        assert usd == pytest.approx(row[f"{column}_usd"], rel=1e-5)
    for part, usd in (found["usd_by_part"] | found["functions_usd_by_kind"]).items():
        assert usd == pytest.approx(row[f"{part}_usd"], rel=1e-5)


def test_what_nobody_says_is_no_zero() -> None:
    scenario = scenario_of({"preset": "aws-lambda-2018"})
    result = Result(scenario, {"it": [made(platform="it", requests=3)]})
    assert math.isnan(result.summary().at["it", "usd_per_million_sent"])
    row = result.costs().loc["it"]
    assert row[["functions_usd", "requests_usd", "total_usd"]].isna().all()
    assert "cost" not in result.to_json_dict()["platforms"]["it"]
