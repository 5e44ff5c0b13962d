"""Quantities: what is written is what is meant, comes back unchanged, and nonsense is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popsim.scenario.units import (
    DURATIONS_MS,
    LEAST_RATE_PER_S,
    LONGEST_MS,
    MAX_BYTES,
    RATES_PER_S,
    SIZES_BYTES,
    format_bytes,
    format_duration,
    format_rate,
    parse_bytes,
    parse_duration,
    parse_rate,
    parse_share,
)

Parse = Callable[[object], float]
PROPERTY = settings(deadline=None, derandomize=True)
PARSERS: tuple[Parse, ...] = (parse_duration, parse_bytes, parse_rate, parse_share)


@PROPERTY
@given(st.floats(min_value=0, max_value=LONGEST_MS, exclude_max=True, allow_subnormal=False))
def test_every_duration_round_trips_exactly(ms: float) -> None:
    assert parse_duration(format_duration(ms)) == ms


@PROPERTY
@given(st.floats(min_value=0, max_value=1e12))
def test_durations_of_numpy_are_written_like_others(ms: float) -> None:
    assert format_duration(np.float64(ms)) == format_duration(ms)


@PROPERTY
@given(st.integers(min_value=0, max_value=MAX_BYTES))
def test_every_size_round_trips_up_to_the_largest(size: int) -> None:
    text = format_bytes(size)
    again = parse_bytes(text)
    assert again == pytest.approx(size, rel=1e-15)
    if size < 2**53:
        assert again == size


@PROPERTY
@given(st.floats(min_value=LEAST_RATE_PER_S, max_value=1e300))
def test_every_rate_round_trips_exactly(per_s: float) -> None:
    assert parse_rate(format_rate(per_s)) == per_s


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.0, "0ms"), (1.5, "1.5ms"), (1_000.0, "1s"), (90_000.0, "90s"), (60_000.0, "1min"),
     (3.6e6, "1h"), (8.64e7, "1d"), (0.1, "0.1ms"), (1 / 3, "0.3333333333333333ms")],
)  # fmt: skip
def test_durations_are_written_in_their_largest_unit(ms: float, text: str) -> None:
    assert format_duration(ms) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (128_000_000, "128MB"), (1_500, "1500B"), (2_048, "2048B")]
)
def test_sizes_are_written_in_their_largest_unit(size: int, text: str) -> None:
    assert format_bytes(size) == text


@PROPERTY
@given(st.sampled_from(sorted(DURATIONS_MS)), st.integers(min_value=0, max_value=50_000))
def test_units_of_time_are_those_of_physics(unit: str, number: int) -> None:
    seconds = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3_600}
    expected = number * seconds.get(unit, 86_400) * 1_000
    assert parse_duration(f"{number}{unit}") == pytest.approx(expected, rel=1e-15)
    assert parse_duration(f" {number} {unit} ") == parse_duration(f"{number}{unit}")


@pytest.mark.parametrize("text", ["139a", "50705d", "1e300d", "4.5e12ms", f"{LONGEST_MS!r}ms"])
def test_no_duration_is_longer_than_the_longest(text: str) -> None:
    with pytest.raises(ValueError, match=r"below 138 years|unknown unit"):
        parse_duration(text)


def test_the_longest_duration_and_the_rarest_request() -> None:
    assert parse_duration("50000d") == 50_000 * 86_400e3
    below = math.nextafter(LONGEST_MS, 0.0)
    assert parse_duration(f"{below!r}ms") == below
    assert parse_rate("1e-08/s") == LEAST_RATE_PER_S
    for text in ("9e-9/s", "1e-300/d"):
        with pytest.raises(ValueError, match="at least 1e-08/s"):
            parse_rate(text)


def test_units_of_size_are_decimal_unless_they_say_otherwise() -> None:
    assert [parse_bytes(f"1{unit}") for unit in SIZES_BYTES] == list(SIZES_BYTES.values())
    assert (parse_bytes("1MB"), parse_bytes("1MiB")) == (1_000_000, 1_048_576)
    assert parse_bytes("1.5kB") == 1_500


def test_rates_are_per_second() -> None:
    assert parse_rate("7200/h") == pytest.approx(parse_rate("2/s"))
    assert parse_rate("86400/d") == pytest.approx(parse_rate("60/min"))


@pytest.mark.parametrize(
    ("value", "share"), [("2%", 0.02), (0.02, 0.02), ("0", 0.0), (1, 1.0), ("100%", 1.0), ("5e-1", 0.5)]
)  # fmt: skip
def test_shares_are_percentages_or_numbers(value: object, share: float) -> None:
    assert parse_share(value) == share


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "value",
    [None, True, [], {}, "", "five", "5 5ms", "ms", "--5", "-5", -5, "nan", float("nan"), "1,5s", "٣"],
)  # fmt: skip
def test_what_is_no_quantity_is_refused_with_the_value(parse: Parse, value: object) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse(value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("value", [float("inf"), "1e999", 10**400, "9" * 400])
def test_nothing_is_infinite(parse: Parse, value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(value)


@pytest.mark.parametrize(
    ("parse", "value"), [(parse_duration, "1e308d"), (parse_rate, "1e400/s"), (parse_bytes, "1e308GB")]
)  # fmt: skip
def test_a_finite_number_can_be_an_infinite_quantity(parse: Parse, value: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        parse(value)


def test_sizes_fit_into_64_bits() -> None:
    assert parse_bytes(f"{MAX_BYTES}B") == MAX_BYTES < 2**63
    with pytest.raises(ValueError, match="at most 1e\\+18 bytes"):
        parse_bytes("1e10GB")


@pytest.mark.parametrize(
    ("parse", "value", "known"),
    [(parse_duration, "5 sec", DURATIONS_MS), (parse_bytes, "5mb", SIZES_BYTES),
     (parse_rate, "5/sec", RATES_PER_S), (parse_rate, "5rps", RATES_PER_S)],
)  # fmt: skip
def test_unknown_units_list_the_known_ones(
    parse: Parse, value: str, known: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="unknown unit") as caught:
        parse(value)
    assert str(caught.value).endswith(", ".join(known))


@pytest.mark.parametrize("parse", [parse_duration, parse_bytes, parse_rate])
def test_only_zero_goes_without_a_unit(parse: Parse) -> None:
    with pytest.raises(ValueError, match="5 has no unit"):
        parse(5)
    if parse is not parse_rate:
        assert parse(0) == parse("0") == 0


@pytest.mark.parametrize("value", [0, "0/s", "1e-320/d"])
def test_a_rate_of_nothing_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="above 0"):
        parse_rate(value)


@pytest.mark.parametrize("value", ["100.1%", 1.001, "5ms", "-1%"])
def test_shares_lie_between_nothing_and_all(value: object) -> None:
    with pytest.raises(ValueError, match="expected a share"):
        parse_share(value)


def test_subnormal_times_keep_their_size() -> None:
    assert parse_duration(format_duration(math.ulp(0.0))) == math.ulp(0.0)
