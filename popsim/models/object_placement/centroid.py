"""In the middle of the callers: near where they are on the map, not on the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from popsim.models.object_placement.contract import (
    Callers,
    Floats,
    Geography,
    Ints,
    KnowingPlacement,
)
from popsim.models.registry import register

if TYPE_CHECKING:
    from popsim.world.sites import Sites


@register("object_placement", "centroid")
class Centroid(KnowingPlacement):
    """The host nearest to the mean of its callers' places on the sphere, weighted by their calls.

    The mean is that of unit vectors from the centre of the Earth, brought back to the surface (the spherical centroid;
    Fisher, https://doi.org/10.1098/rspa.1953.0064, 1953). Callers that cancel out, or none, leave the first host.
    """

    def homes(self, callers: Callers, geography: Geography) -> Ints:
        """Return the host of each object, shape (N,)."""
        mean = callers.calls @ _unit_vectors(geography.sites)
        # The nearest on the sphere has the largest cosine; the mean's length changes no order.
        return np.asarray((mean @ _unit_vectors(geography.hosts).T).argmax(axis=1), dtype=np.int64)


def _unit_vectors(sites: Sites) -> Floats:
    """Return where sites are as seen from the centre of the Earth, [S, 3], of length 1."""
    lat, lon = np.radians(sites.lat), np.radians(sites.lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
