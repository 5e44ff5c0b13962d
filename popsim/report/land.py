"""The world as a background."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.bundled import bundled_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WEST, SOUTH, NORTH = -170.0, -57.0, 75.0  # degrees; maps end here, in the east where they begin
STRETCH = 1.2  # of latitudes: shapes are true around 34 degrees


def draw_land(axes: Axes) -> None:
    """Draw the continents, longitude to the right and latitude upwards, without the poles."""
    from matplotlib.collections import PolyCollection  # the map of a notebook needs no matplotlib

    axes.add_collection(
        PolyCollection(
            land_rings(), facecolors="#EDEDED", edgecolors="#C8C8C8", linewidths=0.4, zorder=1
        )
    )
    axes.set(xlim=(WEST, WEST + 360.0), ylim=(SOUTH, NORTH), xticks=[], yticks=[], aspect=STRETCH)
    axes.spines[:].set_visible(False)


@cache
def land_rings() -> list[NDArray[np.float64]]:
    """Return outer rings of Natural Earth's land, each [point, (lon, lat)] in degrees, 1:110m, public domain.

    https://www.naturalearthdata.com
    """
    path = bundled_folder("topologies") / "graph" / "land.geojson"
    return [
        _unwrapped(polygon[0]) for polygon in json.loads(path.read_text("utf-8"))["coordinates"]
    ]


def _unwrapped(ring: list[list[float]]) -> NDArray[np.float64]:
    """Return a ring in one piece, also where it crosses the date line."""
    points = np.asarray(ring, dtype=np.float64)
    points[:, 0] = np.unwrap(points[:, 0], period=360.0)
    points[:, 0] -= 360.0 * np.round(points[:, 0].mean() / 360.0)
    return points
