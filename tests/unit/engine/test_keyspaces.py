"""Keys: how popular each is as drawn, whose partition is whose, and where a country's own order begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from popsim.engine import draws
from popsim.engine import kv_layout as kvl
from popsim.engine.keyspaces import (
    EXACT_RANKS,
    key_spaces,
    popularity,
    popularity_cells,
    probabilities,
    zipf_exponent,
)
from popsim.engine.run import word_source
from popsim.scenario.workload import KeySpaceSpec

Floats = NDArray[np.float64]
EXPONENTS = [0.0, 0.5, 0.887, 1.0, 1.3]
COUNTS = [1, 2, 300, 1_000_000]
DRAWS = 20_000
# Kolmogorov-Smirnov: P(sqrt(n) D > 2.23) = 1e-4 (2 exp(-2 x²)); one draw in 20 tests of fixed seed
KS_BOUND = 2.23
COUNTRIES = ("BR", "DE", "FR", "US")


def space(**keys: Any) -> KeySpaceSpec:
    return KeySpaceSpec.model_validate(keys)


def zipf(exponent: float, count: int) -> Floats:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())


def mass_of_cells(cells: Any) -> Floats:
    """Return what an alias table gives each cell: its own threshold, and what others leave to it."""
    own = np.array(cells.threshold, dtype=np.float64)
    np.add.at(own, cells.alias, 1.0 - cells.threshold)
    return np.asarray(own / len(cells))


# --- popularity ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_ranges_of_ranks_have_their_exact_mass(exponent: float, count: int) -> None:
    cells = popularity_cells(exponent, count)
    edges = np.append(cells.first, count)
    assert (edges[0], edges[-1]) == (0, count)
    assert (np.diff(edges) == cells.width).all()
    expected = np.add.reduceat(zipf(exponent, count), edges[:-1])
    assert mass_of_cells(cells) == pytest.approx(expected, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_no_key_is_far_from_its_probability(exponent: float) -> None:
    """Ranks up to 256 are exact; beyond, a range is 1/128 of its rank wide."""
    drawn = probabilities(space(count=1_000_000, popularity={"zipf": exponent}))
    exact = zipf(exponent, 1_000_000)
    assert drawn.sum() == pytest.approx(1.0, rel=1e-12)
    assert drawn[:EXACT_RANKS] == pytest.approx(exact[:EXACT_RANKS], rel=1e-9)
    assert np.abs(drawn / exact - 1.0).max() <= exponent / 256 * 1.02 + 1e-9


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_draws_follow_the_law(exponent: float, count: int) -> None:
    ranks = drawn_ranks(exponent, count)
    assert 0 <= ranks.min() <= ranks.max() < count
    below = np.cumsum(zipf(exponent, count))
    seen = np.searchsorted(np.sort(ranks), np.arange(count), side="right") / DRAWS
    assert np.abs(seen - below).max() * np.sqrt(DRAWS) < KS_BOUND


def test_the_bound_finds_a_wrong_exponent() -> None:
    """0.95 taken for 0.887 would not pass."""
    ranks = drawn_ranks(0.95, 1_000_000)
    below = np.cumsum(zipf(0.887, 1_000_000))
    seen = np.searchsorted(np.sort(ranks), np.arange(1_000_000), side="right") / DRAWS
    assert np.abs(seen - below).max() * np.sqrt(DRAWS) > 2 * KS_BOUND


def drawn_ranks(exponent: float, count: int) -> NDArray[np.int64]:
    """Draw as the engines do, from two words: the cell, then the rank in it."""
    cells, source = popularity_cells(exponent, count), word_source()
    words = [source(5, draws.KEY, request, 0) for request in range(DRAWS)]
    first = np.array([draws.uniform(word) for word, _ in words]) * len(cells)
    second = np.array([draws.uniform(word) for _, word in words])
    cell = first.astype(np.int64)
    cell = np.where(first - cell < cells.threshold[cell], cell, cells.alias[cell])
    return np.asarray(cells.first[cell] + (second * cells.width[cell]).astype(np.int64))


@pytest.mark.parametrize(
    ("count", "keys", "reads"),
    [(1_000_000, 0.0003, 0.4), (1_000, 0.01, 0.5), (10, 0.1, 0.2), (100_000, 0.2, 0.8), (3, 0.5, 0.99)],
)  # fmt: skip
def test_the_most_popular_keys_get_their_share(count: int, keys: float, reads: float) -> None:
    exponent = zipf_exponent(count, keys, reads)
    top = max(1, round(count * keys))
    assert zipf(exponent, count)[:top].sum() == pytest.approx(reads, rel=1e-9)
    law = space(count=count, popularity={"top": {"keys": keys, "reads": reads}})
    assert popularity(law) == exponent


@pytest.mark.parametrize(
    ("count", "keys", "reads"), [(100, 0.5, 0.4), (100, 0.5, 0.5), (1, 0.5, 0.6), (100, 0.01, 0.9999)]
)  # fmt: skip
def test_no_law_gives_the_top_less_than_its_part(count: int, keys: float, reads: float) -> None:
    with pytest.raises(ValueError, match="no Zipf law gives"):
        zipf_exponent(count, keys, reads)


def test_uniform_and_zipf_are_themselves() -> None:
    assert popularity(space()) == 0.0
    assert popularity(space(popularity={"zipf": 1.2})) == 1.2


# --- numbers of keys -----------------------------------------------------------------------------------


def numbered(**specs: KeySpaceSpec) -> Any:
    return key_spaces([*specs.values()], COUNTRIES, key=3, first_table=40)


def test_keys_are_numbered_space_after_space() -> None:
    spaces = numbered(
        a=space(count=10),
        b=space(count=5, per="country"),
        c=space(count=7, per="continent"),
        d=space(),
    )
    assert spaces.spaces.first.tolist() == [0, 10, 10 + 5 * 4, 10 + 5 * 4 + 7 * 3]
    assert spaces.spaces["count"].tolist() == [10, 5, 7, 1]
    partitions = spaces.partitions.reshape(4, len(COUNTRIES))
    assert partitions.tolist() == [[0, 0, 0, 0], [0, 1, 2, 3], [2, 0, 0, 1], [0, 0, 0, 0]]
    assert spaces.spaces.first_cell.tolist() == np.cumsum([0, 1, 1, 1]).tolist()


def test_countries_of_a_continent_share_its_keys() -> None:
    """Continents are numbered by their codes: EU, NA, SA."""
    partitions = numbered(c=space(per="continent")).partitions
    assert partitions.tolist() == [2, 0, 0, 1]


def test_a_country_s_own_order_begins_anywhere_and_stays_there() -> None:
    spec = space(count=1_000_000, locality=0.3)
    shifts = numbered(a=spec).shifts
    assert len(set(shifts.tolist())) == len(COUNTRIES)
    assert 0 <= shifts.min() <= shifts.max() < 1_000_000
    assert (numbered(a=spec).shifts == shifts).all()
    assert (key_spaces([spec], COUNTRIES, 4, 40).shifts != shifts).all()
    assert not numbered(a=space(count=1_000_000)).shifts.any()


def test_shifts_are_uniform() -> None:
    countries = tuple(f"{number}" for number in range(3_000))
    shifts = key_spaces([space(count=1_000, locality=1)], countries, 1, 0).shifts
    below = np.arange(1, 1_001) / 1_000
    seen = np.searchsorted(np.sort(shifts), np.arange(1_000), side="right") / len(shifts)
    assert np.abs(seen - below).max() * np.sqrt(len(shifts)) < KS_BOUND


def test_sizes_are_a_number_or_a_table() -> None:
    law = {"lognormal": {"p50": "1kB", "p99": "9kB"}}
    spaces = numbered(
        a=space(value_size="100B", key_size="16B", metadata_size="4B"),
        b=space(value_size=law, key_size="1B"),
        c=space(),
        d=space(value_size=law),
    )
    assert spaces.spaces.bytes.tolist() == [120, 1, 288 + 32, 32]
    assert spaces.spaces.size_table.tolist() == [kvl.SIZE_CONSTANT, 40, kvl.SIZE_CONSTANT, 41]
    assert len(spaces.size_laws) == 2


def test_a_law_has_no_value_over_the_limit() -> None:
    wide = {"lognormal": {"p50": "1kB", "sigma": 9}}
    (law,) = numbered(a=space(value_size=wide)).size_laws
    assert law.quantile_upper(np.array([1e-16]))[0] == 25 * 2**20


def test_no_spaces_are_arrays_too() -> None:
    none = key_spaces([], COUNTRIES, 1, 0)
    assert len(none.spaces) == len(none.cells) == len(none.partitions) == len(none.shifts) == 1
    assert none.size_laws == []
