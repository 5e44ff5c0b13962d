"""Is the warm-up long enough, and the run? MSER-5 and autocorrelation on the timeline of the mean latency.

MSER-5 takes means of five bins and leaves out so many of the first that the standard error of the rest is least
(K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69(6), 1997;
the batches of five: S. C. Spratt, "Heuristics for the startup problem", University of Virginia, 1998). The series is
averaged over replications first. A point in the last half is no answer, but a sign that the run is too short.

On stationary noise MSER-5 leaves out something in four of ten runs. So a note is made only if what is left out moves
the mean by more than BIAS, and differs from the rest significantly over replications (CONFIDENCE_OF_NOTE).

A platform that gets more work than it can do has no steady state: that is called overload, with the load (``load``).

Where load changes by intent there is no steady state to wait for: nothing is checked with a profile of the day,
with events, control processes, probes, traces or sessions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from popsim.engine.outputs import TIMELINE_COLUMNS, Floats, PlatformRun
from popsim.engine.sums import in_units
from popsim.results.load import Load, busiest
from popsim.results.pooled import Pool
from popsim.results.statistics import finite
from popsim.scenario.schema import Scenario
from popsim.scenario.units import format_duration

BATCH = 5  # bins per batch: the 5 of MSER-5
LEAST_BATCHES = 10  # fewer say nothing
# ASSUMPTION: a transient that moves the mean latency by less than 1 % does not matter.
BIAS = 0.01
CONFIDENCE_OF_NOTE = 0.999  # of the t-test of what MSER-5 leaves out against the rest
# ASSUMPTION: above a lag-1 autocorrelation of 0.5 bins are too alike. For an autoregressive process the mean of n
# such bins varies as that of n (1 - r) / (1 + r) = n / 3 independent ones (Law, Simulation Modeling and Analysis,
# 5th ed. 2015, section 4.4): 120 bins are worth 40, and a replication spans few of whatever lasts so long.
AUTOCORRELATION = 0.5
REQUESTS, FAILED, LATENCY_US = (TIMELINE_COLUMNS.index(n) for n in ("requests", "failed", "latency_us"))  # fmt: skip


@dataclass(frozen=True)
class WarmupCheck:
    """What was found about one platform; times are ms of simulated time, nan if ``not_checked`` says why."""

    platform: str
    warmup_ms: float
    truncation_ms: float = math.nan  # where MSER-5 would begin to count
    bias: float = math.nan  # (mean - mean without what is left out) / the latter
    is_significant: bool = False  # what is left out differs from the rest over replications
    is_too_short: bool = False  # MSER-5's point lies in the last half
    autocorrelation: float = math.nan  # of neighbouring bins, after the truncation
    not_checked: str | None = None
    load: Load | None = (
        None  # of the busiest function at a site, or object, if its capacity is known
    )

    @property
    def note(self) -> str | None:
        """One sentence about what is wrong; None if nothing is."""
        if self.load is not None and self.load.is_overload:
            return (
                f"{self.platform} is overloaded: {self.load.place} gets {self.load.ratio:.2f} times "
                "the work that it can do, so its queue or its refusals grow with the run's length, and no "
                "duration or warm-up shows a steady state"
            )
        if self.is_significant and abs(self.bias) > BIAS:
            after = f"the latency of {self.platform} settles late and moves its mean by {self.bias:+.1%}"
            if self.is_too_short:
                return (
                    f"{after}: the run is too short to tell its steady state; try a longer duration"
                )
            until = format_duration(round(self.truncation_ms / 1e3) * 1e3 or self.truncation_ms)
            return f"{after}: warmup: {until} would leave that out (MSER-5)"
        if self.autocorrelation > AUTOCORRELATION:
            return (
                f"the latency of {self.platform} drifts slowly (autocorrelation {self.autocorrelation:.2f} "
                f"between 120ths of the run, over {AUTOCORRELATION:g}): try a longer duration"
            )
        return None

    def to_json_dict(self) -> dict[str, Any]:
        """Return what was found as plain data; None for what was not checked."""
        return {
            "warmup_ms": self.warmup_ms,
            "truncation_ms": finite(self.truncation_ms),
            "bias": finite(self.bias),
            "autocorrelation": finite(self.autocorrelation),
            "load": None if self.load is None else finite(self.load.ratio),
            "note": self.note,
            "not_checked": self.not_checked,
        }


def check_warmup(scenario: Scenario, pools: Mapping[str, Pool]) -> tuple[WarmupCheck, ...]:
    """Check every platform's warm-up and length of run."""
    reason = _not_stationary(scenario)
    found = []
    for name, pool in pools.items():
        if reason is not None:
            found.append(WarmupCheck(name, scenario.warmup, not_checked=reason))
        else:
            check = _check(name, scenario, pool)
            found.append(replace(check, load=busiest(scenario, name, pool)))
    return tuple(found)


