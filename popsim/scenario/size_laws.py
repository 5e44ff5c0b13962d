"""Distributions of sizes: the laws of durations with sizes in their places; a byte counts as a millisecond."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from popsim.scenario.laws import Floats, Law, parse_law
from popsim.scenario.text import quoted
from popsim.scenario.units import format_bytes, parse_bytes, parse_duration

RARE = np.array([1e-4])
MAX_LAW_BYTES = 4 * 10**12


class Capped(Law):
    """A law of sizes whose larger values count as ``most`` bytes."""

    def __init__(self, law: Law, most: int) -> None:
        self.law, self.most = law, float(most)

    def quantile_lower(self, p: Floats) -> Floats:
        """Return the value at CDF = p."""
        return np.minimum(self.law.quantile_lower(p), self.most)

    def quantile_upper(self, p: Floats) -> Floats:
        """Return the value at CDF = 1 - p."""
        return np.minimum(self.law.quantile_upper(p), self.most)

    def cdf(self, x: Floats) -> Floats:
        """Return P(X <= x)."""
        return np.where(np.asarray(x) >= self.most, 1.0, self.law.cdf(x))

    def cdf_before(self, x: Floats) -> Floats:
        """Return P(X < x)."""
        return np.where(np.asarray(x) > self.most, 1.0, self.law.cdf_before(x))

    def sf(self, x: Floats) -> Floats:
        """Return P(X > x)."""
        return np.where(np.asarray(x) >= self.most, 0.0, self.law.sf(x))

    def sf_before(self, x: Floats) -> Floats:
        """Return P(X >= x)."""
        return np.where(np.asarray(x) > self.most, 0.0, self.law.sf_before(x))

    def marks(self) -> Floats:
        """Return the law's values up to the cap, and that."""
        below = self.law.marks()
        return np.append(below[below < self.most], self.most)

    def maximum(self) -> float:
        """Return the cap, or less."""
        return min(self.law.maximum(), self.most)

    def mean(self) -> float:
        """Return the mean of the law without its cap, in bytes."""
        return self.law.mean()

    def scaled(self, factor: float) -> Law:
        """Return the law of ``factor`` times the value."""
        return Capped(self.law.scaled(factor), round(self.most * factor))

    def to_yaml(self) -> Any:
        """Return the YAML form of the law without its cap."""
        return self.law.to_yaml()


def parse_size_law(value: object) -> Law:
    """Read a law of sizes, such as ``288B`` or ``{lognormal: {p50: 288B, p99: 100kB}}``; values are bytes.

    Raises:
        ValueError: it is no law of sizes.

    >>> float(parse_size_law({"lognormal": {"p50": "1kB", "p99": "20kB"}}).quantile_upper(np.array([0.5]))[0])
    1000.0
    """
    if isinstance(value, Law):
        return value
    if isinstance(value, str | int | float):
        return parse_law(f"{_size(value)}ms")
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError(
            "expected a size such as 288B, or a distribution such as "
            f"{{lognormal: {{p50: 288B, p99: 100kB}}}}, got {quoted(value)}"
        )
    ((name, parameters),) = value.items()
    if name == "constant":
        return parse_size_law(parameters)
    return parse_law({name: _translated(parameters)})


def size_law_to_yaml(law: Law) -> Any:
    """Return the YAML form that :func:`parse_size_law` reads back."""
    return _as_sizes(law.to_yaml())


def rarely_exceeded(law: Law) -> float:
    """Return the size in bytes that one value in ten thousand exceeds."""
    return float(law.quantile_upper(RARE)[0])


def excess(law: Law, most: int) -> str | None:
    """Say how large a law's values are if more than one in ten thousand exceeds ``most`` bytes; None if not."""
    large = rarely_exceeded(law)
    if large <= most:
        return None
    has = f"{large / 2**20:,.1f} MiB"
    return has if law.maximum() == law.mean() else f"one in 10,000 that has {has} or more"


def _size(value: object) -> int:
    """Read a size that a millisecond each can stand for; ValueError."""
    size = parse_bytes(value)
    if size >= MAX_LAW_BYTES:
        raise ValueError(f"expected a size below {MAX_LAW_BYTES:.0e} bytes, got {quoted(value)}")
    return size


def _translated(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _translated(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_translated(item) for item in value]
    if isinstance(value, str):
        return f"{_size(value)}ms"
    return value


def _as_sizes(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_sizes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_sizes(item) for item in value]
    if isinstance(value, str):
        return format_bytes(round(parse_duration(value)))
    return value
