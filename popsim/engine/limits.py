"""Refuse scenarios whose numbers the engines cannot keep: requests, keys and objects, sites, surges, times.

Keys of events, names of draws and of objects are packed into 64 bits (``layout``, ``draws``, ``compiled``). Each part has room for the
largest number that passes here; nothing is cut off later.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from popsim.engine.handler import cpu_share
from popsim.engine.keyspaces import partitions_of
from popsim.engine.objects import message_rate_per_s
from popsim.engine.traces import read_trace
from popsim.models.arrivals import hourly_profile
from popsim.scenario.document import Key
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.laws import check_longest
from popsim.scenario.schema import PlatformSpec, Scenario
from popsim.scenario.steps import nested
from popsim.scenario.units import format_duration
from popsim.scenario.workload import KeySpaceSpec

# Candidates of arrivals are numbered; a number << draws.REFRESH_SHIFT, and a little, is a key below layout.RANK. Twice as many
# have room, as chance may bring more than are expected.
MOST_REQUESTS = 1 << 33
# Keys and objects have one numbering; a copy is named by its cache << 40 | key, a session by an object's number << 10.
MOST_KEYS = 1 << 40
MOST_SITES = 1 << 16  # who calls an object is noted as its number << 16 | site
MOST_SURGE = 1_000_000.0  # a candidate is thinned with 53 bits, and all of them are drawn


def check_limits(scenario: Scenario, countries: Iterable[str], sites: int) -> None:
    """Refuse what a run cannot number.

    Raises:
        InputError: with the keys to change.
    """
    countries = tuple(countries)
    check_surges(scenario)
    check_requests(scenario, len(countries))
    check_keys(scenario, countries)
    if sites > MOST_SITES:
        raise _refusal(("platforms",), f"expected at most {MOST_SITES:,} sites, got {sites:,}")


def check_surges(scenario: Scenario) -> None:
    """Refuse surges that multiply to more than the arrivals can be drawn for; InputError."""
    if not (product := largest_surge(scenario)) <= MOST_SURGE:
        times = f"{product:.3g}" if np.isfinite(product) else "more than 1e308"
        message = f"surges at the same time multiply the rate by {times}, expected at most {MOST_SURGE:,.0f}"
        raise _refusal(("events",), message, "lower their factors, or let them end with for")


def check_requests(scenario: Scenario, clients: int) -> None:
    """Refuse more requests than have numbers; InputError."""
    expected = expected_requests(scenario, clients) * _candidates_per_request(scenario)
    if not expected <= MOST_REQUESTS:
        duration = format_duration(scenario.duration)
        message = f"{expected:.2g} requests would come in {duration}, expected at most {MOST_REQUESTS:.2g}"
        hint = "lower the rate or duration"
        if expected_requests(scenario, clients) <= MOST_REQUESTS:
            hint = "lower the factors of surges: arrivals are drawn at the largest rate"
        raise _refusal(("workload", "arrivals"), message, hint)


def check_keys(scenario: Scenario, countries: tuple[str, ...]) -> None:
    """Refuse more keys and objects than have numbers; InputError."""
    workload, places = scenario.workload, tuple(sorted(set(countries)))
    spaces: dict[Key, KeySpaceSpec] = {("keys", name): one for name, one in workload.keys.items()}
    spaces |= {("objects", name): kind.as_keys() for name, kind in workload.objects.items()}
    counts = {
        path: one.count * (int(partitions_of(one, places).max(initial=0)) + 1)
        for path, one in spaces.items()
    }
    if (total := sum(counts.values())) > MOST_KEYS:
        largest = max(counts, key=lambda path: counts[path])
        message = (
            f"{total:,} keys and objects in all, {counts[largest]:,} of them here, "
            f"expected at most {MOST_KEYS:,}"
        )
        raise _refusal(("workload", *largest), message, "lower count, or have fewer per country")


def check_stretched_cpu(scenario: Scenario, spec: PlatformSpec) -> None:
    """Refuse CPU steps that take too long with a platform's share of a CPU.

    Raises:
        ValueError: one does.
    """
    stretch = 1.0 / cpu_share(spec)
    for _, step in nested((), scenario.workload.handler):
        if step.cpu is not None:
            try:
                check_longest(step.cpu.scaled(stretch))
            except ValueError as error:
                raise ValueError(f"CPU steps take {stretch:.3g} times as long: {error}") from None


def largest_surge(scenario: Scenario) -> float:
    """Return an upper bound of the product of surge factors that can hold at once."""
    surges = [event for event in scenario.events if event.surge is not None]
    bound = 1.0
    for event in surges:
        product = 1.0
        for other in surges:
            assert other.surge is not None
            ends = np.inf if other.lasting is None else other.at + other.lasting
            if other.at <= event.at <= ends:
                product *= max(1.0, other.surge.factor)
        bound = max(bound, product)
    return bound


def expected_requests(scenario: Scenario, clients: int) -> float:
    """Return how many requests come in a run, without surges."""
    arrivals, duration = scenario.workload.arrivals, scenario.duration
    if arrivals.every is not None:
        return duration / arrivals.every * clients
    if arrivals.trace is not None:
        return float(len(read_trace(Path(arrivals.trace)).rows))
    return (arrivals.rate or message_rate_per_s(scenario.workload)) * duration / 1e3


def _candidates_per_request(scenario: Scenario) -> float:
    """Return how many candidates are drawn for each request (rule 10)."""
    arrivals = scenario.workload.arrivals
    if arrivals.rate is None:
        return 1.0
    profile = hourly_profile(arrivals.by_local_hour)
    return largest_surge(scenario) * float(profile.max() / profile.mean())


def _refusal(path: Key, message: str, hint: str | None = None) -> InputError:
    return InputError([Problem(None, None, None, path, message, hint)])
