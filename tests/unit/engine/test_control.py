"""Verbs of the control plane about key-value stores: wrong names are refused, all others are logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import popsim
from popsim.engine.control import Control
from popsim.engine.outputs import PlatformRun
from popsim.engine.run import simulate

SCENARIO: dict[str, Any] = {
    "name": "it",
    "duration": "10s",
    "clients": {"topology": "cities"},
    "workload": {
        "arrivals": {"rate": "5/s"},
        "keys": {"items": {"count": 10}, "users": {"count": 5}},
        "handler": [{"kv.get": {"keys": "users"}}],
    },
    "platforms": {"it": {"preset": "cloudflare-workers"}},
}


def run(act: Callable[[Control], None], engine: str, **over: Any) -> PlatformRun:
    """Run with ``act`` at 1 s."""

    def process(control: Control) -> Any:
        yield control.env.timeout(1_000.0)
        act(control)

    return simulate(popsim.load(SCENARIO | over), "it", 0, engine, [process])


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c: c.stop_store("virgina"), "this platform has no store 'virgina' .did you mean 'virginia'"),
        (lambda c: c.start_store("nowhere"), "this platform has no store 'nowhere'"),
        (lambda c: c.write("item"), "there is no key space 'item'; known: items, users"),
        (lambda c: c.write("items", store="FRA"), "this platform has no store 'FRA'"),
        (lambda c: c.write("items", 2, store="frankfort"), "did you mean 'frankfurt'"),
    ],
)  # fmt: skip
def test_wrong_names_are_refused(act: Callable[[Control], None], message: str, engine: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(act, engine)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_a_platform_without_a_used_store_has_no_names(engine: str) -> None:
    workload = {"arrivals": {"rate": "5/s"}, "keys": SCENARIO["workload"]["keys"]}
    seen: list[tuple[str, ...]] = []
    run(lambda c: seen.append(c.stores), engine, workload=workload)
    assert seen == [()]
    with pytest.raises(ValueError, match="there is no key space 'items'; known: none"):
        run(lambda c: c.write("items"), engine, workload=workload)


def test_verbs_are_logged_and_engines_agree() -> None:
    def act(control: Control) -> None:
        assert control.stores == ("virginia", "frankfurt")
        control.stop_store("virginia")
        control.write("users", 2)
        control.write("users", 3, delete=True, store="frankfurt")
        control.start_store("virginia")

    one, other = (run(act, engine) for engine in ("simpy", "compiled"))
    assert one.log == other.log
    assert [(time, verb, detail) for time, verb, detail in one.log] == [
        (1_000.0, "stop store", "virginia"),
        (1_000.0, "write", "users, key 2"),
        (1_000.0, "delete", "users, key 3"),
        (1_000.0, "start store", "virginia"),
    ]
    assert (one.kv_by_site == other.kv_by_site).all()


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_stopped_stores_answer_nobody(engine: str) -> None:
    def stop_all(control: Control) -> None:
        for store in control.stores:
            control.stop_store(store)

    def stop_one(control: Control) -> None:
        control.stop_store("virginia")

    keys = {"users": {"count": 1_000_000}}  # nothing is read twice
    workload = SCENARIO["workload"] | {"keys": keys}
    assert run(stop_one, engine, workload=workload).failed.sum() == 0
    failed = run(stop_all, engine, workload=workload).failed
    assert failed.sum() == failed[popsim.engine.outputs.REASONS.index("kv_unavailable")] > 20
