"""What is packed into 64 bits fits at its limit, and a scenario beyond it is refused with the key to change."""

from __future__ import annotations

from typing import Any

import pytest

import popsim
from popsim.engine import draws
from popsim.engine.build import _stacked
from popsim.engine.compiled import kv_state
from popsim.engine.kv_layout import MAX_CHOICES
from popsim.engine.layout import MAX_STEPS, RANK, RECONNECT
from popsim.engine.limits import MOST_KEYS, MOST_REQUESTS, MOST_SITES, MOST_SURGE
from popsim.engine.object_layout import (
    MAX_DEPTH,
    MAX_PARTICIPANTS,
    REPLICA_BITS,
)
from popsim.engine.specification.sessions import HEARD_SHIFT, MEMBER_KEYS
from popsim.engine.tables import quantile_table
from popsim.scenario.errors import InputError
from popsim.scenario.laws_step import Constant
from popsim.scenario.objects import MAX_CALLS, MAX_CALLS_DEEP
from popsim.scenario.steps import MAX_BULK_KEYS
from popsim.scenario.units import LONGEST_MS

WORD = 1 << 63
SMALL: dict[str, Any] = {
    "name": "numbers",
    "duration": "60s",
    "replications": 1,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "5/s"}, "handler": [{"cpu": "1ms"}]},
    "platforms": {"p": {"preset": "cloudflare-workers"}},
}
REQUEST, KEY = 2 * MOST_REQUESTS - 1, MOST_KEYS - 1  # more may come than are expected
POSITION = draws.position(MAX_CALLS - 1, MAX_STEPS - 1)


def test_keys_of_events_do_not_reach_the_next_rank() -> None:
    refresh = (REQUEST << draws.REFRESH_SHIFT) + (POSITION << 1) + 1
    alarm, session = (KEY << 1) + 1, KEY * MEMBER_KEYS + MAX_PARTICIPANTS - 1
    for number in (REQUEST, refresh, alarm, session):
        assert number < RANK
    assert RECONNECT * RANK + RANK - 1 < WORD


def test_names_of_draws_do_not_overlap() -> None:
    session = draws.CONNECT_ENTITY + (KEY << draws.MEMBER_BITS) + MAX_PARTICIPANTS - 1
    alarm = draws.ALARM_ENTITY + KEY
    assert REQUEST < draws.CONNECT_ENTITY <= session < draws.ALARM_ENTITY <= alarm < WORD
    assert (REQUEST << draws.WRITE_SHIFT) + POSITION < draws.CONTROL_WRITE
    assert MAX_BULK_KEYS <= draws.KEY_LOCALITY
    assert draws.KEY_LOCALITY + MAX_BULK_KEYS <= 256


def test_parts_of_an_address_do_not_overlap() -> None:
    """Each has room for its largest value; that of an alarm's turn, or a session's, takes more events than a run can have."""
    assert MAX_STEPS <= 1 << draws.PC_BITS
    assert MAX_CALLS <= 1 << draws.TURN_BITS
    assert 1 << draws.WRITE_SHIFT > POSITION
    assert MAX_CALLS_DEEP == MAX_DEPTH
    assert MAX_PARTICIPANTS <= 1 << draws.MEMBER_BITS
    assert MAX_PARTICIPANTS <= 1 << HEARD_SHIFT
    assert draws.AT_EDGE < draws.AT_REGION < draws.AT_STORE < draws.WRITING < draws.LISTING
    assert MAX_CHOICES < draws.AT_REGION  # stores behind a part of the way
    assert draws.LISTING + draws.AT_REGION <= 1 << draws.DETAIL_BITS
    turn = (1 << 36) - 1
    assert draws.position(turn, MAX_STEPS - 1) << draws.DETAIL_BITS < 1 << 64


def test_tags_of_copies_and_objects_fit() -> None:
    caches = 2 * MOST_SITES + MOST_SITES  # edges, memories, regional tiers
    assert ((caches << 40) | KEY) + 1 < WORD
    assert ((KEY << REPLICA_BITS) | (1 << REPLICA_BITS) - 1) + 1 < WORD
    assert (KEY << 16) | (MOST_SITES - 1) < WORD
    assert kv_state.COPY_DTYPE is not None


def refused(**changes: Any) -> str:
    with pytest.raises(InputError) as error:
        popsim.load(SMALL | changes)
    return str(error.value)


def workload(**changes: Any) -> dict[str, Any]:
    return {"workload": SMALL["workload"] | changes}


