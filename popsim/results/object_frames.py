"""Tables and JSON of objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from popsim.engine import object_layout as obl
from popsim.engine.object_books import FIRST_PART
from popsim.engine.object_layout import PARTS, SPREADS
from popsim.engine.outputs import Ints
from popsim.results import object_measures as om
from popsim.results.object_counts import COUNTS, ERRORS, MEMORY
from popsim.results.objects import FREE_OBJECTS, OTHER, ObjectPool
from popsim.results.pooled import Pool
from popsim.results.statistics import finite
from popsim.scenario.objects import ObjectPrices
from popsim.scenario.schema import Scenario
from popsim.scenario.text import quoted

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
DIMENSIONS = ("class", "part", "host", "spread", "message", "site")
ANY_SPREAD = "all"
HOME_COLUMNS = ("platform", "site", "host", "objects", "share")


def object_prices(scenario: Scenario, platform: str) -> ObjectPrices:
    """Return the price list of a platform's objects."""
    spec = scenario.platforms[platform].objects
    return FREE_OBJECTS if spec is None else spec.prices


def metrics(pool: ObjectPool, prices: ObjectPrices) -> dict[str, float]:
    """Return what there is to know of all objects or of a class, as named numbers."""
    return {
        "calls": pool.calls,
        **{f"{name}_ratio": pool.error_ratio(name) for name in ERRORS},
        **{f"call_p{p:g}_ms": pool.call_p(p) for p in PERCENTILES},
        "call_mean_ms": pool.call_mean,
        **{f"{part}_mean_ms": pool.part_mean(part) for part in PARTS},
        "distance_p50_km": pool.distance_p(50.0),
        "distance_mean_km": pool.distance_mean,
        "in_region_ratio": pool.in_region_ratio,
        "spawn_p50_ms": pool.spawn_p(50.0),
        "spawn_p95_ms": pool.spawn_p(95.0),
        "ack_p50_ms": pool.ack_p(50.0),
        "visible_p50_ms": pool.visible_p(50.0),
        "visible_p95_ms": pool.visible_p(95.0),
        "missed_ratio": pool.missed_ratio,
        "reconnect_p95_ms": pool.reconnect_p(95.0),
        "reconnect_max_ms": pool.reconnect_max,
        "stale_ratio": pool.stale_ratio,
        "staleness_p99_ms": pool.staleness_p(99.0),
        "truncated_ratio": pool.truncated_ratio,
        **{name: pool.count(name) for name in COUNTS if name not in ("calls", *ERRORS, "stale")},
        "active_s": pool.active_s,
        "idle_s": pool.idle_s,
        "hibernated_s": pool.hibernated_s,
        "billed_s": pool.billed_s,
        **{f"{name}_ratio": getattr(pool, f"{name}_ratio") for name in MEMORY},
        "usd_per_million_requests": pool.cost_usd_per_million_requests(prices),
    }


def objects_summary(pools: Mapping[str, Pool]) -> pd.DataFrame:
    """Return one row per platform whose handler calls objects."""
    records = [
        {"platform": name, **metrics(pool.objects, pool.object_prices)}
        for name, pool in pools.items()
        if pool.objects.is_used
    ]
    frame = pd.DataFrame(records)
    return frame.set_index("platform") if len(frame) else frame


def objects_by(pools: Mapping[str, Pool], dimension: str) -> pd.DataFrame:
    """Return one row per platform and class, part of a call, host, spread, message, or site that asked first.

    Raises:
        ValueError: an unknown dimension.
    """
    if dimension not in DIMENSIONS:
        raise ValueError(
            f"unknown group {quoted(dimension)}; expected one of {', '.join(DIMENSIONS)}"
        )
    rows: dict[str, Callable[[Pool], list[dict[str, Any]]]] = {
        "class": _by_class,
        "part": _by_part,
        "host": _by_host,
        "spread": _by_spread,
        "message": _by_message,
        "site": _by_site,
    }
    records = [
        {"platform": name, **record}
        for name, pool in pools.items()
        if pool.objects.is_used
        for record in rows[dimension](pool)
    ]
    return pd.DataFrame(records)


