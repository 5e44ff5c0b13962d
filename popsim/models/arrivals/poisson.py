"""Poisson arrivals: many independent users, none of whom matters alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from popsim.models.arrivals.process import ArrivalModel
from popsim.models.arrivals.profiles import hourly_profile
from popsim.models.registry import register
from popsim.scenario.fields import RatePerS


@register("arrivals", "poisson")
class Poisson(ArrivalModel):
    """Requests of all clients at a mean rate, each client by its weight and its local hour."""

    rate: RatePerS
    by_local_hour: tuple[float, ...] | Literal["office", "evening"] | None = None

    @field_validator("by_local_hour")
    @classmethod
    def _profile_is_usable(
        cls, value: tuple[float, ...] | str | None
    ) -> tuple[float, ...] | str | None:
        hourly_profile(value)
        return value

    def profile(self) -> NDArray[np.float64]:
        """Return the relative intensity of the 24 local hours, shape (24,), with mean 1."""
        return hourly_profile(self.by_local_hour)