def test_the_most_requests_are_loaded_and_one_more_refused() -> None:
    most = MOST_REQUESTS / 60.0
    popsim.load(SMALL | workload(arrivals={"rate": f"{most * 0.999!r}/s"}), force=True)
    text = refused(**workload(arrivals={"rate": f"{most * 1.001!r}/s"}))
    assert "workload.arrivals: 8.6e+09 requests would come in 1min" in text
    assert "lower the rate or duration" in text
    assert "requests would come" in refused(**workload(arrivals={"rate": "1e300/s"}))
    assert "requests would come" in refused(**workload(arrivals={"every": "1e-300ms"}))
    surge = [{"at": "1s", "surge": {"factor": 1000}}]
    text = refused(events=surge, **workload(arrivals={"rate": f"{most / 500!r}/s"}))
    assert "lower the factors of surges" in text


def test_surges_multiply_to_a_limit() -> None:
    surge = {"at": "1s", "surge": {"factor": 1000}}
    assert MOST_SURGE == 1000.0**2
    popsim.load(SMALL | {"events": [surge] * 2})
    text = refused(events=[surge] * 2 + [{"at": "2s", "surge": {"factor": 1.001}}])
    assert "events: surges at the same time multiply the rate by 1e+06, expected at most" in text
    assert "more than 1e308" in refused(events=[surge] * 107)
    one_by_one = [{"at": f"{n}s", "for": "500ms", "surge": {"factor": 1000}} for n in range(50)]
    popsim.load(SMALL | {"events": one_by_one})


def test_keys_have_a_limit() -> None:
    get = [{"kv.get": {"keys": "k"}}]
    spaces = {"k": {"count": 10**9}, "l": {"count": 10**9, "per": "continent"}}
    popsim.load(SMALL | workload(keys=spaces, handler=get))
    many = {f"k{n}": {"count": 10**9, "per": "country"} for n in range(40)}
    text = refused(**workload(keys={"k": {}} | many, handler=get))
    assert "keys and objects in all" in text
    assert "workload.keys.k0" in text


@pytest.mark.parametrize(
    "law",
    [
        {"weibull": {"shape": 0.05, "scale": "1ms"}},
        {"lognormal": {"p50": "1s", "p99": "10000s"}},
        {"exponential": {"mean": "4y"}},
        {"exponential": {"mean": "50000d"}},
        {"shifted": {"by": "40000d", "law": "20000d"}},
        {"mixture": [{"weight": 1, "law": "1ms"}, {"weight": 1e-9, "law": {"exponential": {"mean": "20000d"}}}]},
        {"percentiles": {"p50": "1ms", "p99": "1000s"}},
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "place",
    [
        lambda law: workload(handler=[{"sleep": law}]),
        lambda law: {"network": {"jitter": law}},
        lambda law: {"platforms": {"p": {"preset": "cloudflare-workers", "front_door": law}}},
        lambda law: {
            "platforms": {"p": {"preset": "cloudflare-workers", "runtime": {"init": law}}}
        },
    ],
)
def test_laws_end_before_the_longest_time(law: Any, place: Any) -> None:
    text = refused(**place(law))
    assert "above the 138 years" in text or "unknown unit" in text


def test_laws_that_end_are_taken() -> None:
    law = {"percentiles": {"p50": "1ms", "p99": "1000s", "p100": "50000d"}}
    popsim.load(SMALL | workload(handler=[{"sleep": law}]))


def test_laws_of_models_of_ones_own_end_too() -> None:
    with pytest.raises(
        InputError, match=r"platforms.p: a law of its models has times of 9.*138 years"
    ):
        _stacked("p", [quantile_table(Constant(9e12))])


def test_cpu_steps_are_stretched_to_a_limit() -> None:
    slow = {"preset": "aws-lambda", "memory": "1B", "cpu": {"full_at": "1GB"}}
    text = refused(platforms={"p": slow}, **workload(handler=[{"cpu": "1d"}]))
    assert "platforms.p.cpu: CPU steps take 1e+09 times as long" in text
    popsim.load(SMALL | {"platforms": {"p": slow}})


def test_sizes_are_not_durations() -> None:
    heavy = {"lognormal": {"p50": "1kB", "p99.99": "20MB"}}
    keys = {"k": {"value_size": heavy}}
    popsim.load(SMALL | workload(keys=keys, handler=[{"kv.get": {"keys": "k"}}]))
    keys = {"k": {"value_size": "5e12B"}}
    text = refused(**workload(keys=keys, handler=[{"kv.get": {"keys": "k"}}]))
    assert "expected a size below 4e+12 bytes" in text


def test_the_longest_run_is_loaded() -> None:
    popsim.load(SMALL | {"duration": "50000d"} | workload(arrivals={"rate": "1e-8/s"}))
    assert LONGEST_MS > 50_000 * 86_400e3
    assert "below 138 years" in refused(duration="51000d")
