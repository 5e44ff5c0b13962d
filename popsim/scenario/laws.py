"""Distributions of durations, as written in YAML; each knows its quantiles, mean and distribution function.

A law answers quantiles by tail probability, so that both tails stay accurate:
``quantile_lower(p)`` is the value at CDF = p, ``quantile_upper(p)`` the value at CDF = 1 - p, p in (0, 1/2]. Where its
distribution function jumps or bends, a law says so by ``marks``: tables are cut there.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.errors import did_you_mean
from popsim.scenario.text import quoted
from popsim.scenario.units import LONGEST_MS, LONGEST_TIME, format_duration, parse_duration

Floats = NDArray[np.float64]
MAX_NUMBER = 1e12  # of weights and shapes
RAREST = np.array([2.0**-54])  # tail probability at the end of the engines' tables of quantiles


class Law(ABC):
    """A distribution of non-negative values in ms."""

    @abstractmethod
    def quantile_lower(self, p: Floats) -> Floats:
        """Return the value at CDF = p, p in (0, 1/2]."""

    @abstractmethod
    def quantile_upper(self, p: Floats) -> Floats:
        """Return the value at CDF = 1 - p, p in (0, 1/2], accurate down to p = 1e-16."""

    @abstractmethod
    def cdf(self, x: Floats) -> Floats:
        """Return P(X <= x)."""

    def sf(self, x: Floats) -> Floats:
        """Return P(X > x)."""
        return 1.0 - self.cdf(x)

    def cdf_before(self, x: Floats) -> Floats:
        """Return P(X < x)."""
        return self.cdf(x)

    def sf_before(self, x: Floats) -> Floats:
        """Return P(X >= x)."""
        return self.sf(x)

    def marks(self) -> Floats:
        """Return the values, ascending, at which P(X <= x) jumps or bends; smooth laws have none."""
        return np.zeros(0)

    def breaks(self) -> tuple[Floats, Floats]:
        """Return the tail probabilities at which the quantiles of either side jump or bend: the lower side, the upper."""
        at = self.marks()
        lower, upper = (self.cdf_before(at), self.cdf(at)), (self.sf(at), self.sf_before(at))
        return np.concatenate(lower), np.concatenate(upper)

    @abstractmethod
    def mean(self) -> float:
        """Return the expected value in ms."""

    @abstractmethod
    def scaled(self, factor: float) -> Law:
        """Return the law of ``factor`` times the value."""

    @abstractmethod
    def to_yaml(self) -> Any:
        """Return the YAML form, which :func:`parse_law` reads back to an equal law."""

    def maximum(self) -> float:
        """Return the largest possible value in ms; infinite if there is none."""
        return float("inf")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_yaml() == other.to_yaml()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_yaml(), sort_keys=True))  # equal whatever the keys' order

    def __repr__(self) -> str:
        return f"Law({self.to_yaml()!r})"


def normal_quantile(p: Floats) -> Floats:
    """Return the standard normal quantile (Cephes ndtri)."""
    from scipy.special import ndtri

    return np.asarray(ndtri(p), dtype=np.float64)


Builder = Callable[[Mapping[str, Any]], Law]
_FORMS: dict[str, Builder] = {}


def form(name: str) -> Callable[[Builder], Builder]:
    """Register the YAML form ``{name: parameters}`` of a law."""

    def add(builder: Builder) -> Builder:
        _FORMS[name] = builder
        return builder

    return add


def law_forms() -> tuple[str, ...]:
    """Return the names of all YAML forms."""
    _load()
    return tuple(_FORMS)


def parse_law(value: object) -> Law:
    """Read a law from its YAML form: a duration, or one key with parameters.

    >>> parse_law({"lognormal": {"p50": "10ms", "p99": "40ms"}}).quantile_upper(np.array([0.01])).round(6)
    array([40.])

    Raises:
        ValueError: it is no law; the message says what was expected.
    """
    _load()
    if isinstance(value, Law):
        return value
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return _FORMS["constant"]({"": value})
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError(
            f"expected a duration such as 5ms, or a distribution such as "
            f"{{lognormal: {{p50: 5ms, p99: 20ms}}}}, got {quoted(value)}"
        )
    ((name, parameters),) = value.items()
    if name not in _FORMS:
        raise ValueError(f"unknown distribution {quoted(name)}, {did_you_mean(name, law_forms())}")
    if name in ("constant", "sample", "mixture"):
        return _FORMS[name]({"": parameters})
    if not isinstance(parameters, Mapping):
        raise ValueError(f"{name}: expected a mapping of parameters, got {quoted(parameters)}")
    with suppress(OverflowError, ZeroDivisionError), np.errstate(all="ignore"):
        law = _FORMS[name](parameters)
        if name == "shifted":  # its law has been checked
            return law
        if np.isfinite([law.mean(), *law.quantile_upper(np.array([1e-16]))]).all():
            return law
    raise ValueError(f"{name}: its mean or its tail is beyond all numbers, got {dict(parameters)}")


def check_longest(law: Law) -> None:
    """Refuse a law of times whose tail reaches further than any time may.

    Raises:
        ValueError: the largest value that can be drawn of it is too long.
    """
    with np.errstate(all="ignore"):
        longest = float(law.quantile_upper(RAREST)[0])
    if not longest < LONGEST_MS:
        raise ValueError(
            f"its longest times ({longest:.2g} ms, one draw in 10^16) are above the {LONGEST_TIME} that popsim keeps; "
            "bound it, for example by its percentiles: {percentiles: {p50: 1s, p99: 1min, p100: 1h}}"
        )


def take(
    name: str,
    parameters: Mapping[str, Any],
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
) -> None:
    """Check the parameter names of a law.

    Raises:
        ValueError: one is unknown or missing.
    """
    known = required + optional
    for key in parameters:
        if key not in known:
            raise ValueError(
                f"{name}: unknown parameter {quoted(key)}, expected {', '.join(known)}"
            )
    for key in required:
        if key not in parameters:
            raise ValueError(f"{name}: parameter {quoted(key)} is missing")


def number(name: str, key: str, value: object, *, positive: bool = True) -> float:
    """Read a plain number.

    Raises:
        ValueError: it is none, not finite, or not positive where it must be.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: {key} must be a number, got {quoted(value)}")
    if not abs(value) <= MAX_NUMBER:
        raise ValueError(
            f"{name}: {key} must be a number of at most {MAX_NUMBER:g}, got {quoted(value)}"
        )
    if value < 0 or (positive and value == 0):
        raise ValueError(f"{name}: {key} must be above 0, got {quoted(value)}")
    return float(value)


def ms(value: float) -> str:
    """Write a duration for to_yaml."""
    return format_duration(value) if value else "0ms"


def duration(name: str, key: str, value: object, *, positive: bool = False) -> float:
    """Read a duration of a law's parameter, in ms.

    Raises:
        ValueError: it is none, or 0 where it must not be.
    """
    try:
        parsed = parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{name}: {key}: {error}") from None
    if positive and parsed == 0:
        raise ValueError(f"{name}: {key} must be above 0, got {quoted(value)}")
    return parsed


def _load() -> None:
    """Import the modules that register forms."""
    if "constant" not in _FORMS:
        from popsim.scenario import (  # noqa: F401
            laws_composed,
            laws_continuous,
            laws_percentiles,
            laws_step,
        )
