"""Durable Objects: what was published about where new ones live, how much one does, and how far its replicas lag.

Sources: https://where.durableobjects.live (2025-12), medians over many snapshots;
https://developers.cloudflare.com/durable-objects/best-practices/rules-of-durable-objects/ (2025-12);
https://www.lumenize.com/blog/what-i-got-wrong-about-do-throughput (2026);
https://blog.cloudflare.com/d1-read-replication-beta/ (2025-04-10). Paths are without residuals, which are luck.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from popsim.results.objects import ObjectPool
from popsim.sweeps import run
from popsim.world.sites import Sites, load_sites

NEW_OBJECT_TOLERANCE = 0.22
LAG_TOLERANCE = 0.20


def objects_of(scenario: dict[str, Any]) -> ObjectPool:
    return run(scenario, replications=2, store=None).pools["workers"].objects


# --- new objects --------------------------------------------------------------------------------------------


def asked_from(sites: Sites, folder: Path, objects: dict[str, Any]) -> ObjectPool:
    """Return the objects of a run in which a Worker at every site asks for new ones, all equally often.

    What was measured starts at a known site: no request strays, as anycast would let one in seven.
    """
    places = {"id": [f"at-{name}" for name in sites.ids], "city": sites.cities}
    places |= {"country": sites.countries, "lat": sites.lat, "lon": sites.lon}
    pd.DataFrame(places | {"utc_offset_h": 0, "weight": 1}).to_csv(
        folder / "workers.csv", index=False
    )
    return objects_of(
        {
            "name": "where.durableobjects.live, 2025-12",
            "duration": "20min",
            "clients": {"topology": str(folder / "workers.csv"), "network": "datacenter"},
            "network": {"residual": False},
            "workload": {
                "arrivals": {"rate": "20/s"},
                "objects": {"new": {"count": 10**8, "handlers": {"time": [{"cpu": "0.1ms"}]}}},
                "handler": [{"cpu": "0.1ms"}, {"object.call": {"class": "new", "handler": "time"}}],
            },
            "platforms": {
                "workers": {
                    "preset": "cloudflare-workers",
                    "ingress": {"routing": {"model": "nearest"}},
                    "objects": objects,
                }
            },
        }
    )


@pytest.mark.slow
def test_new_objects_answer_as_soon_as_measured(tmp_path: Path) -> None:
    """28, 48 and 101 ms at p10, p50 and p90 from the Worker's clock to the object's, over 134 PoPs; here over 340.

    Measured are medians of pairs, so that every activation takes the preset's median here.
    """
    objects = asked_from(load_sites("cloudflare"), tmp_path, {"activation": "26ms"})
    observed = np.array([objects.spawn_p(percent) for percent in (10.0, 50.0, 90.0)])
    np.testing.assert_allclose(observed / [28.0, 48.0, 101.0], 1.0, atol=NEW_OBJECT_TOLERANCE)


@pytest.mark.slow
def test_new_objects_at_the_same_place(tmp_path: Path) -> None:
    """28 ms, the median of PoPs whose objects live there."""
    hosts = load_sites("cloudflare").select(role="object_host")
    objects = asked_from(hosts, tmp_path, {"placement": {"model": "nearest_host"}})
    assert objects.distance_p(99.0) < 1.0  # km: every Worker is at a host
    assert objects.spawn_p(50.0) / 28.0 == pytest.approx(1.0, abs=NEW_OBJECT_TOLERANCE)


# The likeliest host of every eleventh PoP in the alphabet of those measured
LIKELIEST = {
    "AAE": "MXP", "BKK": "SIN", "CGK": "SIN", "DAD": "SIN", "FSD": "ORD", "IND": "ORD", "LAD": "MAD",
    "MCI": "ORD", "NQN": "MIA", "PHX": "LAX", "SAP": "MIA", "URT": "SIN", "ZDM": "CDG",
}  # fmt: skip


@pytest.mark.slow
def test_nearly_half_of_the_likeliest_hosts_are_right(tmp_path: Path) -> None:
    """Of thirteen PoPs; of all 133 that were measured, the model's likeliest host is right for 67.7 %.

    That is without residuals, as the model was fitted and as here; with residuals, mean of ten seeds, 56 %. Both were computed from the
    whole table, which is no part of this project because nobody has said under what licence it is; single figures
    of it are facts. The share of thirteen has a standard error of 14 percentage points, so that this test would notice
    a model that is mostly wrong, and no small step back.
    """
    sites = load_sites("cloudflare").select(ids=tuple(LIKELIEST))
    homes = (
        asked_from(sites, tmp_path, {}).homes().drop_duplicates("site")
    )  # the likeliest is first
    found = dict(zip(homes["site"], homes["host"], strict=True))
    right = [found[site] == host for site, host in LIKELIEST.items()]
    assert np.mean(right) >= 0.45


# --- one object's throughput ----------------------------------------------------------------------------------


def one_object(
    steps: list[dict[str, Any]], per_s: float, host: str = "EWR"
) -> tuple[float, ObjectPool]:
    """Return how many calls a second one object answers if it gets so many, and its books."""
    seconds = 30
    placement = {"model": "hub", "host": host}
    objects = objects_of(
        {
            "name": "one object",
            "duration": f"{seconds + 10}s",
            "warmup": "10s",
            "clients": {"topology": "cities", "where": {"city": "New York"}},
            "network": {"residual": False},
            "workload": {
                "arrivals": {"rate": f"{per_s}/s"},
                "connection": {"reuse": "always"},
                "objects": {"one": {"handlers": {"work": steps}}},
                "handler": [{"cpu": "0ms"}, {"object.call": {"class": "one", "handler": "work"}}],
            },
            "platforms": {
                "workers": {"preset": "cloudflare-workers", "objects": {"placement": placement}}
            },
        }
    )
    return objects.calls / len(objects.runs) / seconds, objects


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "low", "high"),
    [
        ([{"cpu": "1ms"}], 1_000, 1_000),  # passes on
        ([{"cpu": {"lognormal": {"p50": "1.5ms", "p99": "4ms"}}}], 500, 750),  # parses and checks
        (
            [{"cpu": "2ms"}, {"storage.get": {}}, {"storage.put": {}}],
            200,
            500,
        ),  # transforms and stores
    ],
)
def test_throughput_by_kind_of_work(steps: list[dict[str, Any]], low: float, high: float) -> None:
    """The published ranges follow from the thread alone: the limit is that of a queue, no rule counts requests.

    The steps' times are this test's assumptions; published are the ranges.
    """
    rate, objects = one_object(steps, 1_500)
    assert 0.98 * low <= rate <= 1.02 * high
    assert (
        objects.error_ratio("overloaded") > 0.3
    )  # 1,500 a second are more than any of these can do


TRANSACTION = [{"cpu": f"{1e3 / 410}ms"}, {"storage.put": {}}]


@pytest.mark.slow
def test_410_transactions_a_second_in_spite_of_the_gate() -> None:
    """The thread is taken for 1 / 410 s, by definition; the gate, five times as long, takes nothing away from that."""
    rate, objects = one_object(TRANSACTION, 1_500)
    assert objects.part_mean("gate") > 10.0
    assert rate == pytest.approx(410, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["EWR", "IAD", "ORD"])
def test_the_output_gate_of_a_transaction(host: str) -> None:
    """10 to 13 ms of a transaction's 16 ms are the gate; it isn't said where. Chicago's is 8 % too long."""
    _, objects = one_object(TRANSACTION, 20, host)
    gate = objects.part_p("gate", 50.0)
    assert 10.0 <= gate <= 13.0 * 1.10
    assert (1e3 / 410 + gate) / 16.0 == pytest.approx(1.0, abs=0.20)