def _by_class(pool: Pool) -> list[dict[str, Any]]:
    records = []
    for name in pool.objects.classes:
        one = ObjectPool(pool.runs, name)
        records.append({"class": name, **metrics(one, pool.object_prices)})
    return records


def _by_part(pool: Pool) -> list[dict[str, Any]]:
    """Return where the time of calls goes; means add up to the mean of the call, percentiles don't."""
    objects = pool.objects
    total = sum(objects.part_mean(part) for part in PARTS)
    return [
        {
            "part": part,
            "calls": int(objects.histogram(FIRST_PART + row).sum()),  # in which it took time
            "mean_ms": objects.part_mean(part),
            "share": objects.part_mean(part) / total if total > 0.0 else np.nan,
            **{f"p{p:g}_ms": objects.part_p(part, p) for p in PERCENTILES},
        }
        for row, part in enumerate(PARTS)
    ]


def _by_host(pool: Pool) -> list[dict[str, Any]]:
    """Return what hosts do that have anything to do, most calls first."""
    counts = pool.objects.by_host()
    calls, created = (counts[:, row].astype(np.int64) for row in (obl.H_CALLS, obl.H_CREATED))
    order = np.lexsort((-created, -calls))
    return [
        {
            "host": pool.objects.hosts[row],
            "calls": int(calls[row]),
            "share": calls[row] / calls.sum() if calls.any() else np.nan,
            "created": int(created[row]),
            "living": int(counts[row, obl.H_LIVING]),  # when the run ends
            "commits": int(counts[row, obl.H_COMMITS]),
            "active_s": counts[row, obl.H_ACTIVE_US] / 1e6,
        }
        for row in order
        if counts[row].any()
    ]


def _by_spread(pool: Pool) -> list[dict[str, Any]]:
    """Return how soon messages are answered and seen, by how far participants are spread."""
    objects = pool.objects
    rows = ({"spread": spread} | _sessions(objects, spread, None) for spread in SPREADS)
    return [row for row in rows if row["messages"] + row["delivered"]]


def _sessions(objects: ObjectPool, spread: str | None, message: str | None) -> dict[str, Any]:
    """Return how many messages were answered and seen, and how soon."""
    return {
        "messages": int(objects.acknowledged(spread, message).sum()),
        "delivered": int(objects.visible(spread, message).sum()),
        **{f"ack_p{p:g}_ms": objects.ack_p(p, spread, message) for p in PERCENTILES},
        **{f"visible_p{p:g}_ms": objects.visible_p(p, spread, message) for p in PERCENTILES},
    }


def kinds_of_messages(objects: ObjectPool) -> tuple[str, ...]:
    """Return the kinds of messages, and OTHER if something else was broadcast."""
    return objects.messages + ((OTHER,) if objects.visible(message=OTHER).any() else ())


def _by_message(pool: Pool) -> list[dict[str, Any]]:
    """Return how soon messages of a kind are answered and seen: of all objects, and by how far participants are spread."""
    records = []
    for name in pool.objects.classes:
        one = ObjectPool(pool.runs, name)
        for message in kinds_of_messages(one):
            for spread in (ANY_SPREAD, *SPREADS):
                known = None if spread == ANY_SPREAD else spread
                found = _sessions(one, known, message)
                if found["messages"] + found["delivered"]:
                    of = {"class": name, "message": message, "spread": spread}
                    records.append(of | found)
    return records


def _by_site(pool: Pool) -> list[dict[str, Any]]:
    """Return the homes of the objects that a site asked for first, most objects first."""
    spawn = pool.objects.spawn_mean_by_site()
    homes = pool.objects.homes().groupby("site", sort=False)
    records = [
        {
            "site": site,
            "objects": int(rows["objects"].sum()),
            "hosts": len(rows),
            "first_host": rows["host"].iloc[0],  # that most of them live at
            "first_share": rows["share"].iloc[0],
            "spawn_mean_ms": spawn[site],
        }
        for site, rows in homes
    ]
    return sorted(records, key=lambda record: -int(record["objects"]))


