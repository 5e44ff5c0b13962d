"""Types of pydantic fields: what YAML says, read into ms, bytes, requests per second, shares and laws."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from popsim.scenario.laws import MAX_NUMBER, Law, check_longest, parse_law
from popsim.scenario.size_laws import parse_size_law, size_law_to_yaml
from popsim.scenario.text import quoted
from popsim.scenario.units import (
    format_bytes,
    format_duration,
    format_rate,
    parse_bytes,
    parse_duration,
    parse_rate,
    parse_share,
)

MAX_WAITING = 1_000_000_000  # requests or calls in a queue; more than fit into any memory


def _kinds(annotation: Any) -> set[Any]:
    """Return the types that an annotation mentions."""
    return {annotation}.union(*map(_kinds, get_args(annotation)))


class Checked(BaseModel):
    """Base of all that a user writes: ``true`` is no number, although Python says that it is 1."""

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and info.field_name is not None:
            field = cls.model_fields[info.field_name]
            kinds = _kinds(field.annotation) & {int, float}
            says_more = any(isinstance(part, BeforeValidator) for part in field.metadata)
            if kinds and not says_more:
                whole = "a whole number" if kinds == {int} else "a number"
                raise ValueError(f"expected {whole}, got {str(value).lower()}")
        return value


def _weight(value: Any) -> Any:
    return parse_share(value) if isinstance(value, str | bool) else value


def law_of_times(value: Any) -> Law:
    """Read a law of durations, none of which is longer than any time may be; ValueError."""
    law = parse_law(value)
    check_longest(law)
    return law


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ValueError(f"expected a name or a list of names, got {quoted(value)}")


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
    BeforeValidator(_weight),
    Field(gt=0, le=MAX_NUMBER, allow_inf_nan=False),
    named("Weight"),
]
LawField = Annotated[
    InstanceOf[Law],
    BeforeValidator(law_of_times),
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
