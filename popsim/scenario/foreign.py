"""Recognise files of other tools by how they begin, so that one sentence names them instead of twenty errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from popsim.scenario.errors import InputError
from popsim.scenario.files import open_regular


class Foreign(NamedTuple):
    """What a file is, and where its numbers can go instead."""

    name: str
    advice: str


CONVERT = "docs/guides/traces.md shows how to make a trace of it"
TERMS = "docs/guides/latency_terms.md says which number of popsim's is which of its"
AZURE_2021 = "a function is no key: convert end_timestamp - duration to timestamp; " + CONVERT
AZURE_2019 = "it counts calls per minute: use arrivals: {rate: ...} with by_local_hour"
KINDS: tuple[tuple[Callable[[str], object], Foreign], ...] = tuple(
    (re.compile(pattern, re.DOTALL).match, Foreign(name, advice))
    for pattern, name, advice in (
        (r'\s*\{\s*"log"\s*:\s*\{', "a HAR file, a browser's log of requests", TERMS),
        (r'\s*\{.*"root_group"\s*:', "a summary of k6", TERMS),
        (r'\s*\{.*"metrics"\s*:\s*\{.*"(http_req|iteration|vus|data_sent)', "a summary of k6", TERMS),
        (r'\s*\{.*"type"\s*:\s*"(Metric|Point)"', "k6's output of single values (JSON)", TERMS),
        (r"metric_name,timestamp,metric_value", "k6's output of single values (CSV)", TERMS),
        (r"app,func,end_timestamp,duration", "a trace of Azure Functions (2021)", AZURE_2021),
        (r"HashOwner,HashApp,HashFunction", "a trace of Azure Functions (2019)", AZURE_2019),
        (r"HashOwner,HashApp,", "a table of Azure Functions' applications (2019)", AZURE_2019),
        (r".*AnonFunctionInvocationId", "a trace of Azure Functions' blobs (2020)", CONVERT),
        (r"#Version: 1\.0\s+#Fields: ", "a log of CloudFront", CONVERT),
        (r'\s*\{.*"(EdgeStartTimestamp|ClientRequestHost|RayID)"', "a log of Cloudflare (Logpush)", CONVERT),
        (r'\S+ \S+ \S+ \[\d\d/\w{3}/\d{4}:[^]]+\] "', "an access log of a web server", CONVERT),
        (r"\s*[{\[]", "JSON", CONVERT),
    )
)  # fmt: skip
MOST_BYTES = 10**12
HEAD = 4_096  # characters that are looked at


def recognised(text: str) -> Foreign | None:
    """Return what a file that begins like this is, if another tool writes it so."""
    head = text[:HEAD].removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    return next((foreign for begins, foreign in KINDS if begins(head)), None)


def foreign_file(path: Path) -> Foreign | None:
    """Return what a file is that is no scenario, or None. JSON as such may be one: it is YAML, too."""
    try:
        with open_regular(path, MOST_BYTES, "a YAML file") as file:
            size = min(HEAD, path.stat().st_size)
            foreign = recognised(file.read(size).decode("utf-8", "replace"))
    except (InputError, OSError):  # whoever reads it says why it cannot be read
        return None
    return None if foreign is not None and foreign.name == "JSON" else foreign
