"""Types of pydantic fields: what YAML says, read into ms, bytes, requests per second, shares and laws."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, InstanceOf, PlainSerializer

from popsim.scenario.laws import Law, parse_law
from popsim.scenario.units import (
    format_bytes,
    format_duration,
    format_rate,
    parse_bytes,
    parse_duration,
    parse_rate,
    parse_share,
)


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ValueError(f"expected a name or a list of names, got {value!r}")


DurationMs = Annotated[
    float, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)
]
SizeBytes = Annotated[
    int, BeforeValidator(parse_bytes), PlainSerializer(format_bytes, return_type=str)
]
RatePerS = Annotated[
    float, BeforeValidator(parse_rate), PlainSerializer(format_rate, return_type=str)
]
Share = Annotated[float, BeforeValidator(parse_share)]
LawField = Annotated[
    InstanceOf[Law], BeforeValidator(parse_law), PlainSerializer(lambda law: law.to_yaml())
]
Names = Annotated[tuple[str, ...], BeforeValidator(_names), PlainSerializer(list, return_type=list)]
