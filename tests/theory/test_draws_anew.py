"""What runs twice draws twice: handlers, activations, sessions that are cut again, alarms.

Sums of independent exponential times are Erlang; were a draw used twice, the sum would be exponential with twice the mean.
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats as st
from one_site import PLATFORM, run, scenario
from runner import ENGINES, assert_agrees, power

import popsim
from popsim.engine import object_books as ob
from popsim.engine.build import build
from popsim.engine.layout import OK, P_OBJECT
from popsim.engine.object_layout import O_ALARMS, O_CALLS
from popsim.engine.outputs import bucket_value

S = 1_000.0  # ms

MEAN = 10.0  # ms
LAW = {"exponential": {"mean": f"{MEAN}ms"}}
MANY = 100_000_000  # objects: nobody meets one that somebody else has opened
ASLEEP = {"hibernate_after": "1h"}


def calls(*called: tuple[str, str]) -> list[dict[str, Any]]:
    """Return steps that call objects, (class, handler)."""
    return [{"object.call": {"class": name, "handler": handler}} for name, handler in called]


WORKS = [{"cpu": LAW}]
NESTED: dict[str, tuple[list[dict[str, Any]], dict[str, Any], int]] = {  # handler, classes, stages
    "one handler twice": (
        calls(("a", "h"), ("a", "h")),
        {"a": {"h": WORKS}},
        2,
    ),
    "two that are written alike": (
        calls(("a", "h"), ("a", "g")),
        {"a": {"h": WORKS, "g": WORKS}},
        2,
    ),
    "twice within one call": (
        calls(("a", "h")),
        {"a": {"h": calls(("b", "h"), ("b", "h"))}, "b": {"h": WORKS}},
        2,
    ),
    "by nesting, from two handlers": (
        calls(("a", "h"), ("c", "h")),
        {"a": {"h": calls(("b", "h"))}, "c": {"h": calls(("b", "h"))}, "b": {"h": WORKS}},
        2,
    ),
    "before and after a call": (
        calls(("b", "h"), ("a", "h"), ("b", "h")),
        {"a": {"h": [{"sleep": LAW}, *calls(("b", "h"))]}, "b": {"h": WORKS}},
        4,
    ),
    "sleeping": (
        calls(("a", "h"), ("a", "h")),
        {"a": {"h": [{"sleep": LAW}]}},
        2,
    ),
    "stored": (
        calls(("a", "h"), ("a", "h")),
        {"a": {"h": [{"storage.get": {"time": LAW}}]}},
        2,
    ),
}  # fmt: skip


def times(
    folder: Path, engine: str, replication: int, handler: Any, classes: Any, **objects: Any
) -> Any:
    """Return how long each request's calls took, in ms, without the way to the object."""
    workload = {
        "arrivals": {"rate": "10/s"},
        "handler": handler,
        "objects": {name: {"count": MANY, "handlers": own} for name, own in classes.items()},
    }
    data = scenario(
        folder, workload=workload, platform={"objects": ASLEEP | objects},
        duration="3000s" if engine == "compiled" else "150s",
    )  # fmt: skip
    result = run(data, engine, replication)
    assert (result.sample["outcome"] == OK).all()
    calls_each = result.objects_by_class[:, O_CALLS].sum() / len(result.sample)
    way = build(popsim.load(data), PLATFORM, 0).inputs.objects.rtt[
        0
    ]  # within the site, not nothing
    return result.sample_phases[:, P_OBJECT] - calls_each * way


def assert_erlang(folder: Path, engine: str, stages: int, handler: Any, classes: Any, **objects: Any) -> None:  # fmt: skip
    """Assert that p99, mean and spread of calls are those of a sum of independent exponential times.

    Standard errors are those of so many independent sums: of the mean, the p99, the standard deviation.
    """
    runs = [times(folder, engine, r, handler, classes, **objects) for r in range(2)]
    took, law = np.concatenate(runs), st.gamma(stages, scale=MEAN)
    n, p99, spread = len(took), law.ppf(0.99), law.std()
    found = np.quantile(took, 0.99), took.mean(), took.std()
    theory = p99, law.mean(), spread
    kurtosis = float(law.stats(moments="k"))
    errors = sqrt(0.01 * 0.99 / n) / law.pdf(p99), spread / sqrt(n), spread * sqrt((kurtosis + 2) / (4 * n))  # fmt: skip
    for value, expected, error in zip(found, theory, errors, strict=True):
        assert error < power(engine, 0.015, 0.05) * expected
        assert abs(value - expected) < 4.0 * error, f"{value:g} +- {error:g}, not {expected:g}"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", NESTED)
