"""The page of published claims: every number on it comes from runs made here, which takes some minutes.

claims_topics.py has the words, and what is changed to see when verdicts flip.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import popsim
from building.claims_topics import NOT_JUDGED, TOPICS, Condition, Topic
from popsim.report.verdicts import observed_text
from popsim.results.verdict import Verdict
from popsim.world.sites import load_sites

MARKS = {"holds": "✓ holds", "fails": "✗ fails", "undecided": "? undecided"}

HEAD = """# Published claims, judged

What an article and vendors say, simulated with popsim's presets of 2026 (or of 2018, where the experiment is repeated). This page is
built by `make claims-page`; every number on it was simulated, with the seed of its scenario. An interval is of 95 %. *Fails* means: under this
reading and these conditions; the tables of conditions show which of them would turn a verdict. `popsim check SCENARIO` judges one again.
How expectations are written: [expectations](reference/expectations.md).

"""

COUNTS = """## 300+ cities, 33 regions, about 100 locations

Counted in `topologies/`, which name their sources. Where a platform answers from is not where its code runs: Vercel's 126 points of presence pass
requests on to 20 regions, in which TLS ends.

| | published | in topologies |
|---|---|---|
"""


def claims_page() -> str:
    """Run everything and return the page."""
    verdicts: list[Verdict] = []
    parts = []
    for number, topic in enumerate(TOPICS):
        print(f"{number + 1} of {len(TOPICS)}: {topic.title}", file=sys.stderr)  # noqa: T201
        parts += [*_topic(topic, verdicts)]
    found = Counter(verdict.verdict for verdict in verdicts)
    total = f"Of {len(verdicts)} claims {found['holds']} hold, {found['fails']} fail, {found['undecided']} undecided.\n\n"
    page = [HEAD, total, *parts, COUNTS, *_counts(), "\n## Not judged\n\n| claim | why not |\n|---|---|\n"]  # fmt: skip
    page += [f"| {claim} | {why} |\n" for claim, why in NOT_JUDGED]
    return "".join(page)


def rows_of_today(names: list[str]) -> Iterator[str]:
    """Return the rows of some scenarios' claims as they come out today."""
    for name in names:
        yield from (claim_row(name, verdict) for verdict in popsim.run(name).verdicts)


def _counts() -> Iterator[str]:
    edge, aws, vercel = (load_sites(name) for name in ("cloudflare", "aws", "vercel"))
    abroad, countries = (
        sum(country != "CN" for country in edge.countries),
        len(set(edge.countries)),
    )
    lambda_, vercels = (
        Counter(role for roles in sites.roles for role in roles) for sites in (aws, vercel)
    )
    yield (
        f"| Cloudflare | 300+ cities in 100+ countries | {len(edge)} in {countries} countries; "
        f"{abroad} without those in mainland China, which serve customers of the China network only |\n"
    )
    yield f"| AWS Lambda | 33 regions | {lambda_['region']} |\n"
    yield f"| Vercel's edge | about 100 locations | {vercels['pop']} points of presence, {vercels['region']} regions |\n"


def _topic(topic: Topic, verdicts: list[Verdict]) -> Iterator[str]:
    yield f"## {topic.title}\n\n{topic.why}\n\n"
    yield "| claim | verdict | expected | observed | source |\n|---|---|---|---|---|\n"
    results = {name: popsim.run(name) for name in topic.scenarios}
    for name, result in results.items():
        verdicts += result.verdicts
        for verdict in result.verdicts:
            yield claim_row(name, verdict)
    ids = ", ".join(f"`{name}` ({result.scenario.id})" for name, result in results.items())
    yield f"\nScenarios: {ids}.\n\n"
    yield from _scopes([verdict for result in results.values() for verdict in result.verdicts])
    if topic.conditions:
        yield f"Under other conditions (`{topic.scenarios[0]}`, changed):\n\n"
        yield "| condition |" + "".join(f" {claim} |" for claim in topic.claims)
        yield "\n|---|" + "---|" * len(topic.claims) + "\n"
        yield _condition(topic, Condition("as it is", {}))
        for condition in topic.conditions:
            yield _condition(topic, condition)
        yield "\n"


def _scopes(verdicts: list[Verdict]) -> Iterator[str]:
    """Yield what each source is about, once."""
    published = [verdict for verdict in verdicts if verdict.source]
    lines = {f"- {_origin(verdict)}: {verdict.source['scope']}\n": None for verdict in published}
    if lines:
        yield "What the sources are about, and how they are read:\n\n"
        yield from lines
        yield "\n"


def _origin(verdict: Verdict) -> str:
    """Return who published a claim, and when, as a link."""
    if not verdict.source:
        return "ours"
    host = str(urlsplit(verdict.source["url"]).hostname).removeprefix("www.")
    return f"[{host}, {verdict.source['date']}]({verdict.source['url']})"


def claim_row(name: str, verdict: Verdict) -> str:
    """Return the row of a claim: its id, words, verdict, the deciding expectation, source."""
    deciding = verdict.deciding
    cells = (
        f"{verdict.says} (`{name}`: {verdict.id})",
        MARKS[verdict.verdict],
        f"`{deciding.expect}`",
        observed_text(deciding),
        _origin(verdict),
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"


def _condition(topic: Topic, condition: Condition) -> str:
    verdicts = {v.id: v for v in popsim.run(topic.scenarios[0], **condition.changes).verdicts}
    cells = [
        f"{MARKS[verdicts[c].verdict]}: {observed_text(verdicts[c].deciding)}" for c in topic.claims
    ]
    return f"| {condition.what} | " + " | ".join(cells) + " |\n"
