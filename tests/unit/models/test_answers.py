"""A model of one's own whose method returns the wrong type is told so, with its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import popsim
from popsim.models import registry
from popsim.models.answers import check_laws
from popsim.models.cold_start.rules import ColdStartModel, PoolRules
from popsim.models.kv_replication.contract import CentralStore, KvModel, KvRules
from popsim.models.object_placement import AskedPlacement, TablePlacement
from popsim.models.routing import RoutingModel, RoutingTable
from popsim.scenario.laws import parse_law

WRONG: list[Any] = [None, 3, "text", [1, 2], {"a": 1}, np.zeros(3)]
NOTHING = parse_law("0ms")


@pytest.fixture(autouse=True)
def models_are_as_before() -> Iterator[None]:
    """Forget the models that a test registers."""
    before = {kind: dict(models) for kind, models in registry._models.items()}
    yield
    for kind, models in before.items():
        registry._models[kind].clear()
        registry._models[kind].update(models)


def loaded(**platform: object) -> None:
    popsim.load(
        {
            "name": "it",
            "duration": "10s",
            "workload": {
                "arrivals": {"rate": "1/s"},
                "keys": {"items": {}},
                "objects": {"counter": {"handlers": {"add": [{"cpu": "1ms"}]}}},
                "handler": [
                    {"kv.get": {"keys": "items"}},
                    {"object.call": {"class": "counter", "handler": "add"}},
                ],
            },
            "platforms": {"workers": {"preset": "cloudflare-workers", **platform}},
        }
    )


def refused(match: str, **platform: object) -> None:
    with pytest.raises(popsim.InputError, match=match) as caught:
        loaded(**platform)
    assert caught.value.problems[0].path[:2] == ("platforms", "workers")


@pytest.mark.parametrize("answer", WRONG, ids=repr)
def test_answers_of_a_wrong_type(answer: Any) -> None:
    @popsim.register("routing", "answers-wrong")
    class Routing(RoutingModel):
        def candidates(self, rtt_ms: Any, km: Any, clients: Any, sites: Any, seed: int) -> Any:
            return answer

    refused(
        r"Routing.candidates\(\) must return a RoutingTable, got",
        ingress={"routing": "answers-wrong"},
    )

    @popsim.register("cold_start", "answers-wrong")
    class Starts(ColdStartModel):
        def rules(self, memory_bytes: int) -> Any:
            return answer

    refused(r"Starts.rules\(\) must return a PoolRules, got", runtime="answers-wrong")

    @popsim.register("kv_replication", "answers-wrong")
    class Store(KvModel):
        def rules(self) -> Any:
            return answer

        def central_stores(self, sites: Any) -> Any:
            return answer

    refused(r"Store.rules\(\) must return a KvRules, got", kv="answers-wrong")


@pytest.mark.parametrize("answer", WRONG, ids=repr)
def test_places_of_a_wrong_type(answer: Any) -> None:
    @popsim.register("kv_replication", "stores-wrong")
    class Store(KvModel):
        def rules(self) -> KvRules:
            return KvRules()

        def central_stores(self, sites: Any) -> Any:
            return answer

    refused(r"central_stores\(\) must return a tuple of CentralStore, got", kv="stores-wrong")

    @popsim.register("object_placement", "lag-wrong")
    class Placement(TablePlacement):
        def likelihood(self, geography: Any) -> Any:
            return np.ones((len(geography.sites), len(geography.hosts)))

        def allowed_hosts(self, hosts: Any) -> Any:
            return answer

    refused(
        r"allowed_hosts\(\) must return a tuple of text, got", objects={"placement": "lag-wrong"}
    )


def test_tables_of_a_wrong_shape() -> None:
    tables = {
        "sites": RoutingTable([[0]] * 2, [[1.0]] * 2),  # type: ignore[arg-type]
        "whole numbers": RoutingTable(np.array([[0.5]]), np.array([[1.0]])),
        "shares": RoutingTable(np.array([[0]]), np.array([["a"]])),
        "add up to 1": RoutingTable(np.array([[0]]), np.array([[0.4]])),
        "-1 to": RoutingTable(np.array([[10_000]]), np.array([[1.0]])),
    }
    for what, table in tables.items():

        @popsim.register("routing", "table-wrong")
        class Routing(RoutingModel):
            def candidates(
                self, rtt_ms: Any, km: Any, clients: Any, sites: Any, seed: int, table: Any = table
            ) -> Any:
                return table

        refused(what, ingress={"routing": "table-wrong"})


def test_laws_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"init must be a law of ms .*got 5"):
        PoolRules(NOTHING, NOTHING, 5, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="lag must be a law"):
        KvRules(lag="5ms")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="read must be a law"):
        CentralStore(None, read=None)  # type: ignore[arg-type]
    check_laws(PoolRules(NOTHING, NOTHING, NOTHING, None))


def test_right_answers_pass_and_methods_keep_their_names() -> None:
    @popsim.register("object_placement", "right")
    class Right(AskedPlacement):
        def home(self, ask: Any, geography: Any) -> int:
            return 0

    loaded(objects={"placement": "right"})
    assert Right.allowed_hosts.__name__ == "allowed_hosts"
    assert getattr(RoutingModel.candidates, "__isabstractmethod__", False)
