"""Baselines: what a scenario yielded once, kept as a small JSON, and what has changed since.

A change counts if it is significant (95 %, corrected for how many statistics of all platforms are looked at)
and larger than a tolerance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from popsim.claims.difference import Difference, Method, holm, least_rank_p, paired, ranks, users_id
from popsim.engine.outputs import PHASES
from popsim.results.pooled import Pool
from popsim.results.provenance import popsim_version
from popsim.results.request_frames import PERCENTILES
from popsim.results.result import Result
from popsim.results.statistics import CONFIDENCE, finite
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.schema import Scenario
from popsim.scenario.text import quoted

SCHEMA: Literal[1] = 1
TOLERANCE = 0.01  # relative changes up to this do not matter to anyone, unless told otherwise
Outcome = Literal["better", "worse", "changed", "same"]
Column = list[float | None]

STATISTICS: dict[str, Callable[[Pool], float]] = {
    "requests": lambda pool: float(pool.requests),
    "failed_ratio": lambda pool: pool.failed_ratio,
    "cold_start_ratio": lambda pool: pool.cold_start_ratio,
    **{f"p{p:g}_ms": lambda pool, p=p: pool.p(p) for p in PERCENTILES},  # type: ignore[misc]
    "mean_ms": lambda pool: pool.mean,
}
OF_STORES: dict[str, Callable[[Pool], float]] = {
    "kv_hit_ratio": lambda pool: pool.kv.hit_ratio,
    "kv_stale_ratio": lambda pool: pool.kv.stale_ratio,
}
OF_OBJECTS: dict[str, Callable[[Pool], float]] = {
    "object_call_p50_ms": lambda pool: pool.objects.call_p(50.0),
    "object_call_p95_ms": lambda pool: pool.objects.call_p(95.0),
}
MORE_IS_BETTER = ("kv_hit_ratio",)
NEITHER = ("requests",)  # more or fewer is no better or worse


class PlatformBaseline(BaseModel):
    """One platform's statistics, a number per replication; None where there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replications: list[int] = Field(min_length=1)
    statistics: dict[str, Column]
    phases_ms: dict[str, Column]

    @model_validator(mode="after")
    def _as_long(self) -> PlatformBaseline:
        columns = [*self.statistics.values(), *self.phases_ms.values()]
        if any(len(column) != len(self.replications) for column in columns):
            raise ValueError("every statistic needs a number per replication")
        return self


class Baseline(BaseModel):
    """A scenario's baseline; ``users`` names who asks and when, so that equal ones can be paired.

    ``one_draw`` names what one draw of the seed decided for all replications.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    scenario: str
    id: str
    popsim: str
    engine: str
    seed: int
    users: str
    one_draw: list[str] = []
    platforms: dict[str, PlatformBaseline]


def save(result: Result) -> dict[str, Any]:
    """Return a result's baseline as plain data."""
    return _baseline(result).model_dump(by_alias=True)


def to_json(baseline: Mapping[str, Any]) -> str:
    """Write a baseline as JSON, one statistic a line."""
    text = json.dumps(baseline, indent=1, ensure_ascii=False)
    return re.sub(r"\[\n[^\[\]\"{}]*\]", lambda m: " ".join(m[0].split()), text) + "\n"


