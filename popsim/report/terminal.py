"""Tables of a result for the terminal, and for a pipe."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from popsim.engine.kv_layout import TIERS
from popsim.engine.object_layout import PARTS, SPREADS
from popsim.engine.outputs import PHASES
from popsim.report.fitting import fitted
from popsim.report.plain import PlainTable
from popsim.report.verdicts import STYLES, observed_text
from popsim.results import object_measures as om
from popsim.results.functions import KINDS
from popsim.results.groups import continent_name, group_frame
from popsim.results.object_counts import ERRORS
from popsim.results.object_frames import kinds_of_messages
from popsim.results.objects import ObjectPool
from popsim.results.pooled import Pool
from popsim.results.result import Result
from popsim.results.statistics import Estimate
from popsim.results.verdict import Expectation, Verdict
from popsim.scenario.text import visible

PIPE_WIDTH = 132


def console_for_output() -> Console:
    """Return a console on stdout: as wide as the terminal, wide and without colour in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH, color_system=None)
    return console


def print_summary(result: Result, console: Console) -> None:
    """Print latencies, phases, continents, and what was concluded about the claims."""
    scenario = result.scenario
    many = f"{result.replications} replication{'s' if result.replications != 1 else ''}"
    console.print(Text(visible(scenario.name), style="bold"), soft_wrap=True)
    console.print(f"id {scenario.id}, {result.engine} engine, {many}, {result.elapsed_s:.1f} s\n")
    tables = (_latencies(result), _phases(result), _continents(result))
    for table in (*tables, *_stores(result), *_objects(result), _costs(result)):
        if table is not None:
            _print_table(table, console)
    print_verdicts(result.verdicts, console)


def print_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print one line per expectation of every claim."""
    if not verdicts:
        return
    table = _table("Claims", "claim", "says", "expected", "observed (95 % interval)", "verdict")
    for column in table.columns:
        column.justify = "left"
    for verdict in verdicts:
        for row, expectation in enumerate(verdict.expectations):
            table.add_row(
                verdict.id if row == 0 else "",
                verdict.says if row == 0 else "",
                expectation.expect,
                observed_text(expectation),
                _verdict(expectation),
            )
    _print_table(table, console)


def _verdict(expectation: Expectation) -> Text:
    text = Text(expectation.verdict, style=STYLES[expectation.verdict])
    return text.append(f", {expectation.reason}") if expectation.reason else text


def _print_table(table: Table, console: Console) -> None:
    """Print a table under its title, which rich would break at the table's width."""
    title, table.title = table.title, None
    console.print(Text(visible(title), style="bold"))
    for part in fitted(table, console.width):
        console.print(part)
    console.print()


def _latencies(result: Result) -> Table:
    columns = ("platform", "sent", "p50", "p90", "p95", "p99", "mean", "cold", "failed")
    table = _table("Latency in ms, with half of the 95 % interval, or its ends", *columns)
    for name, pool in result.pools.items():
        cells = [_plus_minus(result.latency(name, p)) for p in (50.0, 90.0, 95.0, 99.0, None)]
        ratios = [_percent(ratio) for ratio in (pool.cold_start_ratio, pool.failed_ratio)]
        table.add_row(name, f"{pool.requests:,}", *cells, *ratios)
    return table


def _phases(result: Result) -> Table:
    frames = {percent: result.phases(percent) for percent in (50.0, 95.0, 99.0)}
    used = [p for p in PHASES if any(frame[p].max() >= 0.05 for frame in frames.values())]
    title = "Where the time goes, in ms: requests around p50, p95, p99"
    table = _table(title, "platform", "at", *(p.replace("_", " ") for p in used))
    for name in result.platforms:
        for percent, frame in frames.items():
            cells = [_number(float(frame.at[name, phase])) for phase in used]  # type: ignore[arg-type]
            table.add_row(name if percent == 50.0 else "", f"p{percent:g}", *cells)
    return table


def _continents(result: Result) -> Table | None:
    """Return p50 and p95 by continent; None if all clients are on one."""
    frames = {name: group_frame(pool, "continent") for name, pool in result.pools.items()}
    first = next(iter(frames.values()))
    names = list(first["continent"])
    if len(names) < 2:
        return None
    table = _table("p50 / p95 in ms by continent", "platform", *map(continent_name, names))
    for platform, frame in frames.items():
        rows = frame.set_index("continent")
        cells = [
            f"{_number(rows.loc[name, 'p50_ms'])} / {_number(rows.loc[name, 'p95_ms'])}"
            if name in rows.index
            else "-"
            for name in names
        ]
        table.add_row(platform, *cells)
    return table


