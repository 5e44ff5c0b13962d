"""Objects in results, on runs made by hand: every number can be told beforehand."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from made_runs import (
    CLASSES,
    DOCUMENT,
    OF_DOCUMENTS,
    ROOM,
    SITES,
    made,
    message_histogram,
    object_columns,
    object_histogram,
    part,
    with_objects,
)
from scipy.stats import binomtest

import popsim
from popsim.engine import object_books as ob
from popsim.engine.object_layout import PARTS
from popsim.engine.outputs import PlatformRun, SparseHist
from popsim.results import Result
from popsim.results.object_counts import COUNTS, ERRORS
from popsim.results.objects import FREE_OBJECTS, OTHER, ObjectPool
from popsim.results.pooled import Pool
from popsim.scenario.objects import ObjectPrices

BUCKET = 0.008  # a bucket's width
PRICES = ObjectPrices(request=0.15, duration=12.5, read=0.2, write=1.0, message_share=0.05)


def result_of(**runs: list[PlatformRun]) -> Result:
    scenario = popsim.load(
        {
            "name": "made",
            "duration": "1min",
            "workload": {"arrivals": {"rate": "1/s"}, "handler": [{"cpu": "1ms"}]},
            "platforms": {name: {"preset": "cloudflare-workers"} for name in runs},
        }
    )
    return Result(scenario, runs)


def documents() -> ObjectPool:
    return ObjectPool([with_objects()], "document")


# --- calls ----------------------------------------------------------------------------------------------


def test_errors_are_of_all_calls() -> None:
    pool = documents()
    assert (pool.calls, pool.attempts) == (100, 120)
    found = {name: pool.error_ratio(name) for name in ERRORS}
    assert found == {
        "lost": 5 / 120, "overloaded": 10 / 120, "unavailable": 3 / 120, "failed": 2 / 120,
    }  # fmt: skip
    assert pool.in_region_ratio == 60 / 100  # of the answered


def test_a_pool_is_of_all_classes_or_of_one() -> None:
    run = with_objects()
    assert [ObjectPool([run], name).calls for name in (None, *CLASSES)] == [120, 100, 20]
    assert ObjectPool([run]).in_region_ratio == 65 / 120
    assert ObjectPool([run]).error_ratio("lost") == 5 / 140
    assert ObjectPool([run], "room").error_ratio("lost") == 0.0
    assert ObjectPool([run], "room").call_p(99) == pytest.approx(5, rel=BUCKET)
    assert ObjectPool([run]).call_mean == pytest.approx((500 + 2_000 + 100) / 120, rel=BUCKET)


@pytest.mark.parametrize(("percent", "ms"), [(1, 10), (49, 10), (51, 40), (99, 40)])
def test_percentiles_of_calls(percent: float, ms: float) -> None:
    assert documents().call_p(percent) == pytest.approx(ms, rel=BUCKET)


@pytest.mark.parametrize(
    ("name", "percent", "ms"),
    [
        ("to_home", 49, 0.0),
        ("to_home", 51, 8.0),
        ("to_home", 99, 8.0),
        ("gate", 50, 0.0),
        ("gate", 95, 20.0),
        ("execute", 10, 4.0),
        ("execute", 90, 10.0),
        ("queue", 99, 0.0),
    ],
)
def test_percentiles_of_parts_count_calls_in_which_they_took_no_time(
    name: str, percent: float, ms: float
) -> None:
    assert documents().part_p(name, percent) == pytest.approx(ms, rel=BUCKET)


def test_means_of_parts_add_up_to_that_of_calls() -> None:
    pool = documents()
    means = {name: pool.part_mean(name) for name in PARTS}
    expected = dict.fromkeys(PARTS, 0.0) | {"to_home": 4, "execute": 7, "gate": 10, "back": 4}
    assert means == pytest.approx(expected, rel=BUCKET)
    assert sum(means.values()) == pytest.approx(25, rel=BUCKET)
    assert pool.call_mean == pytest.approx(25, rel=BUCKET)


def test_distances_are_in_km_and_0_at_home() -> None:
    pool = documents()
    found = [pool.distance_p(percent) for percent in (60, 79, 90)]
    assert found == pytest.approx([1_000, 1_000, 6_000], rel=BUCKET)
    assert 0.0 <= pool.distance_p(25) < 0.008  # the first bucket's width
    assert pool.distance_mean == pytest.approx((30 * 1_000 + 20 * 6_000) / 100, rel=BUCKET)


def test_calls_that_made_their_object() -> None:
    assert documents().spawn_p(50) == pytest.approx(30, rel=BUCKET)
    assert documents().spawn_mean == pytest.approx(30, rel=BUCKET)
    assert math.isnan(ObjectPool([with_objects()], "room").spawn_p(50))


def test_every_count_has_its_column() -> None:
    pool = documents()
    known = {name: pool.count(name) for name in COUNTS}
    assert known == {name: DOCUMENT[name] for name in COUNTS}
    assert {*DOCUMENT} - {*COUNTS} == {"in_region", "active_us", "idle_us", "existed_us"}
    assert (pool.active_s, pool.idle_s) == (2.0, 10.0)


# --- participants and replicas ----------------------------------------------------------------------------


def test_messages_are_answered_and_seen_by_how_far_participants_are_spread() -> None:
    pool = documents()
    assert pool.ack_p(50, "city") == pytest.approx(20, rel=BUCKET)
    assert pool.ack_p(50, "world") == pytest.approx(150, rel=BUCKET)
    assert pool.ack_p(74) == pytest.approx(20, rel=BUCKET)  # three quarters are in one city
    assert pool.ack_p(76) == pytest.approx(150, rel=BUCKET)
    assert pool.ack_mean() == pytest.approx((20 * 20 + 10 * 12 + 10 * 150) / 40, rel=BUCKET)
    assert pool.visible_p(95, "city") == pytest.approx(15, rel=BUCKET)
    assert pool.visible_p(66) == pytest.approx(15, rel=BUCKET)
    assert pool.visible_p(67) == pytest.approx(100, rel=BUCKET)
    assert pool.visible_mean("world") == pytest.approx(100, rel=BUCKET)
    assert math.isnan(pool.visible_p(50, "continent"))
    assert pool.missed_ratio == 10 / 100


def test_messages_are_answered_and_seen_by_their_kind() -> None:
    pool = documents()
    assert pool.messages == ("edit", "cursor")
    assert pool.visible_p(50, message="edit") == pytest.approx(15, rel=BUCKET)
    assert pool.visible_p(95, message="edit") == pytest.approx(100, rel=BUCKET)
    assert pool.visible_p(95, message="cursor") == pytest.approx(6, rel=BUCKET)
    assert pool.visible_p(5, "world", "edit") == pytest.approx(100, rel=BUCKET)
    assert math.isnan(pool.visible_p(50, "world", "cursor"))
    assert pool.visible_mean(message="edit") == pytest.approx((40 * 15 + 20 * 100) / 60, rel=BUCKET)
    assert pool.ack_p(50, message="cursor") == pytest.approx(12, rel=BUCKET)
    assert pool.ack_mean("city", "edit") == pytest.approx(20, rel=BUCKET)
    kinds = ("edit", "cursor", OTHER)
    assert [int(pool.visible(message=kind).sum()) for kind in kinds] == [60, 10, 20]
    assert [int(pool.acknowledged(message=kind).sum()) for kind in kinds] == [30, 10, 0]
    with pytest.raises(ValueError, match="unknown message 'typing'; known: edit, cursor"):
        pool.visible(message="typing")


def test_messages_are_of_the_class_that_they_go_to() -> None:
    rooms = ObjectPool([with_objects()], "room")
    assert rooms.messages == ()
    assert rooms.visible().sum() == rooms.acknowledged().sum() == 0
    assert ObjectPool([with_objects()] * 2).acknowledged(message="edit").sum() == 60


def test_reconnections() -> None:
    pool = documents()
    assert pool.reconnect_p(10) == pytest.approx(1_000, rel=BUCKET)
    assert pool.reconnect_p(90) == pytest.approx(3_000, rel=BUCKET)
    assert 3_000 <= pool.reconnect_max <= 3_000 * (1 + BUCKET)


def test_staleness_is_of_all_answers_of_replicas() -> None:
    pool = documents()  # 4 of 40
    assert pool.stale_ratio == 0.1
    assert [pool.staleness_p(percent) for percent in (50, 90)] == [0.0, 0.0]
    assert pool.staleness_p(91) == pytest.approx(500, rel=BUCKET)


# --- where ------------------------------------------------------------------------------------------------


def test_homes_by_who_asked_first() -> None:
    homes = ObjectPool([with_objects(), with_objects(replication=1)]).homes()
    assert list(homes.itertuples(index=False, name=None)) == [
        ("IAD", "IAD", 10, 5 / 6),
        ("FRA", "FRA", 6, 1.0),
        ("IAD", "FRA", 2, 1 / 6),
        ("NRT", "IAD", 2, 1.0),
    ]


def test_new_objects_by_site() -> None:
    means = ObjectPool([with_objects()]).spawn_mean_by_site()
    assert means.drop("CDG").to_dict() == {"IAD": 20.0, "FRA": 10.0, "NRT": 100.0}
    assert math.isnan(means["CDG"])
    assert tuple(means.index) == SITES


# --- what it costs ------------------------------------------------------------------------------------------


def test_costs_by_kind() -> None:
    # 100 calls, 40 of which are messages that count a twentieth; 6 alarms; 2 connections; 0.128 GB
    expected = {
        "requests": (60 + 40 * 0.05 + 6 + 2) * 0.15,
        "duration": 2 * 0.128 * 12.5,
        "reads": (30 + 5) * 0.2,
        "writes": (40 + 5 + 6) * 1.0,
    }
    pool = documents()
    per_request = {name: usd / 50 for name, usd in expected.items()}  # of 50 requests
    assert pool.costs(PRICES) == pytest.approx(per_request)
    total = sum(per_request.values())
    assert pool.cost_usd_per_million_requests(PRICES) == pytest.approx(total)
    assert pool.cost_usd_per_million_requests(FREE_OBJECTS) == 0.0


def test_idle_time_is_paid_for_objects_that_cannot_hibernate() -> None:
    rooms, all_of_them = ObjectPool([with_objects()], "room"), ObjectPool([with_objects()])
    assert (documents().billed_idle_s, rooms.billed_idle_s) == (0.0, 4.0)
    assert (rooms.idle_s, all_of_them.idle_s, all_of_them.billed_idle_s) == (4.0, 14.0, 4.0)
    assert rooms.costs(PRICES)["duration"] == pytest.approx((1 + 4) * 0.128 * 12.5 / 50)


def test_time_is_active_idle_in_memory_or_neither() -> None:
    pool = documents()
    assert (pool.existed_s, pool.active_s, pool.idle_s, pool.hibernated_s) == (
        40.0,
        2.0,
        10.0,
        28.0,
    )
    ratios = [pool.active_ratio, pool.idle_ratio, pool.hibernated_ratio, pool.memory_ratio]
    assert ratios == pytest.approx([0.05, 0.25, 0.7, 0.3])
    both = ObjectPool([with_objects()])
    assert (both.memory_ratio, both.hibernated_s) == (17 / 50, 33.0)
    assert (pool.billed_s, both.billed_s) == (2.0, 7.0)  # rooms can't hibernate


def test_costs_are_of_the_requests_of_all_runs() -> None:
    pool = ObjectPool([with_objects(), with_objects(requests=150)], "document")
    alone = documents().cost_usd_per_million_requests(PRICES)
    assert pool.cost_usd_per_million_requests(PRICES) == pytest.approx(alone * 2 * 50 / 200)
    assert math.isnan(ObjectPool([with_objects(requests=0)]).cost_usd_per_million_requests(PRICES))


def test_prices_are_those_of_the_platform() -> None:
    result = result_of(workers=[with_objects()], lambda_=[with_objects()])
    prices = {"request": 0.15, "duration": 12.5, "read": 0.2, "write": 1.0, "message_share": 0.05}
    scenario = result.scenario.changed(
        platforms={"workers": {"objects": {"prices": prices}}, "lambda_": {"objects": None}}
    )
    frame = Result(scenario, result.runs).objects("class").set_index(["platform", "class"])
    usd = frame["usd_per_million_requests"].to_dict()
    assert usd["workers", "document"] == pytest.approx(1.434)  # as above
    assert usd["lambda_", "document"] == 0.0


def test_messages_whose_call_failed_give_no_discount() -> None:
    few = np.array([object_columns({"calls": 10}), object_columns({})])
    pool = ObjectPool([with_objects(objects_by_class=few)], "document")  # 40 messages were answered
    assert pool.costs(PRICES)["requests"] == pytest.approx(10 * 0.05 * 0.15 / 50)


def test_pools_hand_on_their_prices() -> None:
    pool = Pool([with_objects(), with_objects(replication=1)], object_prices=PRICES)
    assert [each.object_prices for each in pool.each] == [PRICES, PRICES]


# --- nothing --------------------------------------------------------------------------------------------------


def test_objects_nobody_called_have_no_ratios() -> None:
    empty = with_objects(
        objects_by_class=np.array([object_columns({}), object_columns({})]),
        objects_histogram=object_histogram({}, {}),
        objects_by_message=message_histogram({}, {}),
        objects_by_host=np.zeros((2, 5), np.int64),
        objects_created=np.zeros((4, 2), np.int64),
        objects_spawn_ns=np.zeros(4, np.int64),
    )
    pool = ObjectPool([empty])
    assert pool.is_used
    numbers = [
        *map(pool.error_ratio, ERRORS), pool.in_region_ratio, pool.call_p(50), pool.call_mean,
        *(pool.part_p(name, 50) for name in PARTS), *map(pool.part_mean, PARTS),
        pool.distance_p(50), pool.distance_mean, pool.spawn_p(50), pool.spawn_mean,
        pool.ack_p(50), pool.visible_p(50, "city"), pool.missed_ratio, pool.reconnect_p(50),
        pool.reconnect_max, pool.stale_ratio, pool.staleness_p(99), pool.ack_p(50, None, "edit"),
        pool.active_ratio, pool.idle_ratio, pool.memory_ratio, pool.hibernated_ratio,
    ]  # fmt: skip
    assert all(math.isnan(number) for number in numbers)
    assert len(pool.homes()) == 0
    result = result_of(workers=[empty])
    groups = ("class", "part", "host", "spread", "message", "site")
    assert [len(result.objects(by)) for by in groups] == [2, 8, 0, 0, 0, 0]


# --- several runs -------------------------------------------------------------------------------------------


def test_runs_pool_to_their_sum() -> None:
    one = with_objects()
    other = with_objects(
        replication=1,
        objects_by_class=np.array([object_columns({"calls": 300, "lost": 100}), object_columns({})]),
        objects_histogram=object_histogram({ob.CALL: {40.0: 300}, part("queue"): {9.0: 300}}, {}),
    )  # fmt: skip
    pool = ObjectPool([one, other], "document")
    assert pool.calls == 400
    assert pool.error_ratio("lost") == 105 / 520
    assert pool.call_p(10) == pytest.approx(10, rel=BUCKET)
    assert pool.call_p(13) == pytest.approx(40, rel=BUCKET)
    assert pool.part_p("queue", 24) == 0.0
    assert pool.part_p("queue", 26) == pytest.approx(9, rel=BUCKET)
    assert [each.calls for each in pool.each] == [100, 300]
    assert [each.object_class for each in pool.each] == ["document", "document"]


# --- tables and JSON ----------------------------------------------------------------------------------------


def test_summary_has_one_row_per_platform_with_objects() -> None:
    frame = result_of(workers=[with_objects()], without=[made()]).objects()
    assert list(frame.index) == ["workers"]
    row = frame.loc["workers"]
    assert row["calls"] == 120
    assert row["overloaded_ratio"] == 10 / 140
    assert row["call_p99_ms"] == pytest.approx(40, rel=BUCKET)
    assert row["gate_mean_ms"] == pytest.approx(1_000 / 120, rel=BUCKET)
    assert (row["moves"], row["activations"], row["active_s"]) == (4, 22, 3.0)
    assert row["missed_ratio"] == 0.1


def test_by_class() -> None:
    frame = result_of(workers=[with_objects()]).objects("class").set_index("class")
    assert frame["calls"].to_dict() == {"document": 100, "room": 20}
    assert frame["created"].to_dict() == {"document": 8, "room": 2}
    assert frame.loc["room", "call_mean_ms"] == pytest.approx(5, rel=BUCKET)
    assert math.isnan(frame.loc["room", "visible_p50_ms"])


def test_by_part() -> None:
    frame = result_of(workers=[with_objects()]).objects("part").set_index("part")
    assert tuple(frame.index) == PARTS
    assert frame["calls"].to_dict() == {
        "to_home": 50, "queue": 0, "open": 0, "execute": 120, "storage": 0, "await": 0,
        "gate": 50, "back": 50,
    }  # fmt: skip
    assert frame["share"].sum() == pytest.approx(1.0)
    total = 400 + (500 + 200 + 100) + 1_000 + 400
    assert frame.loc["gate", "share"] == pytest.approx(1_000 / total, rel=BUCKET)
    assert frame.loc["gate", "p50_ms"] == 0.0  # of 120 calls, 50 waited
    assert frame.loc["gate", "p90_ms"] == pytest.approx(20, rel=BUCKET)


def test_by_host_busiest_first_without_those_that_did_nothing() -> None:
    run = with_objects(
        objects_by_host=np.array([[4, 40, 10, 500_000, 7], [0] * 5, [6, 80, 15, 2_500_000, 3]]),
        labels=with_objects().labels | {"host": ("IAD", "CDG", "FRA")},
        objects_created=np.zeros((4, 3), np.int64),
    )
    frame = result_of(workers=[run, run]).objects("host").drop(columns="platform")
    assert frame.to_dict(orient="list") == {
        "host": ["FRA", "IAD"],
        "calls": [160, 80],
        "share": [2 / 3, 1 / 3],
        "created": [12, 8],
        "living": [6, 14],
        "commits": [30, 20],
        "active_s": [5.0, 1.0],
    }


def test_by_spread_only_those_there_are() -> None:
    frame = result_of(workers=[with_objects()]).objects("spread").set_index("spread")
    assert list(frame.index) == ["city", "world"]
    assert list(frame["messages"]) == [30, 10]
    assert list(frame["delivered"]) == [60, 30]
    assert list(frame["visible_p95_ms"]) == pytest.approx([15, 100], rel=BUCKET)
    assert list(frame["ack_p50_ms"]) == pytest.approx([20, 150], rel=BUCKET)


def test_by_message_and_spread_only_those_there_are() -> None:
    frame = result_of(workers=[with_objects()]).objects("message").drop(columns="platform")
    columns = ["class", "message", "spread", "messages", "delivered"]
    assert list(frame[columns].itertuples(index=False, name=None)) == [
        ("document", "edit", "all", 30, 60),
        ("document", "edit", "city", 20, 40),
        ("document", "edit", "world", 10, 20),
        ("document", "cursor", "all", 10, 10),
        ("document", "cursor", "city", 10, 10),
        ("document", OTHER, "all", 0, 20),
        ("document", OTHER, "city", 0, 10),
        ("document", OTHER, "world", 0, 10),
    ]
    assert list(frame["visible_p50_ms"])[:5] == pytest.approx([15, 15, 100, 6, 6], rel=BUCKET)
    assert math.isnan(frame["ack_p95_ms"].iloc[-1])


def test_by_site_that_asked_first() -> None:
    frame = result_of(workers=[with_objects()]).objects("site").drop(columns="platform")
    assert list(frame.itertuples(index=False, name=None)) == [
        ("IAD", 6, 2, "IAD", 5 / 6, 20.0),
        ("FRA", 3, 1, "FRA", 1.0, 10.0),
        ("NRT", 1, 1, "IAD", 1.0, 100.0),
    ]


def test_homes_of_all_platforms() -> None:
    frame = result_of(one=[with_objects()], two=[with_objects()], without=[made()]).object_homes()
    assert frame["platform"].value_counts().to_dict() == {"one": 4, "two": 4}
    assert frame.groupby(["platform", "site"])["share"].sum().to_numpy() == pytest.approx(1.0)


def test_an_unknown_group_says_what_is_known() -> None:
    expected = "unknown group 'country'; expected one of class, part, host, spread, message, site"
    with pytest.raises(ValueError, match=expected):
        result_of(workers=[with_objects()]).objects(by="country")


def test_results_without_objects_have_empty_tables() -> None:
    result = result_of(workers=[made()])
    assert len(result.objects()) == 0
    assert len(result.objects("class")) == 0
    assert list(result.object_homes().columns) == ["platform", "site", "host", "objects", "share"]


def test_json_has_a_part_for_objects_in_use_alone() -> None:
    runs = [with_objects(), with_objects(replication=1)]
    result = result_of(workers=runs, without=[made(), made(replication=1)])
    platforms = json.loads(result.to_json())["platforms"]
    assert "objects" not in platforms["without"]
    assert "kv" not in platforms["workers"]
    objects = platforms["workers"]["objects"]
    assert objects["calls"] == 240
    lost = objects["lost_ratio"]
    exact = binomtest(10, 280).proportion_ci(0.95, method="exact")  # 5 of 140 in either run
    assert lost["value"] == pytest.approx(5 / 140, rel=1e-5)
    assert (lost["low"], lost["high"]) == pytest.approx((exact.low, exact.high), rel=1e-5)
    assert set(objects["call_ms"]) == {"p50", "p90", "p95", "p99", "mean"}
    assert objects["call_ms"]["p99"]["value"] == pytest.approx(40, rel=BUCKET)
    assert list(objects["parts_ms"]) == list(PARTS)
    assert objects["parts_ms"]["execute"]["calls"] == 240
    assert objects["in_region_ratio"]["value"] == 0.541667  # 65 / 120
    assert objects["visible_ms"]["p50"]["value"] == pytest.approx(15, rel=BUCKET)
    assert list(objects["spreads"]) == ["city", "world"]
    assert objects["spreads"]["world"]["delivered"] == 60
    assert objects["counts"] == {k: 2 * (DOCUMENT[k] + ROOM.get(k, 0)) for k in COUNTS}
    assert (objects["active_s"], objects["idle_s"]) == (6.0, 28.0)
    assert (objects["hibernated_s"], objects["billed_s"]) == (66.0, 14.0)
    assert objects["memory_ratio"] == dict.fromkeys(("value", "low", "high"), 0.34)  # 17 of 50 s
    assert list(objects["messages"]) == ["document"]
    assert list(objects["messages"]["document"]) == ["edit", "cursor", OTHER]
    edits = objects["messages"]["document"]["edit"]
    assert list(edits) == ["all", "city", "world"]
    assert (edits["all"]["delivered"], edits["world"]["messages"]) == (120, 20)
    assert set(objects["usd_by_kind"]) == {"requests", "duration", "reads", "writes"}
    assert list(objects["classes"]) == ["document", "room"]
    assert objects["classes"]["document"]["created"] == 16
    assert objects["classes"]["room"]["reconnect_max_ms"] is None  # unknown: null


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [with_objects(), made()], ids=["with objects", "without"])
def test_objects_survive_saving(run: PlatformRun, tmp_path: Path) -> None:
    run.save(tmp_path / "run.run")
    loaded = PlatformRun.load(tmp_path / "run.run")
    names = [field.name for field in fields(PlatformRun) if field.name.startswith("objects_")]
    assert len(names) == 6
    for name in names:
        one, other = getattr(run, name), getattr(loaded, name)
        if isinstance(one, SparseHist):
            assert (one.n_rows, one.n_buckets) == (other.n_rows, other.n_buckets)
            one, other = (np.array([h.rows, h.buckets, h.counts]) for h in (one, other))
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert np.array_equal(one, other), name
    assert loaded.labels == run.labels
    assert ObjectPool([loaded]).is_used == ObjectPool([run]).is_used


def test_the_books_have_a_row_for_all_of_this() -> None:
    assert max(OF_DOCUMENTS) < ob.ROWS_PER_CLASS
