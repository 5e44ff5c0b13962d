"""Requests of a place and a time together, their failures, their phases, and the terms of other tools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import popsim
from popsim.results.result import Result
from popsim.scenario.errors import InputError
from popsim.scenario.selections import Selection

EUROPE_IN_THE_OUTAGE = {"continent": "EU", "after": "20s", "before": "30s"}
SCENARIO: dict[str, Any] = {
    "name": "selected",
    "duration": "60s",
    "warmup": "5s",
    "replications": 2,
    "engine": "simpy",
    "clients": {"topology": "cities", "network": {"mix": {"fibre": 1, "4g": 1}}},
    "network": {"convergence": "2s"},
    "workload": {
        "arrivals": {"rate": "20/s"},
        "connection": {"reuse": "50%"},
        "handler": [{"cpu": {"exponential": {"mean": "20ms"}}}],
        "response_size": "200kB",
    },
    "platforms": {
        "one": {"preset": "aws-lambda", "memory": "1GB"},
        "edge": {"preset": "cloudflare-workers"},
    },
    "events": [{"at": "20s", "fail": {"sites": ["us-east-1", "LHR", "FRA"]}, "for": "10s"}],
    "selections": [EUROPE_IN_THE_OUTAGE, {"city": "Bombay"}, {"network": "4g", "country": ["US", "CA"]}],
    "claims": [
        {"id": "joint", "says": "", "source": "ours",
         "expect": ["edge{continent: EU, after: 20s, before: 30s}.p(50) > 0ms",
                    "one{after: 20s, before: 30s}.failed_ratio > 0",
                    "edge{city: London}.first_byte.p(95) > 0ms",
                    "one{continent: AS}.tls.p(90) > 0ms",
                    "one.failed_ratio[site_down] > 0"]},
        {"id": "where", "says": "", "source": "ours", "where": {"country": "GB"},
         "expect": ["edge{before: 20s}.count > 0", "edge.sent > 0", "edge.failed_ratio < 1", "edge.kv.p(50) < 1s"]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def result() -> Result:
    return popsim.run(SCENARIO, workers=1, store=None)


def chosen(result: Result, platform: str, selection: dict[str, Any]) -> Any:
    """Return the requests of the sample, which is of all requests here, that a selection is about."""
    wanted = Selection.model_validate(selection)
    frame = result.requests()
    assert len(frame) == sum(pool.requests for pool in result.pools.values())
    clients = popsim.load_clients("cities")
    inside = np.array(clients.ids)[popsim_matching(clients, wanted)]
    begin, end = wanted.window(60e3)
    keep = (frame["platform"] == platform) & frame["client"].isin(inside)
    keep &= (frame["start_ms"] >= begin) & (frame["start_ms"] < end)
    if wanted.network is not None:
        keep &= frame["network"].isin(wanted.network)
    return frame[keep]


def popsim_matching(clients: Any, wanted: Selection) -> Any:
    from popsim.world.places import matching

    return matching(clients, wanted.where)


@pytest.mark.parametrize("selection", SCENARIO["selections"], ids=str)
@pytest.mark.parametrize("platform", ["one", "edge"])
def test_a_selection_is_what_the_sample_says(
    result: Result, platform: str, selection: dict[str, Any]
) -> None:
    rows = chosen(result, platform, selection)
    part = result.select(**selection)
    summary = part.summary().loc[platform]
    answered = rows[rows["outcome"] == "ok"]
    assert summary["sent"] == len(rows) > 0
    assert summary["answered"] == len(answered)
    assert summary["failed"] == len(rows) - len(answered)
    if len(answered):
        assert part.latency(platform).value == pytest.approx(answered["total_ms"].mean(), abs=1e-4)
        upper = np.quantile(answered["total_ms"], 0.5, method="inverted_cdf")
        assert summary["p50_ms"] == pytest.approx(upper, rel=0.25)
        phases = part.phases().loc[platform]
        for phase in ("dns", "connect", "tls", "network", "execute"):
            assert phases[phase] == pytest.approx(answered[f"{phase}_ms"].mean(), abs=1e-4)
        quantiles = part.phase_quantiles(platform)
        setup = answered[["dns_ms", "connect_ms", "tls_ms"]].sum(axis=1)
        without = (answered["total_ms"] - setup).mean()
        assert quantiles.at["without_setup", "mean_ms"] == pytest.approx(without, rel=1e-6)


def test_parts_of_the_time_are_in_order(result: Result) -> None:
    """Without set-up and until the first byte are parts of the whole; a large response comes in several round trips."""
    for platform in result.platforms:
        frame = result.phase_quantiles(platform)
        whole = result.latency(platform).value
        assert frame.at["without_setup", "mean_ms"] < whole
        assert frame.at["first_byte", "mean_ms"] < whole
        means = result.phases().loc[platform]
        setup = means[["dns", "connect", "tls"]].sum()
        assert frame.at["without_setup", "mean_ms"] == pytest.approx(whole - setup, rel=1e-6)


def test_the_first_byte_is_before_the_slow_start() -> None:
    """One client, one site, no randomness: 200 kB take some round trips more, and the first byte none of them."""
    calm = {
        "clients": {"topology": "cities", "where": {"city": "London"}, "network": "datacenter"},
        "network": {"jitter": "none", "residual": False},
        "events": [], "selections": None, "claims": [], "replications": 1,
    }  # fmt: skip
    workload = {"handler": [{"sleep": "10ms"}], "connection": {"reuse": "never", "dns": "cached"}}
    small, large = (
        popsim.run(SCENARIO, **calm, workload=workload | {"response_size": size}, store=None)
        for size in ("1kB", "200kB")
    )
    for platform in small.platforms:
        at_first = [
            each.phase_quantiles(platform).at["first_byte", "mean_ms"] for each in (small, large)
        ]
        assert at_first[0] == pytest.approx(at_first[1], rel=5e-3)
        assert small.latency(platform).value == pytest.approx(at_first[0], rel=5e-3)
        assert large.latency(platform).value > small.latency(platform).value


def test_failures_add_up_however_they_are_grouped(result: Result) -> None:
    total = {name: sum(pool.failed.values()) for name, pool in result.pools.items()}
    assert total["one"] > 100
    for by in (
        (),
        ("continent",),
        ("country",),
        ("time",),
        ("time", "country"),
        ("site",),
        ("network",),
        ("client",),
    ):
        frame = result.failures(*by)
        counted = frame.groupby("platform")["failed"].sum()
        assert {name: int(counted.get(name, 0)) for name in total} == total
    over = result.failures("time")
    down = over[(over["platform"] == "one") & (over["reason"] == "site_down")]
    assert down["start_ms"].between(15e3, 30e3).all()
    assert set(result.failures()["reason"]) <= {"site_down", "killed", "no_route"}
    with pytest.raises(ValueError, match="failures are not kept by site and time"):
        result.failures("site", "time")


def test_groups_have_their_failures(result: Result) -> None:
    frame = result.by("country")
    assert (frame["sent"] == frame["answered"] + frame["failed"]).all()
    assert frame["failed"].sum() == sum(sum(pool.failed.values()) for pool in result.pools.values())


def test_claims_select_what_they_need_by_themselves(result: Result) -> None:
    scenario = popsim.load(SCENARIO)
    keys = {selection.key for selection in scenario.selections or ()}
    assert Selection(continent="EU", after="20s", before="30s").key in keys
    assert (
        Selection(country="GB", before="20s").key in keys
    )  # of where: and of the metric, together
    assert len(keys) == 3 + 5
    verdicts = {verdict.id: verdict for verdict in result.verdicts}
    assert all(np.isfinite(e.observed.value) for e in verdicts["joint"].expectations)
    failed = chosen(result, "one", {"after": "20s", "before": "30s"})["outcome"] != "ok"
    assert verdicts["joint"].expectations[1].observed.value == pytest.approx(failed.mean())
    gb = chosen(result, "edge", {"country": "GB"})
    sent = next(e for e in verdicts["where"].expectations if e.expect == "edge.sent > 0")
    assert sent.observed.value == len(gb) / 2
    again = popsim.load(scenario.resolved())
    assert again.id == scenario.id
    assert again.selections == scenario.selections


def test_what_was_not_kept_is_refused_with_what_helps(result: Result) -> None:
    with pytest.raises(
        ValueError, match=r'selections=\[\{"continent": \["SA"\], "after": "1s"\}\]'
    ):
        result.select(continent="SA", after="1s")
    with pytest.raises(ValueError, match="the groups of a selection are not kept"):
        result.select(city="Bombay").by("country")


def test_a_scenario_without_selections_keeps_none_and_has_the_same_id() -> None:
    plain = {key: value for key, value in SCENARIO.items() if key not in ("selections", "claims")}
    scenario = popsim.load(plain)
    assert scenario.selections is None
    assert "selections" not in scenario.content()
    claim = {"id": "a", "says": "", "source": "ours", "expect": ["edge{continent: EU}.p(95) < 1s"]}
    assert popsim.load(plain | {"claims": [claim]}).id == scenario.id  # kept by country anyway


@pytest.mark.parametrize(
    ("selections", "message"),
    [([{}], "nothing is selected"), ([{"after": "1min", "before": "1s"}], "no time lies in the window"),
     ([{"site": "FOO"}], "there is no site 'FOO'"), ([{"city": "Bombai"}], "did you mean 'Mumbai'"), ([], "must not be empty")],
)  # fmt: skip
def test_selections_are_checked(selections: list[Any], message: str) -> None:
    with pytest.raises(InputError, match="selections") as caught:
        popsim.load(SCENARIO | {"selections": selections})
    assert message in str(caught.value)