def read(path: Path, to_make_it: str) -> dict[str, Any]:
    """Read a baseline's file; ``to_make_it`` is the command that does.

    Raises:
        InputError: it is missing, no baseline, or of another schema.
    """
    hint = f"make it with: {to_make_it}"
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise _refusal(path, "there is no such baseline", hint) from None
    except (ValueError, RecursionError):
        raise _refusal(path, "is no baseline: it is not valid JSON", hint) from None
    if not isinstance(data, dict) or "schema" not in data or "users" not in data:
        raise _refusal(path, "is no baseline of popsim", hint)
    if data["schema"] != SCHEMA:
        message = (
            f"is a baseline of schema {quoted(data['schema'])}; this popsim reads schema {SCHEMA}"
        )
        raise _refusal(path, message, hint)
    try:
        return Baseline.model_validate(data).model_dump(by_alias=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = f"is damaged at {place}: {first['msg']}"
        if data.get("popsim") != popsim_version():
            message += f" (it is of popsim {data.get('popsim')}, this is {popsim_version()})"
        raise _refusal(path, message, hint) from None


def check_comparable(baseline: Mapping[str, Any], scenario: Scenario, path: Path) -> None:
    """Refuse a baseline that has no platform of a scenario: comparing nothing would find that nothing changed.

    Raises:
        InputError: it has none.
    """
    if baseline["platforms"].keys().isdisjoint(scenario.platforms):
        names = (", ".join(known) for known in (baseline["platforms"], scenario.platforms))
        message = "has the platforms {}, the scenario has {}: none in common".format(*names)
        raise _refusal(path, message, "is it of another scenario?")


def _refusal(path: Path, message: str, hint: str) -> InputError:
    return InputError([Problem(str(path), None, None, (), message, hint)])


def _baseline(result: Result) -> Baseline:
    return Baseline(
        scenario=result.scenario.name,
        id=result.scenario.id,
        popsim=popsim_version(),
        engine=result.engine,
        seed=result.scenario.seed,
        users=users_id(result.scenario),
        one_draw=list(result.one_draw_decides),
        platforms={name: _platform(pool) for name, pool in result.pools.items()},
    )


def _platform(pool: Pool) -> PlatformBaseline:
    statistics = dict(STATISTICS)
    if pool.kv.is_used:
        statistics |= OF_STORES
    if pool.objects.is_used:
        statistics |= OF_OBJECTS
    means = [one.phase_means() for one in pool.each]
    return PlatformBaseline(
        replications=[run.replication for run in pool.runs],
        statistics={
            name: [finite(value(one)) for one in pool.each] for name, value in statistics.items()
        },
        phases_ms={phase: [finite(mean[phase]) for mean in means] for phase in PHASES},
    )


# --- what has changed ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One statistic of a platform, before and after; the p-value is Holm's."""

    statistic: str
    difference: Difference
    p_value: float
    outcome: Outcome

    def to_json_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        plain = self.difference.to_json_dict() | {"p_value_adjusted": finite(self.p_value)}
        return {"statistic": self.statistic, "outcome": self.outcome, **plain}


@dataclass(frozen=True)
class PhaseMove:
    """The mean of one phase in ms, before and after."""

    phase: str
    before: float
    after: float

    @property
    def difference(self) -> float:
        """After less before, in ms."""
        return self.after - self.before


@dataclass(frozen=True)
class PlatformReport:
    """All statistics of one platform, and its phases, the one that moved most first."""

    platform: str
    statistics: tuple[Change, ...]
    phases: tuple[PhaseMove, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """The statistics that changed."""
        return tuple(change for change in self.statistics if change.outcome != "same")

    def to_json_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        moves = {
            move.phase: {name: finite(getattr(move, name)) for name in ("before", "after", "difference")}
            for move in self.phases
        }  # fmt: skip
        return {"statistics": [c.to_json_dict() for c in self.statistics], "phases_ms": moves}


@dataclass(frozen=True)
class Report:
    """What has changed since a baseline; ``notes`` say what limits the comparison, one line each."""

    scenario: str
    method: Method
    tolerance: float
    notes: tuple[str, ...]
    platforms: tuple[PlatformReport, ...]

    @property
    def outcome(self) -> Outcome:
        """``worse`` if any statistic is, else ``better`` if one is, else ``changed``, else ``same``."""
        found = {change.outcome for platform in self.platforms for change in platform.statistics}
        order: tuple[Outcome, ...] = ("worse", "better", "changed")
        return next((outcome for outcome in order if outcome in found), "same")

    def to_json_dict(self) -> dict[str, Any]:
        """Return the report as plain data, schema 1."""
        return {
            "schema": SCHEMA,
            "scenario": self.scenario,
            "outcome": self.outcome,
            "method": self.method,
            "tolerance": self.tolerance,
            "notes": list(self.notes),
            "platforms": {each.platform: each.to_json_dict() for each in self.platforms},
        }


def compare(result: Result, baseline: Mapping[str, Any], tolerance: float = TOLERANCE) -> Report:
    """Say what has changed since a baseline, by platform and statistic.

    Replications that share their users are compared in pairs, others by ranks. ``tolerance`` is relative.
    """
    return compare_baselines(Baseline.model_validate(baseline), _baseline(result), tolerance)


def compare_baselines(before: Baseline, after: Baseline, tolerance: float = TOLERANCE) -> Report:
    """Say what has changed from one baseline to another, as :func:`compare` does."""
    method: Method = "paired" if before.users == after.users else "ranks"
    notes = _notes(before, after, method)
    names = [name for name in after.platforms if name in before.platforms]
    pairs = {name: (before.platforms[name], after.platforms[name]) for name in names}
    found = {name: _differences(*pair, method) for name, pair in pairs.items()}
    looked = sum(map(len, found.values()))
    for name, pair in pairs.items():
        notes += _platform_notes(name, *pair, method, looked)
    is_known = before.seed == after.seed or not (before.one_draw or after.one_draw)
    # Corrected for all that is looked at: without a change one comparison in twenty finds one, however many platforms
    adjusted = iter(holm([each.p_value for part in found.values() for each in part.values()]))
    platforms = []
    for name, part in found.items():
        p_values = [next(adjusted) if is_known else 1.0 for _ in part]
        changes = (
            Change(
                statistic, difference, p_value, _outcome(statistic, difference, p_value, tolerance)
            )
            for (statistic, difference), p_value in zip(part.items(), p_values, strict=True)
        )
        platforms.append(PlatformReport(name, tuple(changes), _moves(*pairs[name])))
    return Report(after.scenario, method, tolerance, tuple(notes), tuple(platforms))


def _notes(before: Baseline, after: Baseline, method: Method) -> list[str]:
    notes = []
    if before.id != after.id:
        how = (
            "its users are the same, so replications are compared in pairs"
            if method == "paired"
            else "its users are others, so replications are compared by ranks"
        )
        notes.append(f"the baseline is of scenario id {before.id}, this one is {after.id}; {how}")
    if before.popsim != after.popsim:
        notes.append(f"the baseline is of popsim {before.popsim}, this is {after.popsim}")
    if before.seed != after.seed and (before.one_draw or after.one_draw):
        shared = " and ".join(dict.fromkeys((*before.one_draw, *after.one_draw)))
        notes.append(
            f"one draw of each seed decides {shared}: what differs may be that alone, so nothing can be told"
        )
    for one, other, place in ((after, before, "in the baseline"), (before, after, "here any more")):
        for name in one.platforms:
            if name not in other.platforms:
                notes.append(f"platform {name} is not {place}")
    return notes


def _platform_notes(
    name: str, before: PlatformBaseline, after: PlatformBaseline, method: Method, looked: int
) -> list[str]:
    """Say which statistics there are only once, and whether replications are too few to tell anything.

    ``looked`` is how many statistics of all platforms are compared.
    """
    once = before.statistics.keys() ^ after.statistics.keys()
    notes = [f"{name}: {statistic} is only on one side" for statistic in sorted(once)]
    if method == "paired":
        pairs = len(set(before.replications) & set(after.replications))
        is_blind, counts = pairs < 2, f"{pairs} in common"
    else:
        many = (len(before.replications), len(after.replications))
        is_blind = least_rank_p(*many) * looked > 1.0 - CONFIDENCE
        counts = f"{many[0]} and {many[1]}"
    if is_blind:
        notes.append(f"{name}: too few replications to tell a change from chance ({counts})")
    return notes


def _differences(
    before: PlatformBaseline, after: PlatformBaseline, method: Method
) -> dict[str, Difference]:
    """Compare the statistics that both sides have."""
    found = {}
    for statistic, now in after.statistics.items():
        if statistic in before.statistics:
            was = before.statistics[statistic]
            found[statistic] = (
                paired(*_pairs(before.replications, was, after.replications, now))
                if method == "paired"
                else ranks(_numbers(was), _numbers(now))
            )
    return found


def _outcome(
    statistic: str, difference: Difference, p_value: float, tolerance: float
) -> Outcome:  # fmt: skip
    change = difference.absolute.value
    is_small = not abs(change) > tolerance * abs(difference.before)
    if p_value > 1.0 - CONFIDENCE or is_small:
        return "same"
    if statistic in NEITHER:
        return "changed"
    return "better" if (change > 0.0) == (statistic in MORE_IS_BETTER) else "worse"


def _pairs(
    rows: list[int], before: Column, others: list[int], after: Column
) -> tuple[list[float], list[float]]:
    """Return what both sides say about the replications that both have."""
    was = dict(zip(rows, _numbers(before), strict=True))
    now = dict(zip(others, _numbers(after), strict=True))
    both = sorted(was.keys() & now.keys())
    return [was[row] for row in both], [now[row] for row in both]


def _numbers(column: Column) -> list[float]:
    return [np.nan if value is None else value for value in column]


def _moves(before: PlatformBaseline, after: PlatformBaseline) -> tuple[PhaseMove, ...]:
    """Return the phases that either side has, the one that moved most first."""
    moves = []
    for phase, now in after.phases_ms.items():
        was = before.phases_ms.get(phase, [0.0])
        means = [float(np.mean(_numbers(column))) for column in (was, now)]
        if any(means):
            moves.append(PhaseMove(phase, *means))
    return tuple(sorted(moves, key=lambda move: -abs(move.difference)))
