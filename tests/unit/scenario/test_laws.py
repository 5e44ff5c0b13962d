"""Every form of a distribution: quantiles, mean, scaling, round trip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
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
