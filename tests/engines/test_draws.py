"""Known answers for what both engines share: generator, quantile tables, alias tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from popsim.engine import draws
from popsim.engine.tables import alias_table, choose, node_probabilities, quantile, quantile_table
from popsim.scenario.laws import parse_law

# Threefry2x64, 13 rounds: Random123 1.14, tests/kat_vectors. Columns: counter, key, result
KNOWN = [
    ((0, 0), (0, 0), (0xF167B032C3B480BD, 0xE91F9FEE4B7A6FB5)),
    ((2**64 - 1, 2**64 - 1), (2**64 - 1, 2**64 - 1), (0xCCDEC5C917A874B1, 0x4DF53ABCA26CEB01)),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344),
        (0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0xC3AAC71561042993, 0x3FE7AE8801AFF316),
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_threefry_known_answers(
    counter: tuple[int, int], key: tuple[int, int], result: tuple[int, int]
) -> None:
    assert draws.words(*key, *counter) == result


def test_uniform_and_tail_cover_their_range() -> None:
    assert draws.uniform(0) == 0.0
    assert draws.uniform(draws.MASK64) == 1.0 - 2.0**-53
    assert draws.tail(0) == (0, 0, 0.0)
    side, node, fraction = draws.tail(draws.MASK64)
    assert (side, node) == (1, draws.NODES - 2)
    assert 0.999999 < fraction < 1.0


@pytest.mark.parametrize("word", [1 << 11, 12345 << 11, (1 << 62) + 999, (1 << 63) + (5 << 40)])
def test_tail_returns_the_probability_it_was_given(word: int) -> None:
    _, node, fraction = draws.tail(word)
    probability = (((word & (2**63 - 1)) >> 11) + 0.5) * 2.0**-53
    nodes = node_probabilities()
    assert nodes[node] <= probability < nodes[node + 1]
    interpolated = nodes[node] + (nodes[node + 1] - nodes[node]) * fraction
    assert interpolated == pytest.approx(probability, rel=1e-15)


LAWS = {
    "lognormal": ({"lognormal": {"p50": "10ms", "sigma": 1.0}}, stats.lognorm(1.0, scale=10.0)),
    "exponential": ({"exponential": {"mean": "3ms"}}, stats.expon(scale=3.0)),
    "gamma": ({"gamma": {"shape": 2.5, "mean": "5ms"}}, stats.gamma(2.5, scale=2.0)),
    "weibull": ({"weibull": {"shape": 0.7, "scale": "4ms"}}, stats.weibull_min(0.7, scale=4.0)),
}


@pytest.mark.parametrize("name", LAWS)
def test_table_follows_the_quantile_function_deep_into_the_tails(name: str) -> None:
    form, law = LAWS[name]
    table, at = quantile_table(parse_law(form)).nodes, node_probabilities()
    between = (at[1:] + at[:-1]) / 2.0
    upper = table[1][:-1] + (table[1][1:] - table[1][:-1]) * 0.5
    np.testing.assert_allclose(
        upper, law.isf(between), rtol=4.5e-5
    )  # the worst measured: 4.1e-5, Weibull of shape 0.7 near its median
    high = between > 1e-3
    lower = table[0][:-1] + (table[0][1:] - table[0][:-1]) * 0.5
    np.testing.assert_allclose(lower[high], law.ppf(between[high]), rtol=1e-4)


@pytest.mark.parametrize("name", LAWS)
def test_draws_follow_the_law(name: str) -> None:
    form, law = LAWS[name]
    table = quantile_table(parse_law(form))
    sample = [quantile(table, draws.words(7, 7, n, 0)[0]) for n in range(4_000)]
    assert stats.kstest(sample, law.cdf).pvalue > 0.001


def test_alias_table_keeps_the_weights_exactly() -> None:
    weights = np.array([5.0, 0.0, 1.0, 3.0, 0.5])
    threshold, alias = alias_table(weights)
    mass = threshold.copy()
    np.add.at(mass, alias, 1.0 - threshold)
    np.testing.assert_allclose(mass / len(weights), weights / weights.sum(), atol=1e-15)
    drawn = [choose(threshold, alias, draws.words(1, 2, n, 0)[0]) for n in range(2_000)]
    assert 1 not in drawn


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [-1.0, 2.0], [np.nan]])
def test_alias_table_refuses_nonsense(weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"weight"):
        alias_table(np.array(weights))
