"""Alarms and sessions try again, not for ever and not without a pause.

Alarms: at least once, retried up to six times, 2 s after the first failure and twice as long after each more
(https://developers.cloudflare.com/durable-objects/api/alarms/, 2026).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_runner import CLASS, Answers, Floats, Room, pool
from runner import ENGINES

from popsim.engine.layout import OK

AFTER_MS, FAIL_MS, TAKEOVER_MS = 100_000.0, 150_000.0, 300.0
WAITS_MS = 2_000.0 * 2.0 ** np.arange(6)
HOST = {"placement": {"model": "hub", "host": "s1"}, "takeover": f"{TAKEOVER_MS!r}ms"}


def alarm_clocks(folder: Path, lasting_s: float) -> Room:
    """Return a room with an object for each request, which sets its alarm; their home fails after 150 s."""
    handlers: dict[str, Any] = {
        "do": [{"alarm": {"after": f"{AFTER_MS!r}ms"}}],
        "alarm": [{"storage.put": {}}],
    }
    event = {"at": "150s", "for": f"{lasting_s}s", "fail": {"sites": ["s1"]}}
    return Room(
        folder, handlers, HOST, rate=3.0, of={"count": 10**9}, weights=(1.0, 0.0),
        events=[event],
    )  # fmt: skip


def rings(room: Room, answers: Answers) -> Floats:
    """Return when the alarms of objects go off that were made in s1 before it failed."""
    here = answers.only((answers.outcome == OK) & (answers.begin < FAIL_MS - 100.0))
    return here.begin + room.rtt()[0, 1] / 2.0 + AFTER_MS


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("lasting_s", [5.0, 40.0, 170.0])
def test_alarms_outlive_an_outage_of_two_minutes(
    engine: str, lasting_s: float, tmp_path: Path
) -> None:
    """Each one's tries are known from when it goes off; what has failed seven times is lost and counted."""
    room = alarm_clocks(tmp_path, lasting_s)
    run = room.run(1_350, 0, engine)  # 450 s
    times, back = rings(room, Answers.of(run)), FAIL_MS + lasting_s * 1e3
    tries = times[:, None] + np.append(0.0, np.cumsum(WAITS_MS))  # [alarm, try]
    has_failed = (tries > FAIL_MS) & (tries < back)
    waits = has_failed[:, :6] & np.logical_and.accumulate(has_failed, axis=1)[:, :6]
    is_lost = has_failed.all(axis=1)
    objects = pool(run)
    assert objects.count("alarm_retries") == pytest.approx(waits.sum(), abs=2)  # one was in flight
    assert objects.count("alarms_lost") == is_lost.sum()
    assert (is_lost.sum() > 100) == (lasting_s > 126.0)
    assert waits.sum() > 10
    rest = Answers.of(run)
    others = np.sum((rest.begin >= FAIL_MS - 100.0) & (rest.begin < 450e3 - AFTER_MS - 100.0))
    kept = np.sum(~is_lost)
    assert objects.count("alarms") == pytest.approx(kept + others, abs=3)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_alarm_without_a_quorum_is_tried_again(engine: str, tmp_path: Path) -> None:
    """What it wants to write nobody confirms: the object restarts, and the alarm runs again later."""
    room = alarm_clocks(tmp_path, 20.0)
    event = {"at": "150s", "for": "20s", "fail": {"sites": ["s2", "s3"]}}
    objects = HOST | {"followers": 3, "quorum": 2}
    room = replace(room, objects=objects, events=[event], weights=(1.0, 0.0, 0.0, 0.0))
    run = room.run(900, 0, engine)
    calls = pool(run)
    assert calls.count("alarms_lost") == 0
    assert calls.count("alarm_retries") == calls.count("restarts") > 150
    rang = np.sum(Answers.of(run).end + AFTER_MS < 300e3)
    assert calls.count("alarms") == pytest.approx(rang, abs=2)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_alarm_that_fails_for_good_is_lost_once(engine: str, tmp_path: Path) -> None:
    """One alarm, set by a request at the start: six retries in 126 s, and no more."""
    room = alarm_clocks(tmp_path, 290.0)
    room = replace(
        room, objects=HOST, arrivals={"every": "400s", "stagger": False}, of={"count": 1},
        handler=({"object.call": {"class": CLASS, "handler": "do"}}, {"sleep": "390s"}),
    )  # fmt: skip
    event = {"at": "50s", "for": "320s", "fail": {"sites": ["s1"]}}
    run = replace(room, events=[event], rate=1.0).run(395, 0, engine)
    assert [pool(run).count(name) for name in ("alarms", "alarm_retries", "alarms_lost")] == [
        0,
        6,
        1,
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_alarm_that_sets_itself_at_once_lets_time_go_on(engine: str, tmp_path: Path) -> None:
    again = [{"alarm": {"after": "0ms"}}]
    run = Room(tmp_path, {"do": again, "alarm": again}, rate=10.0).run(20, 0, engine)
    first = Answers.of(run).begin.min()
    assert pool(run).count("alarms") == pytest.approx(2_000.0 - first, abs=150.0)  # 1 ms each


@pytest.mark.parametrize("engine", ENGINES)
def test_sessions_without_patience_let_time_go_on(engine: str, tmp_path: Path) -> None:
    """An ingress that is down answers nobody for 3 s: tries are 2, 4, ..., 64 ms apart, though ``reconnect`` is 0."""
    room = Room(
        tmp_path,
        {"say": [{"broadcast": {}}]},
        {"placement": {"model": "hub", "host": "s1"}, "reconnect": "0ms"},
        arrivals={"messages": {"class": CLASS, "rates": {"say": "60/s"}}},
        of={"participants": {"count": 2, "spread": "city"}},
        weights=(1.0, 0.0),
        events=[{"at": "1s", "for": "3s", "fail": {"sites": ["s0"]}}],
        more={"network": {"residual": False, "jitter": "none", "convergence": "10s"}},
    )
    objects = pool(room.run(8, 0, engine))
    tries = 1 + 5 + np.ceil((3_000.0 - 62.0) / 64.0)  # at once, after 2 to 32 ms, then every 64
    assert objects.count("cut") == 2
    assert objects.count("reconnect_failures") == pytest.approx(2 * tries, abs=2)
    assert objects.count("reconnected") == 2
