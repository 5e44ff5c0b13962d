"""Quantile tables of laws with atoms, gaps and bends: probabilities, means, variances, tails, from the tables themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from popsim.engine import draws
from popsim.engine.draws import COUNT_BITS
from popsim.engine.tables import QuantileTable, node_probabilities, quantile, quantile_table
from popsim.scenario.laws import parse_law
from popsim.scenario.size_laws import Capped

Floats = NDArray[np.float64]


def stretches(table: QuantileTable) -> Iterator[tuple[float, float, float]]:
    """Yield the probability of each straight stretch that words are mapped to, and its first and last value."""
    at, mask = node_probabilities(), (1 << COUNT_BITS) - 1
    for side in table.nodes.tolist():
        codes = [int(-node) if node < 0.0 else None for node in side]
        value = [node if code is None else float(table.pieces.low[code >> COUNT_BITS]) for node, code in zip(side, codes, strict=True)]  # fmt: skip
        for cell, code in enumerate(codes[:-1]):
            if code is None:
                yield at[cell + 1] - at[cell], value[cell], value[cell + 1]
                continue
            first = code >> COUNT_BITS
            pieces = table.pieces[first : first + (code & mask)]
            assert (pieces.start[0], pieces.end[-1]) == (at[cell], at[cell + 1])
            assert (pieces.end[:-1] == pieces.start[1:]).all()
            for end, start, low, slope in pieces.tolist():
                yield end - start, low, low + (end - start) * slope


def columns(table: QuantileTable) -> tuple[Floats, Floats, Floats]:
    share, low, high = np.array(list(stretches(table))).T
    return share, low, high


def moments(table: QuantileTable) -> tuple[float, float]:
    """Return mean and variance of what is drawn."""
    share, low, high = columns(table)
    mean = float(share @ (low + high)) / 2.0
    square = float(share @ (low * low + low * high + high * high)) / 3.0
    return mean, square - mean**2


def atoms(table: QuantileTable) -> dict[float, float]:
    """Return the probability of every value that has one, to 2**-53."""
    share, low, high = columns(table)
    values, which = np.unique(low[low == high], return_inverse=True)
    return dict(zip(values.tolist(), np.bincount(which, share[low == high]).tolist(), strict=True))


def choices(values: list[float], weights: list[float]) -> Any:
    return {"choices": {"values": [f"{value!r}ms" for value in values], "weights": weights}}


def mixture(*parts: tuple[float, Any]) -> Any:
    return {"mixture": [{"weight": weight, "law": law} for weight, law in parts]}


ZIPF = 1.0 / np.arange(1.0, 301.0)
ATOMS: dict[str, tuple[Any, dict[float, float]]] = {
    "one third": (choices([0, 100], [1, 2]), {0: 1 / 3, 100: 2 / 3}),
    "two thirds": (choices([0, 100], [2, 1]), {0: 2 / 3, 100: 1 / 3}),
    "at the sides' border": (choices([0, 100], [1, 1]), {0: 0.5, 100: 0.5}),
    "at a node": (choices([0, 100], [1, 3]), {0: 0.25, 100: 0.75}),
    "beside p95": (choices([0, 100], [94.9, 5.1]), {0: 0.949, 100: 0.051}),
    "one in a thousand": (choices([0, 100], [999, 1]), {0: 0.999, 100: 0.001}),
    "one in a billion": (choices([0, 100], [1e9 - 1, 1]), {0: 1 - 1e-9, 100: 1e-9}),
    "twice the same": (choices([5, 1, 5], [1, 2, 1]), {1: 0.5, 5: 0.5}),
    "without weight": (choices([1, 2, 3], [1, 0, 3]), {1: 0.25, 3: 0.75}),
    "a die": ({"integers": {"low": "1ms", "high": "6ms"}}, dict.fromkeys(range(1, 7), 1 / 6)),
    "ten": ({"integers": {"low": "0ms", "high": "9ms"}}, dict.fromkeys(range(10), 0.1)),
    "many": ({"integers": {"low": "0ms", "high": "49999ms"}}, dict.fromkeys(range(50000), 2e-05)),
    "ranks": (choices(list(range(300)), ZIPF.tolist()), dict(enumerate(ZIPF / ZIPF.sum()))),
    "constants": (mixture((98, "0ms"), (2, "200ms")), {0: 0.98, 200: 0.02}),
    "constants in thirds": (mixture((2, "0ms"), (1, "200ms")), {0: 2 / 3, 200: 1 / 3}),
    "a sample": ({"sample": ["100ms"] * 95 + ["1s"] * 5}, {100: 0.95, 1_000: 0.05}),
    "shifted": ({"shifted": {"by": "0.1ms", "law": choices([0.2, 0.7], [1, 2])}}, {0.1 + 0.2: 1 / 3, 0.1 + 0.7: 2 / 3}),
    "mixtures of mixtures": (
        mixture((1, mixture((1, "1ms"), (2, choices([1, 2], [1, 3])))), (2, {"shifted": {"by": "0.1ms", "law": "0.2ms"}})),
        {1: (1 / 3 + 2 / 3 / 4) / 3, 2: 2 / 3 * 3 / 4 / 3, 0.1 + 0.2: 2 / 3},
    ),
    "an end of percentiles": ({"percentiles": {"p10": "0ms", "p50": "3ms", "p100": "9ms"}}, {0: 0.1}),
    "equal percentiles": ({"percentiles": {"p0": "1ms", "p50": "5ms", "p90": "5ms", "p100": "9ms"}}, {5: 0.4}),
    "an atom and a law": (mixture((88, "8ms"), (12, {"lognormal": {"p50": "200ms", "sigma": 0.1}})), {8: 0.88}),
    "an atom inside a law": (mixture((1, "2ms"), (3, {"exponential": {"mean": "2ms"}})), {2: 0.25}),
    "an interval of no length": (mixture((1, {"uniform": {"low": "2ms", "high": "2ms"}}), (3, "7ms")), {2: 0.25, 7: 0.75}),
}  # fmt: skip


@pytest.mark.parametrize("name", ATOMS)
def test_atoms_have_their_probabilities(name: str) -> None:
    form, expected = ATOMS[name]
    found = atoms(quantile_table(parse_law(form)))
    large = {value: share for value, share in found.items() if share > 1e-10}
    assert large.keys() == expected.keys()
    assert max(abs(large[value] - share) for value, share in expected.items()) < 1e-12


@pytest.mark.parametrize("name", [name for name, (_, of) in ATOMS.items() if sum(of.values()) > 0.999999])  # fmt: skip
def test_laws_of_atoms_have_no_other_value(name: str) -> None:
    form, expected = ATOMS[name]
    table = quantile_table(parse_law(form))
    _, low, high = columns(table)
    assert (low == high).all()
    drawn = {quantile(table, draws.words(5, 5, number, 0)[0]) for number in range(3_000)}
    assert drawn <= expected.keys()


def test_nothing_lies_in_a_gap() -> None:
    parts = ({"uniform": {"low": "0ms", "high": "1ms"}}, {"uniform": {"low": "10ms", "high": "11ms"}})  # fmt: skip
    for weights in ((1, 1), (1, 2), (1, 3), (99, 1)):
        table = quantile_table(parse_law(mixture(*zip(weights, parts, strict=True))))
        share, low, high = columns(table)
        below, above = (np.maximum(low, high) <= 1.0 + 1e-9), (np.minimum(low, high) >= 10.0 - 1e-9)
        assert (below | above).all()
        assert share[below].sum() == pytest.approx(weights[0] / sum(weights), abs=1e-12)


LAWS: dict[str, tuple[Any, Any]] = {
    "constant": ("5ms", stats.rv_discrete(values=([5], [1.0]))),
    "lognormal": ({"lognormal": {"p50": "10ms", "sigma": 1.0}}, stats.lognorm(1.0, scale=10.0)),
    "wide lognormal": ({"lognormal": {"p50": "10ms", "sigma": 2.0}}, stats.lognorm(2.0, scale=10.0)),
    "exponential": ({"exponential": {"mean": "3ms"}}, stats.expon(scale=3.0)),
    "gamma": ({"gamma": {"shape": 2.5, "mean": "5ms"}}, stats.gamma(2.5, scale=2.0)),
    "steep gamma": ({"gamma": {"shape": 0.2, "scale": "5ms"}}, stats.gamma(0.2, scale=5.0)),
    "weibull": ({"weibull": {"shape": 0.5, "scale": "4ms"}}, stats.weibull_min(0.5, scale=4.0)),
    "uniform": ({"uniform": {"low": "1ms", "high": "3ms"}}, stats.uniform(1.0, 2.0)),
    "integers": ({"integers": {"low": "1ms", "high": "6ms"}}, stats.randint(1, 7)),
    "choices": (choices([0, 100], [1, 2]), stats.rv_discrete(values=([0, 100], [1 / 3, 2 / 3]))),
    "sample": ({"sample": ["100ms"] * 95 + ["1s"] * 5}, stats.rv_discrete(values=([100, 1_000], [0.95, 0.05]))),
    "percentiles": (
        {"percentiles": {"p0": "1ms", "p50": "5ms", "p99": "40ms", "p100": "90ms"}},
        stats.rv_histogram((np.array([0.5, 0.49, 0.01]), np.array([1.0, 5.0, 40.0, 90.0])), density=False),
    ),
    "shifted": ({"shifted": {"by": "10ms", "law": {"exponential": {"mean": "5ms"}}}}, stats.expon(10.0, 5.0)),
}  # fmt: skip
MIXED = {
    "an atom and a law": ((0.88, "constant"), (0.12, "lognormal")),
    "an atom below a shifted law": ((0.5, "constant"), (0.5, "shifted")),
    "steps and laws": ((0.2, "choices"), (0.3, "gamma"), (0.5, "uniform")),
    "percentiles and a sample": ((0.75, "percentiles"), (0.25, "sample")),
    "a rare tail": ((0.999, "uniform"), (0.001, "wide lognormal")),
}
ALL = {
    **{name: ((1.0, name),) for name in LAWS},
    **MIXED,
}


def form_of(name: str) -> Any:
    parts = ALL[name]
    if len(parts) == 1:
        return LAWS[name][0]
    return mixture(*((share, LAWS[part][0]) for share, part in parts))


def moments_of(name: str) -> tuple[float, float]:
    parts = [(share, LAWS[part][1]) for share, part in ALL[name]]
    mean = sum(share * law.mean() for share, law in parts)
    square = sum(share * (law.var() + law.mean() ** 2) for share, law in parts)
    return float(mean), float(square - mean**2)


@pytest.mark.parametrize("name", ALL)
def test_mean_and_variance_are_as_stated(name: str) -> None:
    """Linear interpolation of a convex tail is a little above it: 1e-5 of the mean, as a rule."""
    law = parse_law(form_of(name))
    mean, variance = moments(quantile_table(law))
    expected = moments_of(name)
    assert law.mean() == pytest.approx(expected[0], rel=1e-9)
    assert mean == pytest.approx(expected[0], rel=5e-5)
    assert variance == pytest.approx(expected[1], rel=3e-4, abs=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_tails_are_as_stated(name: str) -> None:
    """The share of draws above a value is that of the law, to one in a million million."""
    share, low, high = columns(quantile_table(parse_law(form_of(name))))
    parts = [(weight, LAWS[part][1]) for weight, part in ALL[name]]
    top, bottom = np.maximum(low, high), np.minimum(low, high)
    for value in np.geomspace(0.3, 3_000.0, 23):
        width = np.where(top > bottom, top - bottom, 1.0)
        above = np.where(top > bottom, np.clip((top - value) / width, 0.0, 1.0), top > value)
        expected = sum(weight * float(law.sf(value)) for weight, law in parts)
        assert float(share @ above) == pytest.approx(expected, rel=2e-3, abs=1e-12)


def test_percentiles_are_the_given_ones_with_lines_between() -> None:
    law = parse_law({"percentiles": {"p0": "1ms", "p50": "5ms", "p99": "40ms", "p100": "90ms"}})
    table = quantile_table(law)
    for number in range(2_000):
        word = draws.words(1, 1, number, 0)[0]
        p = draws.tail_probability(word)
        is_upper = word >> 63
        expected = np.interp(1.0 - p if is_upper else p, [0.0, 0.5, 0.99, 1.0], [1.0, 5.0, 40.0, 90.0])  # fmt: skip
        assert quantile(table, word) == pytest.approx(expected, rel=1e-12)


def test_what_is_capped_is_at_the_cap() -> None:
    law = Capped(parse_law({"exponential": {"mean": "100ms"}}), 150)
    assert atoms(quantile_table(law)) == pytest.approx({150.0: np.exp(-1.5)}, abs=1e-12)


def test_a_table_is_as_large_as_its_law_needs() -> None:
    smooth = quantile_table(parse_law({"lognormal": {"p50": "10ms", "sigma": 1.0}}))
    assert not len(smooth.pieces)
    few = quantile_table(parse_law(choices([0, 100], [1, 2])))
    assert len(few.pieces) == 2
    assert not few.nodes.flags.writeable


def test_sums_of_weights_that_rounding_tells_apart_leave_no_crack() -> None:
    """Nested weights reach the same probability by sums in two orders: what lies between is shorter than one draw.

    0.3 ms: 1e-12 of a part of 1e-3; so the gap between two atoms, seen from the other end, is where rounding is coarse.
    """
    inner = {"mixture": [
        {"weight": 1, "law": choices([2.0, 1.0, 1e6, 0.3], [1001.0, 7.0 / 3.0, 1.0, 1e-9])},
        {"weight": 1e-7, "law": "1ms"},
        {"weight": 3, "law": {"integers": {"low": "1ms", "high": "17ms", "step": "7ms"}}},
        {"weight": 1, "law": {"integers": {"low": "0ms", "high": "1000ms", "step": "7ms"}}},
    ]}  # fmt: skip
    parts = [
        {"weight": 0.001, "law": inner},
        {"weight": 1e-7, "law": "100ms"},
        {"weight": 1, "law": "0ms"},
    ]
    table = quantile_table(parse_law({"mixture": parts}))
    share, low, high = columns(table)  # which asserts that pieces follow each other
    assert (share > 0.0).all()
    assert np.isfinite(high).all()
    assert (low == high).all()  # nothing but atoms
    of_inner = 0.001 / 1.0010001 / 5.0000001
    expected = {0.3: of_inner * 1e-9 / (1002.0 + 7.0 / 3.0 + 1e-9), 1e6: of_inner / (1002.0 + 7.0 / 3.0 + 1e-9)}  # fmt: skip
    found = atoms(table)
    assert {value: found[value] for value in expected} == pytest.approx(expected, abs=1e-15)
    word = (1 << 63) | (int((0.0009977035952637475 + 1e-6) * 2.0**53) << 11)  # beyond the crack
    assert quantile(table, word) == 0.0
