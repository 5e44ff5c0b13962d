"""The smallest useful inputs: one client, one site, one function. A base for tests, and for warming up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from popsim.engine import layout as lay
from popsim.engine.arrays import Records, records
from popsim.engine.layout import Inputs, Rules
from popsim.engine.tables import QuantileTable, constant_table, stacked


def single_site(
    rules: Rules, laws: Mapping[int, QuantileTable], service: QuantileTable, *, key: int = 1
) -> Inputs:
    """Return inputs of one client at no distance from one site, whose handler is one CPU step.

    ``laws`` maps table numbers (``layout.T_GAP``, ...) to quantile tables, ``service`` is the CPU step's; tables
    left out are zero.
    """
    nothing = constant_table(0.0)
    rows = [laws.get(table, nothing) for table in range(lay.T_ACCESS + 1)]
    tables, pieces = stacked([*rows, service])
    steps = records(lay.STEP_DTYPE, 2)
    steps.kind = [lay.CPU, lay.END]
    steps.table[0] = lay.T_ACCESS + 1
    return Inputs(
        key=key,
        rules=rules,
        tables=tables,
        pieces=pieces,
        clients=_only(lay.CLIENT_DTYPE),
        routes=_only(lay.ROUTE_DTYPE),
        route_count=1,
        upstreams=_only(lay.UPSTREAM_DTYPE),
        upstream_count=1,
        origin_rtt=np.zeros(1),
        origin_count=1,
        networks=_only(lay.CHOICE_DTYPE),
        functions=_only(lay.CHOICE_DTYPE),
        steps=steps,
        profile=np.ones(24),
        probe_offset=np.zeros(1),
        probe_client=np.zeros(1, np.int64),
        site_count=1,
        country_count=1,
    )


def tiny_inputs() -> Inputs:
    """Return inputs that end after a handful of requests."""
    rules = Rules(duration=10.0, warmup=0.0)
    return single_site(rules, {lay.T_GAP: constant_table(1.0)}, constant_table(0.0))


def _only(dtype: np.dtype[np.void]) -> Records:
    row = records(dtype, 1)
    if "threshold" in (dtype.names or ()):
        row.threshold = 1.0
    if "cumulative" in (dtype.names or ()):
        row.cumulative = 1.0
    return row
