"""Tables and JSON of what platforms cost: functions, key-value stores and objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from popsim.results.functions import KINDS
from popsim.results.pooled import Pool
from popsim.results.statistics import finite


def costs_by_kind(pool: Pool) -> dict[str, float]:
    """Return what functions cost by kind, in USD per million requests; nan where prices are unknown."""
    bill = pool.function_bill
    return dict.fromkeys(KINDS, float("nan")) if bill is None else pool.functions.costs(bill)


def costs_frame(pools: Mapping[str, Pool]) -> pd.DataFrame:
    """Return one row per platform, all in USD per million requests sent.

    Functions by kind (requests, cpu, duration, egress) and as a whole, kv, objects, the total with its interval, and the
    total per million requests answered.
    """
    records = []
    for name, pool in pools.items():
        parts = costs_by_kind(pool) | pool.cost_by_part()
        total = pool.estimate(lambda runs: runs.cost)
        records.append(
            {
                "platform": name,
                **{f"{part}_usd": usd for part, usd in parts.items()},
                "total_usd": total.value,
                "total_low_usd": total.low,
                "total_high_usd": total.high,
                "total_per_million_answered_usd": pool.cost_answered,
            }
        )
    return pd.DataFrame(records).set_index("platform")


def cost_json(pool: Pool) -> dict[str, Any] | None:
    """Return a platform's bill as plain data; None if the prices of its functions are unknown."""
    if pool.function_bill is None:
        return None
    return {
        "usd_per_million_requests": pool.estimate(lambda runs: runs.cost).to_json_dict(),  # sent
        "usd_per_million_answered": pool.estimate(lambda runs: runs.cost_answered).to_json_dict(),
        "usd_by_part": {part: finite(usd) for part, usd in pool.cost_by_part().items()},
        "functions_usd_by_kind": {kind: finite(usd) for kind, usd in costs_by_kind(pool).items()},
    }
