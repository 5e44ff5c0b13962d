"""What the page shows, as plain data. Numbers that ``Result.to_json_dict`` has are taken from it, not computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from popsim.engine.outputs import BUCKETS, PHASES, Ints, bucket_edges
from popsim.report.html.finding import finding
from popsim.report.html.places import map_data
from popsim.report.plots import PHASE_COLOURS
from popsim.report.style import COLOURS
from popsim.results import object_frames
from popsim.results.pooled import Pool
from popsim.results.statistics import finite
from popsim.scenario.loading import dump_resolved
from popsim.scenario.own_files import own_files
from popsim.world.geo import CONTINENTS, countries

if TYPE_CHECKING:
    from popsim.results.result import Result
    from popsim.scenario.schema import EventSpec, Scenario

PERCENTS = (*range(1, 100), *(round(99.0 + tenth / 10.0, 1) for tenth in range(1, 10)))
EDGE_STEP = 4  # buckets: 32 edges per octave, 2.2 % apart
MOST_ACTIONS = 500  # moments that the timeline marks
KV_TABLES = ("space", "site", "country")


def page_data(result: Result) -> dict[str, Any]:
    """Return all that the page shows; docs/reference/report.md tells what is where."""
    scenario = result.scenario
    summary = result.to_json_dict()
    used = {c for p in summary["platforms"].values() for c in p["groups"]["country"]}
    return {
        "summary": summary,
        "finding": finding(result),
        "notes": list(result.notes),
        "percents": list(PERCENTS),
        "phases": phases(result),
        "distribution": distribution(result),
        "timeline": timeline(result),
        "events": [_event(event, scenario) for event in scenario.events],
        "actions": actions(result),
        "map": map_data(result),
        "tables": tables(result),
        "scenario_yaml": dump_resolved(scenario),
        "own_files": sorted(own_files(scenario.content())),
        "names": {
            "country": {code: countries()[code].name for code in sorted(used)},
            "continent": CONTINENTS,
        },
        "colours": {"platforms": list(COLOURS), "phases": PHASE_COLOURS},
    }


def phases(result: Result) -> dict[str, Any]:
    """Return ms per phase of the requests around every percentile of PERCENTS: by platform, [percentile][phase].

    Phases that took no time on any platform are left out.
    """
    names = [
        name
        for name in PHASES
        if any(pool.phase_mean(name) > 0.0 for pool in result.pools.values())
    ]
    ms = {}
    for platform, pool in result.pools.items():
        found = [pool.phases_at(float(percent)) for percent in PERCENTS]
        ms[platform] = [[finite(at[name]) for name in names] for at in found]
    return {"names": names, "ms": ms}


def distribution(result: Result) -> dict[str, Any]:
    """Return, at the edges of buckets, which share of answered requests took longer.

    ``slower`` has, by platform, the share of all replications together, and the lowest and highest of theirs;
    lists are as long as ``edges_ms``. Platforms that answered nothing are left out.
    """
    pools = {name: pool for name, pool in result.pools.items() if pool.answered}
    if not pools:
        return {"edges_ms": [], "slower": {}}
    filled = np.flatnonzero(np.sum([pool.latency for pool in pools.values()], axis=0))
    first = max(int(filled[0]) // EDGE_STEP, 1) * EDGE_STEP
    buckets = np.arange(first, int(filled[-1]) + 1 + EDGE_STEP, EDGE_STEP)
    buckets = buckets[buckets < BUCKETS]
    edges, _ = bucket_edges(buckets)
    return {
        "edges_ms": [finite(edge) for edge in edges],
        "slower": {name: _slower_with_range(pool, buckets) for name, pool in pools.items()},
    }


def _slower_with_range(pool: Pool, buckets: Ints) -> dict[str, Any]:
    each = np.array([_slower(run.latency, buckets) for run in pool.runs if run.latency.any()])
    lines = {
        "all": _slower(pool.latency, buckets),
        "low": each.min(axis=0),
        "high": each.max(axis=0),
    }
    return {key: [finite(share) for share in line] for key, line in lines.items()}


def _slower(histogram: Ints, buckets: Ints) -> Any:
    """Return the share of counts in each of ``buckets`` or above it."""
    above = np.cumsum(histogram[::-1])[::-1]
    return above[buckets] / above[0]


def timeline(result: Result) -> dict[str, Any]:
    """Return counts and latencies in ms over time, by platform; each list has one entry per bin."""
    frame = result.timeline()
    run = next(iter(result.runs.values()))[0]
    columns = ("sent", "failed", "cold", "mean_ms", "p50_ms", "p95_ms")
    platforms = {}
    for name, part in frame.groupby("platform", sort=False):
        part = part.assign(mean_ms=part["mean_ms"].where(part["answered"] > 0))
        platforms[str(name)] = {column: _column(part[column]) for column in columns}
    return {
        "bin_ms": run.timeline_bin_ms,
        "warmup_ms": run.warmup_ms,
        "replications": result.replications,
        "platforms": platforms,
    }


def actions(result: Result) -> dict[str, Any]:
    """Return what the control plane did, one entry per platform, moment and verb, the first MOST_ACTIONS."""
    log = result.log()
    groups = log.groupby(["time_ms", "verb", "platform"], sort=True)["detail"]
    entries = [
        {
            "time_ms": time_ms, "verb": verb, "platform": platform, "count": len(details),
            "detail": ", ".join(details.head(8)) + (", …" if len(details) > 8 else ""),
        }
        for (time_ms, verb, platform), details in groups
    ]  # fmt: skip
    return {"entries": entries[:MOST_ACTIONS], "count": len(entries)}


def _event(event: EventSpec, scenario: Scenario) -> dict[str, Any]:
    plain = event.model_dump(mode="json", by_alias=True, exclude_none=True)
    kind = next(kind for kind in ("fail", "surge", "write", "restart") if kind in plain)
    words = [
        f"{key} {_words(value)}" for key, value in plain[kind].items() if value not in ({}, False)
    ]
    end_ms = scenario.duration if event.lasting is None else event.at + event.lasting
    is_moment = kind in ("write", "restart") and event.lasting is None
    return {
        "text": f"{kind} {', '.join(words)}",
        "start_ms": event.at,
        "end_ms": event.at if is_moment else min(end_ms, scenario.duration),
    }


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def tables(result: Result) -> list[dict[str, Any]]:
    """Return tables of key-value stores, objects and costs that have rows: of what, by what, columns, rows."""
    pools = result.pools.values()
    found = []
    if any(pool.kv.is_used for pool in pools):
        found += [("kv", by, result.kv(by)) for by in KV_TABLES]
    if any(pool.objects.is_used for pool in pools):
        found += [("objects", by, result.objects(by)) for by in object_frames.DIMENSIONS]
    costs = result.costs()
    if costs["total_usd"].max() > 0.0:
        found.append(("costs", "platform", costs.reset_index()))
    return [
        {
            "of": of,
            "by": by,
            "columns": list(frame.columns),
            "rows": [list(row) for row in zip(*(_column(frame[c]) for c in frame), strict=True)],
        }
        for of, by, frame in found
        if len(frame)
    ]


def _column(values: pd.Series[Any]) -> list[Any]:
    """Return a column as plain data: whole numbers and text as they are, others as in results, nan as None."""
    if pd.api.types.is_float_dtype(values):
        return [finite(value) for value in values]
    return [value if isinstance(value, str) else int(value) for value in values]
