"""Anywhere, whoever asks: what placement by a hash of the name amounts to; the worst that is not malice."""

from __future__ import annotations

import numpy as np

from popsim.models.object_placement.contract import Floats, Geography, TablePlacement
from popsim.models.registry import register


@register("object_placement", "random")
class Random(TablePlacement):
    """Every host with the same likelihood."""

    def likelihood(self, geography: Geography) -> Floats:
        """Return 1 everywhere, [S, H]."""
        return np.ones(geography.rtt.shape)
