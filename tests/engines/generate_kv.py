"""The handler programs and key-value stores of generated runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from popsim.engine import draws
from popsim.engine import kv_layout as kvl
from popsim.engine import layout as lay
from popsim.engine.arrays import Floats, Records, records
from popsim.engine.kv_layout import KvInputs, KvScalars
from popsim.engine.layout import Inputs
from popsim.engine.tables import QuantileTable, alias_table, constant_table, quantile_table
from popsim.scenario.laws import parse_law

DURATION = 400.0  # ms
COUNTRIES = 3
KINDS = 2  # of clients, by the places of branches


@dataclass(frozen=True)
class Verb:
    """One control action at a time (ms)."""

    time: float
    name: str  # fail, restore, withdraw, announce, surge, stop, start, write
    site: int = 0  # or store
    factors: tuple[float, ...] = ()
    key: int = 0
    entity: int = 0


class Laws:
    """Delays: continuous, or small integers where ties are wanted."""

    def __init__(self, rng: np.random.Generator, ties: bool) -> None:
        self.rng, self.ties = rng, ties

    def values(self, count: int, scale: float) -> Floats:
        if self.ties:
            return self.rng.integers(0, max(2, round(scale)), count).astype(np.float64)
        return self.rng.exponential(scale / 2, count)

    def number(self, scale: float) -> float:
        return float(self.values(1, scale)[0])

    def draw(self, scale: float) -> QuantileTable:
        """Return a table: a few integers if tie-heavy, else something skewed, or with an atom, gaps and bends."""
        if self.ties:
            top = int(self.rng.integers(1, max(2, round(scale)) + 1))
            weights = self.rng.integers(1, 7, top + 1).tolist()
            values = [f"{value}ms" for value in range(top + 1)]
            return quantile_table(parse_law({"choices": {"values": values, "weights": weights}}))
        if self.rng.random() < 0.3:
            steps = np.cumsum(self.rng.exponential(scale / 4.0, 4) * self.rng.integers(0, 2, 4))
            names = ("p0", f"p{self.rng.integers(20, 45)}", f"p{self.rng.integers(46, 90)}", "p100")
            points = {name: f"{step!r}ms" for name, step in zip(names, steps.tolist(), strict=True)}
            return quantile_table(parse_law({"percentiles": points}))
        probabilities = np.linspace(0.0, 0.5, draws.NODES)
        quantile = np.stack([probabilities, 1.0 - probabilities])
        smooth = constant_table(0.0)
        return replace(smooth, nodes=scale * quantile**2 * self.rng.uniform(0.2, 2.0))


KINDS_OF_STEPS = [lay.CPU, lay.SLEEP, lay.FETCH, lay.KV_GET, lay.KV_GET, lay.KV_GET, lay.KV_PUT]


def program(
    rng: np.random.Generator, law: Laws, tables: list[QuantileTable], origins: int, spaces: int
) -> tuple[Records, Records]:
    """Return a random program that goes forward, and its branches; half of them use the store."""
    pool = KINDS_OF_STEPS if rng.random() < 0.6 else [lay.CPU, lay.SLEEP, lay.FETCH]
    kinds = [lay.CPU, *rng.choice(pool, int(rng.integers(0, 5)))]
    if pool is KINDS_OF_STEPS:
        kinds += list(rng.choice([lay.KV_DELETE, lay.KV_LIST, lay.CHOOSE, lay.JUMP], 2))
        kinds += list(rng.choice(pool, int(rng.integers(0, 3))))
    kinds.append(lay.END)
    steps, rows = records(lay.STEP_DTYPE, len(kinds)), []
    for pc, kind in enumerate(kinds):
        step = steps[pc]
        step.kind = kind
        step.table = len(tables)
        step.origin = rng.integers(origins)
        step.round_trips = rng.integers(0, 3)
        step.handshakes = rng.integers(0, 3)
        step.idle_timeout = rng.choice([0.0, 7.0, np.inf])
        tables.append(law.draw(float(rng.choice([1.0, 3.0, 8.0]))))
        step.target = rng.integers(pc + 1, len(kinds)) if kind != lay.END else 0
        step.count = rng.choice([1, 1, 1, 3])
        step.space = rng.integers(spaces)
        step.lifetime = rng.choice([0.0, 5.0, 30.0])
        step.expiry_row = rng.choice([-1, 0])
        step.is_tolerant = rng.integers(2)
        if kind == lay.CHOOSE:
            step.target, step.count = len(rows), 2
            for _ in range(KINDS):
                share = float(rng.choice([0.0, 0.5, 1.0]))
                targets = rng.integers(pc + 1, len(kinds), 2)
                rows += [(share, targets[0]), (1.0, targets[1])]
    branches = records(lay.BRANCH_DTYPE, max(1, len(rows)))
    for row, branch in enumerate(rows):
        branches[row] = branch
    return steps, branches


def with_kv(
    rng: np.random.Generator, law: Laws, inputs: Inputs, tables: list[QuantileTable], spaces: int
) -> tuple[Inputs, list[Verb]]:
    """Add a key-value store, if the program asks one, and what the control plane does to it."""
    if not np.any(inputs.steps.kind >= lay.KV_GET):
        return inputs, []
    sites, regions = inputs.site_count, int(rng.integers(0, 3))
    stores = int(rng.integers(1, 4))
    choices, nodes = min(stores, 2), sites + regions
    links = records(kvl.TIER_LINK_DTYPE, sites)
    links.region = rng.integers(-1, regions, sites)
    links.rtt = law.values(sites, 6.0)
    links.vouches = rng.spawn(1)[0].integers(0, 2, sites)  # leaves what is drawn after it as it was
    space_rows, cells = _spaces(rng, law, spaces, tables)
    if rng.random() < 0.15:
        inputs = _with_trace(rng, law, inputs)
    store_rows = records(kvl.STORE_DTYPE, stores)
    for store in range(stores):
        store_rows[store] = (_add(tables, law.draw(3.0)), _add(tables, law.draw(5.0)))
    scalars = _scalars(rng, law, tables)
    lag_rtt = law.values(stores * (nodes + stores), 9.0)
    kv = KvInputs(
        scalars=replace(
            scalars,
            longest_lag=float(lag_rtt.max()) * 0.5 + 25.0,
            horizon=float(rng.choice([10.0, 400.0])),
        ),
        spaces=space_rows,
        cells=cells,
        partitions=rng.integers(0, 2, spaces * COUNTRIES),
        shifts=rng.integers(0, 2, spaces * COUNTRIES),
        tier_links=links,
        read_choices=_choices(rng, law, nodes, stores, choices),
        write_choices=_choices(rng, law, sites, stores, choices),
        choices=choices,
        stores=store_rows,
        told=rng.choice([kvl.NOTHING, kvl.PURGE, kvl.VALUE], stores * nodes),
        lag_rtt=lag_rtt,
        expiries=rng.choice([10.0, 40.0, np.inf], COUNTRIES),
        regions=regions,
        is_used=True,
        widest_get=3,
        has_trace=inputs.rules.arrivals == lay.TRACE,
        trace_sizes=rng.integers(1, 9, KEYS_OF_TRACE),
        space_names=tuple(f"space{number}" for number in range(spaces)),
        store_names=tuple(f"store{number}" for number in range(stores)),
    )
    return replace(inputs, kv=kv), _verbs(rng, law, kv)


KEYS_OF_TRACE = 4


def _add(tables: list[QuantileTable], table: QuantileTable) -> int:
    tables.append(table)
    return len(tables) - 1


def _scalars(rng: np.random.Generator, law: Laws, tables: list[QuantileTable]) -> KvScalars:
    def pick(*values: float) -> float:
        return values[int(rng.integers(len(values)))]

    return KvScalars(
        memory_bytes=int(pick(0, 0, 5, 12)),
        edge_bytes=int(pick(0, 7, 30)),
        region_bytes=int(pick(0, 0, 9)),
        has_edge=rng.random() < 0.85,
        memory_ttl=pick(2.0, 8.0),
        edge_ttl=pick(6.0, 25.0),
        region_ttl=pick(10.0, 80.0),
        refresh_after=pick(np.inf, 0.5, 0.25),
        coalesces=bool(pick(0, 1)),
        reads=int(pick(kvl.IN_ORDER, kvl.RACE)),
        writes=int(pick(kvl.IN_ORDER, kvl.RACE)),
        writes_through=bool(pick(0, 1)),
        write_gap=pick(0.0, 0.0, 20.0),
        memory_table=_add(tables, law.draw(1.0)),
        edge_table=_add(tables, law.draw(2.0)),
        region_table=_add(tables, law.draw(2.0)),
        list_table=_add(tables, law.draw(4.0)),
        lag_table=_add(tables, law.draw(8.0)),
        sync_table=_add(tables, law.draw(8.0)),
    )


def _spaces(
    rng: np.random.Generator, law: Laws, count: int, tables: list[QuantileTable]
) -> tuple[Records, Records]:
    spaces = records(kvl.SPACE_DTYPE, count)
    cells = records(kvl.CELL_DTYPE, 2 * count)
    first = 0
    for number, space in enumerate(spaces):
        keys = int(rng.integers(2, 6))
        space.first, space.count, space.first_cell, space.cells = first, keys, 2 * number, 2
        space.locality = rng.choice([0.0, 0.5])
        space.filled = rng.choice([1.0, 0.5, 0.0])
        space.bytes = rng.integers(1, 5)
        space.size_table = kvl.SIZE_CONSTANT if rng.random() < 0.6 else _add(tables, law.draw(4.0))
        own = cells[2 * number : 2 * number + 2]
        own.threshold, own.alias = alias_table(rng.uniform(0.1, 1.0, 2))
        own.first, own.width = [0, 1], [1, keys - 1]
        first += max(KEYS_OF_TRACE, 2 * keys)
    return spaces, cells


def _choices(rng: np.random.Generator, law: Laws, nodes: int, stores: int, choices: int) -> Records:
    rows = records(kvl.CHOICE_OF_STORE_DTYPE, nodes * choices)
    for node in range(nodes):
        rows.store[node * choices : (node + 1) * choices] = rng.permutation(stores)[:choices]
    rows.rtt = law.values(len(rows), 9.0)
    rows.store[rng.random(len(rows)) < 0.05] = -1
    return rows


def _with_trace(rng: np.random.Generator, law: Laws, inputs: Inputs) -> Inputs:
    count = 150
    trace = records(kvl.TRACE_DTYPE, count)
    trace.time = np.sort(rng.uniform(0.0, DURATION * 1.2, count))
    if law.ties:
        trace.time = np.floor(trace.time)
    trace.client = rng.integers(0, len(inputs.clients), count)
    trace.kind = rng.choice([lay.KV_GET, lay.KV_GET, lay.KV_PUT, lay.KV_DELETE], count)
    trace.key = rng.integers(0, KEYS_OF_TRACE, count)
    trace.expiry = rng.choice([np.inf, 30.0], count)
    steps = inputs.steps.copy()
    steps.kind[steps.kind == lay.KV_PUT] = lay.KV_TRACE
    rules = replace(inputs.rules, arrivals=lay.TRACE)
    return replace(inputs, trace=trace, steps=steps, rules=rules)


def _verbs(rng: np.random.Generator, law: Laws, kv: KvInputs) -> list[Verb]:
    verbs = []
    for number in range(int(rng.integers(0, 4))):
        store, time = int(rng.integers(len(kv.stores))), law.number(DURATION)
        verbs += [Verb(time, "stop", store), Verb(time + law.number(60.0), "start", store)]
        key = int(kv.spaces.first[0]) + int(rng.integers(0, 2))
        entity = draws.CONTROL_WRITE + number
        verbs.append(Verb(law.number(DURATION), "write", store, key=key, entity=entity))
    return verbs