def _stores(result: Result) -> list[Table]:
    """Return what key-value stores did: where reads are answered, and how old the answers are; or nothing."""
    pools = {name: pool for name, pool in result.pools.items() if pool.kv.is_used}
    if not pools:
        return []
    title = "Key-value store: where reads are answered, and how long they take in ms"
    columns = ("reads", *TIERS, "p50", "p95", "p99", "write p50", "write p95")
    answered = _table(title, "platform", *columns)
    title = "Key-value store: how old answers are, how long until sites see a write, what operations cost"
    names = (
        "stale",
        "p99 age",
        "max age",
        "visible 50 %",
        "99 %",
        "100 %",
        "refused",
        "USD per million",
    )
    aged = _table(title, "platform", *names)
    for name, pool in pools.items():
        kv = pool.kv
        reads = [_plus_minus(kv.read_percentile(p).estimate()) for p in (50.0, 95.0, 99.0)]
        ratios = [_percent(kv.ratio(tier)) for tier in TIERS]
        writes = [_number(kv.write_p(p)) for p in (50.0, 95.0)]
        answered.add_row(name, f"{kv.reads:,}", *ratios, *reads, *writes)
        times = (kv.staleness_p(99.0), kv.staleness_max, *map(kv.visibility, (0.5, 0.99, 1.0)))
        usd = kv.cost_usd_per_million_requests(pool.prices)
        aged.add_row(
            name,
            _percent(kv.stale_ratio),
            *map(_seconds, times),
            f"{kv.operations()['writes_limited']:,}",
            f"{usd:.2f}" if math.isfinite(usd) else "-",
        )
    return [answered, aged]


def _objects(result: Result) -> list[Table]:
    """Return what objects did: calls and their parts, homes, time in memory, messages and sessions; or nothing."""
    pools = {name: pool for name, pool in result.pools.items() if pool.objects.is_used}
    if not pools:
        return []
    tables = [_calls(pools), _homes(pools), _memory(pools)]
    if any(kinds_of_messages(objects) for _, objects, _ in _classes(pools)):
        tables.append(_messages(pools))
    if any(pool.objects.count("cut") or pool.objects.count("missed") for pool in pools.values()):
        tables.append(_cuts(pools))
    return tables


def _classes(pools: Mapping[str, Pool]) -> Iterator[tuple[Pool, ObjectPool, tuple[str, ...]]]:
    """Yield every platform and class of objects, and how their row begins; the class if there are several."""
    for name, pool in pools.items():
        classes = pool.objects.classes
        for object_class in classes:
            start = (name,) if len(classes) == 1 else (name, object_class)
            yield pool, ObjectPool(pool.runs, object_class), start


def _of_classes(pools: Mapping[str, Pool], title: str, *columns: str) -> Table:
    is_one = all(len(pool.objects.classes) == 1 for pool in pools.values())
    return _table(title, "platform", *(() if is_one else ("class",)), *columns)


def _calls(pools: Mapping[str, Pool]) -> Table:
    used = [
        part
        for part in PARTS
        if any(pool.objects.part_mean(part) >= 0.05 for pool in pools.values())
    ]
    errors = [e for e in ERRORS if any(pool.objects.count(e) for pool in pools.values())]
    title = "Objects: how long calls take in ms, and the mean of each part; which calls fail"
    names = [*(part.replace("_", " ") for part in used), *(errors or ["errors"])]
    table = _of_classes(pools, title, "calls", "p50", "p95", "p99", "mean", *names)
    for _, objects, start in _classes(pools):
        times = [
            _plus_minus(om.percentile(objects, lambda each: each.call, p).estimate())
            for p in (50.0, 95.0, 99.0)
        ]
        means = [_number(objects.call_mean), *(_number(objects.part_mean(part)) for part in used)]
        ratios = [_percent(objects.error_ratio(error)) for error in errors] or ["0"]
        table.add_row(*start, f"{objects.calls:,}", *times, *means, *ratios)
    return table


def _homes(pools: Mapping[str, Pool]) -> Table:
    title = "Objects: where they live and what happens to them (made: warm-up included)"
    counts = ("moves", "failovers", "restarts", "commits")
    has_replicas = any(pool.objects.count("replica_reads") for pool in pools.values())
    of_replicas = ("replica reads", "stale", "stale p99") if has_replicas else ()
    names = ("made", "km p50", "km p95", "in region", *counts, *of_replicas)
    table = _of_classes(pools, title, *names)
    for _, objects, start in _classes(pools):
        reads = [
            f"{objects.count('replica_reads'):,}",
            _percent(objects.stale_ratio),
            _with_ms(objects.staleness_p(99.0)),
        ]
        table.add_row(
            *start,
            f"{objects.count('created'):,}",
            *(_number(objects.distance_p(p)) for p in (50.0, 95.0)),
            _percent(objects.in_region_ratio),
            *(f"{objects.count(each):,}" for each in counts),
            *(reads if has_replicas else ()),
        )
    return table


def _memory(pools: Mapping[str, Pool]) -> Table:
    title = (
        "Objects, after warm-up: total seconds active, idle in memory, out of memory; "
        "USD per million requests"
    )
    names = ("activations", "active", "idle in memory", "not in memory", "in memory", "billed")
    table = _of_classes(pools, title, *names, "USD")
    for pool, objects, start in _classes(pools):
        times = (objects.active_s, objects.idle_s, objects.hibernated_s)
        table.add_row(
            *start,
            f"{objects.count('activations'):,}",
            *(f"{seconds:,.0f}" for seconds in times),
            _percent(objects.memory_ratio),
            f"{objects.billed_s:,.0f}",
            f"{objects.cost_usd_per_million_requests(pool.object_prices):.2f}",
        )
    return table


