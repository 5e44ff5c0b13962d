"""Periodic arrivals: synthetic probes that each send a request every so many minutes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from popsim.models.arrivals.process import ArrivalModel
from popsim.models.registry import register
from popsim.scenario.fields import DurationMs
from popsim.world.addressing import name_words, uniforms


@register("arrivals", "periodic")
class Periodic(ArrivalModel):
    """Every client sends one request per period.

    Monitoring services spread their probes over the period (ASSUMPTION: uniformly at random, once
    for all); ``stagger: false`` lets all fire at once, as cron jobs do.
    """

    every: DurationMs = Field(gt=0)
    stagger: bool = True

    def offsets_ms(self, client_ids: Sequence[str], seed: int) -> NDArray[np.float64]:
        """Return each client's first time in ms, shape (n,), within [0, every)."""
        if not self.stagger:
            return np.zeros(len(client_ids))
        return uniforms(name_words(client_ids, seed, "probe-offset")) * self.every
