"""No random number is used twice: the addresses that the specification draws in generated runs.

docs/background/addresses.md has the table. An address that was drawn twice must belong to a stream in which that is the
rule; in all others, whoever draws has the address alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from generate import case
from recording import Recording
from run_case import run_specification

from popsim.engine import draws

CASES = 60
PAGE = Path(__file__).parents[2] / "docs" / "background" / "addresses.md"
SOURCE = Path(draws.__file__).read_text("utf-8")
STREAMS_OF_SOURCE = SOURCE[SOURCE.index("# Streams:") : SOURCE.index("# Indices within USER")]
STREAMS = {int(n): name for name, n in re.findall(r"(?m)^([A-Z_]+) = (\d+)", STREAMS_OF_SOURCE)}

# Where one draw is asked for again and again, or its two words have two uses: by whom, and why that is right
SHARED = {
    draws.ARRIVAL: {"candidates", "is_accepted"},  # the first word is the gap, the second thins
    draws.USER: {"candidates", "SpecificationPlane.request"},  # the client; the function
    draws.KEY: {"Keys.of"},  # a request is about one key (rule 29), whoever asks
    draws.KEY_VALUE: {"Versions.size", "Versions.is_absent_at_start"},  # facts of a key
    draws.KV_LAG: {
        "Versions._arrival",
    },  # a write's way to a node
    draws.CACHE_PHASE: {"Caches.since"},  # the age of a key's copies in a cache at the start
    draws.RESOLVER_PHASE: {"Connections._expiry"},  # the age of a resolver's answer at the start
    draws.LAG: {"Homes.arrival"},  # a commit's way to a replica, computed whenever somebody reads
    draws.PLACE: {"Homes._wanted"},  # where an object wants to be, until it gets a home
}


Again = dict[int, set[str]]


@pytest.fixture(scope="module")
def drawn() -> tuple[set[int], Again]:
    """Return the streams that are drawn from, and who asked again for an address, by stream; each run is forgotten at once."""
    streams: set[int] = set()
    again: Again = defaultdict(set)
    for seed in range(CASES):
        recording = Recording()
        run_specification(case(seed), word_source=recording)
        streams |= recording.streams
        for (stream, entity, index), purposes in recording.again.items():
            who = {purpose.split(" ")[0] for purpose in purposes}
            assert who <= SHARED.get(stream, set()), (
                f"case {seed}: {STREAMS[stream]} ({entity}, {index}) is drawn twice, for {purposes}"
            )
            again[stream] |= who
    return streams, again


def test_no_address_is_used_twice_but_where_that_is_the_rule(drawn: tuple[set[int], Again]) -> None:
    """Each exception is needed, by exactly those that are named; that no host is left for an object is rare."""
    assert drawn[1] | {draws.PLACE: SHARED[draws.PLACE]} == SHARED


def test_every_stream_of_a_request_is_drawn_from(drawn: tuple[set[int], Again]) -> None:
    before = {draws.RUN_KEY, draws.PHASE_OFFSET, draws.CONVERGENCE, draws.TRACE_CLIENT, draws.KEY_SHIFT}  # fmt: skip
    assert drawn[0] == set(STREAMS) - before - {draws.SAMPLE}  # generated runs keep all requests


def test_the_page_has_every_stream() -> None:
    rows = [line.split("|")[1].strip(" *") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]  # fmt: skip
    assert sorted(rows) == sorted(f"`{name}`" for name in STREAMS.values())
