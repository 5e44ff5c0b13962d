"""The result of a scenario: every platform's replications, and what can be asked of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from popsim.engine.outputs import PHASES, PlatformRun, write_atomically
from popsim.results.apart import selected_run
from popsim.results.cost_frames import costs_frame
from popsim.results.failures import failures_frame
from popsim.results.functions import function_bill
from popsim.results.groups import group_frame
from popsim.results.kv_frames import kv_by, kv_summary, prices, visibility_frame
from popsim.results.object_frames import (
    homes_frame,
    object_prices,
    objects_by,
    objects_summary,
)
from popsim.results.one_draw import one_draw_decides, one_draw_note
from popsim.results.platform_json import platform_json
from popsim.results.pooled import PARTS, Pool
from popsim.results.provenance import provenance
from popsim.results.request_frames import (
    PERCENTILES,
    instances_frame,
    sample_frame,
    summary_frame,
    timeline_frame,
)
from popsim.results.statistics import Estimate, check_percent, finite
from popsim.results.verdict import Verdict, Verdicts
from popsim.results.warmup import WarmupCheck, check_warmup
from popsim.scenario.errors import did_you_mean
from popsim.scenario.schema import Scenario
from popsim.scenario.selections import Selection
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from popsim.report.plots import Plots

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Result:
    """What a scenario's runs yielded. Times are ms; frames are pandas."""

    scenario: Scenario
    runs: Mapping[str, Sequence[PlatformRun]]
    verdicts: tuple[Verdict, ...] = ()
    elapsed_s: float = field(default=float("nan"))

    def __post_init__(self) -> None:
        """Let notebooks show the verdicts, whatever sequence of them was given."""
        object.__setattr__(self, "verdicts", Verdicts(self.verdicts))

    @cached_property
    def pools(self) -> dict[str, Pool]:
        """Each platform's replications together."""
        return {
            name: Pool(
                runs,
                prices(self.scenario, name),
                object_prices(self.scenario, name),
                function_bill(self.scenario, name),
            )
            for name, runs in self.runs.items()
        }

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms' names, in the scenario's order."""
        return tuple(self.runs)

    @property
    def engine(self) -> str:
        """The engine that ran, ``compiled`` or ``simpy``."""
        return next(iter(self.runs.values()))[0].engine

    @property
    def replications(self) -> int:
        """How many replications each platform has."""
        return min(len(runs) for runs in self.runs.values())

    def latency(self, platform: str, percent: float | None = None) -> Estimate:
        """Return a percentile of the latency in ms, the mean if None, with its interval.

        Raises:
            KeyError: there is no such platform.
            ValueError: the percentile does not lie between 0 and 100.
        """
        pool = self._pool(platform)
        if percent is None:
            return pool.measure("mean").estimate()
        check_percent(percent)
        return pool.percentile(percent).estimate()

    def summary(self) -> pd.DataFrame:
        """Return one row per platform: requests sent, answered, failed, ratios, latencies in ms with intervals, the bill.

        ``usd_per_million_sent`` is of functions, key-value store and objects together, ``usd_per_million_answered`` the same
        bill shared by the answered requests; ``costs()`` has the parts. They are nan if the prices of functions are unknown.
        """
        return summary_frame(self.pools)

    def phases(self, percent: float | None = None) -> pd.DataFrame:
        """Return ms per phase, one row per platform: means, or those of requests around a percentile.

        Rows add up to the mean latency, or to about the percentile of the latency.

        Raises:
            ValueError: the percentile does not lie between 0 and 100.
        """
        if percent is not None:
            check_percent(percent)
        rows = {
            name: pool.phase_means() if percent is None else pool.phases_at(percent)
            for name, pool in self.pools.items()
        }
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(PHASES))
        return frame.rename_axis(index="platform", columns="phase")

    def select(self, **selection: Any) -> Result:
        """Return the result of some requests alone: ``select(continent="EU", after="10min", before="20min")``.

        Keys are those of a scenario's ``selections``, which keep these requests apart; all that claims select is kept, too.
        ``summary()``, ``phases()``, ``phase_quantiles()``, ``latency()`` and ``failures()`` are then of them.

        Raises:
            ValueError: these requests were not kept apart; the message says how to have them.
        """
        wanted = Selection.model_validate(selection)
        try:
            runs = {
                name: [selected_run(run, wanted) for run in runs]
                for name, runs in self.runs.items()
            }
        except KeyError:
            told = json.dumps(wanted.model_dump(mode="json", exclude_none=True))
            hint = f"popsim.run(result.scenario, selections=[{told}])"
            raise ValueError(f"these requests were not kept apart; {hint} keeps them") from None
        return replace(self, runs=runs, verdicts=())

    def failures(self, *by: str) -> pd.DataFrame:
        """Return failed requests by platform, the groups in ``by``, and reason; ``share`` is of the requests sent.

        ``by`` is nothing, continent, country, time (``start_ms`` of a bin), time and one of these, site (of ingress; empty
        if none was reached), network, or client.

        Raises:
            ValueError: failures are not kept so.
        """
        return failures_frame(self.pools, by)

    def phase_quantiles(self, platform: str) -> pd.DataFrame:
        """Return mean and percentiles in ms of each phase on its own, and of two parts; these do not add up.

        ``without_setup`` is without DNS, connect and TLS, ``first_byte`` until the response begins. By place or time:
        ``result.select(continent="EU").phase_quantiles("workers")``.
        """
        pool = self._pool(platform)
        rows = {
            phase: {
                "mean_ms": pool.phase_mean(phase),
                **{f"p{p:g}_ms": pool.phase_p(phase, p) for p in PERCENTILES},
            }
            for phase in (*PHASES, *PARTS)
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="phase")

    def by(self, dimension: str) -> pd.DataFrame:
        """Return requests sent, answered and failed, and percentiles, by platform and group.

        ``dimension`` is continent, country, site (of ingress), network (access), or client (percentiles within
        6 %, others within 0.8 %).
        """
        frames = {name: group_frame(pool, dimension) for name, pool in self.pools.items()}
        return pd.concat(frames, names=["platform", "row"]).reset_index("platform")

    def requests(self) -> pd.DataFrame:
        """Return a uniform sample of whole requests, the same ones of every platform, all phases in ms."""
        frames = [sample_frame(runs) for runs in self.runs.values()]
        return pd.concat(frames, ignore_index=True)

    def timeline(self) -> pd.DataFrame:
        """Return requests sent, answered and failed, cold starts and latencies over time, all replications together."""
        return timeline_frame(self.pools)

    def instances(self) -> pd.DataFrame:
        """Return one row per platform: starts, evictions, mean instances alive and running, mean start-up by phase."""
        return instances_frame(self.pools, self.scenario.duration - self.scenario.warmup)

    def kv(self, by: str | None = None) -> pd.DataFrame:
        """Return what key-value stores did: where reads were answered, latency, staleness, operations, bytes, cost.

        One row per platform that has one; or per platform and ``by``: space, site, country, continent.
        """
        return kv_summary(self.pools) if by is None else kv_by(self.pools, by)

    def kv_visibility(self) -> pd.DataFrame:
        """Return how long until a share of sites see a write, in ms, the mean over followed writes."""
        return visibility_frame(self.pools)

    def objects(self, by: str | None = None) -> pd.DataFrame:
        """Return what objects did: calls and their parts, distances, sessions, replicas, moves, storage, cost.

        One row per platform whose handler calls some; or per platform and ``by``: class, part (of a call), host,
        spread (of participants), message (its kind, and spread), site (that asked first for an object).
        """
        return objects_summary(self.pools) if by is None else objects_by(self.pools, by)

    def object_homes(self) -> pd.DataFrame:
        """Return where objects were made, by who asked first: platform, site, host, objects, share of the site's."""
        return homes_frame(self.pools)

    def costs(self) -> pd.DataFrame:
        """Return what a million requests cost in USD, one row per platform: each part, and the total with its interval.

        Functions (``requests_usd``, ``cpu_usd``, ``duration_usd``, ``egress_usd``, and ``functions_usd`` together),
        ``kv_usd``, ``objects_usd``; nan if the platform has no ``prices``.
        """
        return costs_frame(self.pools)

    def log(self) -> pd.DataFrame:
        """Return what the control plane did: platform, time_ms, verb, detail, in the first replication."""
        records = [(name, *entry) for name, runs in self.runs.items() for entry in runs[0].log]
        return pd.DataFrame(records, columns=["platform", "time_ms", "verb", "detail"])

    @property
    def plot(self) -> Plots:
        """Figures: ``plot.cdf()``, ``plot.map()``, ``plot.phases()``, ``plot.timeline()``.

        Of key-value stores: ``plot.kv_tiers()``, ``plot.kv_reads()``, ``plot.kv_staleness()``,
        ``plot.kv_visibility()``. Of objects: ``plot.object_parts()``, ``plot.object_distance()``,
        ``plot.object_homes()``, ``plot.object_visible()``.
        """
        # A look upwards: loaded by name, so that results need not know about figures.
        plots: Plots = import_module("popsim.report.plots").Plots(self)
        return plots

    def widest_interval(self) -> float:
        """Return the largest relative half-width among p50 and p95, for ``precision``.

        It is of the platforms that answered anything: more replications narrow nothing where nothing is answered. 0
        if none did.
        """
        widths = [
            self.latency(name, percent).relative_half_width
            for name in self.platforms
            if self.pools[name].answered
            for percent in (50.0, 95.0)
        ]
        return max(widths, default=0.0)

    @property
    def one_draw_decides(self) -> tuple[str, ...]:
        """What one draw decides for all replications, with ``residual: fixed``: intervals know nothing of its spread."""
        return one_draw_decides(self.scenario)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, one sentence each: about single draws, and about the warm-up."""
        found = (one_draw_note(self.scenario), *(check.note for check in self.warmup_check()))
        return tuple(note for note in found if note is not None)

    def warmup_check(self) -> tuple[WarmupCheck, ...]:
        """Tell for every platform whether the warm-up and the run were long enough; see ``note`` of each."""
        return tuple(self._warmup.values())

    @cached_property
    def _warmup(self) -> dict[str, WarmupCheck]:
        return {check.platform: check for check in check_warmup(self.scenario, self.pools)}

    def to_json_dict(self) -> dict[str, Any]:
        """Return the summary as plain data, schema 1; it contains everything needed to reproduce the run."""
        return {
            "schema": SCHEMA,
            "scenario": self.scenario.name,
            "id": self.scenario.id,
            "engine": self.engine,
            "replications": self.replications,
            "elapsed_s": finite(self.elapsed_s),
            "one_draw_decides": list(self.one_draw_decides),
            "platforms": {
                name: platform_json(pool, self._warmup[name]) for name, pool in self.pools.items()
            },
            "claims": [verdict.to_json_dict() for verdict in self.verdicts],
            "recreate": provenance(self.scenario),
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the summary as JSON; write it to ``path``, too, if given, at once or not at all."""
        text = json.dumps(self.to_json_dict(), indent=2, ensure_ascii=False) + "\n"
        if path is not None:
            write_atomically(Path(path), text.encode())
        return text

    def to_html(self, path: str | Path | None = None) -> str:
        """Return an interactive page in one file that needs no network; write it to ``path``, too, if given.

        It is written at once or not at all. docs/reference/report.md tells what the page shows.
        """
        # Upwards by name, as ``plot``.
        text: str = import_module("popsim.report.html").html_page(self)
        if path is not None:
            write_atomically(Path(path), text.encode())
        return text

    def _pool(self, platform: str) -> Pool:
        if platform not in self.pools:
            hint = did_you_mean(platform, self.platforms)
            raise KeyError(f"there is no platform {quoted(platform)} ({hint})")
        return self.pools[platform]

    def __repr__(self) -> str:
        """Show the medians and 95th percentiles."""
        lines = [
            f"  {name}: p50 {pool.p(50):.4g} ms, p95 {pool.p(95):.4g} ms, {pool.requests} requests"
            for name, pool in self.pools.items()
        ]
        verdicts = [f"  claim {verdict.id}: {verdict.verdict}" for verdict in self.verdicts]
        head = f"Result of {self.scenario.name!r}, {self.replications} replications"
        return "\n".join([head, *lines, *verdicts])

    def _repr_html_(self) -> str:
        # Upwards by name, as ``plot``.
        text: str = import_module("popsim.report.notebook.result").result_html(self)
        return text
