"""Expectations about objects: how they are read, and what they observe."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_runs import DOCUMENT, MESSAGES, ROOM, made, object_columns, with_objects

import popsim
from popsim.claims import ClaimSyntaxError, judge, parse_expectation
from popsim.claims.expression import Metric, Number
from popsim.claims.object_metric import NUMBERS, QUANTITIES, ObjectMetric
from popsim.claims.unit import NONE, TIME
from popsim.engine.object_layout import PARTS
from popsim.results.objects import ObjectPool
from popsim.results.pooled import Pool
from popsim.scenario.errors import Problem
from popsim.scenario.objects import ObjectPrices

PLATFORMS = ["workers", "lambda"]
PRICES = ObjectPrices(request=0.15, duration=12.5, read=0.2, write=1.0, message_share=0.05)


def metric(
    name: str,
    statistic: str = "",
    percent: float = 0.0,
    *,
    object_class: str | None = None,
    spread: str | None = None,
    message: str | None = None,
) -> ObjectMetric:
    unit = TIME if statistic and name != "distance" else NONE
    return ObjectMetric(
        "workers", object_class, name, statistic, percent, spread, unit, message=message
    )


# --- reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("objects.call.p(95)", metric("call", "p", 95.0)),
        ("objects.call.p99", metric("call", "p", 99.0)),
        ("objects.call.mean", metric("call", "mean")),
        ("objects.call.avg", metric("call", "mean")),
        ("objects.visible.world.avg", metric("visible", "mean", spread="world")),
        *((f"objects.{part}.p(50)", metric(part, "p", 50.0)) for part in PARTS),
        ("objects.queue.mean", metric("queue", "mean")),
        ("objects.spawn.p(99.9)", metric("spawn", "p", 99.9)),
        ("objects.visible.p(95)", metric("visible", "p", 95.0)),
        ("objects.visible.continent.p(95)", metric("visible", "p", 95.0, spread="continent")),
        ("objects.visible.world.mean", metric("visible", "mean", spread="world")),
        ("objects.ack.p(50)", metric("ack", "p", 50.0)),
        ("objects.ack.city.p50", metric("ack", "p", 50.0, spread="city")),
        ("objects.reconnect.p(95)", metric("reconnect", "p", 95.0)),
        ("objects.reconnect.max", metric("reconnect", "max")),
        ("objects.staleness.p(99)", metric("staleness", "p", 99.0)),
        ("objects[document].call.p(95)", metric("call", "p", 95.0, object_class="document")),
        (
            "objects [ document ] . ack . city . mean",
            metric("ack", "mean", object_class="document", spread="city"),
        ),
    ],
)
def test_times(text: str, expected: ObjectMetric) -> None:
    found = parse_expectation(f"workers.{text} < 5ms", PLATFORMS)
    assert found.left == expected
    assert found.unit == "ms"


COLLIDING = ("edit", "world", "p", "mean")  # messages


@pytest.mark.parametrize(
    ("text", "message", "spread", "percent"),
    [
        ("visible.edit.p(95)", "edit", None, 95.0),
        ("visible.edit.world.p(95)", "edit", "world", 95.0),
        ("visible[edit].p(95)", "edit", None, 95.0),
        ("visible [ edit ] . world . p95", "edit", "world", 95.0),
        ("ack.edit.med", "edit", None, 50.0),
        ("ack[edit].city.p(50)", "edit", "city", 50.0),
        ("visible.world.p(95)", None, "world", 95.0),  # the spread, though there is such a message
        ("visible[world].p(95)", "world", None, 95.0),
        ("visible.world.city.p(95)", "world", "city", 95.0),
        ("visible.world.world.p(95)", "world", "world", 95.0),
        ("visible.p.p(95)", "p", None, 95.0),
        ("visible.p(95)", None, None, 95.0),
        ("visible.mean.p(95)", "mean", None, 95.0),
        ("visible.mean.world.p50", "mean", "world", 50.0),
    ],
)
def test_kinds_of_messages(
    text: str, message: str | None, spread: str | None, percent: float
) -> None:
    found = parse_expectation(f"workers.objects[document].{text} < 5ms", PLATFORMS, COLLIDING)
    name = text[:7].rstrip("[. ") if text.startswith("visible") else "ack"
    assert found.left == metric(
        name, "p", percent, object_class="document", spread=spread, message=message
    )
    assert found.unit == "ms"


def test_means_of_kinds_of_messages() -> None:
    found = parse_expectation("workers.objects.visible.mean.mean < 5ms", PLATFORMS, COLLIDING)
    assert found.left == metric("visible", "mean", message="mean")
    ratio = "workers.objects.visible.mean / workers.objects.ack.edit.mean < 2"
    sides = parse_expectation(ratio, PLATFORMS, COLLIDING).metrics()
    assert sides == (metric("visible", "mean"), metric("ack", "mean", message="edit"))


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("visible.edti.p(95)", 24, "visible has no 'edti'", "did you mean 'edit'?"),
        ("visible.zzz.p(95)", 24, "visible has no 'zzz'",
         "known: city, continent, country, cursor, edit, mean, p(95), world"),
        ("ack.zzz.world.p(95)", 20, "ack has no 'zzz'", "known: cursor, edit, mean, p(95)"),
        ("visible[zzz].p(95)", 24, "participants send no message 'zzz'", "known: cursor, edit"),
        ("visible[world].p(95)", 24, "participants send no message 'world'", "known: cursor, edit"),
        ("ack[edti].p(95)", 20, "participants send no message 'edti'", "did you mean 'edit'?"),
        ("visible[].p(95)", 25, "expected ']'", None),
        ("visible.edit.town.p(95)", 29, "visible of edit has no 'town'", "city, continent, country"),
        ("visible[edit].town.p(95)", 30, "visible of edit has no 'town'", "city, continent, country"),
        ("visible.world.edit.p(95)", 24, "the message comes before the spread",
         "did you mean visible.edit.world?"),
        ("visible.edit", 29, "expected '.'", None),
        ("visible.edit.world.max", 35, "visible has no 'max'", "mean, p(95)"),
        ("reconnect.edit.p(95)", 26, "reconnect has no 'edit'", "max, p(95)"),
    ],
)  # fmt: skip
def test_mistakes_about_messages(text: str, column: int, message: str, hint: str | None) -> None:
    with pytest.raises(ClaimSyntaxError, match=re.escape(message)) as caught:
        parse_expectation(f"workers.objects.{text} < 5ms", PLATFORMS, ("edit", "cursor"))
    assert caught.value.column == column
    if hint is not None:
        assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("object_class", [None, "document"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_without_a_unit(name: str, object_class: str | None) -> None:
    objects = "objects" if object_class is None else f"objects[{object_class}]"
    found = parse_expectation(f"workers.{objects}.{name} >= 5%", PLATFORMS)
    assert found.left == metric(name, object_class=object_class)
    assert found.bounds == ((">=", Number(0.05, NONE)),)
    assert found.unit == ""


def test_distances_are_bare_numbers_of_km() -> None:
    found = parse_expectation("workers.objects.distance.p(50) < 300", PLATFORMS)
    assert found.left == metric("distance", "p", 50.0)
    assert found.unit == ""
    ratio = "workers.objects.distance.mean / lambda.objects.distance.mean < 1"
    assert parse_expectation(ratio, PLATFORMS).unit == ""


def test_the_phase_is_of_whole_requests() -> None:
    found = parse_expectation("workers.object.p(95) < 5ms", PLATFORMS).left
    assert found == Metric("workers", "object", "p", 95.0, TIME)


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("workers.objects.call.p(95) < 5", 0, "the units differ: a time and a bare", "13ms"),
        ("workers.objects.distance.p(50) < 5ms", 0, "the units differ: a bare number", "13ms"),
        ("workers.objects.cost < 1ms", 0, "the units differ", "13ms"),
        ("workers.objects.call.mean + workers.objects.distance.mean < 1ms", 26, "differ", "13ms"),
        ("workers.objects.cal.p(95) < 1ms", 16, "no metric 'cal' of objects", "'call'?"),
        ("workers.objects.lost_ratoi < 1%", 16, "no metric 'lost_ratoi' of", "'lost_ratio'?"),
        ("workers.objects[room].mvoes < 1", 22, "no metric 'mvoes' of", "'moves'?"),
        ("workers.objects.zzz < 1", 16, "no metric 'zzz' of", "expected call, to_home, queue"),
        ("workers.objects.p(95) < 1ms", 16, "no metric 'p' of", "the phase is called object"),
        ("workers.objects.mean < 1ms", 16, "no metric 'mean' of", "the phase is called object"),
        ("workers.object.call.p(95) < 1ms", 15, "there is no metric 'call'", "mean objects.call?"),
        ("workers.objets.call.p(95) < 1ms", 8, "no metric 'objets'", "did you mean 'object"),
        ("workers.objects.call.max < 1ms", 21, "call has no 'max'", "known: mean, p(95)"),
        ("workers.objects.call.city.p(5) < 1ms", 21, "call has no 'city'", "known: mean, p(95)"),
        ("workers.objects.visible.town.p(5) < 1s", 24, "visible has no 'town'", "city, continent"),
        ("workers.objects.visible.contient.p(5) < 1s", 24, "has no 'contient'", "'continent'?"),
        ("workers.objects.visible.city.max < 1s", 29, "visible has no 'max'", "known: mean, p(95)"),
        ("workers.objects.reconnect.mean < 1s", 26, "reconnect has no 'mean'", "max, p(95)"),
        ("workers.objects.staleness.avg < 1s", 26, "staleness has no 'avg'", "p(95)"),
        ("workers.objects.visible[world].p(5) < 1s", 24, "no message 'world'", "arrivals: {"),
        ("workers.objects.staleness.mean < 1s", 26, "staleness has no 'mean'", "p(95)"),
        ("workers.objects.call < 1ms", 21, "expected '.'", None),
        ("workers.objects.visible.city < 1ms", 29, "expected '.'", None),
        ("workers.objects < 1ms", 16, "expected '.'", None),
        ("workers.objects[room.call.p(95) < 1ms", 20, "expected ']'", None),
        ("workers.objects[] < 1ms", 18, "expected ']'", None),
        ("workers.objects.call.p(100) < 1s", 23, "between 0 and 100, got '100'", None),
        ("workers.objects.ack.p(0) < 1s", 22, "between 0 and 100, got '0'", None),
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


def pools(*runs: Any) -> dict[str, Pool]:
    return {"workers": Pool(runs or [with_objects()], object_prices=PRICES)}


def observed(text: str, *runs: Any) -> float:
    """Return what an expectation's metric is, whatever its unit."""
    for unit in ("ms", ""):
        try:
            found = parse_expectation(f"workers.{text} >= 0{unit}", PLATFORMS, MESSAGES)
        except ClaimSyntaxError:
            continue
        (metric,) = found.metrics()
        return metric.measure(pools(*runs)).value
    raise AssertionError(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("objects[document].call.p(95)", 40.0),
        ("objects[document].call.mean", 25.0),
        ("objects[room].call.p(95)", 5.0),
        ("objects[document].gate.p(95)", 20.0),
        ("objects[document].gate.p(50)", 0.0),
        ("objects[document].gate.mean", 10.0),
        ("objects[document].distance.p(70)", 1_000.0),
        ("objects[document].distance.mean", 1_500.0),
        ("objects.spawn.p(50)", 30.0),
        ("objects.spawn.mean", 30.0),
        ("objects.ack.city.p(50)", 20.0),
        ("objects.ack.mean", 50.5),
        ("objects.ack.cursor.mean", 12.0),
        ("objects[document].visible.edit.p(95)", 100.0),
        ("objects.visible.edit.city.p(95)", 15.0),
        ("objects.visible[cursor].p(95)", 6.0),
        ("objects.visible.world.p(95)", 100.0),
        ("objects.visible.p(50)", 15.0),
        ("objects.visible.city.mean", 13.5),
        ("objects[document].active_ratio", 0.05),
        ("objects[document].idle_ratio", 0.25),
        ("objects[document].memory_ratio", 0.3),
        ("objects[document].hibernated_ratio", 0.7),
        ("objects.reconnect.p(90)", 3_000.0),
        ("objects.reconnect.max", 3_000.0),
        ("objects.staleness.p(99)", 500.0),
        ("objects.staleness.p(50)", 0.0),
        ("objects.in_region_ratio", 65 / 120),
        ("objects.lost_ratio", 5 / 140),
        ("objects.overloaded_ratio", 10 / 140),
        ("objects[document].unavailable_ratio", 3 / 120),
        ("objects[document].failed_ratio", 2 / 120),
        ("objects.stale_ratio", 0.1),
        ("objects.missed_ratio", 0.1),
        ("objects.calls", 120.0),
        ("objects.calls_per_request", 120 / 50),
        ("objects[room].calls_per_request", 20 / 50),
        ("objects.moves", 4.0),
        ("objects.activations", 22.0),
        ("objects.failovers", 1.0),
        ("objects.commits", 25.0),
        ("objects[document].cost", 1.434),  # see the tests of costs by kind
        ("objects[room].cost", 0.22),
    ],
)
def test_claims_observe_what_happened(text: str, expected: float) -> None:
    assert observed(text) == pytest.approx(expected, rel=0.008)