# --- replicas -----------------------------------------------------------------------------------------------


CALLERS = {"wnam": "Los Angeles", "weur": "Paris", "eeur": "Warsaw"}


@pytest.mark.parametrize(("region", "published"), [("wnam", 45.0), ("weur", 55.0), ("eeur", 67.0)])
def test_replicas_of_eastern_north_america_lag(region: str, published: float) -> None:
    """45, 55 and 67 ms in western North America, western and eastern Europe, for a primary in Newark.

    Nothing is read off the model: a replica's answer lacks what was written less than the lag before. With so many
    writes that the oldest one is missed just when it is that old, the stalest answers are as stale as the lag is long.
    """
    city = CALLERS[region]
    steps = [
        {"weight": 1, "where": {"city": caller}, "steps": [{"object.call": {"class": "database", "handler": handler}}]}
        for caller, handler in (("New York", "update"), (city, "query"))
    ]  # fmt: skip
    placement = {"model": "read_replicas", "primary": "EWR", "regions": [region]}
    objects = objects_of(
        {
            "name": "d1-read-replication-beta, 2025-04",
            "duration": "40s",
            "warmup": "10s",
            "clients": {"topology": "cities", "where": {"city": ["New York", city]}},
            "network": {"residual": False},
            "workload": {
                "arrivals": {"rate": "800/s"},
                "connection": {"reuse": "always"},
                "objects": {
                    "database": {
                        "handlers": {
                            "query": [{"storage.get": {}}],
                            "update": [{"storage.put": {}}],
                        }
                    }
                },
                "handler": [{"cpu": "0ms"}, {"choose": steps}],
            },
            "platforms": {
                "workers": {"preset": "cloudflare-workers", "objects": {"placement": placement}}
            },
        }
    )
    assert objects.count("replica_reads") > 10_000, "queries are answered in the region"
    assert objects.truncated_ratio < 1e-3
    assert objects.staleness_p(99.0) / published == pytest.approx(1.0, abs=LAG_TOLERANCE)
