"""Quantities with units, as written in YAML; inside, time is float milliseconds and size is bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from popsim.scenario.text import LARGEST_INT_BITS, quoted

# No part gives back what it took (`++`), so that text of any length is read or refused in one pass.
_NUMBER = re.compile(r"\s*+([-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?+)\s*+(\S*+)\s*+")
LONGEST = 400  # characters of a quantity; the largest floats have 309 digits

DURATIONS_MS = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "min": 6e4,
    "h": 3.6e6,
    "d": 8.64e7,
}
SIZES_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
RATES_PER_S = {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600, "/d": 1 / 86400}
MAX_BYTES = 10**18  # fits 64 bits
# No time is longer, neither one that is written nor one that comes out: 138 years. The last of the histograms' buckets
# begins here, a sum's addend in ns is below 2^62, and a clock in float64 ms is exact to a microsecond.
LONGEST_MS = 2.0**42 - 2.0**34
LONGEST_TIME = "138 years"
LEAST_RATE_PER_S = 1e-8  # one in three years


def _written(value: str | int | float) -> str:
    """Return a quantity's text; none, which no pattern takes, if it is longer than any quantity."""
    if isinstance(value, int):  # Python refuses to write very long ones
        return str(value) if value.bit_length() <= LARGEST_INT_BITS else ""
    text = str(value)
    return text if len(text) <= LONGEST else ""


def _quantity(value: object, what: str, units: Mapping[str, float], example: str) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected {what} such as {example}, got {quoted(value)}")
    match = _NUMBER.fullmatch(_written(value))
    if match is None:
        raise ValueError(f"expected {what} such as {example}, got {quoted(value)}")
    number, unit = float(match[1]), match[2]
    if number < 0:
        raise ValueError(f"expected {what} of 0 or more, got {quoted(value)}")
    if not unit and number != 0:
        raise ValueError(f"{quoted(value)} has no unit, expected {what} such as {example}")
    if unit and unit not in units:
        raise ValueError(
            f"unknown unit {quoted(unit)} in {quoted(value)}, expected one of {', '.join(units)}"
        )
    quantity = number * units.get(unit, 0)
    if not math.isfinite(quantity):
        raise ValueError(f"expected {what} that is finite, got {quoted(value)}")
    return quantity


def parse_duration(value: object) -> float:
    """Return milliseconds of ``5min``, ``200ms``, ``1.5s``, ``24h``; a bare number must be 0.

    >>> parse_duration("1.5s")
    1500.0
    """
    ms = _quantity(value, "a duration", DURATIONS_MS, "200ms")
    if ms >= LONGEST_MS:
        raise ValueError(f"expected a duration below {LONGEST_TIME}, got {quoted(value)}")
    return ms


def parse_bytes(value: object) -> int:
    """Return bytes of ``128MB`` (10**6) or ``2KiB`` (2**10); a bare number must be 0."""
    size = _quantity(value, "a size", SIZES_BYTES, "128MB")
    if size > MAX_BYTES:
        raise ValueError(f"expected a size of at most {MAX_BYTES:.0e} bytes, got {quoted(value)}")
    return round(size)


def parse_rate(value: object) -> float:
    """Return requests per second of ``2000/s`` or ``30/min``; must be positive."""
    rate = _quantity(value, "a rate", RATES_PER_S, "2000/s")
    if rate == 0:
        raise ValueError(f"expected a rate above 0, got {quoted(value)}")
    if rate < LEAST_RATE_PER_S:
        raise ValueError(f"expected a rate of at least {LEAST_RATE_PER_S:g}/s, got {quoted(value)}")
    return rate


def parse_share(value: object) -> float:
    """Return the number between 0 and 1 of ``2%`` or ``0.02``."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a share such as 2% or 0.02, got {quoted(value)}")
    match = _NUMBER.fullmatch(_written(value))
    if match is None or match[2] not in ("", "%"):
        raise ValueError(f"expected a share such as 2% or 0.02, got {quoted(value)}")
    share = float(match[1]) / (100 if match[2] else 1)
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share from 0 to 1 (0% to 100%), got {quoted(value)}")
    return share


def format_duration(ms: float) -> str:
    """Write milliseconds in the largest unit that keeps them exact."""
    ms = float(ms)  # numpy's floats print their type
    for unit in ("d", "h", "min", "s"):
        number = ms / DURATIONS_MS[unit]
        if ms > 0 and number == int(number) and number * DURATIONS_MS[unit] == ms:
            return f"{int(number)}{unit}"
    return f"{ms:g}ms" if float(f"{ms:g}") == ms else f"{ms!r}ms"


def format_bytes(size: int) -> str:
    """Write bytes in the largest decimal unit that keeps them exact."""
    for unit in ("GB", "MB", "kB"):
        if size > 0 and size % SIZES_BYTES[unit] == 0:
            return f"{size // SIZES_BYTES[unit]}{unit}"
    return f"{size}B"


def format_rate(per_s: float) -> str:
    """Write a rate per second, exactly."""
    return f"{per_s!r}/s"
