"""The smallest useful inputs: one client, one site, one function. A base for tests, and for warming up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.arrays import Floats, Records, records
from popsim.engine.layout import Inputs, Rules


def single_site(
    rules: Rules, laws: Mapping[int, Floats], service: Floats, *, key: int = 1
) -> Inputs:
    """Return inputs of one client at no distance from one site, whose handler is one CPU step.

    ``laws`` maps table numbers (``layout.T_GAP``, ...) to quantile tables of shape (2, NODES), ``service`` is
    the CPU step's; tables left out are zero.
    """
    tables = np.zeros((lay.T_ACCESS + 2, 2 * draws.NODES))
    for table, law in laws.items():
        tables[table] = law.reshape(-1)
    tables[lay.T_ACCESS + 1] = service.reshape(-1)
    steps = records(lay.STEP_DTYPE, 2)
    steps.kind = [lay.CPU, lay.END]
    steps.table[0] = lay.T_ACCESS + 1
    return Inputs(
        key=key,
        rules=rules,
        tables=tables,
        is_step=np.zeros(len(tables), np.int64),
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
    gap = np.full((2, draws.NODES), 1.0)
    return single_site(Rules(duration=10.0, warmup=0.0), {lay.T_GAP: gap}, np.zeros_like(gap))


def _only(dtype: np.dtype[np.void]) -> Records:
    row = records(dtype, 1)
    if "threshold" in (dtype.names or ()):
        row.threshold = 1.0
    if "cumulative" in (dtype.names or ()):
        row.cumulative = 1.0
    return row
