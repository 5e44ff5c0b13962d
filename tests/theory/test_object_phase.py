"""Alarms, idle objects and idle instances forget when the run began: none is in step with the others.

They count from their last use, which comes at random, so that each quarter of a period sees as many of them as any other. (Copies of
keys and resolvers' answers are renewed when they end, without a pause: see test_kv_phase.py.)
"""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from object_runner import Floats, Room, pool
from runner import ENGINES, assert_agrees, power

PERIOD_S = 2.0
QUARTERS = 4
pytestmark = pytest.mark.parametrize("engine", ENGINES)


def by_quarter(room: dict[str, Any], rate: float, engine: str, what: str) -> Floats:
    """Return what is counted in each quarter of a period, some periods after the start, [replication, quarter]."""
    replications, start_s = (12, 30 * PERIOD_S) if engine == "compiled" else (8, 12 * PERIOD_S)
    width = PERIOD_S / QUARTERS
    return np.array(
        [
            [
                pool(
                    Room(rate=rate, warmup_s=start_s + quarter * width, **room).run(
                        rate * width, number, engine
                    )
                ).count(what)
                for quarter in range(QUARTERS)
            ]
            for number in range(replications)
        ],
        dtype=np.float64,
    )


def test_alarms_that_set_themselves_are_not_in_step(engine: str, tmp_path: Path) -> None:
    """Calls at rate l set an object's alarm, which sets itself again d later: between two calls it rings every d.

    So it rings l * (sum over k > 0 of exp(-l k d)) times a second, in whatever quarter of d.
    """
    count, calls = (300, 0.2) if engine == "compiled" else (120, 0.4)
    again = [{"alarm": {"after": f"{PERIOD_S!r}s"}}]
    room = {"folder": tmp_path, "handlers": {"do": again, "alarm": again}, "of": {"count": count}}
    rings = by_quarter(room, count * calls, engine, "alarms")
    gone = exp(-calls * PERIOD_S)
    theory = count * calls * gone / (1.0 - gone) * PERIOD_S / QUARTERS
    for quarter in rings.T:
        assert_agrees(quarter, theory, power(engine, 0.04, 0.2))


def test_idle_objects_are_not_in_step(engine: str, tmp_path: Path) -> None:
    """A call at rate r finds its object out of memory if the last one was longer ago than the idle time-out: exp(-r H)."""
    count, calls = (600, 0.4) if engine == "compiled" else (120, 0.8)
    objects = {"hibernate_after": f"{PERIOD_S!r}s"}
    room = {
        "folder": tmp_path,
        "handlers": {"do": []},
        "objects": objects,
        "of": {"count": count},
    }
    opened = by_quarter(room, count * calls, engine, "activations")
    theory = count * calls * exp(-calls * PERIOD_S) * PERIOD_S / QUARTERS
    for quarter in opened.T:
        assert_agrees(quarter, theory, power(engine, 0.06, 0.25))
