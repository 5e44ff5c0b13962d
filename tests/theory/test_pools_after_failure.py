"""After a failure no connection to, from or through the failed site is open: the next request pays for a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_site import AMSTERDAM, ASHBURN, run, scenario, topology
from runner import ENGINES

from popsim.engine.layout import OK, P_FETCH, P_NETWORK
from popsim.engine.outputs import PlatformRun

S = 1_000.0  # ms
FAILED, BACK = 100.0, 105.0  # s


def across(folder: Path, failing: str, **upstream: Any) -> dict[str, Any]:
    """Return users in Amsterdam, whose requests enter there and are served in Ashburn, 10 a second."""
    sites = topology(folder, {"A": (AMSTERDAM, "pop"), "V": (ASHBURN, "region")})
    return scenario(
        folder,
        duration="130s",
        network={"convergence": "1h"},
        workload={"arrivals": {"rate": "10/s"}},
        events=[{"at": f"{FAILED}s", "for": f"{BACK - FAILED}s", "fail": {"sites": [failing]}}],
        platform={
            "topology": sites,
            "ingress": {"role": "pop", "routing": "nearest"},
            "compute": {"at": "nearest", "role": "region"},
            "upstream": {"round_trips": 2, "idle_timeout": "60s"} | upstream,
        },
    )


def phases(result: PlatformRun, phase: int) -> tuple[Any, Any]:
    """Return when the answered requests began, ascending, and what a phase took, in ms."""
    is_ok = result.sample["outcome"] == OK
    order = np.argsort(result.sample["start_ms"][is_ok], kind="stable")
    return (
        result.sample["start_ms"][is_ok][order],
        result.sample_phases[is_ok][order, phase],
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("failing", ["A", "V"])
def test_the_first_request_after_a_failure_opens_a_connection(
    failing: str, engine: str, tmp_path: Path
) -> None:
    """Whichever end failed; 2 round trips of 89 ms more than over an open one, 268 ms in all."""
    start, network = phases(run(across(tmp_path, failing), engine), P_NETWORK)
    after = int(np.searchsorted(start, BACK * S))
    opens = [0, after]  # the first of the run, too
    np.testing.assert_allclose(network[opens], 268.0, atol=2.0)
    others = np.delete(network, opens)[~is_sent_before(np.delete(start, opens))]
    np.testing.assert_allclose(others, 90.0, atol=1.0)  # lines differ a little


def is_sent_before(start: Any) -> Any:
    """Tell which requests were sent to a site that was down, and got there when it was back."""
    return (start > BACK * S - 300.0) & (start < BACK * S)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_asked_of_a_site_that_is_down_opens_nothing(engine: str, tmp_path: Path) -> None:
    """With a time-out of 2 s and 10 requests a second, only who comes after the return leaves a connection behind."""
    start, network = phases(run(across(tmp_path, "V", idle_timeout="2s"), engine), P_NETWORK)
    after = int(np.searchsorted(start, BACK * S))
    assert start[after] - BACK * S < 1_000.0
    assert network[after] > 260.0
    assert network[after + 1] < 92.0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fetching_site_that_failed_opens_a_connection(engine: str, tmp_path: Path) -> None:
    fetch = {"origin": "db", "round_trips": 1, "handshakes": 2, "reuse": "60s", "service": "0ms"}
    data = scenario(
        tmp_path,
        duration="130s",
        network={"convergence": "1h"},
        workload={"arrivals": {"rate": "10/s"}, "handler": [{"fetch": fetch}]},
        origins={"db": {"lat": 39.04, "lon": -77.49}},
        events=[{"at": f"{FAILED}s", "for": f"{BACK - FAILED}s", "fail": {"sites": ["A"]}}],
    )
    start, fetched = phases(run(data, engine), P_FETCH)
    after = int(np.searchsorted(start, BACK * S))
    rtt = fetched[5]
    np.testing.assert_allclose(fetched[[0, after]], 3 * rtt, atol=1e-6)
    np.testing.assert_allclose(np.delete(fetched, [0, after]), rtt, atol=1e-6)
