"""Judge the article's claims and other published figures and write claims.md. `make claims-page` runs it, in some minutes.

Every number on the page comes from the runs made here; only the words of TOPICS are written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import popsim
from popsim.results.verdict import Expectation, Verdict

PAGE = Path(__file__).resolve().parent / "claims.md"
MARKS = {"holds": "✓ holds", "fails": "✗ fails", "undecided": "? undecided"}


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


FASTER = (
    "faster-than-one-region",
    "faster-than-three-regions",
    "faster-than-all-regions",
    "faster-at-all",
)

TOPICS = (
    Topic(
        "441 % faster than Lambda, 192 % faster than Lambda@Edge",
        "Published for synthetic probes in July 2018, at p95, against one region. The first scenario asks as users at home do today, with "
        "Lambda in one region and in more; the second repeats the experiment of 2018 and reproduces it within what the unknown places of "
        "the probes allow; the third has five platforms. A percentile is compared with the same percentile, and the way from "
        "far continents to Virginia makes nearly all of it: it goes with every region that Lambda is deployed to.",
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
        "All four figures are from a chart of Australian probes in data centres, one day of 2018; they are reproduced as such. As a statement "
        "about the world's users the 13 ms fail in `workers_vs_lambda`: the access network alone takes longer than that.",
        ("probes_2018_australia",),
    ),
    Topic(
        "300+ cities: 13, 50-200 and 25-100 ms of network latency; nearly everybody within 50 ms",
        "A table without method. Judged from data centres, the kindest reading, and for the cities of the table.",
        ("network_table", "nearest_edge"),
        (
            Condition("clients at home", {"clients": {"network": "home"}}),
            Condition("clients on mobile networks", {"clients": {"network": "mobile"}}),
            Condition("clients on fibre", {"clients": {"network": "fibre"}}),
        ),
        ("workers-network", "lambda-network", "vercel-network"),
    ),
    Topic(
        "0 ms cold start; 100 times faster starts, a tenth of the memory",
        "A start of an isolate takes milliseconds and hides behind the TLS handshake, but only where there is one: not on a connection "
        "that is open, and not if the script loads for longer than a round trip to a client next door. Against containers of 2018 the "
        "factor of 100 holds; against the microVMs of today it does not.",
        ("claims/starts_and_memory", "cold_starts"),
        (
            Condition("clients at home: handshakes take longer", {"clients": {"network": "home"}}),
            Condition("a large script: 50 ms to start", {"platforms": {"prewarmed": {"runtime": {"init": "50ms"}},
                                                                       "isolates": {"runtime": {"init": "50ms"}}}}),
            Condition("four of five connections are open", _reuse("80%")),
            Condition("a tenth of the traffic", {"workload": {"arrivals": {"rate": "4/s"}}}),
            Condition("five times the traffic", {"workload": {"arrivals": {"rate": "200/s"}}}),
        ),
        ("hundred-times-faster-start", "hundred-times-faster-than-lambda", "zero-cold-starts", "tenth-of-the-memory"),
    ),
    Topic(
        "Workers KV: central stores, caches on first read, up to 60 seconds",
        "Right in outline: most copies are refreshed within the TTL of 60 s, some are older, because a regional tier may hand on its own old "
        "copy. Reads are fast where keys are popular, and cost a way to a store where they are not.",
        ("kv_article", "config_flag_flip", "kv_push_vs_pull", "kv_hot_keys"),
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
    ("45 % lower cost", "prices are modelled for key-value stores and objects, not for requests and compute time"),
    ("67 % better Core Web Vitals", "pages are rendered in browsers, which are not simulated"),
    ("gradual rollouts with automatic rollback, blue/green, health checks", "deployments are not modelled yet"),
    ("TTL per country (24 h US, 12 h EU, 1 h CN, 6 h elsewhere)", "a statement of design, not of a result; `kv_article` runs such handlers"),
    ("superior isolation by V8, DDoS protection", "not about latency, consistency or cost"),
)  # fmt: skip

HEAD = """# Published claims, judged

What an article and vendors say, simulated with popsim's presets of 2026 (or of 2018, where the experiment is repeated). This page is
built by `make claims-page`; every number on it was simulated, with the seed of its scenario. An interval is of 95 %. *Fails* means: under this
reading and these conditions; the tables of conditions show which of them would turn a verdict. `popsim check SCENARIO` judges one again.

"""


def main() -> None:
    """Run everything and write the page."""
    parts = [HEAD]
    for number, topic in enumerate(TOPICS):
        print(f"{number + 1} of {len(TOPICS)}: {topic.title}", file=sys.stderr)  # noqa: T201
        parts += [*_topic(topic)]
    parts.append("## Not judged\n\n| claim | why not |\n|---|---|\n")
    parts += [f"| {claim} | {why} |\n" for claim, why in NOT_JUDGED]
    PAGE.write_text("".join(parts), encoding="utf-8")


def _topic(topic: Topic) -> Iterator[str]:
    yield f"## {topic.title}\n\n{topic.why}\n\n"
    yield "| claim | verdict | expected | observed | source |\n|---|---|---|---|---|\n"
    for name in topic.scenarios:
        for verdict in popsim.run(name).verdicts:
            yield claim_row(name, verdict)
    yield "\n"
    if topic.conditions:
        yield f"Under other conditions (`{topic.scenarios[0]}`, changed):\n\n"
        yield "| condition |" + "".join(f" {claim} |" for claim in topic.claims)
        yield "\n|---|" + "---|" * len(topic.claims) + "\n"
        yield _condition(topic, Condition("as it is", {}))
        for condition in topic.conditions:
            yield _condition(topic, condition)
        yield "\n"


def claim_row(name: str, verdict: Verdict) -> str:
    """Return the row of a claim: its id, words, verdict, the deciding expectation, source."""
    deciding, source = verdict.deciding, verdict.source
    origin = f"[{source['date']}]({source['url']}), {source['scope']}" if source else "ours"
    cells = (
        f"{verdict.says} (`{name}`: {verdict.id})",
        MARKS[verdict.verdict],
        f"`{deciding.expect}`",
        observed(deciding),
        origin,
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"


def observed(expectation: Expectation) -> str:
    """Return a value with half of its interval, and its unit."""
    value, unit = expectation.observed, f" {expectation.unit}" if expectation.unit else ""
    scale = 1.0
    if expectation.unit == "B":
        scale, unit = 1e9, " GB"
    half = (value.high - value.low) / 2.0 / scale
    return f"{value.value / scale:.3g} ± {half:.2g}{unit}"


def _condition(topic: Topic, condition: Condition) -> str:
    verdicts = {v.id: v for v in popsim.run(topic.scenarios[0], **condition.changes).verdicts}
    cells = [
        f"{MARKS[verdicts[c].verdict]}: {observed(verdicts[c].deciding)}" for c in topic.claims
    ]
    return f"| {condition.what} | " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    main()
