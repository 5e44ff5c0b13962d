"""Types of pydantic fields: what YAML says, read into ms, bytes, requests per second, shares and laws."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, WithJsonSchema

from popsim.scenario.laws import MAX_NUMBER, Law, parse_law
from popsim.scenario.size_laws import parse_size_law, size_law_to_yaml
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


def named(name: str) -> WithJsonSchema:
    """Let the JSON Schema speak of a type by its name; ``popsim.json_schema`` knows what it looks like."""
    return WithJsonSchema({"x-type": name})


DurationMs = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    named("Duration"),
]
PositiveMs = Annotated[DurationMs, Field(gt=0), named("PositiveDuration")]
SizeBytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    PlainSerializer(format_bytes, return_type=str),
    named("Size"),
]
PositiveBytes = Annotated[SizeBytes, Field(gt=0), named("PositiveSize")]
RatePerS = Annotated[
    float,
    BeforeValidator(parse_rate),
    PlainSerializer(format_rate, return_type=str),
    named("Rate"),
]
Share = Annotated[float, BeforeValidator(parse_share), named("Share")]
Weight = Annotated[
    float,
    BeforeValidator(lambda value: parse_share(value) if isinstance(value, str) else value),
    Field(gt=0, le=MAX_NUMBER, allow_inf_nan=False),
    named("Weight"),
]
LawField = Annotated[
    InstanceOf[Law],
    BeforeValidator(parse_law),
    PlainSerializer(lambda law: law.to_yaml()),
    named("Law"),
]
SizeLawField = Annotated[
    InstanceOf[Law],
    BeforeValidator(parse_size_law),
    PlainSerializer(size_law_to_yaml),
    named("SizeLaw"),
]
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    PlainSerializer(list, return_type=list),
    named("Names"),
]
