"""What claims.py judges: topics, their scenarios, why verdicts come out as they do, and conditions under which they may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Condition:
    """What is changed in a topic's first scenario to see whether verdicts flip."""

    what: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Topic:
    """Some claims about one thing: the scenarios that judge them, why they come out so, and when they would not."""

    title: str
    why: str
    scenarios: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    claims: tuple[str, ...] = ()  # those of the first scenario that conditions are tried on


def _reuse(share: Any) -> dict[str, Any]:
    return {"workload": {"connection": {"reuse": share}}}


def _both(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"workload": {"keys": {"values": changes}, "objects": {"holder": changes}}}


FASTER = (
    "faster-than-one-region",
    "faster-than-three-regions",
    "faster-than-all-regions",
    "faster-at-all",
    "responses-67-percent-faster",
)
NETWORKS = ("from-data-centres", "on-fibre", "on-5g")
STARTS = ("hundred-times-faster-start", "hundred-times-faster-than-lambda", "tenth-of-the-memory")
COSTS = ("lower-than-lambda-128", "lower-than-lambda-1769", "lower-than-lambda-edge", "lower-than-vercel")  # fmt: skip


def _handler(*steps: Mapping[str, Any]) -> dict[str, Any]:
    return {"workload": {"handler": list(steps)}}


WAIT: Mapping[str, Any] = {"fetch": {"origin": "service", "service": "50ms"}}

