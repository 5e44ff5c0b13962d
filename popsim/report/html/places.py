"""What the page's map shows: land, clients and sites, with their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from popsim.report.land import land_rings
from popsim.results.statistics import row_quantiles
from popsim.world.clients import load_clients
from popsim.world.sites import load_sites

if TYPE_CHECKING:
    from popsim.results.result import Result

SHADES = 16  # of the colour scale
SOUTHERNMOST = -57.0  # degrees; land that lies beyond it altogether is not drawn
CELL_PERCENTS = (50.0, 95.0)


def map_data(result: Result) -> dict[str, Any]:
    """Return land, colours, clients and sites.

    ``cells`` has, by platform, lists as long as those of ``clients``; ``sites`` tells which of ``topologies`` a
    platform's sites are.
    """
    topologies: list[dict[str, Any]] = []
    sites = {name: _sites(result, name, topologies) for name in result.platforms}
    clients, cells = _clients(result)
    return {
        "land": [
            np.round(ring, 1).tolist() for ring in land_rings() if ring[:, 1].max() > SOUTHERNMOST
        ],
        "shades": [
            to_hex(shade) for shade in mpl.colormaps["viridis"](np.linspace(0.0, 1.0, SHADES))
        ],
        "clients": clients,
        "cells": cells,
        "topologies": topologies,
        "sites": sites,
    }


def _clients(result: Result) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the places whose requests were answered, and by platform requests, p50 and p95 in ms of each."""
    scenario = result.scenario
    places = load_clients(scenario.clients.topology).select(scenario.clients.where)
    row_of = {name: row for row, name in enumerate(places.ids)}
    columns, answered = {}, np.zeros(len(places), dtype=np.bool_)
    for name, pool in result.pools.items():
        labels = np.array([row_of.get(label, -1) for label in pool.runs[0].labels["client"]])
        histograms = pool.groups("client")
        counts, percentiles = histograms.row_counts(), row_quantiles(histograms, CELL_PERCENTS)
        known = np.flatnonzero((counts > 0) & (labels >= 0))
        requests = np.zeros(len(places), np.int64)
        requests[labels[known]] = counts[known]
        ms = np.full((len(CELL_PERCENTS), len(places)), np.nan)
        ms[:, labels[known]] = percentiles[:, known]
        columns[name] = (requests, *ms)
        answered |= requests > 0
    chosen = np.flatnonzero(answered)
    clients = {
        "id": [places.ids[row] for row in chosen],
        "city": [places.cities[row] for row in chosen],
        "country": [places.countries[row] for row in chosen],
        "lat": np.round(places.lat[chosen], 2).tolist(),
        "lon": np.round(places.lon[chosen], 2).tolist(),
        "weight": [_digits(weight) for weight in places.weight[chosen]],
    }
    cells = {
        name: {
            "answered": requests[chosen].tolist(),
            "p50_ms": [_digits(value) for value in p50[chosen]],
            "p95_ms": [_digits(value) for value in p95[chosen]],
        }
        for name, (requests, p50, p95) in columns.items()
    }
    return clients, cells


def _sites(result: Result, platform: str, topologies: list[dict[str, Any]]) -> int:
    """Return which of ``topologies`` a platform's sites are; they are added if they are new."""
    run = result.runs[platform][0]
    ids = run.labels["site"]
    known = load_sites(result.scenario.platforms[platform].topology)
    city = dict(zip(known.ids, known.cities, strict=True))
    country = dict(zip(known.ids, known.countries, strict=True))
    places = {
        "id": list(ids),
        "city": [city.get(name, "") for name in ids],
        "country": [country.get(name, "") for name in ids],
        "lat": np.round(run.site_positions[:, 0], 2).tolist(),
        "lon": np.round(run.site_positions[:, 1], 2).tolist(),
    }
    if places not in topologies:
        topologies.append(places)
    return topologies.index(places)


def _digits(value: float) -> float | None:
    """Return four significant digits: more than the map's coarse histograms have."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
