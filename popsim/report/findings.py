"""Headlines of figures: what the data say, computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from popsim.engine.outputs import PHASES, Floats
from popsim.report.style import ms_text, percent_text
from popsim.results.comparing import combined
from popsim.results.kv import KvPool
from popsim.results.pooled import Pool
from popsim.results.statistics import CONFIDENCE

if TYPE_CHECKING:
    from popsim.results.result import Result

NOTHING = "No request was answered"
ON_THE_WAY = ("dns", "connect", "tls", "network")
PHASE_NAMES = {
    "front_door": "The platform's front door",
    "queue": "Waiting for an instance",
    "cold_start": "Cold starts",
    "execute": "Computing",
    "kv": "Reading and writing keys",
    "object": "Calling objects",
    "fetch": "Fetching from origins",
    "sleep": "Sleeping",
}
SOON_MS = (
    100.0  # what users take for immediate (J. Nielsen, Usability Engineering, 1993, section 5.5)
)
WORTH_TELLING = 0.01  # share of failed requests


def compared(result: Result, percent: float) -> str:
    """Compare the platforms that are fastest and slowest at a percentile; say so if these can't be told apart."""
    pools = {name: pool for name, pool in result.pools.items() if pool.answered}
    if not pools:
        return NOTHING
    order = sorted(pools, key=lambda name: pools[name].p(percent))
    fast, slow = pools[order[0]], pools[order[-1]]
    low, high = fast.p(percent), slow.p(percent)
    if len(order) == 1:
        text = f"{order[0]} answers {percent:g} % of requests within {ms_text(low)}"
    elif not differ(fast, slow, percent):
        text = f"No difference can be told at p{percent:g}: about {ms_text(low)} on all platforms"
    else:
        text = f"{order[-1]} {_times(high / low)} {order[0]} at p{percent:g}: {ms_text(high)} against {ms_text(low)}"
    return text + _failures(result)


def differ(fast: Pool, slow: Pool, percent: float) -> bool:
    """Tell whether the interval of the replications' differences leaves out 0; values alone, if there is one.

    Both saw the same requests, so that their differences vary less than they do.
    """
    found = [pool.percentile(percent) for pool in (fast, slow)]
    low, _ = combined(lambda values: values[1] - values[0], found, CONFIDENCE)
    return low > 0.0 if math.isfinite(low) else slow.p(percent) > fast.p(percent)


def _times(ratio: float) -> str:
    if ratio < 1.1:
        return f"takes {100.0 * (ratio - 1.0):.2g} % longer than"
    return (
        f"takes {ratio:.{2 if ratio < 9.95 else 0}{'g' if ratio < 9.95 else 'f'}} times as long as"
    )


def _failures(result: Result) -> str:
    ratios = {name: pool.failed_ratio for name, pool in result.pools.items()}
    worst = max(ratios, key=lambda name: np.nan_to_num(ratios[name]))
    if not ratios[worst] >= WORTH_TELLING:
        return ""
    return f"; {percent_text(ratios[worst])} of requests fail with {worst}"


def span(values: Mapping[str, float], text: Callable[[float], str]) -> str:
    """Return the least and the most of some platforms' values with their names.

    >>> span({"a": 0.1, "b": 0.5}, percent_text)
    '10 % (a) to 50 % (b)'
    >>> span({"a": 0.1, "b": 0.1}, percent_text)
    '10 %'
    """
    texts = {name: text(values[name]) for name in sorted(values, key=lambda name: values[name])
             if math.isfinite(values[name])}  # fmt: skip
    if not texts:
        return ""
    low, *_, high = [*texts.values()] * 2
    if low == high:
        return low
    return " to ".join(f"{end} ({_who(texts, end)})" for end in (low, high))


def _who(texts: Mapping[str, str], end: str) -> str:
    """Return the names of the platforms with a text; how many, if there are many."""
    names = [name for name, text in texts.items() if text == end]
    return " and ".join(names) if len(names) <= 2 else f"{len(names)} platforms"


def largest_phase(result: Result, percent: float) -> str:
    """Say what takes most of the time of requests around a percentile; all that is spent on the way is one thing."""
    frame = result.phases(percent)
    totals = frame[list(PHASES)].sum(axis=1)
    kinds = {"Connecting and travelling": frame[list(ON_THE_WAY)].sum(axis=1)}
    kinds |= {name: frame[phase].fillna(0.0) for phase, name in PHASE_NAMES.items()}
    largest = max(kinds, key=lambda kind: float(kinds[kind].sum()))
    if not totals.max() > 0.0:
        return NOTHING
    shares = (kinds[largest] / totals.where(totals > 0.0)).to_dict()
    found = span({str(name): share for name, share in shares.items()}, percent_text)
    return f"{largest}: {found} of the time at p{percent:g}"


def soon(shares: Mapping[str, float]) -> str:
    """Say which share of the clients, weighted by requests, have half of their requests answered soon."""
    found = span(shares, percent_text)
    if not found:
        return NOTHING
    return f"Clients with half of their requests within {SOON_MS:g} ms: {found}"


def over_time(result: Result) -> str:
    """Say when most requests fail; if none does, how far the 95th percentile moves."""
    frame = result.timeline()
    failed = (frame["failed"] / frame["sent"].clip(lower=1)).to_numpy()
    worst = int(failed.argmax())
    if failed[worst] > 0.0:
        name, minute = frame["platform"].iloc[worst], frame["start_ms"].iloc[worst] / 60_000.0
        share = percent_text(float(failed[worst]))
        return f"{share} of requests fail with {name} at the worst time, minute {minute:.0f}"
    moved: dict[str, Floats] = {}
    for platform, part in frame.groupby("platform", sort=False):
        ms = part["p95_ms"].dropna().to_numpy()
        if len(ms):
            moved[str(platform)] = ms
    if not moved:
        return NOTHING
    name = max(moved, key=lambda platform: moved[platform].max() / moved[platform].min())
    low, high = ms_text(float(moved[name].min())), ms_text(float(moved[name].max()))
    return f"The p95 of {name} moves most: {low} to {high}"


def answered_by_store(pools: Mapping[str, KvPool]) -> str:
    """Say which share of reads goes to a store."""
    found = span({name: pool.ratio("store") for name, pool in pools.items()}, percent_text)
    return f"A store answers {found} of the keys read" if found else "No key was read"


def read_times(pools: Mapping[str, KvPool]) -> str:
    """Say how long half of the reads take."""
    found = span({name: pool.read_p(50.0) for name, pool in pools.items()}, ms_text)
    return f"Half of the reads take less than {found}" if found else "No key was read"


def stale_reads(pools: Mapping[str, KvPool]) -> str:
    """Say which share of reads is stale."""
    found = span({name: pool.stale_ratio for name, pool in pools.items()}, percent_text)
    return f"Stale reads: {found}" if found else "No key was read"


def seen_writes(pools: Mapping[str, KvPool]) -> str:
    """Say when half of the sites see a write."""
    found = span({name: pool.visibility(0.5) for name, pool in pools.items()}, ms_text)
    return f"Half of the sites see a write after {found}" if found else "No write was followed"
