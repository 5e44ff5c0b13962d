"""Group requests by continent, country, site, access network or client cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popsim.results.pooled import Pool
from popsim.results.statistics import row_quantiles
from popsim.scenario.text import quoted
from popsim.world.geo import CONTINENTS, countries

DIMENSIONS = ("continent", "country", "site", "network", "client")
PERCENTILES = (50.0, 90.0, 95.0, 99.0)


def group_frame(pool: Pool, dimension: str) -> pd.DataFrame:
    """Return one row per group that sent requests: sent, answered, failed, p50_ms, ..., most answered first.

    A site's requests are those that entered there; who reached none is in no group of ``site``.

    Raises:
        ValueError: an unknown dimension, or a selection, whose groups are not kept.
    """
    if dimension not in DIMENSIONS:
        raise ValueError(
            f"unknown group {quoted(dimension)}; expected one of {', '.join(DIMENSIONS)}"
        )
    source = "country" if dimension == "continent" else dimension
    labels = pool.runs[0].labels[source]
    histograms = pool.groups(source)
    failed = pool.failed_by_row(source)[: len(labels)]
    numbers: dict[str, int] = {}
    group = np.zeros(len(labels), np.int64)
    for row in np.flatnonzero(histograms.row_counts() + failed):
        group[row] = numbers.setdefault(group_of(dimension, labels[row]), len(numbers))
    histograms = histograms.regrouped(group, len(numbers))
    answered, lost = histograms.row_counts(), np.zeros(len(numbers), np.int64)
    np.add.at(lost, group[failed > 0], failed[failed > 0])
    columns = {
        dimension: list(numbers),
        "sent": answered + lost,
        "answered": answered,
        "failed": lost,
    }
    for percent, ms in zip(PERCENTILES, row_quantiles(histograms, PERCENTILES), strict=True):
        columns[f"p{percent:g}_ms"] = ms
    frame = pd.DataFrame(columns)
    return frame.sort_values(["answered", dimension], ascending=[False, True], ignore_index=True)


def group_of(dimension: str, label: str) -> str:
    """Return the group that a row's label belongs to: itself, or a country's continent."""
    return countries()[label].continent if dimension == "continent" else label


def continent_name(code: str) -> str:
    """Return a continent's name.

    >>> continent_name("OC")
    'Oceania'
    """
    return CONTINENTS.get(code, code)
