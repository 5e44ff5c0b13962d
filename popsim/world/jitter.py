"""Jitter: what round trips add to the pair's usual time, in absolute terms, not as a share of it."""

from __future__ import annotations

from math import exp

from popsim.scenario.laws import Law, parse_law

MEDIAN_MS, SIGMA = exp(-0.19), 1.04
SPIKE_SHARE, SPIKE_MS = 0.01, 15.0


def measured_jitter() -> Law:
    """Return the law of a request's jitter in ms.

    The standard deviation within a city pair has p50/p90/p99 of 0.6/3.5/25 ms, its logarithm is about
    N(-0.19, 1.04); one in a hundred round trips is about 15 ms late (a day of pings between 246 cities, July
    2020). ASSUMPTION: one draw per request from that spread of standard deviations stands for the
    deviation itself, which is added and never negative.
    """
    usual = {"lognormal": {"p50": f"{MEDIAN_MS!r}ms", "sigma": SIGMA}}
    spike = {"shifted": {"by": f"{SPIKE_MS!r}ms", "law": usual}}
    return parse_law(
        {
            "mixture": [
                {"weight": 1.0 - SPIKE_SHARE, "law": usual},
                {"weight": SPIKE_SHARE, "law": spike},
            ]
        }
    )
