"""A small result that many tests look at."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import popsim
from popsim.results import Result

sys.path.insert(0, str(Path(__file__).parent))  # made_runs

SMALL = {
    "name": "small",
    "seed": 3,
    "duration": "60s",
    "warmup": "100ms",
    "replications": 3,
    "clients": {"topology": "cities", "network": "home"},
    "workload": {
        "arrivals": {"rate": "200/s"},
        "functions": {"count": 5, "popularity": {"zipf": 1.0}},
        "connection": {"reuse": "50%"},
        "handler": [{"cpu": {"lognormal": {"p50": "1ms", "sigma": 1.0}}}],
    },
    "platforms": {
        "workers": {"preset": "cloudflare-workers"},
        "lambda": {"preset": "aws-lambda", "memory": "1769MB"},
    },
    "claims": [
        {
            "id": "faster",
            "says": "Workers are faster",
            "source": "ours",
            "expect": ["workers.p(50) < lambda.p(50)"],
        },
        {
            "id": "no",
            "says": "one millisecond",
            "source": "ours",
            "expect": ["workers.p(95) <= 1ms"],
        },
    ],
}


@pytest.fixture(scope="session")
def small_result() -> Result:
    """Two platforms, 53 cities, three replications of a minute."""
    return popsim.run(SMALL, store=None, progress=False, workers=1)
