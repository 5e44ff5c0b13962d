"""Events that overlap: what is down n times needs n restores, and the routing watches sites, not events.

Every request is kept, so that none may fail outside the union of the intervals, and none be answered inside.
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_site import AMSTERDAM, LONDON, run, scenario, topology
from runner import ENGINES

from popsim.engine.control import Control, Process
from popsim.engine.layout import OK
from popsim.engine.outputs import PlatformRun

S = 1_000.0  # ms
Intervals = list[tuple[float, float]]  # in s
END = 100.0  # s


def fail(at: float, lasting: float | None = None, **what: Any) -> dict[str, Any]:
    """Return an outage that begins and lasts so many seconds."""
    event: dict[str, Any] = {"at": f"{at!r}s", "fail": what or {"sites": ["A"]}}
    return event if lasting is None else event | {"for": f"{lasting!r}s"}


BUSIEST = {"busiest": 1}
SITES: dict[str, tuple[list[dict[str, Any]], Intervals]] = {
    "overlap": ([fail(10, 20), fail(20, 60)], [(10, 80)]),
    "one in another, for good": ([fail(10), fail(20, 10)], [(10, END)]),
    "one in another": ([fail(10, 60), fail(20, 10)], [(10, 70)]),
    "named and busiest": ([fail(10, 20), fail(20, 60, **BUSIEST)], [(10, 80)]),
    "busiest for good": ([fail(10, **BUSIEST), fail(20, 10)], [(10, END)]),
    "three": ([fail(10, 30), fail(20, 5), fail(38, 12)], [(10, 50)]),
    "the same instants": ([fail(10, 20), fail(10, 20)], [(10, 30)]),
    "one begin": ([fail(10, 20), fail(10, 40)], [(10, 50)]),
    "one end": ([fail(10, 40), fail(20, 30)], [(10, 50)]),
    "end to end": ([fail(10, 20), fail(30, 20)], [(10, 50)]),
    "end to end, told backwards": ([fail(30, 20), fail(10, 20)], [(10, 50)]),
    "apart": ([fail(10, 20), fail(40, 20)], [(10, 30), (40, 60)]),
    "no time at all in one": ([fail(10, 20), fail(15, 0)], [(10, 30)]),
    "twice in one event": ([fail(10, 20, sites=["A", "A"])], [(10, 30)]),
}


def assert_down(result: PlatformRun, expected: Intervals) -> None:
    """Assert that the requests that failed are those that began while the site was down; 2 ms pass until they end."""
    start, outcome = result.sample["start_ms"], result.sample["outcome"]
    down = np.zeros(len(start), dtype=bool)
    near = np.zeros(len(start), dtype=bool)  # to an edge
    for begin, end in expected:
        down |= (start >= begin * S) & (start < end * S)
        near |= (np.abs(start - begin * S) < 2.0) | (np.abs(start - end * S) < 2.0)
    assert (outcome[down & ~near] != OK).all()
    assert (outcome[~down & ~near] == OK).all()
    share = sum(end - begin for begin, end in expected) / END
    failed = float((outcome != OK).mean())
    error = sqrt(share * (1.0 - share) / len(start))
    assert error < 0.012
    assert abs(failed - share) < 4.0 * error


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SITES)
def test_a_site_is_down_in_the_union_of_its_outages(name: str, engine: str, tmp_path: Path) -> None:
    events, expected = SITES[name]
    assert_down(run(scenario(tmp_path, events=events), engine), expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([fail(10, 20, stores=["s"]), fail(20, 60, stores=["s"])], (10, 80)),
        ([fail(10, stores=["s"]), fail(20, 10, stores=["s"])], (10, END)),
        ([fail(10, 20, stores=["s"]), fail(30, 20, stores=["s"])], (10, 50)),
    ],
)
def test_a_store_is_down_in_the_union_of_its_outages(
    events: list[dict[str, Any]], expected: tuple[float, float], engine: str, tmp_path: Path
) -> None:
    store = {"model": "strong", "stores": {"s": {"lat": 52.37, "lon": 4.89}}}
    workload = {"keys": {"k": {"count": 1}}, "handler": [{"kv.get": {"keys": "k"}}]}
    data = scenario(tmp_path, events=events, workload=workload, platform={"kv": store})
    result = run(data, engine)
    start, failed = result.sample["start_ms"], result.sample["outcome"] != OK
    clear = np.min([np.abs(start - edge * S) for edge in expected], axis=0) > 100.0
    is_down = (start >= expected[0] * S) & (start < expected[1] * S)
    assert (failed[clear] == is_down[clear]).all()


# --- what the routing does ------------------------------------------------------------------------------------------

ROUTED: dict[str, tuple[float, list[dict[str, Any]], Intervals]] = {  # convergence in s, events, withdrawn
    "overlap": (5, [fail(10, 20), fail(20, 60)], [(15, 85)]),
    "noticed after the first has ended": (30, [fail(10, 20), fail(20, 40)], [(40, 90)]),
    "end to end": (5, [fail(10, 20), fail(30, 20)], [(15, 55)]),
    "end to end, noticed in the second": (15, [fail(10, 10), fail(20, 20)], [(25, 55)]),
    "back before it is noticed": (30, [fail(10, 20)], []),
    "back when it is noticed": (20, [fail(10, 20)], []),
    "down again before its return is noticed": (10, [fail(10, 20), fail(35, 20)], [(20, 65)]),
    "down and up, and never long enough": (8, [fail(at, 7) for at in (10, 20, 30)], []),
    "for good": (5, [fail(10), fail(20, 10)], [(15, END)]),
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ROUTED)
def test_the_routing_follows_the_site(name: str, engine: str, tmp_path: Path) -> None:
    convergence, events, expected = ROUTED[name]
    sites = topology(tmp_path, {"A": (AMSTERDAM, "pop"), "L": (LONDON, "pop")})
    data = scenario(
        tmp_path, events=events, network={"convergence": f"{convergence}s"}, platform={"topology": sites}
    )  # fmt: skip
    result = run(data, engine)
    start, is_away = result.sample["start_ms"], result.sample["ingress"] == 1
    withdrawn = np.zeros(len(start), dtype=bool)
    for begin, end in expected:
        withdrawn |= (start >= begin * S) & (start < end * S)
    np.testing.assert_array_equal(is_away, withdrawn)
    verbs = [verb for _, verb, _ in result.log]
    assert verbs.count("withdraw") == len(expected)


# --- verbs of a process of one's own ------------------------------------------------------------------------------


def acting(*acts: tuple[float, str]) -> Any:
    """Return a control process that does something at times, in s."""

    def process(control: Control) -> Process:
        for at, verb in acts:
            yield control.env.timeout(at * S - control.now)
            getattr(control, verb)("A")

    return process


@pytest.mark.parametrize("engine", ENGINES)
def test_ends_of_nothing_change_nothing(engine: str, tmp_path: Path) -> None:
    acts = [(5, "restore"), (5, "announce"), (10, "fail"), (30, "restore"), (31, "restore")]
    result = run(scenario(tmp_path), engine, processes=[acting(*acts, (40, "fail"))])
    assert_down(result, [(10, 30), (40, END)])
    assert [detail for _, _, detail in result.log] == [
        "A (nothing to end)", "A (nothing to end)", "A", "A", "A (nothing to end)", "A",
    ]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_withdrawn_twice_is_announced_twice(engine: str, tmp_path: Path) -> None:
    acts = [(10, "withdraw"), (20, "withdraw"), (30, "announce"), (60, "announce")]
    result = run(scenario(tmp_path), engine, processes=[acting(*acts)])
    start, outcome = result.sample["start_ms"], result.sample["outcome"]
    np.testing.assert_array_equal(outcome != OK, (start >= 10 * S) & (start < 60 * S))
    assert [detail for _, _, detail in result.log] == ["A", "A (2 at once)", "A (not yet, 1 left)", "A"]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_and_an_event_take_down_the_same_site(engine: str, tmp_path: Path) -> None:
    data = scenario(tmp_path, events=[fail(20, 20)])
    result = run(data, engine, processes=[acting((10, "fail"), (30, "restore"))])
    assert_down(result, [(10, 40)])


# --- surges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_surges_multiply_and_end_one_by_one(engine: str, tmp_path: Path) -> None:
    """One begins at the instant at which another ends, which must not exceed the largest rate."""
    surges = [(10.0, 30.0, 2.0), (20.0, 30.0, 3.0), (40.0, 30.0, 2.0)]  # at, for, factor
    events = [
        {"at": f"{at}s", "for": f"{lasting}s", "surge": {"factor": factor}}
        for at, lasting, factor in surges
    ]
    data = scenario(tmp_path, events=events)
    counts = np.zeros((6, 10))
    for replication in range(6):
        start = run(data, engine, replication).sample["start_ms"]
        counts[replication] = np.histogram(start, bins=10, range=(0.0, END * S))[0]
    middle = np.arange(10) * 10.0 + 5.0
    factors = np.ones(10)
    for at, lasting, factor in surges:
        factors[(middle > at) & (middle < at + lasting)] *= factor
    expected = 20.0 * 10.0 * factors
    error = np.sqrt(expected / 6)
    assert (error < 0.03 * expected).all()
    assert (np.abs(counts.mean(axis=0) - expected) < 4.0 * error).all()
