"""Compile a handler, a list of steps, to the program that both engines interpret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from popsim.engine import layout as lay
from popsim.engine.arrays import Floats, Ints, Records, records
from popsim.scenario.calls import Handler, depth, only_reads, reachable
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.objects import MAX_PAYLOAD_BYTES
from popsim.scenario.parts import Where
from popsim.scenario.schema import PlatformSpec, Scenario
from popsim.scenario.size_laws import Capped
from popsim.scenario.steps import BranchSpec, FetchStep, StepSpec, TtlByPlace, nested
from popsim.scenario.workload import WorkloadSpec
from popsim.world.clients import Clients
from popsim.world.geo import countries as all_countries
from popsim.world.places import matching

NO_TIME = parse_law("0ms")
FETCH_REUSE = {"never": 0.0, "always": lay.ALWAYS_POOLED}


def cpu_share(spec: PlatformSpec) -> float:
    """Return which part of a CPU the platform's memory setting buys, at most 1."""
    if spec.cpu.full_at is None:
        return 1.0
    return float(min(1.0, spec.memory / spec.cpu.full_at))


@dataclass(frozen=True, eq=False)
class Program:
    """A handler's program, and the tables that it refers to."""

    steps: Records  # ends with END
    laws: list[Law]  # of the steps: step k has table first_table + k
    branches: Records
    client_kinds: Ints  # [client]: row of branches that is open to it
    expiries: Floats  # [row * countries], ms
    widest_get: int
    entries: dict[Handler, int]  # where the programs of objects begin, of those that can run
    messages: dict[str, int]  # where the program of a kind of messages begins
    end: int  # a program of no steps
    depth: int  # of calls within calls; 0 = no object is called

    def as_inputs(self) -> dict[str, Any]:
        """Return what the engines' inputs take over as it is."""
        return {"steps": self.steps, "branches": self.branches}


def handler_program(
    scenario: Scenario,
    spec: PlatformSpec,
    clients: Clients,
    countries: tuple[str, ...],
    first_table: int,
) -> Program:
    """Compile a platform's handler.

    A program begins with a CPU step, of no length if the handler has none there, because an instance's
    start is seen by the first CPU step (rule 15). CPU times stretch by the inverse CPU share; sleeping
    and fetching do not, and objects have a whole CPU. Behind its END come a program for each kind of messages,
    and one for each handler of objects that can run.
    """
    workload = scenario.workload
    check_length(workload)
    handler = list(workload.handler)
    compiler = _Compiler(scenario, spec, clients, countries, first_table)
    if not handler or handler[0].cpu is None:
        compiler.add(NO_TIME, kind=lay.CPU)
    compiler.sequence(handler)
    end = compiler.add(NO_TIME, kind=lay.END)
    messages = compiler.messages()
    compiler.objects()
    steps = records(lay.STEP_DTYPE, len(compiler.rows))
    for number, row in enumerate(compiler.rows):
        row["table"] = first_table + number
        for name, value in row.items():
            steps[name][number] = value
    branches = records(lay.BRANCH_DTYPE, max(1, len(compiler.branches)))
    for number, branch in enumerate(compiler.branches):
        branches[number] = branch
    return Program(
        steps=steps,
        laws=compiler.laws,
        branches=branches,
        client_kinds=compiler.kinds,
        expiries=np.concatenate([*compiler.expiries, np.zeros(1)]),
        widest_get=int(steps["count"][steps.kind == lay.KV_GET].max(initial=1)),
        entries=compiler.entries,
        messages=messages,
        end=end,
        depth=depth(workload),
    )


def program_length(workload: WorkloadSpec) -> int:
    """Return how many steps the handlers that can run compile to."""
    begins_with_cpu = bool(workload.handler) and workload.handler[0].cpu is not None
    kinds = 0 if workload.arrivals.messages is None else len(workload.arrivals.messages.rates)
    length = _length(workload.handler) + (not begins_with_cpu) + 2 * kinds
    for name, handler in reachable(workload):
        length += _length(workload.objects[name].handlers[handler])
    return length


def _length(steps: Sequence[StepSpec]) -> int:
    """Return how many steps some steps compile to, with the end; a branch ends with a jump."""
    return sum(1 + len(step.choose or ()) for _, step in nested((), steps)) + 1


