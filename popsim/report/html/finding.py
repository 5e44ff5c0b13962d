"""Say in one sentence what a result shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from popsim.report.findings import differ
from popsim.report.style import ms_text, percent_text
from popsim.results.pooled import Pool
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from popsim.results.result import Result

Metric = Callable[[Pool], float]


def finding(result: Result) -> str:
    """Return who answers 95 % of requests soonest and last, what is stale or seen late, and who fails."""
    pools = {name: pool for name, pool in result.pools.items() if pool.answered}
    if not pools:
        return "No platform answered a request."
    parts = [
        _latency(pools),
        _range(pools, f"others see {_message(pools)} after", "at the median", _visible, ms_text),
        _range(pools, "stale reads:", "", _stale, percent_text),
        _range(
            dict(result.pools), "failed requests:", "", lambda pool: pool.failed_ratio, percent_text
        ),
    ]
    return "; ".join(part for part in parts if part) + "."


def _latency(pools: dict[str, Pool]) -> str:
    order = sorted(pools, key=lambda name: pools[name].p(95))
    first, last = order[0], order[-1]
    p95 = {name: pools[name].p(95) for name in (first, last)}
    if len(order) == 1:
        half = ms_text(pools[first].p(50))
        return f"{first} answers half of all requests within {half} and 95 % within {ms_text(p95[first])}"
    alike = [name for name in order[1:] if not differ(pools[first], pools[name], 95.0)]
    if last in alike:
        return f"{' and '.join(order)} cannot be told apart at p95, about {ms_text(p95[first])}"
    leader = first if not alike else f"{first} (and, as far as one can tell, {' and '.join(alike)})"
    slower = f"{last} takes {ms_text(p95[last])}, {p95[last] / p95[first]:.2g} times as long"
    return f"{leader} answers 95 % of requests within {ms_text(p95[first])}; {slower}"


def _range(pools: dict[str, Pool], what: str, after: str, metric: Metric, text: Callable[[float], str]) -> str:  # fmt: skip
    """Return the least and most of a metric with their platforms; nothing if it is 0 or not there."""
    values = {name: value for name, pool in pools.items() if math.isfinite(value := metric(pool))}
    if not any(values.values()):
        return ""
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    if len(values) == 1:
        return f"{what} {text(values[high])} {after}".strip()
    if text(values[low]) == text(values[high]):
        return f"{what} {text(values[high])} {after} on every platform".replace("  ", " ")
    return f"{what} {text(values[low])} ({low}) to {text(values[high])} ({high}) {after}".strip()


def _message(pools: dict[str, Pool]) -> str:
    kinds = [_first_seen(pool) for pool in pools.values()]
    found = next((kind for kind in kinds if kind is not None), None)
    return "a message" if found is None else f"the message {quoted(found)}"


def _first_seen(pool: Pool) -> str | None:
    """Return the first kind of message that others see, None if there is none."""
    objects = pool.objects
    return next((kind for kind in objects.messages if objects.visible(message=kind).any()), None)


def _visible(pool: Pool) -> float:
    objects = pool.objects
    return objects.visible_p(50.0, None, _first_seen(pool)) if objects.is_used else math.nan


def _stale(pool: Pool) -> float:
    return pool.kv.stale_ratio if pool.kv.is_used else math.nan
