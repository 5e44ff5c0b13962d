"""Pools of instances as the kernel sees them; pools.py says how they are found."""

from __future__ import annotations

import numpy as np

from popsim.engine.arrays import Records, records
from popsim.engine.compiled.kv_state import shift_of
from popsim.engine.layout import Growth, Inputs

POOL_DTYPE = np.dtype(
    [
        ("tag", "i8"),  # site * functions + function + 1; 0 = no pool
        ("active", "i8"),
        ("partly_used", "i8"),  # newest, -1 = none
        ("idle", "i8"),
        ("wait_head", "i8"),
        ("wait_tail", "i8"),
        ("waiting", "i8"),
        ("moved", "i8"),  # where it is in the next table, once there is one
    ]
)


def pool_table(inputs: Inputs, growth: Growth) -> Records:
    """Return an empty table of pools."""
    most = inputs.site_count * inputs.rules.function_count
    return records(POOL_DTYPE, most + 1 if most <= growth.pools_apart else growth.pools)


def pool_places(inputs: Inputs, length: int, growth: Growth) -> tuple[int, int]:
    """Return how a table of pools finds them (the shift of their hashes, 0 = each has its own place), and how many fit."""
    most = inputs.site_count * inputs.rules.function_count
    if most <= growth.pools_apart:
        return 0, most + 1
    return shift_of(length), length * 3 // 5
