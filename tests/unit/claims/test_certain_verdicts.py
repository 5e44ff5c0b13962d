"""No verdict is certain and false: small runs of one site, whose truth is known, and what is to be said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import popsim
from popsim.report.verdicts import advice, observed_text
from popsim.results import Expectation, Result

CLIENTS = """id,city,country,lat,lon,utc_offset_h,weight
c,Amsterdam,NL,52.37,4.89,0,1
d,Utrecht,NL,52.09,5.12,0,1
"""
SITES = """id,city,country,lat,lon,roles
A,Amsterdam,NL,52.37,4.89,pop region
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "clients.csv").write_text(CLIENTS)
    (tmp_path / "sites.csv").write_text(SITES)
    return tmp_path


def run(world: Path, expect: dict[str, str], **over: Any) -> Result:
    site = {"topology": str(world / "sites.csv"), "ingress": {"routing": "nearest"}}
    platforms = over.pop("platforms", {"p": "always_warm"})
    scenario: dict[str, Any] = {
        "name": "one site",
        "engine": "simpy",
        "duration": "60s",
        "replications": 4,
        "clients": {"topology": str(world / "clients.csv"), "network": "datacenter"},
        "network": {"residual": False, "jitter": "none"},
        "workload": {
            "arrivals": {"rate": "10/s"},
            "connection": {"reuse": "always"},
            "handler": [{"cpu": "10ms"}],
        },
        "platforms": {name: site | {"runtime": runtime} for name, runtime in platforms.items()},
        "claims": [
            {"id": f"c{row}", "says": text, "source": "ours", "expect": [text]}
            for row, text in enumerate(expect)
        ],
    }
    return popsim.run(scenario | over, store=None, progress=False, workers=1)


def judged(world: Path, expect: dict[str, str], **over: Any) -> list[Expectation]:
    found = [verdict.deciding for verdict in run(world, expect, **over).verdicts]
    assert {each.expect: each.verdict for each in found} == expect
    return found


def test_who_refuses_is_not_fast(world: Path) -> None:
    """Two thirds refused: whichever way its latencies are compared, failures decide that nothing is decided."""
    refuses = {"model": "always_warm", "cpu_serial": True, "max_requests": 1, "queue_limit": 0}
    found = judged(
        world,
        {
            "refuses.p(95) < serves.p(95)": "undecided",
            "refuses.p(95) > 1s": "undecided",
            "refuses.failed_ratio > 20%": "holds",
            "serves.p(95) < 1s": "holds",
        },
        platforms={"refuses": refuses, "serves": "always_warm"},
        workload={
            "arrivals": {"rate": "100/s"},
            "connection": {"reuse": "always"},
            "handler": [{"cpu": "10ms"}],
        },
        duration="20s",
    )
    assert str(found[0].reason).startswith("by failures: ")
    assert "% of refuses" in str(found[0].reason)
    assert "failed" in observed_text(found[0])
    assert found[2].reason is None


def test_an_outage_hides_no_claim_about_it(world: Path) -> None:
    result = run(
        world,
        {"p.p(95) < 1s": "fails", "p.failed_ratio < 1%": "fails"},
        events=[{"at": "0s", "fail": {"sites": "A"}}],
    )
    assert [verdict.verdict for verdict in result.verdicts] == ["fails", "fails"]
    assert "no data" in str(result.verdicts[0].deciding.reason)
    assert observed_text(result.verdicts[0].deciding) == "no data; 100 % of p failed"
    assert result.summary().loc["p", "failed_ratio"] == 1.0
    result.to_json()


def test_never_is_not_proved_by_a_sample(world: Path) -> None:
    """2,400 requests without a failure: fewer than 0.15 % fail, for all that is known."""
    found = judged(
        world,
        {
            "p.failed_ratio <= 0": "undecided",
            "p.failed_ratio < 0.05%": "undecided",
            "p.failed_ratio < 0.5%": "holds",
        },
    )
    assert found[0].replications is None
    assert found[1].replications is not None
    assert 5 < found[1].replications < 20


def test_extremes_fail_by_observation_and_never_hold_by_it(world: Path) -> None:
    found = judged(
        world,
        {
            "p.max < 11ms": "fails",  # 10 ms of work, and the way
            "p.max > 10ms": "holds",
            "p.max < 1s": "undecided",
            "p.min > 12s": "fails",
            "p.min > 1ms": "undecided",
            "p.max / p.min < 2": "undecided",
        },
        workload={
            "arrivals": {"rate": "10/s"},
            "connection": {"reuse": "always"},
            "handler": [{"cpu": "12ms"}],
        },
        duration="10s",
    )
    assert all(each.replications is None for each in found)
    assert "an extreme" in advice(found[2])


def test_one_replication_proves_only_what_it_shows(world: Path) -> None:
    judged(world, {"p.max > 10ms": "holds", "p.p(50) > 1ms": "undecided"}, replications=1)