TOPICS = (
    Topic(
        "441 % faster than Lambda, 192 % faster than Lambda@Edge; 67 % faster application responses",
        "Published for synthetic probes in July 2018, at p95, against one region. The first scenario asks as users at home do today, with "
        "Lambda in one region and in more; the second repeats the experiment of 2018 and reproduces it within what the unknown places of "
        "the probes allow; the third has five platforms. A percentile is compared with the same percentile. The way from "
        "far continents to Virginia makes nearly all of it, so it goes with every region that Lambda is deployed to.",
        ("claims/faster_than_lambda", "probes_2018_world", "workers_vs_lambda"),
        (
            Condition("clients in data centres, as probes are", {"clients": {"network": "datacenter"}}),
            Condition("clients in North America only", {"clients": {"where": {"continent": "NA"}}}),
            Condition("clients in Europe only", {"clients": {"where": {"continent": "EU"}}}),
            Condition("clients in Oceania only", {"clients": {"where": {"continent": "OC"}}}),
            Condition("every request opens its connection", _reuse("never")),
            Condition("half find one open", _reuse("50%")),
            Condition("19 of 20 find one open", _reuse("95%")),
            Condition("one function, always warm", {"workload": {"functions": {"count": 1}}}),
            Condition("1,000 functions, called rarely", {"workload": {"functions": {"count": 1000}}}),
        ),
        FASTER,
    ),
    Topic(
        "13 ms in the median; 40, 216 and 882 ms at p95",
        "All four figures are from a chart of Australian probes in data centres, one day of 2018; the second scenario reproduces them as such. As a "
        "statement about the world's users the 13 ms fail on every access network, by a little for probes in data centres and by far for people.",
        ("claims/median_by_network", "probes_2018_australia"),
        (
            Condition("clients in North America only", {"clients": {"where": {"continent": "NA"}}}),
            Condition("clients in Europe only", {"clients": {"where": {"continent": "EU"}}}),
            Condition("clients in Oceania only", {"clients": {"where": {"continent": "OC"}}}),
            Condition("clients in Africa only", {"clients": {"where": {"continent": "AF"}}}),
            Condition("every request opens its connection", _reuse("never")),
            Condition("routing always finds the nearest site", {"platforms": {"workers": {"ingress": {"routing": {"nearest": "100%"}}}}}),
            Condition("the platform itself takes no time", {"platforms": {"workers": {"front_door": "0ms"}}, "workload": {"handler": []}}),
        ),
        NETWORKS,
    ),
    Topic(
        "Network latency of 13, 50-200 and 25-100 ms; nearly everybody within 50 ms",
        "A table without method, and a sentence on a vendor's page. Judged for the access networks that users have, and for the cities of the table.",
        ("network_table", "nearest_edge"),
        (
            Condition("clients at home", {"clients": {"network": "home"}}),
            Condition("clients on mobile networks", {"clients": {"network": "mobile"}}),
            Condition("clients on fibre", {"clients": {"network": "fibre"}}),
            Condition("clients in data centres", {"clients": {"network": "datacenter"}}),
        ),
        ("workers-network", "lambda-network", "vercel-network"),
    ),
    Topic(
        "Cold starts of 0, 100-1000 and about 50 ms",
        "A start of an isolate takes milliseconds and hides behind the TLS handshake, but only where there is one, and only if the script "
        "does not take longer to start than that: 5 ms is the start of a small script of 2020, a second is allowed. For Vercel's edge the "
        "preset assumes an isolate's start; nothing is published but the figure itself.",
        ("claims/cold_start_table", "cold_starts"),
        (
            Condition("clients in data centres: short handshakes", {"clients": {"network": "datacenter"}}),
            Condition("clients on mobile networks: long handshakes", {"clients": {"network": "mobile"}}),
            Condition("four of five connections are open", _reuse("80%")),
            Condition("TLS 1.2: two round trips", {"workload": {"connection": {"tls": "1.2"}}}),
            Condition("a tenth of the traffic", {"workload": {"arrivals": {"rate": "1/s"}}}),
        ),
        ("workers-zero", "workers-zero-at-50-ms", "lambda-100-to-1000", "vercel-50"),
    ),
    Topic(
        "Starts 100 times as fast, in a tenth of the memory",
        "Against containers of 2018 the factor of 100 holds; against the microVMs of today it does not. An isolate takes many requests at once, "
        "so the memory that a site holds depends on its traffic.",
        ("claims/starts_and_memory",),
        (
            Condition("clients at home", {"clients": {"network": "home"}}),
            Condition("a large script: 50 ms to start", {"platforms": {"isolates": {"runtime": {"init": "50ms"}}}}),
            Condition("a tenth of the traffic", {"workload": {"arrivals": {"rate": "4/s"}}}),
            Condition("five times the traffic", {"workload": {"arrivals": {"rate": "200/s"}}}),
            Condition("containers that take one request at a time", {"platforms": {"containers": {"runtime": {"concurrency": 1}}}}),
            Condition("containers that take 100", {"platforms": {"containers": {"runtime": {"concurrency": 100}}}}),
        ),
        STARTS,
    ),
    Topic(
        "45 % lower cost",
        "List prices of 2026, functions and traffic, beyond free allowances. What decides is whether a handler waits, how large the response is, and "
        "how much memory it is given: CPU time is what the edge charges, wall time times memory what the region charges.",
        ("claims/lower_cost",),
        (
            Condition("it waits for nobody: 5 ms of CPU time", _handler({"cpu": "5ms"})),
            Condition("it waits for nobody, and answers with 1 kB", _handler({"cpu": "5ms"}) | {"workload": {"handler": [{"cpu": "5ms"}], "response_size": "1kB"}}),
            Condition("1 kB instead of 10 kB", {"workload": {"response_size": "1kB"}}),
            Condition("1 MB instead of 10 kB", {"workload": {"response_size": "1MB"}}),
            Condition("50 ms of CPU time, 50 ms of waiting", _handler({"cpu": "50ms"}, WAIT)),
            Condition("50 ms of CPU time, no waiting", _handler({"cpu": "50ms"})),
            Condition("500 ms of waiting", _handler({"cpu": "5ms"}, {"fetch": {"origin": "service", "service": "500ms"}})),
        ),
        COSTS,
    ),
    Topic(
        "Workers KV: central stores, caches on first read, up to 60 seconds",
        "Right in outline: most copies are refreshed within the TTL of 60 s, some are older, because a regional tier may hand on its own old "
        "copy. Reads are fast where keys are popular, and cost a way to a store where they are not.",
        ("kv_article", "config_flag_flip", "kv_push_vs_pull", "kv_hot_keys"),
    ),
    Topic(
        "KV provides better performance and cost efficiency than objects, for read-heavy workloads",
        "For the same values and readers: popularity decides, and the price per read.",
        ("claims/kv_or_objects",),
        (
            Condition("clients in Europe only", {"clients": {"where": {"continent": "EU"}}}),
            Condition("a hundred keys", _both({"count": 100})),
            Condition("a million keys", _both({"count": 1_000_000})),
            Condition("all keys equally popular", _both({"popularity": "uniform"})),
            Condition("ten times the traffic", {"workload": {"arrivals": {"rate": "1000/s"}}}),
        ),
        ("kv-is-faster-at-the-median", "kv-is-faster-in-the-tail", "kv-is-cheaper"),
    ),
    Topic(
        "Workers KV before and after its redesign; the outage of June 2025",
        "Published by the vendor with dates. The laws inside the store are not published: what cannot be reproduced with one set "
        "of parameters fails here and stays so.",
        ("kv_2025_redesign", "kv_central_outage"),
    ),
    Topic(
        "Durable Objects: strong consistency in one place; hibernation saves",
        "One home and one thread: what is promised is consistency, not nearness. Whether others see an edit soon depends on where they are, "
        "and where the object was made.",
        ("document_editor", "object_placement", "game_room", "read_replicas", "rate_limiter", "home_outage", "hibernation",
         "objects_vs_dynamodb"),
    ),
    Topic(
        "What an outage of points of presence does",
        "Anycast moves users to the next site; the rest is distance.",
        ("pop_outage",),
    ),
)  # fmt: skip

NOT_JUDGED = (
    ("67 % better Core Web Vitals", "pages are rendered in browsers, which are not simulated"),
    ("gradual rollouts with automatic rollback, blue/green, health checks", "deployments are not modelled yet"),
    ("TTL per country (24 h US, 12 h EU, 1 h CN, 6 h elsewhere)", "a statement of design, not of a result; `kv_article` runs such handlers"),
    ("superior isolation by V8, DDoS protection", "not about latency, consistency or cost"),
)  # fmt: skip