def homes_frame(pools: Mapping[str, Pool]) -> pd.DataFrame:
    """Return where objects were made, by who asked first: platform, site, host, objects, share of the site's."""
    frames = []
    for name, pool in pools.items():
        if pool.objects.is_used:
            frame = pool.objects.homes()
            frame.insert(0, "platform", name)
            frames.append(frame)
    return (
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(HOME_COLUMNS))
    )


def objects_json(pool: Pool) -> dict[str, Any] | None:
    """Return a platform's objects as plain data; None if its handler calls none."""
    objects = pool.objects
    if not objects.is_used:
        return None

    def ratio(name: str) -> dict[str, float | None]:
        return om.share(objects, name).estimate().to_json_dict()

    def mean(of: Callable[[ObjectPool], Ints]) -> dict[str, float | None]:
        return om.mean(objects, of).estimate().to_json_dict()

    def percentiles(of: Callable[[ObjectPool], Ints]) -> dict[str, Any]:
        found = {f"p{p:g}": om.percentile(objects, of, p).estimate() for p in PERCENTILES}
        return {name: estimate.to_json_dict() for name, estimate in found.items()}

    staleness = {f"p{p:g}": om.staleness_percentile(objects, p).estimate() for p in PERCENTILES}

    return {
        "calls": objects.calls,
        **{f"{error}_ratio": ratio(f"{error}_ratio") for error in ERRORS},
        "call_ms": percentiles(lambda each: each.call) | {"mean": mean(lambda each: each.call)},
        "parts_ms": {record.pop("part"): _finite(record) for record in _by_part(pool)},
        "distance_km": percentiles(lambda each: each.distance)
        | {"mean": mean(lambda each: each.distance)},
        "in_region_ratio": ratio("in_region_ratio"),
        "spawn_ms": percentiles(lambda each: each.spawn),
        "ack_ms": percentiles(ObjectPool.acknowledged),
        "visible_ms": percentiles(ObjectPool.visible),
        "spreads": {record.pop("spread"): _finite(record) for record in _by_spread(pool)},
        "messages": _messages_json(pool),
        "missed_ratio": ratio("missed_ratio"),
        "reconnect_ms": percentiles(lambda each: each.reconnect)
        | {"max": finite(objects.reconnect_max)},
        "stale_ratio": ratio("stale_ratio"),
        "staleness_ms": {name: estimate.to_json_dict() for name, estimate in staleness.items()},
        "truncated_ratio": finite(objects.truncated_ratio),
        "counts": {name: objects.count(name) for name in COUNTS},
        "active_s": finite(objects.active_s),
        "idle_s": finite(objects.idle_s),
        "hibernated_s": finite(objects.hibernated_s),
        "billed_s": finite(objects.billed_s),
        **{f"{name}_ratio": pool.estimate(_ratio_of(name)).to_json_dict() for name in MEMORY},
        "usd_per_million_requests": finite(
            objects.cost_usd_per_million_requests(pool.object_prices)
        ),
        "usd_by_kind": _finite(objects.costs(pool.object_prices)),
        "classes": {record.pop("class"): _finite(record) for record in _by_class(pool)},
    }


def _ratio_of(name: str) -> Callable[[Pool], float]:
    return lambda runs: float(getattr(runs.objects, f"{name}_ratio"))


def _messages_json(pool: Pool) -> dict[str, Any]:
    """Return what there is of messages by class, kind and spread."""
    found: dict[str, Any] = {}
    for record in _by_message(pool):
        kinds = found.setdefault(record.pop("class"), {})
        spreads = kinds.setdefault(record.pop("message"), {})
        spread = record.pop("spread")
        spreads[spread] = _finite(record)
    return found


def _finite(record: Mapping[str, float]) -> dict[str, float | None]:
    """Return numbers for JSON; counts stay whole."""
    return {k: value if isinstance(value, int) else finite(value) for k, value in record.items()}
