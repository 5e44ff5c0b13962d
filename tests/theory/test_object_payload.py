"""What calls carry is counted, call by call, and takes no time."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from object_runner import CLASS, Room, pool
from runner import ENGINES

MIB = 2**20


def sending(folder: Path, payload: Any, **more: Any) -> Room:
    """Return a room whose requests call an object with a payload, and that one another's, which has none."""
    call = {"class": CLASS, "handler": "do", "payload": payload}
    other = {"count": 3, "handlers": {"note": [{"storage.put": {}}]}}
    return Room(
        folder, {"do": [{"object.call": {"class": "log", "handler": "note"}}]}, rate=50.0,
        handler=({"object.call": call},), workload={"objects": {"log": other}}, **more,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_bytes_of_calls_add_up(engine: str, tmp_path: Path) -> None:
    run = sending(tmp_path, "1.5kB").run(1_000, 0, engine)
    assert pool(run, CLASS).count("payload_bytes") == 1_500 * run.requests
    assert pool(run, "log").count("payload_bytes") == 0
    plain = sending(tmp_path, "0B").run(1_000, 0, engine)
    assert pool(plain).count("payload_bytes") == 0
    assert pool(plain).call_mean == pool(run).call_mean


@pytest.mark.parametrize("engine", ENGINES)
def test_sizes_are_drawn_for_each_call(engine: str, tmp_path: Path) -> None:
    """The mean and the warm-up are those of the law and the run."""
    law = {"exponential": {"mean": "20kB"}}
    run = sending(tmp_path, law, warmup_s=4.0).run(2_000, 0, engine)
    mean = pool(run).count("payload_bytes") / run.requests
    assert mean == pytest.approx(20_000.0, abs=4.0 * 20_000.0 / sqrt(run.requests))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_largest_call_there_can_be(engine: str, tmp_path: Path) -> None:
    run = sending(tmp_path, f"{32 * MIB}B").run(50, 0, engine)
    assert pool(run).count("payload_bytes") == 32 * MIB * run.requests


@pytest.mark.parametrize("engine", ENGINES)
def test_what_never_sets_out_carries_nothing(engine: str, tmp_path: Path) -> None:
    """A call without a home fails where it is."""
    objects = {"placement": {"model": "hub", "host": "s1"}, "hosts": {"sites": ["s1"]}}
    events = [{"at": "4s", "fail": {"sites": ["s1"]}}]
    room = sending(tmp_path, "10B", objects=objects, weights=(1.0, 0.0), events=events)
    calls = pool(room.run(500, 0, engine), CLASS)
    assert calls.count("unavailable") > 200
    sent = calls.attempts - calls.count("unavailable")
    assert calls.count("payload_bytes") == 10 * sent
