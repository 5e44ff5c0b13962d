"""What replicas of an object have: how stale their answers are, and when too little is remembered to say."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from object_runner import CLASS, Floats, Room, pool, samples
from runner import ENGINES
from scipy.stats import poisson

from popsim.engine.object_layout import HISTORY
from popsim.engine.outputs import PlatformRun

LAG_MS = 200.0  # the way included
BRANCHES = [
    {"weight": 1, "where": {"country": country}, "steps": [{"object.call": {"class": CLASS, "handler": handler}}]}
    for country, handler in (("GA", "set"), ("SG", "look"))
]  # fmt: skip


def database(folder: Path, lag_ms: float, writes: float = 1.0) -> Room:
    """Return an object in s0, which is written there so often a second, and its only replica in s4, which is read there."""
    placement = {
        "model": "read_replicas",
        "primary": "s0",
        "regions": ["apac"],
        "lag": f"{lag_ms!r}ms",
    }
    return Room(
        folder, {"set": [{"storage.put": {}}], "look": [{"storage.get": {}}]},
        {"placement": placement}, ({"choose": BRANCHES},), rate=2.0 * writes,
        weights=(1.0, 0.0, 0.0, 0.0, 1.0), degrees=30.0, warmup_s=2.0,
    )  # fmt: skip


def behind(room: Room, expected: float) -> Room:
    """Return the room whose replica is so many writes behind, in the mean."""
    way = float(room.rtt()[4, 0]) / 2.0
    return database(room.folder, LAG_MS - way, expected / LAG_MS * 1e3)


def agrees(found: Floats, theory: float, most: float) -> None:
    """Tell whether a mean is what theory says, within four standard errors that are small enough."""
    error = found.std(ddof=1) / sqrt(len(found))
    assert abs(found.mean() - theory) <= 4.0 * error + 1e-12
    assert error <= most


def test_the_only_replica_is_far_away(tmp_path: Path) -> None:
    inputs = database(tmp_path, 1.0).inputs()
    assert [inputs.host_names[host] for host in inputs.replica_hosts.tolist()] == ["s4"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("expected", [0.5, 2.0, 6.0])
def test_reads_lack_what_was_written_within_the_lag(
    engine: str, expected: float, tmp_path: Path
) -> None:
    """A read is stale if there was a write in the last d ms, in 1 - exp(-lambda d) of cases; none is truncated."""
    room = behind(database(tmp_path, 1.0), expected)

    def stale(run: PlatformRun) -> tuple[float, float]:
        return pool(run).stale_ratio, pool(run).truncated_ratio

    found = samples(room, engine, stale, (8, 20_000), (4, 2_000))
    agrees(found[:, 0], 1.0 - np.exp(-expected), 0.02)
    assert np.all(found[:, 1] == 0.0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("expected", [50.0, 64.0, 100.0])
def test_reads_that_are_further_behind_than_is_remembered_are_counted(
    engine: str, expected: float, tmp_path: Path
) -> None:
    """The history has nothing that is there if 64 writes or more came within the lag."""
    room = behind(database(tmp_path, 1.0), expected)
    found = samples(room, engine, lambda run: pool(run).truncated_ratio, (8, 20_000), (4, 2_000))
    agrees(found, float(poisson.sf(HISTORY - 1, expected)), 0.08)


@pytest.mark.parametrize("engine", ENGINES)
def test_writers_wait_for_their_own_write(engine: str, tmp_path: Path) -> None:
    """Up to 64 writes behind, a read of what the same request wrote waits for the lag, to the end."""
    lag_ms = 80.0
    room = database(tmp_path, lag_ms)
    steps = tuple({"object.call": {"class": CLASS, "handler": name}} for name in ("set", "look"))
    own = Room(
        room.folder, room.handlers, room.objects, steps, rate=200.0, weights=(0.0, 0.0, 0.0, 0.0, 1.0),
        degrees=30.0, warmup_s=2.0,
    )  # fmt: skip
    run = own.run(1_500, 0, engine)
    objects = pool(run)
    assert objects.truncated_ratio == 0.0
    # The answer of the write was under way for half a round trip, as the write itself is to the replica
    assert objects.part_p("await", 99.0) == pytest.approx(lag_ms, rel=0.01)
    assert objects.part_mean("await") * 2.0 == pytest.approx(lag_ms, rel=0.01)
