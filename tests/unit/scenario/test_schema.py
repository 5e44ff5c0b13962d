"""The schema: defaults, what fits together, and the id, which names what is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from popsim.scenario.errors import InputError
from popsim.scenario.loading import read_scenario
from popsim.scenario.schema import NOT_CONTENT, Scenario

LEAST: dict[str, Any] = {
    "name": "least",
    "duration": "1min",
    "workload": {"arrivals": {"rate": "10/s"}},
    "platforms": {
        "one": {"topology": "aws", "runtime": "always_warm"},
        "two": {"preset": "aws-lambda"},
    },
}
STEPS = (
    "cpu, sleep, fetch, choose, kv.get, kv.put, kv.delete, kv.list, kv.trace, object.call, storage.get, "
    "storage.put, storage.transaction, alarm, broadcast"
)
CLAIM = {"id": "a", "says": "b", "source": "ours", "expect": ["one.p(50) < two.p(50)"]}


def scenario(**over: Any) -> Scenario:
    return read_scenario({**LEAST, **over})[0]


def refusals(**over: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_scenario({**LEAST, **over})
    return str(caught.value)


def test_defaults_are_those_of_the_documentation() -> None:
    least = scenario()
    assert (least.seed, least.start, least.warmup, least.replications) == (1, "00:00", 0.0, 10)
    assert (least.precision, least.max_replications, least.engine) == (None, 100, "compiled")
    assert (least.clients.topology, least.clients.network) == ("world-users", "home")
    assert least.network.residual is True and least.network.jitter == "measured"
    assert (least.network.convergence.mean(), least.network.convergence.maximum()) == (3e4, 3e4)
    connection = least.workload.connection
    assert (connection.reuse, connection.protocol, connection.tls) == ("never", "h2", "1.3")
    assert (connection.dns, connection.loss, connection.zero_rtt) == ("cached", 0.0, False)
    assert (least.workload.functions.count, least.workload.response_size) == (1, 2_000)
    one = least.platforms["one"]
    assert (one.memory, one.ingress.routing, one.cpu.full_at) == (
        128_000_000, {"model": "anycast"}, None,
    )  # fmt: skip
    assert one.compute.at == one.termination.tcp == "ingress"


def test_scenarios_are_frozen() -> None:
    least = scenario()
    with pytest.raises(ValidationError, match="frozen"):
        least.seed = 2
    with pytest.raises(ValidationError, match="frozen"):
        least.platforms["one"].memory = 1


@pytest.mark.parametrize(
    ("start", "hour"), [("00:00", 0.0), ("07:30", 7.5), ("23:59", 23 + 59 / 60)]
)
def test_the_start_is_a_time_of_day(start: str, hour: float) -> None:
    assert scenario(start=start).start_hour == pytest.approx(hour)


@pytest.mark.parametrize("start", ["24:00", "7:30", "07:60", "07:30:00", "noon", "07:30\n", 730])
def test_other_starts_are_refused(start: object) -> None:
    assert refusals(start=start).startswith("start: ")


# --- the id ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "over",
    [
        {"name": "other"},
        {"description": "other"},
        {"claims": [CLAIM]},
        {"replications": 3},
        {"precision": "2%"},
        {"max_replications": 7},
        {"platforms": {**LEAST["platforms"], "two": {"preset": "aws-lambda", "description": "x"}}},
        {"duration": "60s"},
        {"warmup": "0s", "seed": 1},
        {"network": {"convergence": "0.5min"}},
        {"workload": {"arrivals": {"rate": "600/min"}, "response_size": "2kB"}},
    ],
    ids=str,
)
def test_the_id_is_not_of_words_length_and_notation(over: dict[str, Any]) -> None:
    assert scenario(**over).id == scenario().id


def test_other_contents_have_other_ids() -> None:
    lambda_ = {"preset": "aws-lambda"}
    overs: list[dict[str, Any]] = [
        {},
        {"seed": 2},
        {"start": "01:00"},
        {"duration": "61s"},
        {"warmup": "1s"},
        {"engine": "simpy"},
        {"clients": {"topology": "cities"}},
        {"clients": {"where": {"country": "NO"}}},
        {"clients": {"network": {"mix": {"fibre": 1}}}},
        {"clients": {"network": {"mix": {"fibre": 1}, "wifi": "1%"}}},
        {"network": {"residual": "fixed"}},
        {"network": {"residual": False}},
        {"network": {"jitter": "none"}},
        {"network": {"remove": {"sites": ["SIN"]}}},
        {"workload": {"arrivals": {"rate": "11/s"}}},
        {"workload": {"arrivals": {"every": "11s"}}},
        {"workload": {"arrivals": {"every": "11s", "stagger": False}}},
        {"workload": {"arrivals": {"rate": "10/s"}, "handler": [{"cpu": "1ms"}]}},
        {"workload": {"arrivals": {"rate": "10/s"}, "handler": [{"sleep": "1ms"}]}},
        {"platforms": {**LEAST["platforms"], "two": {**lambda_, "memory": "256MB"}}},
        {"platforms": {**LEAST["platforms"], "two": {**lambda_, "front_door": "1ms"}}},
        {"platforms": {**LEAST["platforms"], "two": {**lambda_, "runtime": {"idle": "1min"}}}},
        {"platforms": {**LEAST["platforms"], "two": {**lambda_, "regions": "eu-west-1"}}},
        {"platforms": {"one": LEAST["platforms"]["one"]}},
        {"platforms": {"one": LEAST["platforms"]["one"], "too": lambda_}},
        {"origins": {"db": {"city": "Paris"}}},
        {"events": [{"at": "1s", "fail": {"busiest": 1}}]},
        {"events": [{"at": "1s", "fail": {"busiest": 1}, "for": "1s"}]},
    ]
    assert len({scenario(**over).id for over in overs}) == len(overs)


def test_ids_are_12_hex_digits() -> None:
    identifier = scenario().id
    assert len(identifier) == 12
    assert int(identifier, 16) >= 0


def test_the_content_lacks_what_the_id_ignores() -> None:
    content = scenario(claims=[CLAIM]).content()
    assert not set(NOT_CONTENT) & set(content)
    assert set(NOT_CONTENT) < set(Scenario.model_fields)


def test_the_resolved_form_has_no_presets_and_no_nulls() -> None:
    resolved = scenario().resolved()

    def walk(value: Any) -> None:
        assert value is not None
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():  # fmt: skip
            walk(item)

    walk(resolved)
    assert "preset" not in resolved["platforms"]["two"]
    assert resolved["platforms"]["two"]["runtime"]["max_requests"] == 1_000
    assert resolved["duration"] == "1min" and resolved["platforms"]["one"]["memory"] == "128MB"


# --- changes -----------------------------------------------------------------------------------------


def test_changes_merge_deeply_and_leave_the_original_alone() -> None:
    least = scenario()
    before = least.resolved()
    changed = least.changed(platforms={"two": {"runtime": {"idle": "9min"}}}, seed=5)
    assert least.resolved() == before
    assert changed.seed == 5
    old, new = least.platforms["two"], changed.platforms["two"]
    assert new.runtime == {**old.runtime, "idle": "9min"}
    assert new.model_copy(update={"runtime": old.runtime}) == old
    assert least.changed() == least


def test_changes_are_checked() -> None:
    with pytest.raises(InputError, match="did you mean 'seed'"):
        scenario().changed(sed=5)
    with pytest.raises(InputError, match="there is no preset 'aws'"):
        scenario().changed(platforms={"three": {"preset": "aws"}})


def test_changes_can_add_a_preset() -> None:
    changed = scenario().changed(platforms={"three": {"preset": "cloudflare-workers"}})
    assert changed.platforms["three"].topology == "cloudflare"


def test_scenarios_are_named_in_one_line() -> None:
    text = repr(scenario(claims=[CLAIM]))
    assert text == f"Scenario('least', id={scenario().id}, platforms=[one, two], claims=1)"
    assert text == str(scenario(claims=[CLAIM]))


# --- what fits together ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        ({"protocol": "h3", "tls": "1.2"}, "h3 runs over QUIC"),
        ({"protocol": "h3", "tls": "none"}, "h3 runs over QUIC"),
        ({"zero_rtt": True, "tls": 1.2}, "zero_rtt needs tls"),
        ({"tls": 1.4}, "expected 'none', '1.2' or '1.3', got '1.4'"),
        ({"protocol": "h4"}, "expected 'h1', 'h2' or 'h3', got 'h4'"),
        ({"reuse": "sometimes"}, "expected never, always or a share such as 80%"),
        ({"dns": "none"}, "expected 'cached', got 'none'"),
        ({"dns": {"ttl": "0s", "miss": "1ms"}}, "greater than 0"),
        ({"dns": {"ttl": "1s"}}, "'miss' is missing"),
        ({"loss": "100%"}, "less than 1"),
        ({"zero_rtt": "perhaps"}, "boolean"),
    ],
)
def test_connections_that_cannot_be(connection: dict[str, Any], message: str) -> None:
    told = refusals(workload={**LEAST["workload"], "connection": connection})
    assert message in told
    assert "\n" not in told
    assert told.startswith("workload.connection")


@pytest.mark.parametrize("tls", [1.3, "1.3"])
def test_versions_may_go_without_quotes(tls: object) -> None:
    connection = {"tls": tls, "zero_rtt": True, "protocol": "h3", "reuse": "0.5"}
    workload = {**LEAST["workload"], "connection": connection}
    assert scenario(workload=workload).workload.connection.tls == "1.3"


@pytest.mark.parametrize(
    "origin",
    [{}, {"lat": 1}, {"lon": 1}, {"city": "Paris", "region": "us-east-1"}, {"country": "FR"},
     {"lat": 1, "lon": 1, "city": "Paris"}, {"lat": 1, "city": "Paris"}],
)  # fmt: skip
def test_an_origin_has_one_place(origin: dict[str, Any]) -> None:
    assert refusals(origins={"db": origin}).startswith("origins.db: expected one of")


@pytest.mark.parametrize("step", [{}, {"cpu": "1ms", "sleep": "1ms"}, {"cpu": None}])
def test_a_step_is_one_thing(step: dict[str, Any]) -> None:
    told = refusals(workload={**LEAST["workload"], "handler": [{"cpu": "1ms"}, step]})
    assert told == f"workload.handler[1]: a step has exactly one of {STEPS}"


@pytest.mark.parametrize(
    "event", [{"at": "1s"}, {"at": "1s", "fail": {"busiest": 1}, "surge": {"factor": 2}}]
)
def test_an_event_is_one_thing(event: dict[str, Any]) -> None:
    told = refusals(events=[event])
    assert told == "events[0]: an event has exactly one of fail, surge, write, restart"


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "ä", "a.b", "é"])
def test_platforms_have_names_that_claims_can_say(name: str) -> None:
    told = refusals(platforms={name: {"preset": "aws-lambda"}})
    assert f"letters, digits and _ that begins with a letter, got {name!r}" in told


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {"popularity": "zipf"}, "expected 'uniform', got 'zipf'"),
        (lambda: {"popularity": {"zipf": 11}}, "less than or equal to 10"),
        (lambda: {"popularity": {"zipf": float("nan")}}, "finite number"),
        (lambda: {"count": 1.5}, "valid integer"),
        (lambda: {"count": 10**7}, "less than or equal to 1000000"),
    ],
)
def test_functions_that_cannot_be(make: Callable[[], dict[str, Any]], message: str) -> None:
    assert message in refusals(workload={**LEAST["workload"], "functions": make()})


@pytest.mark.parametrize("value", [10**400, "1e400", -1, "x", None, [], 2**63])
def test_seeds_are_natural_numbers_of_63_bits(value: object) -> None:
    assert refusals(seed=value).startswith("seed: ")
    assert scenario(seed=2**63 - 1).seed == 2**63 - 1


def test_a_platform_without_any_cpu_is_refused() -> None:
    told = refusals(platforms={"two": {"preset": "aws-lambda", "cpu": {"full_at": 0}}})
    assert told == "platforms.two.cpu.full_at: input should be greater than 0, got 0"
