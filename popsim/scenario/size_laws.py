"""Distributions of sizes: the laws of durations with sizes in their places; a byte counts as a millisecond."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from popsim.scenario.laws import Law, parse_law
from popsim.scenario.units import format_bytes, parse_bytes, parse_duration

LARGEST_TAIL = np.array([2.0**-54])


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
        return parse_law(f"{parse_bytes(value)}ms")
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError(
            "expected a size such as 288B, or a distribution such as "
            f"{{lognormal: {{p50: 288B, p99: 100kB}}}}, got {value!r}"
        )
    ((name, parameters),) = value.items()
    if name == "constant":
        return parse_size_law(parameters)
    return parse_law({name: _translated(parameters)})


def size_law_to_yaml(law: Law) -> Any:
    """Return the YAML form that :func:`parse_size_law` reads back."""
    return _as_sizes(law.to_yaml())


def largest_size(law: Law) -> float:
    """Return the largest size in bytes that is ever drawn."""
    return float(law.quantile_upper(LARGEST_TAIL)[0])


def _translated(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _translated(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_translated(item) for item in value]
    if isinstance(value, str):
        return f"{parse_bytes(value)}ms"
    return value


def _as_sizes(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_sizes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_sizes(item) for item in value]
    if isinstance(value, str):
        return format_bytes(round(parse_duration(value)))
    return value