def check_length(workload: WorkloadSpec) -> None:
    """Raise InputError for handlers that compile to more steps than a program may have."""
    length = program_length(workload)
    if length > lay.MAX_STEPS:
        what = "the handlers have" if workload.objects else "the handler has"
        path = ("workload", "handler" if workload.handler else "objects")
        message = f"{what} {length} steps, expected at most {lay.MAX_STEPS}"
        hint = "nested ones, one per branch and one at the end are counted, too"
        raise InputError([Problem(None, None, None, path, message, hint)])


@dataclass
class _Compiler:
    """Steps so far; jumps are patched once their targets are known."""

    scenario: Scenario
    spec: PlatformSpec
    clients: Clients
    countries: tuple[str, ...]
    first_table: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    laws: list[Law] = field(default_factory=list)
    branches: list[tuple[float, int]] = field(default_factory=list)
    expiries: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Tell apart the clients that different branches are open to."""
        wheres = [
            branch.where
            for _, step in self.scenario.workload.steps()
            for branch in step.choose or ()
        ]
        self.wheres: list[Where] = list(dict.fromkeys(wheres))
        open_to = [matching(self.clients, where) for where in self.wheres]
        rows = np.array(open_to, dtype=np.int64).reshape(len(open_to), len(self.clients)).T
        self.open_rows, kinds = np.unique(rows, axis=0, return_inverse=True)
        self.kinds = kinds.reshape(-1).astype(np.int64)
        self.entries: dict[Handler, int] = {}
        self.calls: list[tuple[int, Handler]] = []  # row, whom it calls
        self.in_object = False

    def add(self, law: Law, **fields: Any) -> int:
        """Append a step; return where it is."""
        self.laws.append(law)
        self.rows.append({"expiry_row": -1, **fields})
        return len(self.rows) - 1

    def sequence(self, steps: Sequence[StepSpec]) -> None:
        """Append steps one after the other."""
        for step in steps:
            self.step(step)

    def step(self, step: StepSpec) -> None:
        """Append one step, with all that is inside it."""
        if step.cpu is not None:
            share = 1.0 if self.in_object else cpu_share(self.spec)
            self.add(step.cpu.scaled(1.0 / share), kind=lay.CPU)
        elif step.sleep is not None:
            self.add(step.sleep, kind=lay.SLEEP)
        elif step.fetch is not None:
            self.fetch(step.fetch)
        elif step.choose is not None:
            self.choose(step.choose)
        elif step.object_call is not None:
            call = step.object_call
            payload = None if call.payload is None else Capped(call.payload, MAX_PAYLOAD_BYTES)
            self.call(
                (call.object_class, call.handler),
                payload or NO_TIME,
                is_tolerant=call.on_error != "fail",
            )
        elif step.of_an_object is not None:
            self.storage(step)
        else:
            self.kv(step)

    def fetch(self, fetch: FetchStep) -> None:
        reuse = fetch.reuse
        self.add(
            fetch.service,
            kind=lay.FETCH,
            origin=list(self.scenario.origins).index(fetch.origin),
            round_trips=fetch.round_trips,
            handshakes=fetch.handshakes,
            idle_timeout=FETCH_REUSE[reuse] if reuse in FETCH_REUSE else float(reuse),
        )

    def call(self, handler: Handler, payload: Law, *, is_tolerant: bool = False) -> None:
        """Append the call of an object, whose program's place is filled in later; the step's law is of bytes."""
        workload = self.scenario.workload
        row = self.add(
            payload,
            kind=lay.OBJECT_CALL,
            object_class=list(workload.objects).index(handler[0]),
            only_reads=int(only_reads(workload, handler)),
            is_tolerant=int(is_tolerant),
        )
        self.calls.append((row, handler))

    def storage(self, step: StepSpec) -> None:
        """Append what an object does with its storage, its alarm and its participants."""
        platform = self.spec.objects
        read = NO_TIME if platform is None else platform.read
        if step.storage_get is not None:
            self.add(step.storage_get.time or read, kind=lay.STORAGE_GET)
        elif step.storage_transaction is not None:
            self.add(step.storage_transaction.time or read, kind=lay.TRANSACTION)
        elif step.storage_put is not None:
            self.add(NO_TIME, kind=lay.STORAGE_PUT)
        elif step.alarm is not None:
            self.add(step.alarm.after, kind=lay.SET_ALARM)
        else:
            self.add(NO_TIME, kind=lay.BROADCAST)

    def messages(self) -> dict[str, int]:
        """Append a program for each kind of messages: a call, and no more."""
        messages = self.scenario.workload.arrivals.messages
        if messages is None:
            return {}
        entries = {}
        for kind in messages.rates:
            entries[kind] = len(self.rows)
            self.call((messages.object_class, kind), NO_TIME)
            self.add(NO_TIME, kind=lay.END)
        return entries

    def objects(self) -> None:
        """Append the programs of objects that can run, and fill in where calls lead."""
        self.in_object = True
        workload = self.scenario.workload
        for name, handler in reachable(workload):
            self.entries[name, handler] = len(self.rows)
            self.sequence(workload.objects[name].handlers[handler])
            self.add(NO_TIME, kind=lay.END)
        for row, callee in self.calls:
            self.rows[row]["entry"] = self.entries[callee]

    def kv(self, step: StepSpec) -> None:
        assert step.kv is not None
        space = list(self.scenario.workload.keys).index(step.kv.keys)
        common = {"space": space, "is_tolerant": int(step.kv.on_error != "fail")}
        if step.kv_put is not None:
            row = self.expiry_row(step.kv_put.expiration_ttl)
            self.add(NO_TIME, kind=lay.KV_PUT, **common | {"expiry_row": row})
        elif step.kv_delete is not None:
            self.add(NO_TIME, kind=lay.KV_DELETE, **common)
        elif step.kv_list is not None:
            self.add(NO_TIME, kind=lay.KV_LIST, **common)
        elif step.kv_get is not None:
            get = step.kv_get
            place = self.add(
                NO_TIME, kind=lay.KV_GET, count=get.count, lifetime=get.cache_ttl or 0.0, **common
            )
            self.on_miss(place, get.on_miss)
        elif step.kv_trace is not None:
            place = self.add(NO_TIME, kind=lay.KV_TRACE, count=1, **common)
            self.on_miss(place, step.kv_trace.on_miss)

    def on_miss(self, place: int, steps: Sequence[StepSpec]) -> None:
        self.sequence(steps)
        self.rows[place]["target"] = len(self.rows)

    def expiry_row(self, ttl: float | TtlByPlace | None) -> int:
        """Return the row of a TTL by country; -1 for values that never expire."""
        if ttl is None:
            return -1
        if not isinstance(ttl, TtlByPlace):
            self.expiries.append(np.full(len(self.countries), ttl))
        else:
            default = np.inf if ttl.default is None else ttl.default
            continents = [all_countries()[country].continent for country in self.countries]
            by_place = [
                ttl.by_country.get(country, ttl.by_continent.get(continent, default))
                for country, continent in zip(self.countries, continents, strict=True)
            ]
            self.expiries.append(np.array(by_place, dtype=np.float64))
        return len(self.expiries) - 1

    def choose(self, branches: Sequence[BranchSpec]) -> None:
        """Append a choice: a table row per kind of client, then the branches, each ending behind the last."""
        place = self.add(NO_TIME, kind=lay.CHOOSE, count=len(branches) + 1)
        targets, ends = [], []
        for branch in branches:
            targets.append(len(self.rows))
            self.sequence(branch.steps)
            ends.append(self.add(NO_TIME, kind=lay.JUMP))
        after = len(self.rows)
        for end in ends:
            self.rows[end]["target"] = after
        self.rows[place]["target"] = len(self.branches)
        weights = np.array([branch.weight for branch in branches])
        columns = [self.wheres.index(branch.where) for branch in branches]
        for is_open in self.open_rows:
            chances = weights * is_open[columns]
            shares = np.cumsum(chances) / max(chances.sum(), 1e-300)
            if chances.sum() > 0.0:
                shares[np.flatnonzero(chances)[-1] :] = 1.0
            self.branches += [*zip(shares.tolist(), targets, strict=True), (1.0, after)]