def _messages(pools: Mapping[str, Pool]) -> Table:
    """Return how soon messages are answered and seen, by kind; seen also by how far participants are spread."""
    seen = [pool.objects for pool in pools.values()]
    spreads = [spread for spread in SPREADS if any(each.visible(spread).any() for each in seen)]
    spreads = spreads if len(spreads) > 1 else []
    title = "Messages: ms until they are answered, and until others see them"
    title += "; p50 / p95 by how far these are spread" if spreads else ""
    names = ("message", "answered", "p50", "p95", "seen by", "p50", "p95", "p99", *spreads)
    table = _of_classes(pools, title, *names)
    for _, objects, start in _classes(pools):
        for kind in kinds_of_messages(objects):
            table.add_row(
                *start,
                kind,
                f"{objects.acknowledged(message=kind).sum():,}",
                *(_number(objects.ack_p(p, None, kind)) for p in (50.0, 95.0)),
                f"{objects.visible(message=kind).sum():,}",
                *(_number(objects.visible_p(p, None, kind)) for p in (50.0, 95.0, 99.0)),
                *(
                    " / ".join(_short(objects.visible_p(p, each, kind)) for p in (50.0, 95.0))
                    for each in spreads
                ),
            )
    return table


def _cuts(pools: Mapping[str, Pool]) -> Table:
    title = "Sessions: disconnections, ms to reconnect, messages missed while disconnected"
    table = _table(title, "platform", "cut", "back p50", "p95", "at most", "missed")
    for name, pool in pools.items():
        objects = pool.objects
        table.add_row(
            name,
            f"{objects.count('cut'):,}",
            *(_number(objects.reconnect_p(p)) for p in (50.0, 95.0)),
            _number(objects.reconnect_max),
            _percent(objects.missed_ratio),
        )
    return table


def _costs(result: Result) -> Table | None:
    """Return what a million requests cost, each part that costs anything; None if none is known to."""
    frame = result.costs()
    if not frame["total_usd"].max() > 0.0:
        return None
    parts = {f"{kind}_usd": kind for kind in KINDS} | {
        "functions_usd": "functions",
        "kv_usd": "key-value store",
        "objects_usd": "objects",
    }
    used = {column: title for column, title in parts.items() if frame[column].max() > 0.0}
    if not {"kv_usd", "objects_usd"} & used.keys():
        used.pop("functions_usd", None)  # which are the total
    title = "What a million requests sent cost in USD: functions by kind, stores, all together; last, a million answered"
    table = _table(title, "platform", *used.values(), "total", "per answered")
    for name, row in frame.iterrows():
        half = (row["total_high_usd"] - row["total_low_usd"]) / 2.0
        total = _usd(row["total_usd"]) + (f" ±{half:.3f}" if half >= 0.0005 else "")
        answered = _usd(row["total_per_million_answered_usd"])
        table.add_row(str(name), *(_usd(row[column]) for column in used), total, answered)
    return table


def _usd(usd: float) -> str:
    if not math.isfinite(usd):
        return "-"
    return "0" if usd == 0.0 else f"{usd:.{3 if usd < 9.9995 else 2}f}"


def _seconds(ms: float) -> str:
    if not math.isfinite(ms):
        return "-"
    return "0" if ms == 0.0 else f"{ms / 1e3:.{1 if ms > 9_950 else 2}f} s"


def _table(title: str, *columns: str) -> Table:
    table = PlainTable(title=title, box=None, pad_edge=False)
    for column in columns:
        table.add_column(
            column, justify="left" if column in ("platform", "class", "at", "message") else "right"
        )
    return table


def _plus_minus(estimate: Estimate) -> str:
    """Write a value with half of its interval; with both ends, if half would not tell where these are."""
    value, half = _number(estimate.value), (estimate.high - estimate.low) / 2.0
    if math.isnan(half):
        return value
    if estimate.is_lopsided and half >= 0.05:
        return f"{value} ({_short(estimate.low)} to {_short(estimate.high)})"
    return f"{value} ±{half:.1f}" if half < 9.95 else f"{value} ±{half:,.0f}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0.0 else "-"
    return f"{value:.1f}" if value < 1_000.0 else f"{value:,.0f}"


def _with_ms(value: float) -> str:
    return f"{_number(value)} ms" if math.isfinite(value) else "-"


def _short(value: float) -> str:
    return _number(value) if not 9.95 <= value < math.inf else f"{value:,.0f}"


def _percent(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "-"
    if 0.0 < ratio < 1e-5:
        return "<0.001 %"
    return "0" if ratio == 0.0 else f"{ratio * 100.0:.{3 if ratio > 0.1 else 2}g} %"
