"""What a vendor refuses."""

from __future__ import annotations

from pydantic import Field

from popsim.scenario.fields import PositiveBytes
from popsim.scenario.parts import Spec

RARE = (
    0.001  # share of values that may be larger than a store takes, where a law has no largest value
)


class LimitsSpec(Spec):
    """The largest that a vendor takes; what is left out is not limited."""

    memory: PositiveBytes | None = None
    """The most ``memory`` that a function can have."""
    value: PositiveBytes | None = Field(default=None)
    """The largest value, or item with its key, that the key-value store takes."""
    item_has_key: bool = False
    """Whether ``value`` counts the key and the metadata, too."""
