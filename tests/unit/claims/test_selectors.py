"""Selectors in braces: which requests a metric is about."""

from __future__ import annotations

from typing import Any

import pytest

from popsim import load, run
from popsim.claims import ClaimSyntaxError, judge, parse_expectation
from popsim.claims.expression import Metric
from popsim.claims.selector import Selector, window_bins
from popsim.claims.unit import BYTES, TIME
from popsim.results.result import Result
from popsim.results.verdict import Verdict
from popsim.scenario.errors import InputError

PLATFORMS = ["workers", "lambda"]
SCENARIO: dict[str, Any] = {
    "name": "by place and time",
    "duration": "4min",
    "warmup": "1min",
    "replications": 5,
    "clients": {"topology": "world-users", "network": {"mix": {"fibre": 1, "4g": 1}, "wifi": 0.5}},
    "workload": {"arrivals": {"rate": "60/s"}},
    "platforms": {
        "workers": {"preset": "cloudflare-workers"},
        "lambda": {"preset": "aws-lambda", "memory": "512MB"},
    },
    # Lambda has one region, which is gone for the third minute
    "events": [{"at": "2min", "fail": {"sites": "us-east-1"}, "for": "1min"}],
}


@pytest.fixture(scope="module")
def result() -> Result:
    return run(SCENARIO, workers=1, store=None)


def verdict(result: Result, *expect: str, **keys: Any) -> Verdict:
    claim = {"id": "it", "says": "it", "source": "ours", "expect": list(expect), **keys}
    (found,) = judge(load(SCENARIO | {"claims": [claim]}), result.pools)
    return found


def observed(result: Result, metric: str) -> float:
    unit = "ms" if metric.split(".", 1)[1] in ("p(95)", "mean", "p(50)", "min", "max") else ""
    return verdict(result, f"{metric} >= 0{unit}").deciding.observed.value


def test_a_selector_is_part_of_the_metric() -> None:
    found = parse_expectation("workers{continent: [EU, NA]}.p(95) < 1ms", PLATFORMS)
    assert found.metrics() == (
        Metric("workers", None, "p", 95.0, TIME, Selector(continent=("EU", "NA"))),
    )


def test_NO_is_a_country() -> None:  # noqa: N802
    (metric,) = parse_expectation("workers{country: NO}.mean < 1ms", PLATFORMS).metrics()
    assert metric.selector == Selector(country="NO")


def test_places_are_those_of_where(result: Result) -> None:
    """The same claim, told by the metric and by the whole claim."""
    for place, where in (
        ("continent: EU", {"continent": "EU"}),
        ("country: DE", {"country": "DE"}),
    ):
        one = verdict(result, f"workers{{{place}}}.p(95) < 1s").deciding.observed
        assert one == verdict(result, "workers.p(95) < 1s", where=where).deciding.observed
        assert one.value != result.latency("workers", 95).value


def test_places_compare_with_each_other(result: Result) -> None:
    ratio = verdict(
        result, "lambda{continent: OC}.p(50) / lambda{continent: NA}.p(50) > 1.5", failures=1
    )
    frame = result.by("continent").query("platform == 'lambda'").set_index("continent")
    expected = frame.loc["OC", "p50_ms"] / frame.loc["NA", "p50_ms"]
    assert ratio.deciding.observed.value == pytest.approx(expected)
    assert ratio.verdict == "holds"


def test_networks_and_sites(result: Result) -> None:
    frame = result.by("network").query("platform == 'workers'").set_index("network")
    assert set(frame.index) == {"fibre", "fibre+wifi", "4g"}
    assert observed(result, "workers{network: 4g}.p(50)") == frame.loc["4g", "p50_ms"]
    counts = {
        n: observed(result, f"workers{{network: {n}}}.count") for n in ("fibre", "fibre+wifi", "4g")
    }
    assert counts["fibre"] == pytest.approx(
        frame.loc[["fibre", "fibre+wifi"], "answered"].sum() / result.replications
    )
    assert counts["fibre+wifi"] == pytest.approx(
        frame.loc["fibre+wifi", "answered"] / result.replications
    )
    sites = result.by("site").query("platform == 'workers'").set_index("site")
    busiest = sites.index[0]
    assert observed(result, f"workers{{site: {busiest}}}.p(95)") == sites.loc[busiest, "p95_ms"]


