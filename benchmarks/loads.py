"""The loads that are measured, as scenarios."""

from __future__ import annotations

from typing import Any

from popsim.models import register
from popsim.models.object_placement import Ask, AskedPlacement, Geography
from popsim.scenario.schema import Scenario
from popsim.sweeps import load
from popsim.world.sites import load_sites

FLAGSHIP_RATE = 2_000  # requests/s; ten times the scenario's, so that runs are long enough to time


def flagship(requests: int) -> Scenario:
    """Return the flagship scenario with about so many requests per platform, without warm-up."""
    return load(
        "workers_vs_lambda",
        duration=f"{requests / FLAGSHIP_RATE * 1e3}ms",
        warmup=0,
        workload={"arrivals": {"rate": f"{FLAGSHIP_RATE}/s"}},
        claims=[],
    )


def keep_alive(requests: int) -> Scenario:
    """Return what simulators of function platforms are measured with: 300 sites, 1,000 functions, 600 s keep-alive.

    DSLab's FaaS example has hosts where this has sites; a request here also travels a network.
    """
    pops = load_sites("cloudflare").ids[:300]
    return load(
        _one_platform(
            duration=f"{requests / 20_000 * 1e3}ms",
            rate="20000/s",
            functions={"count": 1_000, "popularity": {"zipf": 1.0}},
            handler=[{"cpu": {"exponential": {"mean": "20ms"}}}],
            platform={
                "topology": "cloudflare",
                "ingress": {"sites": list(pops), "routing": "nearest"},
                "runtime": {
                    "model": "microvm",
                    "init": {"lognormal": {"p50": "300ms", "sigma": 0.4}},
                    "idle": "600s",
                },
            },
        )
    )


def spread(sites: int, requests: int) -> Scenario:
    """Return isolates on 1, 34 or 340 PoPs, the same traffic each time, light enough for one PoP."""
    pops = load_sites("cloudflare").ids[:: 340 // sites][:sites]
    return load(
        _one_platform(
            duration=f"{requests / FLAGSHIP_RATE * 1e3}ms",
            rate=f"{FLAGSHIP_RATE}/s",
            functions={"count": 10, "popularity": {"zipf": 1.0}},
            handler=[{"cpu": {"lognormal": {"p50": "0.2ms", "sigma": 1.0}}}],
            platform={
                "topology": "cloudflare",
                "ingress": {"sites": list(pops)},
                "runtime": {"model": "isolate", "init": "5ms", "idle": "30min"},
            },
        )
    )


def _one_platform(
    *,
    duration: str,
    rate: str,
    functions: dict[str, Any],
    handler: list[Any],
    platform: dict[str, Any],
) -> dict[str, Any]:
    return {
        "name": "benchmark",
        "duration": duration,
        "workload": {
            "arrivals": {"rate": rate},
            "functions": functions,
            "connection": {"reuse": "80%"},
            "handler": handler,
        },
        "platforms": {"it": platform},
    }


def key_value(requests: int, reading: float = 0.75) -> Scenario:
    """Return 340 PoPs where three of four requests read one of a million keys, and few write."""
    regional = ["IAD", "SJC", "GRU", "LHR", "FRA", "SIN", "NRT", "SYD", "JNB", "BOM"]
    get = {"kv.get": {"keys": "items"}}
    put = {"kv.put": {"keys": "items", "on_error": "ignore"}}
    handler = [
        {"cpu": {"lognormal": {"p50": "0.2ms", "sigma": 1.0}}},
        {"choose": [
            {"weight": reading, "steps": [get]},
            {"weight": 0.01, "steps": [put]},
            {"weight": 0.99 - reading},
        ]},
    ]  # fmt: skip
    scenario = _one_platform(
        duration=f"{requests / 20_000 * 1e3}ms",
        rate="20000/s",
        functions={"count": 200, "popularity": {"zipf": 1.0}},
        handler=handler,
        platform={
            "topology": "cloudflare",
            "ingress": {"role": "pop"},
            "runtime": {"model": "isolate", "init": "5ms", "idle": "30min"},
            "kv": {
                "model": "push_purge",
                "stores": {
                    "us": {"region": "us-east-1", "read": "2ms", "write": "5ms"},
                    "eu": {"region": "eu-central-1", "read": "2ms", "write": "5ms"},
                },
                "regional_tiers": regional,
                "lag": {"exponential": {"mean": "100ms"}},
                "edge_lookup": {"lognormal": {"p50": "1ms", "sigma": 0.5}},
                "region_lookup": "1ms",
            },
        },
    )
    scenario["workload"]["keys"] = {"items": {"count": 1_000_000, "popularity": {"zipf": 0.9}}}
    return load(scenario)


def objects(requests: int, placement: str = "nearest_host") -> Scenario:
    """Return 340 PoPs where half of the requests call one of a million objects, a third of these write."""
    if placement == ASKED:
        register("object_placement", ASKED)(NearestIfAsked)
    call = {"object.call": {"class": "room", "handler": "read"}}
    write = {"object.call": {"class": "room", "handler": "write"}}
    handler = [
        {"cpu": {"lognormal": {"p50": "0.2ms", "sigma": 1.0}}},
        {"choose": [
            {"weight": 2, "steps": [call]},
            {"weight": 1, "steps": [write]},
            {"weight": 3},
        ]},
    ]  # fmt: skip
    scenario = _one_platform(
        duration=f"{requests / 20_000 * 1e3}ms",
        rate="20000/s",
        functions={"count": 200, "popularity": {"zipf": 1.0}},
        handler=handler,
        platform={
            "topology": "cloudflare",
            "ingress": {"role": "pop"},
            "runtime": {"model": "isolate", "init": "5ms", "idle": "30min"},
            "objects": {
                "placement": {"model": placement},
                "hosts": {"role": "object_host"},
                "activation": "5ms",
                "commit": {"exponential": {"mean": "3ms"}},
                "followers": 5,
                "quorum": 3,
            },
        },
    )
    scenario["workload"]["objects"] = {
        "room": {
            "count": 1_000_000,
            "handlers": {
                "read": [{"cpu": "0.2ms"}],
                "write": [{"cpu": "0.2ms"}, {"storage.put": {}}],
            },
        }
    }
    return load(scenario)


ASKED = "nearest-if-asked"


class NearestIfAsked(AskedPlacement):
    """The nearest host, but Python is asked for each object."""

    def home(self, ask: Ask, geography: Geography) -> int:
        """Return the host that is nearest to who asks first."""
        return int(geography.rtt[ask.site].argmin())
