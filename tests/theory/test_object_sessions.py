"""What one participant says, each of the others hears once: counts of messages, exact; and how soon, by kind.

An edit waits at the output gate for G, until it is confirmed. A cursor need not be written, but does not overtake: it waits
for what is left of the last edit's gate, max(0, G - A), and the age A of that edit is exponential, as edits are a Poisson process
of rate r that knows nothing of cursors: exp(-r G) of the cursors do not wait, and the mean is G - (1 - exp(-r G)) / r.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_runner import Room, Step, calling, pool
from runner import ENGINES

from popsim.engine.object_books import FIRST_PART
from popsim.engine.object_layout import EXECUTE, SPREADS
from popsim.engine.outputs import REASONS, PlatformRun, bucket_edges

TELL: Step = {"broadcast": {}}
RATES = {"say": "0.2/s", "nod": "0.05/s", "murmur": "0.05/s"}
HANDLERS: dict[str, list[Step]] = {
    "say": [{"cpu": "0.5ms"}, {"storage.put": {}}, TELL],
    "nod": [TELL, {"cpu": "0.2ms"}, TELL],
    "murmur": [{"cpu": "0.1ms"}],
}
FAIL_S = 60
CUTS: dict[str, list[dict[str, Any]]] = {
    "home and ingress fail": [{"at": f"{FAIL_S}s", "for": "20s", "fail": {"sites": ["s0"]}}],
    "restarts": [{"at": f"{at}s", "restart": {"class": "thing"}} for at in (60, 90)],
}
DISCONNECTED, SITE_DOWN = REASONS.index("disconnected"), REASONS.index("site_down")

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def talk(folder: Path, count: int, handlers: dict[str, list[Step]] = HANDLERS, **more: Any) -> Room:
    """Return twelve objects with so many participants each, in three places."""
    rates = {name: rate for name, rate in RATES.items() if name in handlers}
    arrivals = {"messages": {"class": "thing", "rates": rates}}
    who = {"count": count, "spread": {"city": 1, "country": 1, "world": 2}}
    objects = {"followers": 2, "quorum": 1, "commit": "2ms", "takeover": "1s"}
    return Room(
        folder, handlers, objects, arrivals=arrivals, of={"count": 12, "participants": who},
        weights=(1.0, 1.0, 2.0), degrees=10.0, **more,
    )  # fmt: skip


def run_for(room: Room, seconds: float, engine: str) -> PlatformRun:
    """Run a room for so long: its sessions have rates of their own, a request a second is only how it counts time."""
    return room.run(seconds, 0, engine)


def broadcasts_of(run: PlatformRun, count: int) -> tuple[int, int]:
    """Return how many others each broadcast should have reached, added up, and how many saw it, by all books."""
    found = pool(run)
    by_spread = [int(found.visible(spread).sum()) for spread in SPREADS]
    assert sum(by_spread) == int(found.visible().sum()) == found.count("delivered")
    assert by_spread[SPREADS.index("continent")] == 0, "no object is spread like that"
    return found.count("broadcasts") * (count - 1), found.count("delivered")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_all_others_see_each_message(engine: str, count: int, tmp_path: Path) -> None:
    """n - 1 of n: not who sent it. And each message is acknowledged once."""
    run = run_for(talk(tmp_path, count), 240.0, engine)
    expected, delivered = broadcasts_of(run, count)
    assert delivered == expected
    assert pool(run).count("missed") == run.failed.sum() == 0
    assert pool(run).acknowledged().sum() == run.requests == pool(run).calls
    assert run.requests > 100


def test_only_what_broadcasts_is_seen(engine: str, tmp_path: Path) -> None:
    """Each ``say`` tells once, each ``nod`` twice, ``murmur`` never: they are told apart by the commits and the CPU time."""
    run = run_for(talk(tmp_path, 4), 240.0, engine)
    found = pool(run)
    said = found.count("puts")
    execute = found.histogram(FIRST_PART + EXECUTE)  # only values above 0
    assert execute.sum() == run.requests
    times = np.flatnonzero(execute)
    assert len(times) == 3, "three lengths of CPU time"
    murmured, nodded, said_too = execute[times].tolist()
    assert said == said_too
    assert found.count("broadcasts") == said + 2 * nodded
    assert min(murmured, nodded) > 20
    shares = np.array([murmured, nodded, said]) / run.requests
    rates = np.array([0.05, 0.05, 0.2]) / 0.3
    assert np.all(np.abs(shares - rates) < 4.0 * np.sqrt(rates * (1 - rates) / run.requests))


def test_after_the_warmup_counts_what_began_after_it(engine: str, tmp_path: Path) -> None:
    run = run_for(talk(tmp_path, 5, warmup_s=30.0), 120.0, engine)
    expected, delivered = broadcasts_of(run, 5)
    assert 0 < run.requests < run.arrivals
    assert delivered == expected
    assert pool(run).acknowledged().sum() == run.requests


def test_all_participants_see_what_the_object_says_itself(engine: str, tmp_path: Path) -> None:
    """An alarm is nobody's message, so that n of n see what it says."""
    handlers = HANDLERS | {"say": [TELL, {"alarm": {"after": "700ms"}}], "alarm": [TELL]}
    run = run_for(talk(tmp_path, 4, handlers), 240.0, engine)
    found = pool(run)
    alarms = found.count("alarms")
    by_messages = found.count("broadcasts") - alarms
    assert alarms > 100
    assert found.count("delivered") == by_messages * 3 + alarms * 4
    assert found.acknowledged().sum() == run.requests


