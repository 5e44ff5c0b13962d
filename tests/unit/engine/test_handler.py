"""Handlers as programs: where jumps lead, who may take which branch, when values expire, how CPU times stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from popsim import InputError, load
from popsim.engine import layout as lay
from popsim.engine.handler import Program, check_length, cpu_share, handler_program
from popsim.scenario.schema import Scenario
from popsim.scenario.steps import StepSpec
from popsim.scenario.workload import WorkloadSpec
from popsim.world.clients import Clients, load_clients

FIRST = 100  # table of the first step
COUNTRIES = ("CN", "DE", "US")
GET, PUT = {"kv.get": {"keys": "a"}}, {"kv.put": {"keys": "b"}}
CPU, SLEEP = {"cpu": "4ms"}, {"sleep": "7ms"}


def scenario(handler: list[Any], **platform: Any) -> Scenario:
    return load(
        {
            "name": "it",
            "duration": "1min",
            "clients": {"topology": "cities", "where": {"country": list(COUNTRIES)}},
            "workload": {"arrivals": {"rate": "1/s"}, "keys": {"a": {"count": 30}, "b": {}}, "handler": handler},
            "origins": {"one": {"city": "Paris"}, "two": {"city": "Oslo"}},
            "platforms": {"it": {"preset": "cloudflare-workers", "limits": {"memory": None}, "kv": {"minimum_expiration": 0}, **platform}},
        }
    )  # fmt: skip


def clients() -> Clients:
    from popsim.scenario.parts import Where

    return load_clients("cities").select(Where(country=COUNTRIES))


def compiled(handler: list[Any], **platform: Any) -> Program:
    one = scenario(handler, **platform)
    return handler_program(one, one.platforms["it"], clients(), COUNTRIES, FIRST)


def kinds(program: Program) -> list[int]:
    return [int(kind) for kind in program.steps.kind]


# --- sequences -----------------------------------------------------------------------------------------


def test_a_program_begins_with_cpu_and_ends() -> None:
    assert kinds(compiled([])) == [lay.CPU, lay.END]
    assert kinds(compiled([CPU])) == [lay.CPU, lay.END]
    assert kinds(compiled([SLEEP])) == [lay.CPU, lay.SLEEP, lay.END]
    assert kinds(compiled([GET, CPU])) == [lay.CPU, lay.KV_GET, lay.CPU, lay.END]
    assert compiled([SLEEP]).laws[0].maximum() == 0.0


def test_each_step_has_a_table_of_its_own() -> None:
    program = compiled([CPU, SLEEP, GET, CPU])
    assert program.steps.table.tolist() == [FIRST + number for number in range(5)]
    assert [law.mean() for law in program.laws] == [4.0, 7.0, 0.0, 4.0, 0.0]


def test_steps_keep_what_they_say() -> None:
    program = compiled(
        [
            {"fetch": {"origin": "two", "round_trips": 3, "handshakes": 1, "reuse": "60s"}},
            {"kv.get": {"keys": "b", "cache_ttl": "90s"}},
            {"kv.get": {"keys": "a", "count": 20, "on_error": "miss"}},
            {"kv.put": {"keys": "a", "on_error": "ignore"}},
            {"kv.delete": {"keys": "b"}},
            {"kv.list": {"keys": "b"}},
        ]
    )
    _, fetch, get, bulk, put, delete, listing, _ = program.steps
    assert (fetch.origin, fetch.round_trips, fetch.handshakes, fetch.idle_timeout) == (1, 3, 1, 6e4)
    assert (get.space, get.count, get.lifetime, get.is_tolerant) == (1, 1, 90_000.0, 0)
    assert (bulk.space, bulk.count, bulk.lifetime, bulk.is_tolerant) == (0, 20, 0.0, 1)
    assert (put.kind, put.space, put.is_tolerant, put.expiry_row) == (lay.KV_PUT, 0, 1, -1)
    assert (delete.kind, delete.space) == (lay.KV_DELETE, 1)
    assert (listing.kind, listing.space) == (lay.KV_LIST, 1)
    assert program.widest_get == 20
    assert compiled([GET]).widest_get == compiled([CPU]).widest_get == 1


# --- on_miss and choose: jumps -------------------------------------------------------------------------


def test_a_get_that_finds_jumps_over_its_on_miss() -> None:
    handler = [{"kv.get": {"keys": "a", "on_miss": [CPU, PUT]}}, SLEEP]
    program = compiled(handler)
    assert kinds(program) == [lay.CPU, lay.KV_GET, lay.CPU, lay.KV_PUT, lay.SLEEP, lay.END]
    assert program.steps.target[1] == 4
    assert compiled([GET, SLEEP]).steps.target[1] == 2


def test_misses_in_misses() -> None:
    inner = {"kv.get": {"keys": "b", "on_miss": [CPU]}}
    program = compiled([{"kv.get": {"keys": "a", "on_miss": [inner, PUT]}}])
    assert kinds(program) == [lay.CPU, lay.KV_GET, lay.KV_GET, lay.CPU, lay.KV_PUT, lay.END]
    assert program.steps.target[1:3].tolist() == [5, 4]


def test_branches_end_behind_the_last() -> None:
    branches = [{"weight": 1, "steps": [CPU, PUT]}, {"weight": 3}, {"weight": 4, "steps": [SLEEP]}]
    program = compiled([{"choose": branches}, GET])
    assert kinds(program) == [
        lay.CPU, lay.CHOOSE, lay.CPU, lay.KV_PUT, lay.JUMP, lay.JUMP, lay.SLEEP, lay.JUMP, lay.KV_GET, lay.END,
    ]  # fmt: skip
    jumps = program.steps[program.steps.kind == lay.JUMP]
    assert jumps.target.tolist() == [8, 8, 8]
    choose = program.steps[1]
    assert (choose.count, choose.target) == (4, 0)
    assert program.branches.tolist() == [(0.125, 2), (0.5, 5), (1.0, 6), (1.0, 8)]
    assert not program.client_kinds.any()


def test_branches_are_open_to_clients_of_their_places() -> None:
    branches = [
        {"weight": 1, "where": {"continent": "EU"}, "steps": [CPU]},
        {"weight": 1, "where": {"country": ["CN", "DE"]}, "steps": [SLEEP]},
    ]
    program = compiled([{"choose": branches}])
    step, who = program.steps[1], clients()
    after = len(program.steps) - 1
    expected = {
        "DE": [(0.5, 2), (1.0, 4), (1.0, after)],
        "CN": [(0.0, 2), (1.0, 4), (1.0, after)],
        "US": [(0.0, 2), (0.0, 4), (1.0, after)],  # no branch is open: the step is left out
    }
    for country, kind in zip(who.countries, program.client_kinds, strict=True):
        start = int(step.target + kind * step.count)
        assert program.branches[start : start + int(step.count)].tolist() == expected[country]


def test_choices_in_choices_have_rows_of_their_own() -> None:
    inner = {"choose": [{"weight": 1, "where": {"country": "US"}, "steps": [CPU]}]}
    outer = {"choose": [{"weight": 1, "steps": [inner]}, {"weight": 1, "steps": [SLEEP]}]}
    program = compiled([outer])
    first, second = program.steps[program.steps.kind == lay.CHOOSE]
    kinds_of_clients = len(set(program.client_kinds.tolist()))
    assert kinds_of_clients == 2
    rows = {
        int(step.target) + kind * int(step.count) + branch
        for step in (first, second)
        for kind in range(kinds_of_clients)
        for branch in range(int(step.count))
    }
    assert rows == set(range(len(program.branches)))
    assert program.branches.target.max() < len(program.steps)


@pytest.mark.parametrize("weights", [[0.1] * 10, [1e-9, 1e9], [1 / 3, 1 / 3, 1 / 3], [7]])
def test_cumulative_weights_end_at_one(weights: list[float]) -> None:
    """However they round: a draw is below 1, and must find a branch."""
    branches = [{"weight": weight, "steps": [CPU]} for weight in weights]
    program = compiled([{"choose": branches}])
    shares = program.branches.cumulative
    assert shares[len(weights) - 1] == 1.0
    assert (np.diff(shares) >= 0.0).all()


# --- expiry --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        ("1h", [3.6e6, 3.6e6, 3.6e6]),
        ({"default": "1h"}, [3.6e6, 3.6e6, 3.6e6]),
        ({"by_country": {"US": "1d"}}, [np.inf, np.inf, 8.64e7]),
        ({"by_country": {"US": "1d"}, "by_continent": {"EU": "12h", "NA": "5h"}, "default": "6h"},
         [2.16e7, 4.32e7, 8.64e7]),
        ({"by_continent": {"AS": "2h"}, "by_country": {"CN": "1h"}}, [3.6e6, np.inf, np.inf]),
    ],
    ids=str,
)  # fmt: skip
def test_values_expire_by_country_else_continent_else_default(
    ttl: Any, expected: list[float]
) -> None:
    program = compiled([{"kv.put": {"keys": "b", "expiration_ttl": ttl}}])
    row = int(program.steps[1].expiry_row)
    assert program.expiries[row * 3 : row * 3 + 3].tolist() == expected


def test_each_put_has_its_own_row() -> None:
    first = {"kv.put": {"keys": "b", "expiration_ttl": "1h"}}
    second = {"kv.put": {"keys": "b", "expiration_ttl": {"default": "2h"}}}
    program = compiled([first, PUT, {"kv.get": {"keys": "a", "on_miss": [second]}}])
    puts = program.steps[program.steps.kind == lay.KV_PUT]
    assert puts.expiry_row.tolist() == [0, -1, 1]
    assert program.expiries[3:6].tolist() == [7.2e6] * 3


# --- CPU -----------------------------------------------------------------------------------------------


def test_cpu_times_stretch_by_the_share_nested_ones_too() -> None:
    handler = [
        CPU,
        {"kv.get": {"keys": "a", "on_miss": [CPU, SLEEP]}},
        {"choose": [{"weight": 1, "steps": [CPU, {"fetch": {"origin": "one", "service": "3ms"}}]}]},
    ]
    program = compiled(handler, memory="500MB", cpu={"full_at": "2GB"})
    means = [law.mean() for law in program.laws]
    kind = program.steps.kind
    assert [mean for mean, k in zip(means, kind, strict=True) if k == lay.CPU] == [16.0, 16.0, 16.0]
    assert [mean for mean, k in zip(means, kind, strict=True) if k == lay.SLEEP] == [7.0]
    assert [mean for mean, k in zip(means, kind, strict=True) if k == lay.FETCH] == [3.0]


@pytest.mark.parametrize(
    ("memory", "full_at", "share"),
    [("1GB", None, 1.0), ("1GB", "2GB", 0.5), ("4GB", "2GB", 1.0), ("128MB", "1280MB", 0.1)],
)
def test_memory_buys_a_share_of_a_cpu(memory: str, full_at: str | None, share: float) -> None:
    cpu = {"full_at": full_at} if full_at else {}
    assert cpu_share(scenario([], memory=memory, cpu=cpu).platforms["it"]) == share


# --- length --------------------------------------------------------------------------------------------


def workload(handler: list[Any]) -> WorkloadSpec:
    data = {"arrivals": {"rate": "1/s"}, "keys": {"a": {}, "b": {}}, "handler": handler}
    return WorkloadSpec.model_validate(data)


@pytest.mark.parametrize(
    "handler",
    [[], [CPU], [SLEEP], [GET], [{"choose": [{"weight": 1}, {"weight": 2, "steps": [CPU, GET]}]}],
     [CPU, {"kv.get": {"keys": "a", "on_miss": [GET, {"choose": [{"weight": 1, "steps": [PUT]}]}]}}]],
    ids=str,
)  # fmt: skip
def test_the_length_that_is_checked_is_the_program_s(handler: list[Any]) -> None:
    length = len(compiled(handler).steps)
    fitting = [CPU] * (lay.MAX_STEPS - length)
    check_length(workload(handler + fitting))
    assert len(compiled(handler + fitting).steps) == lay.MAX_STEPS or handler == []
    with pytest.raises(InputError, match="expected at most 256"):
        check_length(workload([*handler, *fitting, CPU, CPU]))


def test_every_kind_of_step_compiles() -> None:
    """A new kind that the compiler does not know would vanish."""
    names = {info.alias or name for name, info in StepSpec.model_fields.items()}
    assert names == {
        "cpu", "sleep", "fetch", "choose", "kv.get", "kv.put", "kv.delete", "kv.list", "kv.trace", "object.call",
        "storage.get", "storage.put", "storage.transaction", "alarm", "broadcast",
    }  # fmt: skip
