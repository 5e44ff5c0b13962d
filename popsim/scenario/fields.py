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


def _text(pattern: str, examples: list[str]) -> WithJsonSchema:
    """Describe a quantity with its unit for editors; a bare 0 needs none."""
    text = {"type": "string", "pattern": pattern, "examples": examples}
    return WithJsonSchema({"anyOf": [text, {"const": 0}]})


NUMBER = r"^\s*(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*"
SHARE = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": NUMBER + "%?$"},
    ]
}
LAW = {
    "anyOf": [
        {"type": ["string", "integer"]},
        {"type": "object", "minProperties": 1, "maxProperties": 1},
    ]
}
NAMES = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}

COUNT = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\d+(_\d+)*$", "examples": ["1_000_000"]},
    ]
}

WEIGHT = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_NUMBER},
        {"type": "string", "pattern": NUMBER + "%?$", "examples": ["40%"]},
    ]
}

Count = Annotated[int, WithJsonSchema(COUNT)]
DurationMs = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    _text(NUMBER + "(ns|us|µs|ms|s|min|h|d)$", ["200ms", "5min"]),
]
SizeBytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    PlainSerializer(format_bytes, return_type=str),
    _text(NUMBER + "(B|kB|KB|MB|GB|KiB|MiB|GiB)$", ["128MB"]),
]
RatePerS = Annotated[
    float,
    BeforeValidator(parse_rate),
    PlainSerializer(format_rate, return_type=str),
    _text(NUMBER + "/(s|min|h|d)$", ["200/s"]),
]
Share = Annotated[float, BeforeValidator(parse_share), WithJsonSchema(SHARE)]
Weight = Annotated[
    float,
    BeforeValidator(lambda value: parse_share(value) if isinstance(value, str) else value),
    Field(gt=0, le=MAX_NUMBER, allow_inf_nan=False),
    WithJsonSchema(WEIGHT),
]
LawField = Annotated[
    InstanceOf[Law],
    BeforeValidator(parse_law),
    PlainSerializer(lambda law: law.to_yaml()),
    WithJsonSchema(LAW),
]
SizeLawField = Annotated[
    InstanceOf[Law],
    BeforeValidator(parse_size_law),
    PlainSerializer(size_law_to_yaml),
    WithJsonSchema(LAW),
]
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    PlainSerializer(list, return_type=list),
    WithJsonSchema(NAMES),
]
