"""Where objects live: bounds that hold call by call, on the same calls under every placement model.

Objects do nothing, so that a call takes exactly the round trip from its caller's site to the object's home.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_runner import Answers, Floats, Room, Step
from runner import ENGINES

from popsim.engine.layout import OK

HOSTS = [1, 4, 6]
HUBS = {f"hub s{host}": {"model": "hub", "host": f"s{host}"} for host in HOSTS}
STAYING: dict[str, dict[str, Any]] = HUBS | {
    "nearest_host": {"model": "nearest_host"},
    "first_request": {"model": "first_request", "unusual": {}},
    "first_request, wide": {"model": "first_request", "reach": "1s", "unusual": {}},
    "location_hint": {"model": "location_hint", "hint": "afr", "unusual": {}},
    "random": {"model": "random"},
    "centroid": {"model": "centroid"},
}
OPTIMAL = {"model": "latency_optimal"}

pytestmark = pytest.mark.parametrize("engine", ENGINES)


Calls = Callable[[str, Any], tuple[Answers, Floats]]  # (engine, model)


@pytest.fixture(scope="module")
def calls_under(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """Return what makes some calls under a model, and the RTTs in ms from each site to each host."""
    folder = tmp_path_factory.mktemp("sites")

    def call(engine: str, model: Any) -> tuple[Answers, Floats]:
        return known(engine, json.dumps(model))

    @cache
    def known(engine: str, model: str) -> tuple[Answers, Floats]:
        room = planet(folder, json.loads(model))
        run = room.run(3_000 if engine == "compiled" else 1_000, 0, engine)
        assert run.failed.sum() == 0
        return Answers.of(run), room.inputs().rtt.reshape(-1, len(HOSTS))

    return call


def planet(folder: Path, model: dict[str, Any]) -> Room:
    """Return a room with two classes of objects; those of the first have one caller each."""
    branches: list[Step] = [
        {"weight": 1, "steps": [{"object.call": {"class": name, "handler": "do"}}]}
        for name in ("thing", "shared")
    ]
    shared = {"count": 30, "handlers": {"do": [{"storage.get": {}}]}}
    return Room(
        folder, {"do": [{"storage.get": {}}]},
        {"placement": model, "hosts": {"sites": [f"s{host}" for host in HOSTS]}},
        ({"choose": branches},), rate=10.0, of={"per": "country", "count": 4},
        weights=(1.0, 2.0, 3.0, 1.0, 2.0, 1.0, 1.0, 1.0), degrees=11.0,
        workload={"objects": {"shared": shared}},
    )  # fmt: skip


def summed(values: Floats, answers: Answers) -> Floats:
    """Return the sum over the calls of each object, in order of their numbers."""
    _, rows = np.unique(answers.object, return_inverse=True)
    return np.bincount(rows, weights=values).astype(np.float64)


def test_no_home_that_stays_is_nearer_than_the_optimal(engine: str, calls_under: Calls) -> None:
    """Per object, what its callers wait for the network is the least that any host gives; every other model's is no less."""
    answers, rtt = calls_under(engine, OPTIMAL)
    optimal = summed(answers.end - answers.begin, answers)
    least = np.min([summed(rtt[answers.site, row], answers) for row in range(len(HOSTS))], axis=0)
    np.testing.assert_allclose(optimal, least, rtol=1e-9)
    means = {}
    for name, model in STAYING.items():
        others, _ = calls_under(engine, model)
        assert np.array_equal(others.number, answers.number), "the same calls"
        assert np.array_equal(others.object, answers.object)
        ways = others.end - others.begin
        assert np.all(optimal <= summed(ways, others) + 1e-6), name
        means[name] = float(ways.mean())
    best = float(np.mean(answers.end - answers.begin))
    assert all(best < mean for mean in means.values()), "not all the same"


@pytest.mark.parametrize("model", ["nearest_host", "latency_optimal"])
def test_objects_of_one_caller_are_at_its_nearest_host(
    engine: str, model: str, calls_under: Calls
) -> None:
    answers, rtt = calls_under(engine, {"model": model})
    callers = [len(np.unique(answers.site[answers.object == n])) for n in answers.object]
    own = answers.only(np.array(callers) == 1)
    assert len(own.number) == pytest.approx(len(answers.number) / 2, rel=0.15)
    np.testing.assert_allclose(own.end - own.begin, rtt[own.site].min(axis=1), rtol=0, atol=1e-6)


def test_nearest_host_is_that_of_the_first_caller(engine: str, calls_under: Calls) -> None:
    """Whoever else calls an object goes where its first call went."""
    answers, rtt = calls_under(engine, {"model": "nearest_host"})
    objects, first = np.unique(answers.object, return_index=True)  # in order of time
    home = rtt.argmin(axis=1)[answers.site[first]]
    expected = rtt[answers.site, home[np.searchsorted(objects, answers.object)]]
    assert len(np.unique(home)) == len(HOSTS)
    np.testing.assert_allclose(answers.end - answers.begin, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", HUBS)
def test_a_hub_is_as_far_as_it_is(engine: str, name: str, calls_under: Calls) -> None:
    answers, rtt = calls_under(engine, HUBS[name])
    expected = rtt[answers.site, list(HUBS).index(name)]
    assert np.all(answers.outcome == OK)
    np.testing.assert_allclose(answers.end - answers.begin, expected, rtol=0, atol=1e-6)


def test_random_homes_are_as_far_as_hosts_on_average(engine: str, calls_under: Calls) -> None:
    """Each object has one host, the same for all its callers; all hosts come up."""
    answers, rtt = calls_under(engine, {"model": "random"})
    ways = answers.end - answers.begin
    fits = np.abs(ways[:, None] - rtt[answers.site]) < 1e-6  # [call, host]
    fits_all = np.stack([fits[answers.object == n].all(axis=0) for n in np.unique(answers.object)])
    assert np.all(fits_all.sum(axis=1) >= 1)
    assert np.all(fits_all.any(axis=0))
