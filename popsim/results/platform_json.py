"""The JSON summary of one platform."""

from __future__ import annotations

from typing import Any

from popsim.results.cost_frames import cost_json
from popsim.results.groups import group_frame
from popsim.results.kv_frames import kv_json
from popsim.results.object_frames import objects_json
from popsim.results.pooled import Pool
from popsim.results.request_frames import PERCENTILES, latencies
from popsim.results.statistics import finite
from popsim.results.warmup import WarmupCheck

GROUPS = ("continent", "country", "site", "network")


def platform_json(pool: Pool, warmup: WarmupCheck) -> dict[str, Any]:
    """Return what a platform did as plain data."""
    groups = {}
    for dimension in GROUPS:
        columns = group_frame(pool, dimension).to_dict(orient="list")
        names = columns.pop(dimension)
        keys = [str(key) for key in columns]
        cells = [
            map(finite, column) if key.endswith("_ms") else column
            for key, column in zip(keys, columns.values(), strict=True)
        ]
        groups[dimension] = {
            name: dict(zip(keys, row, strict=True))
            for name, *row in zip(names, *cells, strict=True)
        }
    at = {"mean": pool.phase_means()} | {f"p{p:g}": pool.phases_at(p) for p in PERCENTILES}
    parts = {"kv": kv_json(pool), "objects": objects_json(pool), "cost": cost_json(pool)}
    return {
        "requests": pool.requests,  # sent, under the name that it has had since schema 1
        "sent": pool.requests,
        "answered": pool.answered,
        "failed": pool.failed,
        "failed_ratio": finite(pool.failed_ratio),
        "cold_start_ratio": finite(pool.cold_start_ratio),
        "intervals": {
            name: pool.measure(name).estimate().to_json_dict()
            for name in ("failed_ratio", "cold_start_ratio")
        },
        "latency_ms": {k: e.to_json_dict() for k, e in latencies(pool).items()},
        "phases_ms": {k: {p: finite(v) for p, v in ms.items()} for k, ms in at.items()},
        "cold_start_phases_ms": {k: finite(v) for k, v in pool.cold_start_phases_ms().items()},
        "warmup": warmup.to_json_dict(),
        "groups": groups,
    } | {name: part for name, part in parts.items() if part is not None}
