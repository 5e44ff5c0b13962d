"""Failed requests by where, when and why they failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from popsim.engine.outputs import REASONS, PlatformRun, SparseHist
from popsim.results.groups import group_of
from popsim.results.pooled import Pool

PLACES = ("continent", "country")
GROUPS: Mapping[tuple[str, ...], str] = {
    **{(place,): "failures_over_time" for place in PLACES},
    **{("time", place): "failures_over_time" for place in PLACES},
    ("time",): "failures_over_time",
    ("site",): "failures_by_site",
    ("network",): "failures_by_network",
    ("client",): "failures_by_client",
}
ORDER = ("time", *PLACES, "site", "network", "client")


def failures_frame(pools: Mapping[str, Pool], by: tuple[str, ...]) -> pd.DataFrame:
    """Return one row per platform, group and reason that occurred: failed, share of the platform's requests sent.

    Raises:
        ValueError: failures are not kept by these groups together.
    """
    groups = tuple(
        sorted(dict.fromkeys(by), key=lambda name: ORDER.index(name) if name in ORDER else -1)
    )
    if groups and groups not in GROUPS:
        known = "; ".join(" and ".join(names) for names in GROUPS)
        raise ValueError(f"failures are not kept by {' and '.join(by)}; by: {known}")
    columns = ["start_ms" if name == "time" else name for name in groups]
    records = []
    for platform, pool in pools.items():
        for names, count in sorted(_counted(pool, groups).items()):
            share = count / pool.requests if pool.requests else float("nan")
            records.append((platform, *names, count, share))
    return pd.DataFrame(records, columns=["platform", *columns, "reason", "failed", "share"])


def _counted(pool: Pool, groups: tuple[str, ...]) -> dict[tuple[str | float, ...], int]:
    found: dict[tuple[str | float, ...], int] = {}
    if not groups:
        return {(reason,): count for reason, count in pool.failed.items() if count}
    for run in pool.runs:
        hist: SparseHist = getattr(run, GROUPS[groups])
        name_of = _names(run, groups)
        cells = zip(hist.rows.tolist(), hist.buckets.tolist(), hist.counts.tolist(), strict=True)
        for row, reason, count in cells:
            key = (*name_of(row), REASONS[reason])
            found[key] = found.get(key, 0) + count
    return found


def _names(run: PlatformRun, groups: tuple[str, ...]) -> Callable[[int], tuple[str | float, ...]]:
    """Return what a row of failures is called, one name per group."""
    if groups[0] in ("site", "network", "client"):
        labels = (*run.labels[groups[0]], "")  # the last: no site was reached
        return lambda row: (labels[row],)
    countries = run.labels["country"]

    def name(row: int) -> tuple[str | float, ...]:
        time, country = divmod(row, len(countries))
        told: dict[str, str | float] = {"time": time * run.timeline_bin_ms}
        told |= {place: group_of(place, countries[country]) for place in PLACES}
        return tuple(told[group] for group in groups)

    return name