def test_every_metric_can_be_evaluated() -> None:
    for name, statistics in QUANTITIES.items():
        for statistic in statistics:
            text = "p(50)" if statistic == "p" else statistic
            assert math.isfinite(observed(f"objects.{name}.{text}")), name
    for name in NUMBERS:
        assert math.isfinite(observed(f"objects.{name}")), name


def test_counts_are_per_replication() -> None:
    runs = [with_objects(), with_objects(replication=1)]
    assert ObjectPool(runs).count("moves") == 8
    assert observed("objects.moves", *runs) == 4.0
    assert observed("objects.calls_per_request", *runs) == 240 / 100


@pytest.mark.parametrize("text", ["objects.moves", "objects.call.p(50)", "objects.cost"])
def test_without_objects_there_is_no_value(text: str) -> None:
    assert math.isnan(observed(text, made()))


def test_without_the_class_there_is_no_value() -> None:
    assert math.isnan(observed("objects[chat].moves"))
    assert math.isnan(observed("objects[room].visible.edit.p(50)"))  # nobody sends it there


def test_claims_are_judged_by_the_replications() -> None:
    scenario = popsim.load(
        {
            "name": "made",
            "duration": "1min",
            "workload": {"arrivals": {"rate": "1/s"}, "handler": [{"cpu": "1ms"}]},
            "platforms": {"workers": {"preset": "cloudflare-workers"}},
        }
    )
    expect = {
        "workers.objects.call.p(95) < 50ms": "holds",
        "workers.objects.moves > 100": "fails",
        "workers.objects.moves > 6": "undecided",  # 4 and 10
        "workers.objects[document].distance.p(70) < 1100": "holds",
    }
    claims = [{"id": "it", "says": "it", "source": "ours", "expect": list(expect), "failures": 1}]
    restless = with_objects(
        replication=1,
        objects_by_class=np.array([object_columns(DOCUMENT | {"moves": 10}), object_columns(ROOM)]),
    )
    (verdict,) = judge(scenario.changed(claims=claims), pools(with_objects(), restless))
    assert [each.verdict for each in verdict.expectations] == list(expect.values())
    assert [each.unit for each in verdict.expectations] == ["ms", "", "", ""]
    assert verdict.expectations[2].observed.value == 7.0


