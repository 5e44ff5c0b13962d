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
    field_validator,
    model_validator,
)

from popsim.scenario.fields import (
    Checked,
    DurationMs,
    LawField,
    Names,
    Share,
    law_of_times,
    named,
)
from popsim.scenario.laws import Law
from popsim.scenario.text import quoted
from popsim.scenario.units import format_duration, parse_duration, parse_share


class Spec(Checked):
    """Base: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OriginSpec(Spec):
    """Where an origin is: a position, a city, or a region of a site topology."""

    lat: float | None = Field(default=None, ge=-90, le=90)
    """Latitude in degrees; with ``lon``."""
    lon: float | None = Field(default=None, ge=-180, le=180)
    """Longitude in degrees; with ``lat``."""
    city: str | None = None
    """A city of the bundled clients: of ``cities``, else the largest of that name in ``world-users``."""
    country: str | None = None
    """Two-letter code: which city of that name, or on which side of a border a position is."""
    region: str | None = None
    """Id of a site of ``topology``."""
    topology: str = "aws"
    """The sites among which ``region`` is: a bundled list, or a CSV file."""

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


def or_null(mapping: Any) -> Any:
    """Return a validator that takes null for a mapping of which all may be left out: a scenario takes away its preset's."""
    return BeforeValidator(
        lambda value: {} if value is None else value, json_schema_input_type=mapping | None
    )


def _model_spec(value: Any) -> Any:
    if isinstance(value, str):
        return {"model": value}
    if isinstance(value, dict) and isinstance(value.get("model"), str):
        return without_null(value)
    raise ValueError(
        f"expected a model's name, or a mapping with the key model, got {quoted(value)}"
    )


def word_or_share(*words: str) -> Any:
    """Return a validator of one of some words, or a share."""

    def check(value: Any) -> Any:
        if value in words:
            return value
        try:
            return parse_share(value)
        except ValueError:
            raise ValueError(
                f"expected {', '.join(words)} or a share such as 80%, got {quoted(value)}"
            ) from None

    return BeforeValidator(check, json_schema_input_type=Literal[words] | Share)


def _word_or_duration(*words: str) -> Any:
    def check(value: Any) -> Any:
        if value in words:
            return value
        try:
            return parse_duration(value)
        except ValueError:
            raise ValueError(
                f"expected {', '.join(words)} or a duration such as 60s, got {quoted(value)}"
            ) from None

    return BeforeValidator(check, json_schema_input_type=Literal[words] | DurationMs)


def _word_or_law(*words: str) -> Any:
    def check(value: Any) -> Any:
        return value if value in words else law_of_times(value)

    return BeforeValidator(check, json_schema_input_type=Literal[words] | LawField)


def _duration_text(value: Any) -> Any:
    return value if isinstance(value, str) else format_duration(value)


def _law_text(value: Any) -> Any:
    return value.to_yaml() if isinstance(value, Law) else value


def text_or_mapping(value: Any) -> str:
    """Tell the branches of a union apart: a name, or a mapping."""
    return "mapping" if isinstance(value, dict | BaseModel) else "name"


ModelSpec = Annotated[dict[str, Any], BeforeValidator(_model_spec), named("Model")]
IdleTimeout = Annotated[
    Any, _word_or_duration("never-pooled", "always-pooled"), PlainSerializer(_duration_text)
]
FetchReuse = Annotated[Any, _word_or_duration("never", "always"), PlainSerializer(_duration_text)]
Jitter = Annotated[Any, _word_or_law("measured", "none"), PlainSerializer(_law_text)]
VERSIONS = {"enum": ["none", "1.2", "1.3", 1.2, 1.3]}
Version = Annotated[Literal["none", "1.2", "1.3"], BeforeValidator(str), WithJsonSchema(VERSIONS)]


class Where(Spec):
    """Which places: all keys that are given must match."""

    any: tuple[Where, ...] | None = Field(default=None, min_length=1)
    """Places that match at least one of these, such as ``[{country: GB}, {city: Dublin}]``."""
    continent: Names | None = None
    """One of these continents: AF, AN, AS, EU, NA, OC, SA."""
    country: Names | None = None
    """One of these countries, by two-letter ISO code."""
    id: Names | None = None
    """One of these ids of the topology."""
    city: Names | None = None
    """One of these cities, as in the topology or by another name: ``Bombay`` is Mumbai."""

    def names(self, key: str) -> bool:
        """Tell whether a key is given, here or inside ``any``."""
        return getattr(self, key) is not None or any(part.names(key) for part in self.any or ())

    @field_validator("any", mode="before")
    @classmethod
    def _some_places(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, list | tuple):
            raise ValueError(
                f"expected a list of places such as [{{continent: EU}}], got {quoted(value)}"
            )
        return value

    @model_validator(mode="after")
    def _each_says_where(self) -> Where:
        if any(part == Where() for part in self.any or ()):
            raise ValueError("an entry of any says no place; everywhere is no where at all")
        return self