def test_beyond_what_was_seen_says_how_many_requests_it_takes(world: Path) -> None:
    (found,) = judged(world, {"p.p(99.9) < 1s": "undecided"}, duration="10s")
    assert "too few requests" in advice(found)
    assert "would decide" in advice(found)


@pytest.mark.parametrize("selector", ["{after: 20s, before: 40s}", "{city: Utrecht}", ""])
def test_equal_requests_are_what_they_are_however_selected(world: Path, selector: str) -> None:
    """600 ms of sleep and the way there: buckets of 6 % once made 638 of it."""
    found = judged(
        world,
        {f"p{selector}.p(95) <= 620ms": "holds", f"p{selector}.p(95) <= 599ms": "fails",
         f"p{selector}.mean <= 620ms": "holds"},
        workload={
            "arrivals": {"rate": "2/s"},
            "connection": {"reuse": "always"},
            "handler": [{"sleep": "600ms"}],
        },
    )  # fmt: skip
    seen = found[0].observed
    assert 600.0 <= seen.low <= seen.value <= seen.high <= 604.0  # the bucket that 601 ms lie in


def test_nobody_who_asked_is_no_failure(world: Path) -> None:
    """Utrecht sends one request in a billion: none was sent, so that nothing failed, nor is anything known."""
    (world / "clients.csv").write_text(CLIENTS.replace("5.12,0,1", "5.12,0,1e-9"))
    found = judged(
        world,
        {
            "p{city: Utrecht}.p(95) < 1s": "undecided",
            "p{city: Utrecht}.failed_ratio < 1%": "undecided",
            "p{city: Utrecht}.sent < 5": "holds",
            "p{city: Utrecht}.sent <= 0": "undecided",
            "p{city: Utrecht}.rate < 0.001": "undecided",  # in 60 s
        },
        duration="20s",
    )
    assert str(found[0].reason) == "no data: no request to p that it is about was sent"


def test_no_failure_seen_is_a_count_of_rare_events(world: Path) -> None:
    """Of a Poisson count of 0 in four replications up to 0.92 a replication may come (3.689 / 4)."""
    judged(
        world,
        {
            "p.failed <= 0": "undecided",
            "p.failed < 0.9": "undecided",
            "p.failed < 0.95": "holds",
            "p.failed[site_down] < 0.9": "undecided",
        },
        duration="10s",
    )


def test_every_mean_of_equal_requests_is_their_time(world: Path) -> None:
    """600 ms of sleep and less than 2 ms of way: 602, the middle of their bucket, is not the mean, nor is it certain."""
    found = judged(
        world,
        {
            "p.first_byte.mean <= 601.9ms": "undecided",
            "p.first_byte.mean <= 605ms": "holds",
            "p.first_byte.mean <= 599ms": "fails",
            "p.first_byte.mean - p.sleep.mean < 1.9ms": "undecided",
            "p.without_setup.mean <= 602ms": "holds",
            "p.sleep.mean >= 600ms": "holds",
            "p.sleep.mean <= 600ms": "holds",
        },
        workload={
            "arrivals": {"rate": "2/s"},
            "connection": {"reuse": "always"},
            "handler": [{"sleep": "600ms"}],
        },
        duration="20s",
    )
    assert found[0].observed.low < 600.9 < found[0].observed.high


def test_a_time_that_was_never_seen_has_no_bound_unless_there_is_none(world: Path) -> None:
    """Who waits for a place waits 10 ms or more, however rarely; with an unlimited number of places nobody does."""
    found = judged(
        world,
        {
            "few.queue.mean < 1ms": "undecided",
            "many.queue.mean <= 0ms": "holds",
            "many.cold_start.mean <= 0ms": "holds",
            "many.dns.mean <= 0ms": "holds",
            "many.fetch.mean <= 0ms": "holds",
            "few.execute.mean > 9ms": "holds",
        },
        platforms={"few": {"model": "always_warm", "max_requests": 50}, "many": "always_warm"},
        duration="10s",
    )
    assert "nothing is known of how long one takes" in advice(found[0])


def test_what_is_divided_by_nothing_may_be_anything(world: Path) -> None:
    """Two platforms that are alike but for noise: their difference may be 0, so a quotient by it has no bound."""
    judged(
        world,
        {
            "a.mean / (a.mean - b.mean) > 0 - 100000": "undecided",
            "a.mean / (a.mean - b.mean) < 100000": "undecided",
            "a.mean / (a.mean + b.mean) < 0.6": "holds",
            "a.mean / (a.mean - a.execute.mean) > 0": "holds",
        },
        platforms={"a": {"model": "always_warm", "max_requests": 2}, "b": "always_warm"},
        workload={
            "arrivals": {"rate": "5/s"},
            "connection": {"reuse": "always"},
            "handler": [{"cpu": {"exponential": {"mean": "10ms"}}}],
        },
        duration="20s",
    )