# --- refusing -------------------------------------------------------------------------------------------


CALL = [{"object.call": {"class": "document", "handler": "edit"}}]


def problem_of(folder: Path, text: str, handler: list[dict[str, Any]]) -> tuple[Problem, str]:
    """Return the one problem of a claim in a file, and the file's line that it points at."""
    workload = {
        "arrivals": {"rate": "1/s"},
        "objects": {"document": {"count": 9, "handlers": {"edit": [{"cpu": "1ms"}]}}},
        "handler": handler,
    }
    return problem_with(folder, text, workload)


def problem_with(folder: Path, text: str, workload: dict[str, Any]) -> tuple[Problem, str]:
    path = folder / "it.yaml"
    content = {
        "name": "it",
        "duration": "1min",
        "workload": workload,
        "platforms": {"workers": {"preset": "cloudflare-workers", "objects": {}}},
        "claims": [{"id": "it", "says": "it", "source": "ours", "expect": [text]}],
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with pytest.raises(popsim.InputError) as caught:
        popsim.load(path)
    (problem,) = [each for each in caught.value.problems if each.path[0] == "claims"]
    assert problem.path == ("claims", 0, "expect", 0)
    assert problem.line is not None
    return problem, path.read_text(encoding="utf-8").splitlines()[problem.line - 1]


def test_claims_about_objects_that_nobody_calls(tmp_path: Path) -> None:
    text = "workers.objects.moves > 1"
    problem, line = problem_of(tmp_path, text, [{"cpu": "1ms"}])
    assert problem.message == "no step of the handler calls an object"
    assert text in line


def test_unknown_classes(tmp_path: Path) -> None:
    text = "workers.objects[dokument].moves > 1"
    problem, line = problem_of(tmp_path, text, CALL)
    assert problem.message == "there is no class of objects 'dokument'"
    assert problem.hint == "did you mean 'document'?"
    assert text in line


TOLD = {"participants": {"count": 3, "spread": "city"}}
SAID: list[dict[str, Any]] = [
    {"cpu": "1ms"},
    {"choose": [{"weight": 1, "steps": [{"broadcast": {}}]}]},
]
SESSIONS = {
    "arrivals": {"messages": {"class": "document", "rates": {"edit": "1/min", "nod": "1/min"}}},
    "objects": {
        "document": TOLD | {"handlers": {"edit": [
            *SAID, {"object.call": {"class": "index", "handler": "add"}},
            {"object.call": {"class": "wall", "handler": "add"}},
        ], "nod": [{"cpu": "1ms"}]}},
        "index": {"handlers": {"add": [{"cpu": "1ms"}]}},
        "wall": TOLD | {"handlers": {"add": [{"cpu": "1ms"}]}},
    },
}  # fmt: skip
CALLED = {
    "arrivals": {"rate": "1/s"},
    "objects": {"document": TOLD | {"handlers": {"edit": SAID}}},
    "handler": CALL,
}


@pytest.mark.parametrize(
    ("workload", "metric", "message"),
    [
        (SESSIONS, "[index].visible.p(50)", "objects of class 'index' have none"),
        (SESSIONS, "[index].reconnect.p(50)", "reconnect is about participants, and objects of cl"),
        (SESSIONS, "[wall].ack.p(50)", "of 'wall' send no messages, those of 'document' do"),
        (SESSIONS, "[wall].visible.edit.p(50)", "of 'wall' send no messages, those of 'document'"),
        (SESSIONS, "[wall].visible.p(50)", "no handler of wall that runs broadcasts anything"),
        (SESSIONS, ".visible.nod.p(50)", "the handler 'nod' of 'document' does not broadcast"),
        (SESSIONS, ".visible.edti.p(50)", "visible has no 'edti'"),
        (CALLED, ".ack.p(50)", "ack is about messages, and participants send none"),
        (CALLED, ".visible.edit.p(50)", "visible has no 'edit'"),
    ],
)
def test_claims_about_sessions_that_are_not_there(
    workload: dict[str, Any], metric: str, message: str, tmp_path: Path
) -> None:
    text = f"workers.objects{metric} < 1s"
    problem, line = problem_with(tmp_path, text, workload)
    assert message in problem.message
    assert text in line
    assert problem.col is not None


@pytest.mark.parametrize("metric", ["visible.p(50)", "missed_ratio", "reconnect.max", "ack.p(50)"])
def test_claims_about_participants_of_nobody(metric: str, tmp_path: Path) -> None:
    problem, line = problem_of(
        tmp_path, f"workers.objects.{metric} < 1s".replace("ratio < 1s", "ratio < 1"), CALL
    )
    assert problem.message.endswith("is about participants, and objects have none")
    assert problem.hint == "give the class participants, such as {count: 5, spread: country}"
    assert problem.col == line.index("workers.") + 1


@pytest.mark.parametrize(
    ("workload", "metric"),
    [
        (SESSIONS, ".visible.edit.p(50)"),
        (SESSIONS, "[document].visible.edit.city.p(50)"),
        (SESSIONS, ".ack.nod.p(50)"),
        (SESSIONS, "[wall].reconnect.p(50)"),
        (CALLED, ".visible.p(50)"),
    ],
)
def test_claims_about_sessions_that_are_there(
    workload: dict[str, Any], metric: str, tmp_path: Path
) -> None:
    path = tmp_path / "it.yaml"
    claim = {"id": "it", "says": "it", "source": "ours", "expect": [f"p.objects{metric} < 1s"]}
    content = {
        "name": "it", "duration": "1min", "workload": workload, "claims": [claim],
        "platforms": {"p": {"preset": "cloudflare-workers", "objects": {}}},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    assert popsim.load(path).claims[0].id == "it"


REPLICAS = ("staleness.p(99) < 1s", "stale_ratio < 1%", "replica_reads > 9", "stale < 9")


@pytest.mark.parametrize("text", [*REPLICAS, "truncated < 1"])
def test_claims_about_replicas_that_are_not_there(text: str, tmp_path: Path) -> None:
    problem, line = problem_of(tmp_path, f"workers.objects.{text}", CALL)
    name = text.split()[0].removesuffix(".p(99)")
    assert problem.message == f"{name} is about replicas, and objects of workers have none"
    assert problem.hint == "give the platform objects: {placement: read_replicas}"
    assert problem.col == line.index("workers.") + 1


def test_claims_about_replicas_that_are_there() -> None:
    objects = {"document": {"count": 9, "handlers": {"edit": [{"cpu": "1ms"}]}}}
    claim = {"id": "it", "says": "it", "source": "ours"}
    content = {
        "name": "it", "duration": "1min",
        "workload": {"arrivals": {"rate": "1/s"}, "objects": objects, "handler": CALL},
        "platforms": {"p": {"preset": "cloudflare-workers", "objects": {"placement": "read_replicas"}}},
        "claims": [claim | {"expect": [f"p.objects.{text}" for text in REPLICAS]}],
    }  # fmt: skip
    assert len(popsim.load(content).claims[0].expect) == len(REPLICAS)


def test_columns_are_inside_the_expectation(tmp_path: Path) -> None:
    text = "workers.objects[document].mvoes > 1"
    problem, line = problem_of(tmp_path, text, CALL)
    assert problem.col == line.index("mvoes") + 1


def test_objects_are_not_kept_by_country() -> None:
    (metric,) = parse_expectation("workers.objects.call.p(50) < 1s", PLATFORMS).metrics()
    assert not metric.can_select(("place",))
