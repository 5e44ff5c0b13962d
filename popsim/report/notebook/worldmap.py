"""A small world map as SVG: land, and dots at places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from popsim.report.land import NORTH, SOUTH, STRETCH, WEST, land_rings
from popsim.report.notebook.markup import Markup, element
from popsim.world.geo import Floats

UNITS = 3.0  # of the drawing per degree of longitude
WIDTH, HEIGHT = round(360.0 * UNITS), round((NORTH - SOUTH) * STRETCH * UNITS)
SHOWN_PX = 720  # how wide it is shown
LEAST_POINTS = 4  # of a ring that is still seen at this size


@dataclass(frozen=True)
class Dots:
    """Places that look the same."""

    lat: Floats  # degrees
    lon: Floats
    colour: str
    diameter: float  # in units of the drawing
    opacity: float = 1.0


def world_map(dots: Iterable[Dots], label: str) -> Markup:
    """Return an SVG element with land and dots, the last on top; ``label`` is what a screen reader says."""
    land = element("path", d=_land(), fill="currentColor", fill_opacity=".14")
    return element(
        "svg",
        land,
        *(_dots(each) for each in dots),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=str(SHOWN_PX),
        role="img",
        aria_label=label,
    )


def _dots(dots: Dots) -> Markup:
    """Return one path of round dots: lines without length whose ends are round."""
    points = _points(dots.lat, dots.lon)
    points[:, 0] %= WIDTH
    return element(
        "path",
        d="".join(f"m{step}h0" for step in _steps(np.unique(points, axis=0))),
        stroke=dots.colour,
        stroke_width=f"{dots.diameter:g}",
        stroke_linecap="round",
        opacity=f"{dots.opacity:g}",
    )


@cache
def _land() -> str:
    """Return the outlines as a path; what crosses the edge of the map is drawn on both sides."""
    outlines = []
    for ring in land_rings():
        for turn in (-360.0, 0.0, 360.0):
            lon = ring[:, 0] + turn
            if lon.max() < WEST or lon.min() > WEST + 360.0 or ring[:, 1].max() < SOUTH:
                continue
            points = _points(ring[:, 1], lon)
            moves = np.diff(points, axis=0).any(axis=1)
            points = points[np.concatenate(([True], moves))]
            if len(points) >= LEAST_POINTS:
                first, *rest = _steps(points)
                outlines.append(f"M{first}l{' '.join(rest)}z")
    return "".join(outlines)


def _points(lat: Floats, lon: Floats) -> NDArray[np.int64]:
    """Return places in units of the drawing, shape (place, (x, y)); those too far south or north lie on the edge."""
    y = (NORTH - np.clip(lat, SOUTH, NORTH)) * STRETCH * UNITS
    return np.rint(np.column_stack(((lon - WEST) * UNITS, y))).astype(np.int64)


def _steps(points: NDArray[np.int64]) -> list[str]:
    """Return how far each point is from the one before, the first from the corner."""
    return [f"{x} {y}" for x, y in np.diff(points, axis=0, prepend=0).tolist()]