def test_windows_of_time(result: Result) -> None:
    """In the third minute everything fails; before it only what was under way."""
    assert observed(result, "lambda{before: 2min}.failed_ratio") < 0.02
    assert observed(result, "lambda{after: 2min, before: 3min}.failed_ratio") == 1.0
    assert 0.0 < observed(result, "lambda{after: 3min}.failed_ratio") < 1.0  # routing notices late
    whole = observed(result, "lambda{before: 4min}.count")
    assert whole == result.pools["lambda"].count
    parts = [observed(result, f"lambda{{{w}}}.count") for w in ("before: 2min", "after: 3min")]
    assert sum(parts) == whole
    minute = observed(result, "lambda{before: 2min}.rate")  # warm-up is no time of it
    assert minute == pytest.approx(parts[0] / 60.0)
    second = observed(result, "lambda{before: 2min}.p(50)")
    assert second == pytest.approx(result.latency("lambda", 50).value, rel=0.05)
    means = [observed(result, f"lambda{{{w}}}.mean") for w in ("before: 2min", "after: 3min")]
    weighted = sum(n * mean for n, mean in zip(parts, means, strict=True)) / whole
    assert weighted == pytest.approx(result.latency("lambda").value, rel=1e-4)


def test_a_window_has_whole_bins() -> None:
    assert window_bins(Selector(after="1min", before="2min"), 30e3, 10) == (2, 4)
    assert window_bins(Selector(after="61s", before="119s"), 30e3, 10) == (3, 3)
    assert window_bins(Selector(after="0.3s"), 100.0, 10) == (3, 10)  # 0.3 / 0.1 is not 3
    assert window_bins(Selector(before="1h"), 100.0, 10) == (0, 10)


def test_memory_is_a_size(result: Result) -> None:
    assert parse_expectation("lambda.memory < 1GiB", PLATFORMS).metrics()[0].unit == BYTES
    pool = result.pools["lambda"]
    found = verdict(result, "lambda.memory > 1MB").deciding.observed
    assert found.value == pool.instances * 512e6
    assert observed(result, "lambda.memory / workers.memory") == pytest.approx(
        found.value / (result.pools["workers"].instances * 3e6)
    )  # an isolate holds 3 MB


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("workers{continnent: EU}.p(95) < 1ms", 8, "unknown key 'continnent'"),
        ("workers{}.p(95) < 1ms", 7, "nothing is selected"),
        ("workers{after: 1}.p(95) < 1ms", 8, "after: 1 has no unit"),
        ("workers{continent: EU.p(95) < 1ms", 7, "unexpected '{'"),
        ("workers{continent: [EU}.p(95) < 1ms", 7, "expected"),
        ("workers{continent: EU}.cost < 1", 23, "not kept by place"),
        ("workers.failed_ratio[down] < 1", 21, "requests do not fail by 'down'"),
        ("workers{after: 1min}.memory < 1GB", 21, "not kept by time"),
        ("workers{site: FRA}.kv.read.p(95) < 1ms", 19, "not kept by site"),
        ("workers{country: DE}.objects.calls < 1", 21, "not kept by place"),
        ("workers.memory < 128", 0, "the units differ: a size and a bare number"),
        ("workers.memory < 128ms", 0, "the units differ: a size and a time"),
        ("workers.memory / workers.p(50) < 1ms", 0, "the units differ: something in ms^-1 B and a time"),
        ("workers.p(50) < 1mb", 16, "unknown unit 'mb'"),
    ],
)  # fmt: skip
def test_mistakes_have_a_column(text: str, column: int, message: str) -> None:
    with pytest.raises(ClaimSyntaxError) as caught:
        parse_expectation(text, PLATFORMS)
    assert message in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers{continent: Asia}.p(95) < 1ms", "unknown continent 'Asia'"),
        ("workers{city: Atlantis}.p(95) < 1ms", "there is no city 'Atlantis'"),
        ("workers{network: dsl}.p(95) < 1ms", "there is no network 'dsl' here"),
        ("workers{site: us-east-1}.p(95) < 1ms", "there is no site 'us-east-1' here"),
        ("workers{before: 1s}.p(95) < 1ms", "no measured request begins in the window"),
        ("workers{after: 1h}.p(95) < 1ms", "no measured request begins in the window"),
    ],
)
def test_names_of_nothing_are_refused(text: str, message: str) -> None:
    claim = {"id": "it", "says": "it", "source": "ours", "expect": [text]}
    with pytest.raises(InputError, match="claims") as caught:
        load(SCENARIO | {"claims": [claim]})
    (problem,) = caught.value.problems
    assert message in problem.message


def test_where_and_a_selector_are_one_too_many() -> None:
    claim = {"id": "it", "says": "it", "source": "ours", "where": {"continent": "EU"}}
    with pytest.raises(InputError, match="select places in one of the two"):
        load(SCENARIO | {"claims": [claim | {"expect": ["workers{country: DE}.p50 < 1s"]}]})