def mser(batches: Floats) -> int:
    """Return how many of the first batch means to leave out; at most half of them.

    >>> mser(np.array([9.0, 5.0, 1.0, 1.1, 0.9, 1.0, 1.1, 0.9]))
    2
    """
    errors = [float(np.var(batches[d:])) / (len(batches) - d) for d in range(len(batches) // 2 + 1)]
    return int(np.argmin(errors))


def _not_stationary(scenario: Scenario) -> str | None:
    """Say why load or latency changes by intent; None if it does not."""
    arrivals = scenario.workload.arrivals
    if arrivals.rate is None:
        return "arrivals are no Poisson process"
    if arrivals.by_local_hour is not None:
        return "the rate follows the hours of the day"
    return "there are events" if scenario.events else None


def _check(name: str, scenario: Scenario, pool: Pool) -> WarmupCheck:
    if any(run.log for run in pool.runs):
        return WarmupCheck(name, scenario.warmup, not_checked="the control plane acted")
    bin_ms = pool.runs[0].timeline_bin_ms
    first = math.ceil(scenario.warmup / bin_ms - 1e-9)
    bins = np.array([_bin_means(run)[first:] for run in pool.runs])
    count = bins.shape[1] // BATCH
    if count < LEAST_BATCHES or not np.isfinite(bins).all():
        return WarmupCheck(name, scenario.warmup, not_checked="too few bins, or requests in them")
    bins = bins[:, : count * BATCH]
    batches = bins.mean(axis=0).reshape(count, BATCH).mean(axis=1)
    left_out = mser(batches)
    heads, tails = bins[:, : left_out * BATCH], bins[:, left_out * BATCH :]
    rest = float(tails.mean())
    return WarmupCheck(
        name,
        scenario.warmup,
        truncation_ms=(first + left_out * BATCH) * bin_ms if left_out else scenario.warmup,
        bias=float(bins.mean()) / rest - 1.0 if rest > 0.0 else 0.0,
        is_significant=bool(left_out) and _differ(heads.mean(axis=1) - tails.mean(axis=1)),
        is_too_short=left_out * 2 >= count,
        autocorrelation=_autocorrelation(tails),
    )


def _bin_means(run: PlatformRun) -> Floats:
    """Return the mean latency of each bin in ms; nan where no request was answered."""
    timeline = run.timeline
    answered = (timeline[:, REQUESTS] - timeline[:, FAILED]).astype(np.float64)
    answered[answered <= 0.0] = np.nan
    return np.asarray(in_units(timeline[:, LATENCY_US], 1e3) / answered)


def _differ(differences: Floats) -> bool:
    """Tell whether the mean over replications is not 0, with CONFIDENCE_OF_NOTE."""
    if len(differences) < 2:
        return False
    from scipy.special import stdtrit

    t = float(stdtrit(len(differences) - 1, 0.5 + CONFIDENCE_OF_NOTE / 2.0))
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return abs(float(differences.mean())) > t * error


def _autocorrelation(bins: Floats) -> float:
    """Return the lag-1 autocorrelation of bins, shape [replication, bin], the mean over replications."""
    centred = bins - bins.mean(axis=1, keepdims=True)
    power = (centred**2).sum(axis=1)
    if not power.all():
        return 0.0
    return float(((centred[:, 1:] * centred[:, :-1]).sum(axis=1) / power).mean())