def test_a_handler_that_runs_twice_draws_twice(name: str, engine: str, tmp_path: Path) -> None:
    handler, classes, stages = NESTED[name]
    assert_erlang(tmp_path, engine, stages, handler, classes)


def test_the_numbers_of_two_and_three() -> None:
    assert st.gamma(2, scale=MEAN).ppf(0.99) == pytest.approx(66.4, abs=0.05)
    assert st.gamma(3, scale=MEAN).ppf(0.99) == pytest.approx(84.1, abs=0.05)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_activations_of_several_objects_are_independent(
    count: int, engine: str, tmp_path: Path
) -> None:
    names = ["a", "b", "c"][:count]
    handler = calls(*((name, "h") for name in names))
    classes = {name: {"h": [{"cpu": "0ms"}]} for name in names}
    assert_erlang(tmp_path, engine, count, handler, classes, activation=LAW)


@pytest.mark.parametrize("engine", ENGINES)
def test_confirmations_of_several_commits_are_independent(engine: str, tmp_path: Path) -> None:
    handler = calls(("a", "h"), ("a", "h"))
    classes = {"a": {"h": [{"storage.put": {}}]}}
    alone = {"followers": 0, "quorum": 0, "commit": LAW}  # its own storage confirms
    assert_erlang(tmp_path, engine, 2, handler, classes, **alone)


# --- sessions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_session_that_is_cut_again_waits_anew(engine: str, tmp_path: Path) -> None:
    """Twenty restarts, two participants: forty waits of an exponential law with a mean of 5 s."""
    mean, cuts, participants, seeds = 5_000.0, 20, 2, 10
    messages = {"class": "o", "rates": {"m": "0.2/s"}}
    own = {"count": 1, "participants": {"count": participants, "spread": "city"}, "handlers": {"m": [{"cpu": "0ms"}]}}  # fmt: skip
    data = scenario(
        tmp_path,
        duration="2000s",
        workload={"arrivals": {"messages": messages}, "handler": [], "objects": {"o": own}},
        platform={"objects": ASLEEP | {"reconnect": {"exponential": {"mean": f"{mean}ms"}}}},
        events=[{"at": f"{at}s", "restart": {"class": "o"}} for at in range(1_010, 2_000, 50)],
    )
    waits = []
    for seed in range(seeds):
        histogram = run(data | {"seed": seed}, engine).objects_histogram.dense_row(ob.RECONNECT)
        buckets = np.flatnonzero(histogram)
        assert histogram.sum() == cuts * participants
        assert (
            len(buckets) > cuts * participants * 0.7
        )  # no two are one, but for buckets that two share
        values = [bucket_value(bucket, buckets=len(histogram)) for bucket in buckets]
        waits += np.repeat(values, histogram[buckets]).tolist()
    error = mean / sqrt(len(waits))
    assert abs(np.mean(waits) - mean) < 4.0 * error
    assert st.kstest(waits, st.expon(scale=mean).cdf).statistic < 2.2 / sqrt(len(waits))


# --- alarms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_each_run_of_an_alarm_draws_anew(engine: str, tmp_path: Path) -> None:
    """An alarm that sets itself, after exponential times: as many go off as a Poisson process has events.

    Requests set it, too, which changes nothing: such a process has no memory.
    """
    mean, warmup, seconds = 500.0, 100.0, 2_000.0
    steps = [{"alarm": {"after": {"exponential": {"mean": f"{mean}ms"}}}}]
    own = {"count": 1, "handlers": {"start": steps, "alarm": steps}}
    data = scenario(
        tmp_path,
        duration=f"{warmup + seconds}s",
        warmup=f"{warmup}s",
        workload={"arrivals": {"rate": "0.2/s"}, "handler": calls(("o", "start")), "objects": {"o": own}},
        platform={"objects": ASLEEP},
    )  # fmt: skip
    alarms = [run(data, engine, r).objects_by_class[:, O_ALARMS].sum() for r in range(6)]
    assert_agrees(np.array(alarms, dtype=float), seconds * S / mean, 0.02)
