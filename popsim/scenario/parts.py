"""Building blocks of the scenario's schema: the base class, and fields that are a word or something else."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from popsim.scenario.fields import Names
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.units import format_duration, parse_duration, parse_share


class Spec(BaseModel):
    """Base: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OriginSpec(Spec):
    """Where an origin is: a position, a city, or a region of a site topology."""

    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)
    city: str | None = None
    country: str | None = None
    region: str | None = None
    topology: str = "aws"

    @model_validator(mode="after")
    def _one_place(self) -> OriginSpec:
        ways = (self.lat is not None, self.city is not None, self.region is not None)
        if sum(ways) != 1 or (self.lat is None) != (self.lon is None):
            raise ValueError("expected one of: lat and lon, city (and country), region")
        return self


def without_null(value: Any) -> Any:
    """Leave out keys that are null, which is how a scenario takes away one of its preset's."""
    if isinstance(value, dict):
        return {key: without_null(item) for key, item in value.items() if item is not None}
    return value


def _model_spec(value: Any) -> Any:
    if isinstance(value, str):
        return {"model": value}
    if isinstance(value, dict) and isinstance(value.get("model"), str):
        return without_null(value)
    raise ValueError(f"expected a model's name, or a mapping with the key model, got {value!r}")


def word_or_share(*words: str) -> Any:
    """Return a validator of one of some words, or a share."""

    def check(value: Any) -> Any:
        if value in words:
            return value
        try:
            return parse_share(value)
        except ValueError:
            raise ValueError(
                f"expected {', '.join(words)} or a share such as 80%, got {value!r}"
            ) from None

    return BeforeValidator(check)


def _word_or_duration(*words: str) -> Any:
    def check(value: Any) -> Any:
        if value in words:
            return value
        try:
            return parse_duration(value)
        except ValueError:
            raise ValueError(
                f"expected {', '.join(words)} or a duration such as 60s, got {value!r}"
            ) from None

    return BeforeValidator(check)


def _word_or_law(*words: str) -> Any:
    def check(value: Any) -> Any:
        return value if value in words else parse_law(value)

    return BeforeValidator(check)


def _duration_text(value: Any) -> Any:
    return value if isinstance(value, str) else format_duration(value)


def _law_text(value: Any) -> Any:
    return value.to_yaml() if isinstance(value, Law) else value


def text_or_mapping(value: Any) -> str:
    """Tell the branches of a union apart: a name, or a mapping."""
    return "mapping" if isinstance(value, dict | BaseModel) else "name"


MODEL = {"anyOf": [{"type": "string"}, {"type": "object"}]}  # a preset may name the model
ModelSpec = Annotated[dict[str, Any], BeforeValidator(_model_spec), WithJsonSchema(MODEL)]
IdleTimeout = Annotated[
    Any, _word_or_duration("never-pooled", "always-pooled"), PlainSerializer(_duration_text)
]
FetchReuse = Annotated[Any, _word_or_duration("never", "always"), PlainSerializer(_duration_text)]
Jitter = Annotated[Any, _word_or_law("measured", "none"), PlainSerializer(_law_text)]
Version = Annotated[Literal["none", "1.2", "1.3"], BeforeValidator(str)]


class Where(Spec):
    """Which places: all keys that are given must match."""

    continent: Names | None = None
    country: Names | None = None
    id: Names | None = None
    city: Names | None = None
