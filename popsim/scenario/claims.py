"""Claims in a scenario: a sentence, where it was published, what must hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from popsim.scenario.fields import Share
from popsim.scenario.parts import Spec, Where
from popsim.scenario.text import is_address, quoted


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError(f"expected an address such as https://example.org, got {quoted(text)}")
    return text


class SourceSpec(Spec):
    """Where and when a claim was published, and about what: users, percentile, region, conditions."""

    url: Annotated[str, AfterValidator(_address)] = Field(
        json_schema_extra={"pattern": r"^https?://\S+$"}
    )
    """Where the claim was published."""
    date: str = Field(pattern=r"^\d{4}(-\d{2}){0,2}$")
    """When: a year, a month or a day, such as 2026-01-31."""
    scope: str = Field(min_length=1)
    """What it is about: which users, percentile, region, conditions."""


def _source(value: object) -> object:
    if value == "ours":
        return None
    if not isinstance(value, Mapping | SourceSpec):
        raise ValueError(
            f"expected {{url, date, scope}}, or ours for a promise of one's own, got {quoted(value)}"
        )
    return value


Source = Annotated[
    SourceSpec | None,
    BeforeValidator(_source, json_schema_input_type=SourceSpec | Literal["ours"]),
    PlainSerializer(lambda source: "ours" if source is None else source.model_dump()),
]


class ClaimSpec(Spec):
    """A sentence, who published it (None: it is ours), and what it means for the results."""

    id: str = Field(min_length=1)
    """A name that no other claim of the scenario has."""
    says: str
    """The sentence, as published."""
    source: Source
    """Where and when it was published, and about what; ``ours`` for a promise of one's own."""
    expect: tuple[str, ...] = Field(min_length=1)
    """What must hold, all of it: expressions such as ``workers.p(95) < 250ms``."""
    input: str | None = Field(default=None, min_length=1)
    """Which input of the scenario decides the verdict, if one does: such a verdict is an assumption, no result."""
    where: Where = Where()
    """Only the requests of these clients."""
    severity: Literal["error", "warn"] = "error"
    """``warn``: the verdict is told, but the exit code does not follow it."""
    confidence: Annotated[Share, Field(ge=0.5, le=0.9999)] = 0.95
    """Of the intervals that decide, from 50% to 99.99%."""
    failures: Share = 0.01
    """A latency decides nothing if a larger share of the platform's requests fails: failed ones have none."""

    @property
    def kind(self) -> Literal["published", "ours", "input"]:
        """What a verdict says something about: a published sentence, one of ours, or an input of the scenario."""
        if self.input is not None:
            return "input"
        return "ours" if self.source is None else "published"
