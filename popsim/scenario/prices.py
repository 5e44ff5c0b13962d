"""What a platform charges for running functions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from popsim.scenario.fields import DurationMs, PositiveBytes
from popsim.scenario.parts import Spec, or_null, without_null

Usd = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class RegionPrices(Spec):
    """What is charged otherwise where code runs in some region; the rest is as everywhere."""

    request: Usd | None = None
    """USD per million requests that a function is called for."""
    cpu: Usd | None = None
    """USD per million milliseconds of CPU time."""
    duration: Usd | None = None
    """USD per million GB-s."""
    egress: Usd | None = None
    """USD per GB of responses."""


class FunctionPrices(Spec):
    """USD per million requests, CPU-milliseconds and GB-seconds, per GB of responses; what is left out is free."""

    request: Usd = 0.0
    """USD per million requests that a function is called for."""
    cpu: Usd = 0.0
    """USD per million milliseconds of CPU time."""
    duration: Usd = 0.0
    """USD per million GB-s of the platform's ``memory``, while an instance has requests inside."""
    egress: Usd = 0.0
    """USD per GB (10^9 B) of responses."""
    by_region: Annotated[
        dict[str, RegionPrices],
        BeforeValidator(without_null, json_schema_input_type=dict[str, RegionPrices | None]),
        or_null(dict[str, RegionPrices | None]),
    ] = {}
    """What differs where code runs, by the id of the site."""
    gb: PositiveBytes = 1_000_000_000
    """What the price list calls a GB of memory: with 1024MB, 128MB are an eighth of it."""
    step: DurationMs = 0.0
    """What the time of each request is rounded up to a multiple of."""
    bills_start: bool = False
    """Whether an instance's ``init`` counts as time, too."""

    def at(self, kind: str, region: str) -> float:
        """Return a price (``request``, ``cpu``, ``duration`` or ``egress``) in a region."""
        own = self.by_region.get(region)
        price: float | None = None if own is None else getattr(own, kind)
        usual: float = getattr(self, kind)
        return usual if price is None else price
