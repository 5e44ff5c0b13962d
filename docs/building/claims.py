"""The page of published claims: every number on it comes from runs made here, which takes some minutes.

claims_topics.py has the words, and what is changed to see when verdicts flip.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import popsim
from building.claims_topics import NOT_JUDGED, TOPICS, Condition, Topic
from popsim.report.verdicts import observed_text
from popsim.results.result import Result
from popsim.results.verdict import Verdict
from popsim.scenario.claims import ClaimSpec
from popsim.world.sites import load_sites

README = Path(__file__).resolve().parents[2] / "README.md"
COUNTED = re.compile(r"^Of \d+ claims .*\n", re.MULTILINE)  # the README's line about this page
Judged = tuple[str, str]  # kind and verdict of a claim
MARKS = {"holds": "✓ holds", "fails": "✗ fails", "undecided": "? undecided"}

HEAD = """# Published claims, judged

What an article and vendors say, simulated with popsim's presets of 2026 (or of 2018, where the experiment is repeated). This page is
built by `make claims-page`; every number on it was simulated, with the seed of its scenario. An interval is of 95 %. *Fails* means: under this
reading and these conditions; the tables of conditions show which of them would turn a verdict. `popsim check SCENARIO` judges one again.
How expectations are written: [expectations](reference/expectations.md).

"""

KINDS = {
    "published": "published, and decided by the model",
    "ours": "our own",
    "input": "decided by an input of their scenario, as its key `input` says",
}

COUNTS = """## 300+ cities, 33 regions, about 100 locations

Counted in `topologies/`, which name their sources. Where a platform answers from is not where its code runs: Vercel's 126 points of presence pass
requests on to 20 regions, in which TLS ends.

| | published | in topologies |
|---|---|---|
"""


def claims_page() -> str:
    """Run everything and return the page; the README's line about it is written anew, too."""
    judged: list[Judged] = []
    parts = []
    for number, topic in enumerate(TOPICS):
        print(f"{number + 1} of {len(TOPICS)}: {topic.title}", file=sys.stderr)  # noqa: T201
        parts += [*_topic(topic, judged)]
    readme = README.read_text("utf-8")
    README.write_text(COUNTED.sub(lambda _: sentence(judged), readme, count=1), encoding="utf-8")
    page = [HEAD, summary(judged), *parts, COUNTS, *_counts(), "\n## Not judged\n\n| claim | why not |\n|---|---|\n"]  # fmt: skip
    page += [f"| {claim} | {why} |\n" for claim, why in NOT_JUDGED]
    return "".join(page)


def summary(judged: Sequence[Judged]) -> str:
    """Return how many claims hold, fail and are undecided, by kind: a promise kept by its own input is no finding."""
    found = Counter((kind, verdict) for kind, verdict in judged)
    outcomes = ("holds", "fails", "undecided")

    def counts(*kinds: str) -> list[int]:
        return [sum(found[kind, outcome] for kind in kinds) for outcome in outcomes]

    holds, fails, undecided = counts(*KINDS)
    lines = [
        f"Of {len(judged)} claims {holds} hold, {fails} fail, {undecided} undecided. Not all of these are findings:\n\n",
        "| claims | number | hold | fail | undecided |\n|---|---|---|---|---|\n",
    ]
    for kind, what in KINDS.items():
        cells = " | ".join(map(str, counts(kind)))
        lines.append(f"| {what} | {sum(counts(kind))} | {cells} |\n")
    return "".join([*lines, "\n"])


def sentence(judged: Sequence[Judged]) -> str:
    """Return the same in one line, for the README."""
    parts = []
    for kind in KINDS:
        of_kind = [verdict for each, verdict in judged if each == kind]
        parts.append(f"{of_kind.count('holds')} of the {len(of_kind)}")
    published, ours, inputs = parts
    holds = [verdict for _, verdict in judged].count("holds")
    return (
        f"Of {len(judged)} claims {holds} hold: {published} that were published and that the model decides, "
        f"{ours} of our own, and {inputs} whose verdict is an input of their scenario.\n"
    )


def judged_claims(result: Result) -> list[Judged]:
    """Return kind and verdict of each claim of a result."""
    pairs = zip(result.scenario.claims, result.verdicts, strict=True)
    return [(claim.kind, verdict.verdict) for claim, verdict in pairs]


def rows_of_today(names: list[str]) -> Iterator[str]:
    """Return the rows of some scenarios' claims as they come out today."""
    for name in names:
        yield from claim_rows(name, popsim.run(name))


def claim_rows(name: str, result: Result) -> Iterator[str]:
    """Return the rows of a result's claims."""
    for claim, verdict in zip(result.scenario.claims, result.verdicts, strict=True):
        yield claim_row(name, claim, verdict)


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


def _topic(topic: Topic, judged: list[Judged]) -> Iterator[str]:
    yield f"## {topic.title}\n\n{topic.why}\n\n"
    yield "| claim | verdict | expected | observed | source | decided by |\n|---|---|---|---|---|---|\n"
    results = {name: popsim.run(name) for name in topic.scenarios}
    for name, result in results.items():
        judged += judged_claims(result)
        yield from claim_rows(name, result)
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


def claim_row(name: str, claim: ClaimSpec, verdict: Verdict) -> str:
    """Return the row of a claim: its id, words, verdict, the deciding expectation, source, and what decided it."""
    deciding = verdict.deciding
    cells = (
        f"{verdict.says} (`{name}`: {verdict.id})",
        MARKS[verdict.verdict],
        f"`{deciding.expect}`",
        observed_text(deciding),
        _origin(verdict),
        "the model" if claim.input is None else f"an input: {claim.input}",
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"


def _condition(topic: Topic, condition: Condition) -> str:
    verdicts = {v.id: v for v in popsim.run(topic.scenarios[0], **condition.changes).verdicts}
    cells = [
        f"{MARKS[verdicts[c].verdict]}: {observed_text(verdicts[c].deciding)}" for c in topic.claims
    ]
    return f"| {condition.what} | " + " | ".join(cells) + " |\n"
