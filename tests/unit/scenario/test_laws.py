"""Every form of a distribution: quantiles, mean, scaling, round trip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from popsim.scenario.laws import law_forms, parse_law

FORMS: dict[str, Any] = {
    "constant": "5ms",
    "lognormal": {"lognormal": {"p50": "5ms", "p99": "20ms"}},
    "lognormal-sigma": {"lognormal": {"p90": "5ms", "sigma": 0.7}},
    "lognormal-mean": {"lognormal": {"mean": "5ms", "p50": "3ms"}},
    "exponential": {"exponential": {"mean": "2s"}},
    "gamma": {"gamma": {"shape": 2.0, "mean": "5ms"}},
    "weibull": {"weibull": {"shape": 0.7, "scale": "4ms"}},
    "uniform": {"uniform": {"low": "1ms", "high": "3ms"}},
    "percentiles": {"percentiles": {"p0": "1ms", "p50": "5ms", "p99": "40ms", "p100": "90ms"}},
    "percentiles-open": {"percentiles": {"p10": "1ms", "p50": "5ms", "p95": "40ms"}},
    "integers": {"integers": {"low": "1ms", "high": "5ms", "step": "1ms"}},
    "choices": {"choices": {"values": ["1ms", "20ms"], "weights": [9, 1]}},
    "sample": {"sample": ["1ms", "2ms", "2ms", "7ms"]},
    "mixture": {
        "mixture": [
            {"weight": 9, "law": "1ms"},
            {"weight": 1, "law": {"exponential": {"mean": "20ms"}}},
        ]
    },
    "shifted": {"shifted": {"by": "10ms", "law": {"exponential": {"mean": "5ms"}}}},
}
ATOMS = ("constant", "sample", "mixture", "integers", "choices")  # values of positive probability
P = np.array([1e-9, 1e-4, 0.01, 0.1, 0.25, 0.4, 0.5])


def test_every_form_is_tested() -> None:
    assert {key.split("-")[0] for key in FORMS} == set(law_forms())


@pytest.mark.parametrize("name", FORMS)
def test_forms_round_trip(name: str) -> None:
    law = parse_law(FORMS[name])
    again = parse_law(law.to_yaml())
    assert again == law
    np.testing.assert_array_equal(again.quantile_upper(P), law.quantile_upper(P))


@pytest.mark.parametrize("name", FORMS)
def test_quantiles_rise_and_invert_the_distribution(name: str) -> None:
    law = parse_law(FORMS[name])
    lower, upper = law.quantile_lower(P), law.quantile_upper(P)
    values = np.concatenate([lower, upper[::-1]])
    assert np.all(np.diff(values) >= -1e-12)
    assert np.all(values >= 0.0)
    if name not in ATOMS:
        np.testing.assert_allclose(law.cdf(lower), P, rtol=1e-6)
        np.testing.assert_allclose(law.sf(upper), P, rtol=1e-6)
    else:
        assert np.all(law.cdf(lower) >= P * (1 - 1e-6))
    assert law.maximum() >= upper.max() * (1 - 1e-9)


@pytest.mark.parametrize("name", FORMS)
def test_mean_is_the_integral_of_the_quantiles(name: str) -> None:
    law = parse_law(FORMS[name])
    edges = np.concatenate([[0.0], np.geomspace(1e-12, 0.5, 40_001)])
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    integral = float((law.quantile_lower(middle) + law.quantile_upper(middle)) @ width)
    assert law.mean() == pytest.approx(integral, rel=2e-3)


@pytest.mark.parametrize("name", FORMS)
def test_scaling_scales_quantiles_and_mean(name: str) -> None:
    law = parse_law(FORMS[name])
    doubled = law.scaled(2.0)
    np.testing.assert_allclose(doubled.quantile_upper(P), 2.0 * law.quantile_upper(P), rtol=1e-9)
    assert doubled.mean() == pytest.approx(2.0 * law.mean())


def test_laws_are_those_of_scipy() -> None:
    pairs = {
        "lognormal": stats.lognorm(np.log(4.0) / stats.norm.isf(0.01), scale=5.0),
        "exponential": stats.expon(scale=2_000.0),
        "gamma": stats.gamma(2.0, scale=2.5),
        "weibull": stats.weibull_min(0.7, scale=4.0),
        "uniform": stats.uniform(1.0, 2.0),
    }
    for name, law in pairs.items():
        np.testing.assert_allclose(parse_law(FORMS[name]).quantile_upper(P), law.isf(P), rtol=1e-9)
        assert parse_law(FORMS[name]).mean() == pytest.approx(law.mean())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lognormal": {"p50": "5ms"}}, "expected two of"),
        ({"lognormal": {"p50": "5ms", "p99": "1ms"}}, "the higher percentile"),
        ({"gamma": {"shape": -1, "mean": "5ms"}}, "above 0"),
        ({"exponential": {"men": "5ms"}}, "unknown parameter 'men'"),
        ({"uniform": {"low": "3ms", "high": "1ms"}}, "low"),
        ({"choices": {"values": ["1ms"], "weights": [1, 2]}}, "weights"),
        ({"percentiles": {"p50": "5ms", "p40": "9ms"}}, "p40|p50"),
        ({"sample": []}, "sample"),
        ({"mixture": []}, "mixture"),
        ({"normal": {"mean": "1ms"}}, "unknown distribution 'normal'"),
        ({"exponential": {"mean": "1ms"}, "gamma": {}}, "expected a duration"),
        ([1], "expected a duration"),
        (True, "expected a duration"),
    ],
)
def test_mistakes_are_told(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_law(wrong)


# --- properties of laws with any parameters ---------------------------------------------------------


def durations(low: float = 1e-3, high: float = 1e5) -> st.SearchStrategy[float]:
    return st.floats(min_value=low, max_value=high)


def in_ms(value: float) -> str:
    return f"{value!r}ms"


@st.composite
def lognormals(draw: st.DrawFn) -> Any:
    p50, sigma = draw(durations()), draw(st.floats(0.05, 2.0))
    higher = in_ms(p50 * draw(st.floats(1.1, 5.0)))
    key = draw(st.sampled_from(["p90", "p99", "p99.9", "mean"]))
    one = draw(st.sampled_from(["p1", "p50", "p95", "mean"]))
    return {
        "lognormal": draw(
            st.sampled_from([{"p50": in_ms(p50), key: higher}, {one: in_ms(p50), "sigma": sigma}])
        )
    }


@st.composite
def shaped(draw: st.DrawFn) -> Any:
    shape, scale = draw(st.floats(0.4, 20.0)), in_ms(draw(durations()))
    return draw(
        st.sampled_from(
            [
                {"exponential": {"mean": scale}},
                {"gamma": {"shape": shape, "scale": scale}},
                {"gamma": {"shape": shape, "mean": scale}},
                {"weibull": {"shape": shape, "scale": scale}},
            ]
        )
    )


@st.composite
def uniforms(draw: st.DrawFn) -> Any:
    low = draw(durations(0.0))
    return {"uniform": {"low": in_ms(low), "high": in_ms(low + draw(durations(1e-2)))}}


@st.composite
def percentiles(draw: st.DrawFn) -> Any:
    keys = st.sampled_from(["0", "1", "10", "25", "50", "75", "90", "99", "99.9", "100"])
    names = sorted(draw(st.lists(keys, min_size=2, unique=True)), key=float)
    inner = [name for name in names if name not in ("0", "100")]
    if len(inner) == 1:  # no line through one point
        names = ["0", *inner, "100"]
    steps = draw(st.lists(st.floats(1.05, 3.0), min_size=len(names), max_size=len(names)))
    values = draw(durations(0.1, 1e3)) * np.cumprod(steps)
    points = zip(names, values, strict=True)
    return {"percentiles": {f"p{name}": in_ms(float(value)) for name, value in points}}


@st.composite
def few_values(draw: st.DrawFn) -> Any:
    values = draw(st.lists(durations(0.0).map(in_ms), min_size=2, max_size=8))
    many = len(values)
    weights = draw(st.lists(st.floats(0.01, 100.0), min_size=many, max_size=many))
    return draw(
        st.sampled_from(
            [
                values[0],
                {"choices": {"values": values}},
                {"choices": {"values": values, "weights": weights}},
                {"integers": {"low": "1ms", "high": f"{many}ms"}},
            ]
        )
    )


SAMPLES = st.lists(durations(0.0).map(in_ms), min_size=2, max_size=8).map(lambda v: {"sample": v})
FORMULAS = st.one_of(lognormals(), shaped(), uniforms())
SMOOTH = st.one_of(FORMULAS, percentiles())


def composed(laws: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    part = st.fixed_dictionaries({"weight": st.floats(0.01, 100.0), "law": laws})
    shifted = st.fixed_dictionaries({"by": durations(0.0).map(in_ms), "law": laws})
    return st.one_of(
        st.lists(part, min_size=1, max_size=3).map(lambda parts: {"mixture": parts}),
        shifted.map(lambda parameters: {"shifted": parameters}),
    )


PARTS = st.one_of(
    FORMULAS, few_values()
)  # percentiles and samples, too, but those are slow to invert
ANY = st.one_of(
    SMOOTH,
    SAMPLES,
    few_values(),
    composed(PARTS),
    composed(composed(st.one_of(shaped(), few_values()))),
)
PROPERTY = settings(deadline=None, derandomize=True)
FINE = np.concatenate([np.geomspace(1e-12, 0.01, 25), np.linspace(0.02, 0.5, 25)])


@settings(PROPERTY, max_examples=40)
@given(ANY)
def test_any_law_round_trips_through_text(written: Any) -> None:
    law = parse_law(written)
    text = yaml.safe_dump(law.to_yaml())
    again = parse_law(yaml.safe_load(text))
    assert again == law
    assert hash(again) == hash(law)
    assert again.mean() == law.mean()
    np.testing.assert_array_equal(again.quantile_lower(P), law.quantile_lower(P))
    np.testing.assert_array_equal(again.quantile_upper(P), law.quantile_upper(P))


@settings(PROPERTY, max_examples=40)
@given(ANY)
def test_quantiles_of_any_law_rise(written: Any) -> None:
    law = parse_law(written)
    # where half of a mixture lies below a gap, rounding decides which end of the gap is the median
    values = np.concatenate([law.quantile_lower(FINE[:-1]), law.quantile_upper(FINE[-2::-1])])
    assert np.all(np.diff(values) >= -1e-9 * np.abs(values[1:]) - 1e-15)
    assert np.all(np.isfinite(values) & (values >= 0.0))
    assert law.maximum() >= values[-1] * (1 - 1e-9)


@settings(PROPERTY, max_examples=40)
@given(SMOOTH)
def test_the_distribution_of_a_smooth_law_inverts_its_quantiles(written: Any) -> None:
    law = parse_law(written)
    lower, upper = law.quantile_lower(FINE), law.quantile_upper(FINE)
    assert lower[-1] == pytest.approx(upper[-1], rel=1e-9)  # both are the median
    # beyond rounding of the values, which a shift away from 0 makes coarse: uniform(1e5, 1e5 + 0.01)
    slack = 1e-9 + 1e-14 * np.abs(upper).max() / max(np.ptp(np.concatenate([lower, upper])), 1e-300)
    np.testing.assert_allclose(law.cdf(lower), FINE, rtol=1e-5, atol=slack)
    np.testing.assert_allclose(law.sf(upper), FINE, rtol=1e-5, atol=slack)


@settings(PROPERTY, max_examples=40)
@given(ANY)
def test_the_distribution_of_any_law_reaches_its_quantiles(written: Any) -> None:
    law = parse_law(written)
    p = np.linspace(0.02, 0.5, 25)
    lower, upper = law.quantile_lower(p), law.quantile_upper(p)
    assert np.all(law.cdf(lower * (1 + 1e-9) + 1e-9) >= p - 1e-7)
    assert np.all(law.cdf(lower * (1 - 1e-9) - 1e-9) <= p + 1e-7)
    assert np.all(law.sf(upper * (1 + 1e-9) + 1e-9) <= p + 1e-7)
    np.testing.assert_allclose(law.cdf(upper) + law.sf(upper), 1.0, atol=1e-12)


@settings(PROPERTY, max_examples=20)
@given(ANY)
def test_the_mean_of_any_law_is_the_integral_of_its_quantiles(written: Any) -> None:
    """It lies between the sums of the least and of the greatest value of every cell."""
    law = parse_law(written)
    edges = np.concatenate([np.geomspace(1e-14, 0.01, 120), np.linspace(0.0125, 0.5, 80)])
    lower, upper, width = law.quantile_lower(edges), law.quantile_upper(edges), np.diff(edges)
    least = float((lower[:-1] + upper[1:]) @ width)
    greatest = float((lower[1:] + upper[:-1]) @ width)
    assert least * (1 - 1e-9) <= law.mean() <= greatest * (1 + 1e-4)  # the tail beyond 1e-14


@settings(PROPERTY, max_examples=20)
@given(ANY, st.floats(0.01, 100.0))
def test_scaling_any_law_multiplies_its_values(written: Any, factor: float) -> None:
    law = parse_law(written)
    scaled = law.scaled(factor)
    for ours, theirs in (
        (scaled.quantile_lower(P), law.quantile_lower(P)),
        (scaled.quantile_upper(P), law.quantile_upper(P)),
        (np.array([scaled.mean()]), np.array([law.mean()])),
    ):
        np.testing.assert_allclose(ours, factor * theirs, rtol=1e-9, atol=1e-12)
    assert scaled.maximum() == pytest.approx(factor * law.maximum())
    np.testing.assert_allclose(scaled.marks(), factor * law.marks(), rtol=1e-9)
    assert parse_law(scaled.to_yaml()) == scaled


def test_beyond_their_ends_percentiles_are_lognormal() -> None:
    """Two points of one side: the other side follows the same line, through the median, too."""
    lognormal = parse_law({"lognormal": {"p90": "10ms", "p99": "40ms"}})
    for names in (("p90", "p99"), ("p1", "p10")):
        tail = np.array([1.0 - float(name[1:]) / 100 for name in names])
        low, high = (
            lognormal.quantile_upper(tail) if names[0] == "p90" else lognormal.quantile_lower(1 - tail)
        )  # fmt: skip
        law = parse_law(
            {"percentiles": {names[0]: in_ms(float(low)), names[1]: in_ms(float(high))}}
        )
        beyond = np.array([0.2, 0.4, 0.5])
        np.testing.assert_allclose(law.quantile_lower(beyond), lognormal.quantile_lower(beyond))
        np.testing.assert_allclose(law.quantile_upper(beyond), lognormal.quantile_upper(beyond))
        np.testing.assert_allclose(law.quantile_lower(np.array([1e-6])), lognormal.quantile_lower(np.array([1e-6])))  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lognormal": {"p50": "5ms", "sigma": 1_000}}, "beyond all numbers"),
        ({"lognormal": {"mean": "5ms", "sigma": 1_000}}, "beyond all numbers"),
        ({"lognormal": {"p50": "1ms", "p50.000001": "9d"}}, "beyond all numbers"),
        ({"lognormal": {"p0": "5ms", "sigma": 1}}, "neither a lowest nor a highest"),
        ({"lognormal": {"p100": "5ms", "sigma": 1}}, "neither a lowest nor a highest"),
        ({"lognormal": {"p0": "1ms", "p50": "5ms"}}, "the higher percentile"),
        ({"lognormal": {"p50": "5ms", "p500": "6ms"}}, "expected a percentile"),
        ({"lognormal": {"p50": "5ms", "mean": "5ms"}}, "the mean .* must exceed"),
        ({"lognormal": {"p50": "0ms", "sigma": 1}}, "p50 must be above 0"),
        ({"weibull": {"shape": 0.001, "scale": "1ms"}}, "beyond all numbers"),
        ({"gamma": {"shape": "2", "scale": "1ms"}}, "shape must be a number"),
        ({"gamma": {"shape": True, "scale": "1ms"}}, "shape must be a number"),
        ({"gamma": {"shape": 10**400, "scale": "1ms"}}, "a number of at most"),
        ({"gamma": {"shape": float("nan"), "scale": "1ms"}}, "a number of at most"),
        ({"gamma": {"shape": 2}}, "'mean' is missing"),
        ({"percentiles": {"p50": "1ms", "p50.0": "2ms"}}, "twice"),
        ({"percentiles": {"p50": "1ms"}}, "at least two"),
        ({"percentiles": {"p0": "1ms", "p50": "2ms"}}, "above p50, .* add p100"),
        ({"percentiles": {"p99": "1ms", "p100": "2ms"}}, "below p99, .* add p0"),
        ({"integers": {"low": "0ms", "high": "1d", "step": "1ns"}}, "too many"),
        ({"integers": {"low": "0ms", "high": "1ms", "step": "0ms"}}, "step must be above 0"),
        ({"choices": {"values": ["1ms"], "weights": [0]}}, "one weight must be above 0"),
        ({"choices": {"values": ["1ms"], "weights": [-1]}}, "above 0"),
        ({"mixture": [{"weight": 0, "law": "1ms"}]}, "above 0"),
        ({"mixture": [{"weight": 1e308, "law": "1ms"}] * 2}, "at most"),
        ({"mixture": [{"law": "1ms"}]}, "'weight' is missing"),
        ({"mixture": ["1ms"]}, "weight: 1, law: 5ms"),
        ({"shifted": {"by": "1ms", "law": {"nothing": 1}}}, "unknown distribution"),
        ({"exponential": "5ms"}, "a mapping of parameters"),
        ({"exponential": {"mean": "1e308d"}}, "finite"),
        ({}, "expected a duration"),
        (5, "has no unit"),
        (None, "expected a duration"),
    ],
)  # fmt: skip
def test_laws_that_cannot_be_are_refused(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_law(wrong)


def test_laws_are_equal_if_they_are_written_alike() -> None:
    assert parse_law("1s") == parse_law("1000ms") != parse_law("1001ms")
    assert parse_law({"gamma": {"shape": 1, "scale": "5ms"}}) == parse_law({"exponential": {"mean": "5ms"}})  # fmt: skip
    assert len({parse_law("1s"), parse_law("1000ms"), parse_law("2s")}) == 2
    assert parse_law("1s") != "1s"
