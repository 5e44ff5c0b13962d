"""Generate the requests: candidates at the largest rate, thinned to the rate of their place and hour."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

from popsim.engine import draws
from popsim.engine.arrays import Floats
from popsim.engine.layout import MESSAGES, PERIODIC, POISSON, T_GAP, Inputs
from popsim.engine.specification.lookups import Lookups

HOURS_PER_MS = 1.0 / 3_600_000.0


def candidates(inputs: Inputs, lookups: Lookups) -> Iterator[tuple[float, int, int]]:
    """Yield (time in ms, number, client) of every candidate before the run's end (rules 8, 10)."""
    rules = inputs.rules
    time, number = 0.0, 0
    probes = len(inputs.probe_offset)
    while True:
        if rules.arrivals == MESSAGES:
            gap_word, _ = lookups.words(draws.ARRIVAL, number, 0)
            time = time + lookups.table(T_GAP, gap_word)
            client = 0  # until it is known whose message it is
        elif rules.arrivals == POISSON:
            gap_word, _ = lookups.words(draws.ARRIVAL, number, 0)
            time = time + lookups.table(T_GAP, gap_word)
            client_word, _ = lookups.words(draws.USER, number, draws.USER_CLIENT_FUNCTION)
            client = lookups.client(client_word)
        elif rules.arrivals == PERIODIC:
            time = inputs.probe_offset[number % probes] + (number // probes) * rules.period
            client = int(inputs.probe_client[number % probes])
        elif number < len(inputs.trace):
            time, client = inputs.trace.time[number], int(inputs.trace.client[number])
        else:
            return
        if time >= rules.duration:
            return
        yield float(time), number, client
        number += 1


def local_hour(clock_h: float, time: float) -> int:
    """Return the hour of day, 0 to 23, where a clock showed ``clock_h`` at time 0."""
    hours = time * HOURS_PER_MS + clock_h
    return min(int(hours - floor(hours * (1.0 / 24.0)) * 24.0), 23)


def is_accepted(
    inputs: Inputs, lookups: Lookups, surge: Floats, time: float, number: int, client: int
) -> bool:
    """Thin a Poisson candidate, with the surge that holds at its time (rule 10)."""
    if inputs.rules.arrivals != POISSON:
        return True
    _, word = lookups.words(draws.ARRIVAL, number, 0)
    hour = local_hour(lookups.clock_h[client], time)
    intensity = float(inputs.profile[hour]) * float(surge[client])
    return draws.uniform(word) * inputs.rules.intensity_bound < intensity
