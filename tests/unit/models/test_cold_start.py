from __future__ import annotations

import pytest
from pydantic import ValidationError

from popsim.models import resolve
from popsim.models.cold_start import UNBOUNDED, PoolRules
from popsim.models.cold_start.rules import NO_TIME, constant
from popsim.scenario.laws import parse_law

MB = 10**6


def rules(spec: dict[str, object] | str, memory_bytes: int = 128 * MB) -> PoolRules:
    return resolve("cold_start", spec).rules(memory_bytes)


def test_isolates_share_a_thread_and_are_bounded_by_memory() -> None:
    pool = rules(
        {"model": "isolate", "init": "5ms", "idle": "30min", "instance_memory": "3MB",
         "site_memory": "8GB"}
    )  # fmt: skip
    assert pool.concurrency == UNBOUNDED and pool.cpu_serial and pool.prewarm_on_tls
    assert pool.instance_bytes == 3 * MB and pool.memory_budget_bytes == 8_000 * MB
    assert pool.init.mean() == 5.0
    assert pool.idle is not None and pool.idle.mean() == 30 * 60_000.0


def test_a_microvm_holds_one_request_and_its_memory() -> None:
    pool = rules({"model": "microvm", "init": {"lognormal": {"p50": "140ms", "p99": "220ms"}},
                  "idle": {"uniform": {"low": "5min", "high": "7min"}},
                  "max_requests": 1000})  # fmt: skip
    assert pool.concurrency == 1 and not pool.cpu_serial
    assert pool.instance_bytes == 128 * MB and pool.memory_budget_bytes == 0
    assert pool.max_requests == 1000 and pool.queue_limit == 0


def test_a_container_serialises_only_when_shared() -> None:
    alone = rules({"model": "container", "init": "1s", "idle": "10min"})
    shared = rules({"model": "container", "init": "1s", "idle": "10min", "concurrency": 10})
    cores = rules({"model": "container", "init": "1s", "idle": "10min", "concurrency": 10,
                   "cpu_serial": False})  # fmt: skip
    assert (alone.cpu_serial, shared.cpu_serial, cores.cpu_serial) == (False, True, False)


def test_wasm_ends_with_its_request() -> None:
    pool = rules({"model": "per_request", "init": "0.0354ms"})
    assert pool.idle is not None and pool.idle.maximum() == 0.0
    assert pool.concurrency == 1


def test_always_warm_has_nothing_to_start() -> None:
    pool = rules("always_warm")
    assert pool.idle is None
    assert [law.maximum() for law in (pool.placement, pool.code_fetch, pool.init)] == [0, 0, 0]
    queue = rules({"model": "always_warm", "concurrency": 1, "max_requests": 3})
    assert queue.max_requests == 3 and queue.queue_limit == -1


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"model": "isolate", "init": "5ms"}, "idle"),
        ({"model": "isolate", "init": "5", "idle": "30min"}, "init"),
        ({"model": "isolate", "init": "5ms", "idle": "30min", "concurrency": 0}, "concurrency"),
        ({"model": "microvm", "init": "5ms", "idle": "10min", "max_requests": -1}, "max_requests"),
        ({"model": "container", "init": "5ms", "idle": "10min", "queue_limit": -2}, "queue_limit"),
    ],
)
def test_bad_parameters_are_located(spec: dict[str, object], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        rules(spec)
    assert [error["loc"][0] for error in caught.value.errors()] == [where]


def test_rules_that_no_engine_can_run_are_refused() -> None:
    varying = parse_law({"exponential": {"mean": "1min"}})
    with pytest.raises(ValueError, match="constant idle"):
        PoolRules(NO_TIME, NO_TIME, NO_TIME, idle=varying, memory_budget_bytes=10)
    with pytest.raises(ValueError, match="constant idle"):
        PoolRules(NO_TIME, NO_TIME, NO_TIME, idle=None, memory_budget_bytes=10)
    with pytest.raises(ValueError, match="at least 1"):
        PoolRules(NO_TIME, NO_TIME, NO_TIME, idle=None, concurrency=0)
    with pytest.raises(ValueError, match="more than the memory"):
        PoolRules(
            NO_TIME, NO_TIME, NO_TIME, constant(1.0), instance_bytes=20, memory_budget_bytes=10
        )