def test_all_participants_see_what_others_requests_cause(engine: str, tmp_path: Path) -> None:
    """Nor is a plain request's call: no participant has sent it."""
    room = talk(tmp_path, 6, {"say": HANDLERS["say"]})
    room = replace(room, arrivals=None, rate=20.0, handler=calling("say"))
    run = room.run(500, 0, engine)
    found = pool(run)
    assert found.count("delivered") == 6 * run.requests == 6 * found.count("broadcasts")
    assert found.acknowledged().sum() == 0


@pytest.mark.parametrize("cut", CUTS)
def test_who_is_cut_misses_it(engine: str, cut: str, tmp_path: Path) -> None:
    """Each other participant is told or has missed it; who has no session sends nothing; all are back in the end."""
    room = replace(talk(tmp_path, 5), events=CUTS[cut])
    run = run_for(room, 240.0, engine)
    found = pool(run)
    expected, delivered = broadcasts_of(run, 5)
    missed, disconnected = found.count("missed"), run.failed[DISCONNECTED]
    assert missed > 0
    assert disconnected > 0
    assert delivered + missed == expected
    assert found.attempts + disconnected + run.failed[SITE_DOWN] == run.requests
    assert found.count("cut") == found.count("reconnected") > 0
    assert found.acknowledged().sum() == run.latency.sum()


EDIT_AND_CURSOR: dict[str, list[Step]] = {"edit": [{"storage.put": {}}, TELL], "cursor": [TELL]}
MEMBERS, EDITS_PER_S = 4, 2.0  # of the object, by all members


def edits_and_cursors(folder: Path, commit: str) -> Room:
    """Return one object with members in one city, who send three cursors an edit."""
    rates = {"edit": f"{EDITS_PER_S / MEMBERS!r}/s", "cursor": f"{3 * EDITS_PER_S / MEMBERS!r}/s"}
    return Room(
        folder, EDIT_AND_CURSOR, {"followers": 1, "quorum": 1, "commit": commit},
        arrivals={"messages": {"class": "thing", "rates": rates}},
        of={"count": 1, "participants": {"count": MEMBERS, "spread": "city"}}, weights=(1.0, 0.0),
    )  # fmt: skip


def test_edits_and_cursors_are_seen_at_their_own_times(engine: str, tmp_path: Path) -> None:
    seconds = 3_000.0 if engine == "compiled" else 400.0
    run = run_for(edits_and_cursors(tmp_path, "200ms"), seconds, engine)
    found, kinds = pool(run), ("edit", "cursor")
    others = MEMBERS - 1
    edits, cursors = (int(found.acknowledged(message=kind).sum()) for kind in kinds)
    assert edits == found.count("puts")
    assert edits + cursors == run.requests
    assert [int(found.visible(message=k).sum()) for k in kinds] == [
        edits * others,
        cursors * others,
    ]
    assert found.visible("city", "edit").sum() == edits * others
    gate_ms = 200.0 + edits_and_cursors(tmp_path, "200ms").rtt()[0, 1]
    ways = 2.0 * 0.5 * _line_ms(tmp_path, engine)  # of the sender, and of who sees it
    edit = found.visible_mean(message="edit")
    assert edit == pytest.approx(ways + gate_ms, rel=0.004)
    assert found.visible_p(1, message="edit") == pytest.approx(ways + gate_ms, rel=0.01)
    r = EDITS_PER_S / 1e3  # per ms
    free = np.exp(-r * gate_ms)
    at_once = found.visible(message="cursor")
    values = bucket_edges(np.arange(len(at_once)))[1]
    share = at_once[values < 2.0 * ways].sum() / at_once.sum()
    slip = -np.expm1(-r * 2.0 * ways)  # of those who waited for less than a line
    error = np.sqrt(free * (1.0 - free) / cursors)
    assert error < 0.03
    assert abs(share - free) < 4.0 * error + slip
    mean_wait = gate_ms - (1.0 - free) / r
    second = gate_ms**2 - 2.0 * gate_ms / r + 2.0 * (1.0 - free) / r**2
    error = np.sqrt((second - mean_wait**2) / cursors * 3.0)  # cursors of one gate are alike
    assert error < 0.15 * mean_wait
    assert abs(found.visible_mean(message="cursor") - (ways + mean_wait)) < 4.0 * error


def _line_ms(folder: Path, engine: str) -> float:
    """Return the mean round trip of a member to the site: a cursor without edits waits for nothing else."""
    room = replace(edits_and_cursors(folder, "0ms"), objects={"followers": 0, "quorum": 0})
    return pool(run_for(room, 200.0, engine)).visible_mean(message="cursor")
