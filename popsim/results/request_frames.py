"""Tables of requests and instances: by platform, over time, and one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from popsim.engine.kv_layout import TIERS
from popsim.engine.outputs import PHASES, REASONS, TIMELINE_COLUMNS, PlatformRun, SparseHist
from popsim.engine.sums import in_units, total_of_runs
from popsim.results.pooled import Pool
from popsim.results.statistics import Estimate, row_quantiles

PERCENTILES = (50.0, 90.0, 95.0, 99.0)


def latencies(pool: Pool) -> dict[str, Estimate]:
    """Return percentiles and the mean of the latency in ms with their intervals."""
    found = {f"p{p:g}": pool.percentile(p).estimate() for p in PERCENTILES}
    return found | {"mean": pool.measure("mean").estimate()}


def summary_frame(pools: Mapping[str, Pool]) -> pd.DataFrame:
    """Return one row per platform: requests, ratios, latencies in ms with intervals, the bill."""
    records = []
    for name, pool in pools.items():
        record: dict[str, Any] = {
            "platform": name,
            "sent": pool.requests,
            "answered": pool.answered,
            "failed": sum(pool.failed.values()),
            "failed_ratio": pool.failed_ratio,
            "cold_start_ratio": pool.cold_start_ratio,
        }
        for label, estimate in latencies(pool).items():
            record[f"{label}_ms"] = estimate.value
            record[f"{label}_low_ms"] = estimate.low
            record[f"{label}_high_ms"] = estimate.high
        record["usd_per_million_sent"] = pool.cost
        record["usd_per_million_answered"] = pool.cost_answered
        records.append(record)
    return pd.DataFrame(records).set_index("platform")


def timeline_frame(pools: Mapping[str, Pool]) -> pd.DataFrame:
    """Return requests sent, answered and failed, cold starts and latencies over time, all replications together."""
    frames = []
    for name, pool in pools.items():
        sums = total_of_runs(run.timeline for run in pool.runs)
        frame = pd.DataFrame(sums[:, :-1].astype(np.int64), columns=list(TIMELINE_COLUMNS[:-1]))
        frame.insert(0, "platform", name)
        frame.insert(1, "start_ms", np.arange(len(frame)) * pool.runs[0].timeline_bin_ms)
        frame = frame.rename(columns={"requests": "sent"})
        frame.insert(3, "answered", frame["sent"] - frame["failed"])
        frame["mean_ms"] = in_units(sums[:, -1], 1e3) / frame["answered"].clip(lower=1)
        histograms = SparseHist.merged([run.timeline_hist for run in pool.runs])
        frame["p50_ms"], frame["p95_ms"] = row_quantiles(histograms, (50.0, 95.0))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def instances_frame(pools: Mapping[str, Pool], measured_ms: float) -> pd.DataFrame:
    """Return one row per platform: starts, evictions, mean instances alive and running, mean start-up by phase."""
    measured_us = measured_ms * 1e3
    rows = {}
    for name, pool in pools.items():
        busy = sum(run.busy_us for run in pool.runs) / len(pool.runs) / measured_us
        idle = sum(run.idle_us for run in pool.runs) / len(pool.runs) / measured_us
        rows[name] = {
            "starts": sum(run.starts for run in pool.runs),
            "evictions": sum(run.evictions for run in pool.runs),
            "running_mean": busy,
            "idle_mean": idle,
            **{f"{k}_ms": v for k, v in pool.cold_start_phases_ms().items()},
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="platform")


def sample_frame(runs: Sequence[PlatformRun]) -> pd.DataFrame:
    """Return the whole requests that the runs of a platform have kept, all phases in ms."""
    sample = np.concatenate([run.sample for run in runs])
    frame = pd.DataFrame({name: sample[name] for name in sample.dtype.names or ()})
    frame.insert(0, "platform", runs[0].platform)
    replication = np.array([run.replication for run in runs])
    frame.insert(1, "replication", replication.repeat([len(run.sample) for run in runs]))
    labels = {"client": "client", "network": "network", "ingress": "site", "compute": "site"}
    for column, kind in labels.items():
        names = np.array([*runs[0].labels[kind], ""], dtype=object)
        frame[column] = names[frame[column]]  # -1 is none
    outcomes = np.array(["ok", *REASONS], dtype=object)
    frame["outcome"] = outcomes[frame["outcome"]]
    frame["kv_tier"] = np.array([*TIERS, ""], dtype=object)[frame["kv_tier"]]  # -1 is none
    frame["cold"] = frame["cold"].astype(bool)
    phases = np.concatenate([run.sample_phases for run in runs])
    for phase, column_ms in zip(PHASES, phases.T, strict=True):
        frame[f"{phase}_ms"] = column_ms
    return frame
