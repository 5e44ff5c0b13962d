"""The objects of generated runs: classes that call each other, hosts, participants, messages."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from generate_kv import COUNTRIES, DURATION, KINDS, Laws, Verb

from popsim.engine import kv_layout as kvl
from popsim.engine import layout as lay
from popsim.engine import object_layout as obl
from popsim.engine.arrays import Records, records
from popsim.engine.layout import Inputs
from popsim.engine.object_layout import ObjectInputs, ObjectScalars
from popsim.engine.tables import QuantileTable, alias_table

ALONE = [lay.CPU, lay.STORAGE_GET, lay.TRANSACTION, lay.STORAGE_PUT, lay.SLEEP, lay.FETCH]
WRITER, READER = (
    "writer",
    "reader",
)  # of a program whose first step writes, and of one that only reads
WRITES = (lay.TRANSACTION, lay.STORAGE_PUT, lay.SET_ALARM, lay.BROADCAST, lay.OBJECT_CALL)


def ask(number: int, object_class: int, site: int, time: float, hosts: int = 0) -> int:
    """Answer as a placement model in Python would."""
    return (number * 7 + object_class + site + int(time) // 50) % hosts


def with_objects(
    rng: np.random.Generator, law: Laws, inputs: Inputs, tables: list[QuantileTable]
) -> tuple[Inputs, list[Verb]]:
    """Add classes of objects to half of the runs, and what the control plane does to them."""
    if rng.random() < 0.5:
        return inputs, []
    count = int(rng.integers(1, 4))
    participants = [int(rng.choice([0, 1, 3])) for _ in range(count)]
    inputs, classes, first_space = _spaces(rng, inputs, participants)
    program = _Program(rng, law, tables, inputs, participants)
    program.main()
    handlers = program.handlers()
    messages = records(obl.MESSAGE_DTYPE, 1)
    message_class = -1
    talkative = [row for row in range(count) if participants[row] > 0]
    is_trace = inputs.rules.arrivals == lay.TRACE
    if talkative and not is_trace and rng.random() < 0.5:
        message_class = int(rng.choice(talkative))
        messages = program.messages(handlers[message_class])
        inputs = replace(inputs, rules=replace(inputs.rules, arrivals=lay.MESSAGES))
    for row in range(count):
        classes[row].space = first_space + row
        classes[row].alarm_entry, classes[row].connect_entry = program.own[row]
        classes[row].participants = participants[row]
        classes[row].hibernates = rng.integers(2)
        classes[row].first_spread = row * 2
    objects = _places(rng, law, inputs, _add(tables, law))
    objects = replace(
        objects,
        classes=classes,
        spreads=_spreads(rng, count),
        member_cells=_member_cells(rng, len(inputs.clients)),
        messages=messages,
        depth=count,
        class_names=tuple(f"class{row}" for row in range(count)),
        message_names=("one", "two") if message_class >= 0 else (),
        scalars=replace(objects.scalars, message_class=message_class),
    )
    branches = records(lay.BRANCH_DTYPE, len(program.branches))
    for row, branch in enumerate(program.branches):
        branches[row] = branch
    inputs = replace(inputs, steps=program.steps(), branches=branches, objects=objects)
    verbs = [
        Verb(law.number(DURATION), "restart", int(rng.integers(count)))
        for _ in range(int(rng.integers(0, 6)))
    ]
    return inputs, verbs + _one_after_the_other(rng, law, inputs.site_count)


def _one_after_the_other(rng: np.random.Generator, law: Laws, sites: int) -> list[Verb]:
    """Let sites fail while others take over from those that failed before, in some runs."""
    if rng.random() < 0.6:
        return []
    verbs, time = [], law.number(DURATION / 2.0)
    for site in rng.permutation(sites).tolist():
        time += law.number(20.0)
        verbs += [Verb(time, "fail", site), Verb(time + law.number(60.0), "restore", site)]
    return verbs


def _add(tables: list[QuantileTable], law: Laws) -> Any:
    def add(scale: float) -> int:
        tables.append(law.draw(scale))
        return len(tables) - 1

    return add


def _spaces(
    rng: np.random.Generator, inputs: Inputs, participants: list[int]
) -> tuple[Inputs, Records, int]:
    """Number the objects behind the keys; some classes are of countries, or have an order of popularity in each."""
    kv, count = inputs.kv, len(participants)
    old = kv.spaces if kv.is_used else kv.spaces[:0]
    first_space, first_cell = len(old), len(kv.cells) if kv.is_used else 0
    first = int((old.first + 40).max(initial=0))
    spaces = records(kvl.SPACE_DTYPE, count)
    cells = records(kvl.CELL_DTYPE, 2 * count)
    for row in range(count):
        objects = int(rng.integers(2, 5))
        spaces[row].first, spaces[row]["count"] = first, objects
        spaces[row].first_cell, spaces[row].cells = first_cell + 2 * row, 2
        spaces[row].locality = rng.choice([0.0, 0.6])
        own = cells[2 * row : 2 * row + 2]
        own.threshold, own.alias = alias_table(rng.uniform(0.1, 1.0, 2))
        own.first, own.width = [0, 1], [1, objects - 1]
        first += 2 * objects
    partitions, shifts = (rng.integers(0, 2, (count, COUNTRIES)) for _ in range(2))
    partitions[rng.random(count) < 0.5] = 0
    for table in (
        partitions,
        shifts,
    ):  # participants of all objects send messages: theirs are of the world
        table[np.array(participants) > 0] = 0
    kept = first_space * COUNTRIES
    kv = replace(
        kv,
        spaces=np.concatenate([old, spaces]).view(np.recarray),
        cells=np.concatenate([kv.cells[:first_cell], cells]).view(np.recarray),
        partitions=np.concatenate([kv.partitions[:kept], partitions.reshape(-1)]),
        shifts=np.concatenate([kv.shifts[:kept], shifts.reshape(-1)]),
    )
    return replace(inputs, kv=kv), records(obl.CLASS_DTYPE, count), first_space


class _Program:
    """The handler's program with calls in it, and the programs of objects behind it."""

    def __init__(
        self,
        rng: np.random.Generator,
        law: Laws,
        tables: list[QuantileTable],
        inputs: Inputs,
        participants: list[int],
    ) -> None:
        self.rng, self.law, self.tables, self.inputs = rng, law, tables, inputs
        self.participants = participants
        self.rows = [inputs.steps[row].copy() for row in range(len(inputs.steps))]
        self.calls: list[tuple[int, int]] = []  # (row, class), entries follow
        self.entries: list[list[int]] = [[] for _ in participants]
        self.branches = [tuple(row) for row in inputs.branches.tolist()]
        self.has_trace = inputs.rules.arrivals == lay.TRACE
        self.mains = 0  # how many of the calls are the handler's
        self.reads: dict[int, bool] = {}
        self.own: list[tuple[int, int]] = []

    def main(self) -> None:
        """Put calls before the handler's end."""
        self.rows.pop()
        classes = self.rng.integers(len(self.participants), size=int(self.rng.integers(1, 4)))
        if self.rng.random() < 0.6:
            classes[:] = classes[0]  # so that a request reads what it wrote
        for object_class in classes:
            self.call(int(object_class))
        self.mains = len(self.calls)
        self.step(lay.END)

    def call(self, object_class: int) -> None:
        self.step(lay.OBJECT_CALL)
        self.calls.append((len(self.rows) - 1, object_class))

    def step(self, kind: int) -> None:
        step = records(lay.STEP_DTYPE, 1)[0]
        step.kind, step.table = kind, len(self.tables)
        self.tables.append(self.law.draw(float(self.rng.choice([1.0, 3.0, 8.0]))))
        step.origin = self.rng.integers(self.inputs.origin_count)
        step.round_trips, step.handshakes = self.rng.integers(0, 3, 2)
        step.idle_timeout = self.rng.choice([0.0, np.inf])
        step.expiry_row, step.is_tolerant = self.rng.choice([-1, 0]), self.rng.integers(2)
        step.target, step["count"] = len(self.rows) + 1, self.rng.choice([1, 1, 3])
        if self.inputs.kv.is_used:
            own_spaces = len(self.inputs.kv.spaces) - len(self.participants)
            step.space = self.rng.integers(own_spaces)
            step.lifetime = self.rng.choice([0.0, 5.0, 30.0])
        self.rows.append(step)

    def jump(self, kind: int, end: int) -> None:
        """Append a jump or a choice that leads on, at most to an end."""
        self.step(kind)
        step, here = self.rows[-1], len(self.rows)
        step.target = self.rng.integers(here, end + 1)
        if kind == lay.CHOOSE:
            step.target, step["count"] = len(self.branches), 2
            for _ in range(KINDS):
                share = float(self.rng.choice([0.0, 0.5, 1.0]))
                targets = self.rng.integers(here, end + 1, 2).tolist()
                self.branches += [(share, targets[0]), (1.0, targets[1])]

    def handlers(self) -> list[list[int]]:
        """Append the classes' programs; return where each begins, by class."""
        for row in range(len(self.participants)):
            roles = (WRITER, READER, "") if self.rng.random() < 0.7 else ("", "", "")
            for role in roles[: int(self.rng.choice([1, 2, 2, 3]))]:
                self.entries[row].append(self.program(row, with_requests=True, role=role))
            alarm = self.program(row, with_requests=False)
            self.own.append((alarm, self.program(row, with_requests=False)))
        for place, object_class in self.calls:
            step = self.rows[place]
            step.object_class = object_class
            step.entry = self.rng.choice(self.entries[object_class])
        self.read_what_was_written()
        for place, _ in self.calls:
            self.rows[place].only_reads = int(self.reads[int(self.rows[place].entry)])
        return self.entries

    def read_what_was_written(self) -> None:
        """Let the handler's first call write and its last one read the same object, in some runs."""
        (first, object_class), (last, other) = self.calls[0], self.calls[self.mains - 1]
        readers = [entry for entry in self.entries[object_class] if self.reads[entry]]
        writers = [entry for entry in self.entries[object_class] if not self.reads[entry]]
        if object_class == other and first != last and readers and writers:
            self.rows[first].entry = self.rng.choice(writers)
            self.rows[last].entry = self.rng.choice(readers)

    def program(self, object_class: int, *, with_requests: bool, role: str = "") -> int:
        entry, kinds = len(self.rows), [*ALONE, lay.CHOOSE, lay.JUMP]
        kinds += [lay.SET_ALARM] * 2 if self.rng.random() < 0.7 else []
        if self.participants[object_class] > 0:
            kinds += [lay.BROADCAST] * 3
        if with_requests and self.inputs.kv.is_used:
            kinds += [lay.KV_GET, lay.KV_PUT, lay.KV_GET, lay.KV_DELETE, lay.KV_LIST]
            kinds += [lay.KV_TRACE] * 12 if self.has_trace else []  # few runs are of traces
        deeper = object_class + 1 < len(self.participants) and with_requests
        kinds += [lay.OBJECT_CALL] * 2 if deeper else []
        if role == READER or (with_requests and self.rng.random() < 0.3):
            kinds = [lay.CPU, lay.STORAGE_GET, lay.SLEEP, lay.CHOOSE]  # a reader
        chosen = [int(kind) for kind in self.rng.choice(kinds, int(self.rng.integers(0, 6)))]
        if role == WRITER:
            chosen = [lay.STORAGE_PUT, *chosen]
        alarms = chosen.count(lay.SET_ALARM)
        chosen = [kind for kind in chosen if kind != lay.SET_ALARM or alarms <= 4]
        end = entry + len(chosen)
        for kind in chosen:
            if kind in (lay.CHOOSE, lay.JUMP):
                self.jump(kind, end)
                continue
            if kind == lay.OBJECT_CALL:
                self.call(int(self.rng.integers(object_class + 1, len(self.participants))))
            else:
                self.step(kind)
                if kind in (lay.KV_GET, lay.KV_TRACE):
                    self.rows[-1].target = self.rng.integers(len(self.rows), end + 1)
        self.step(lay.END)
        kv_writes = (lay.KV_PUT, lay.KV_DELETE, lay.KV_TRACE)
        self.reads[entry] = not any(kind in WRITES + kv_writes for kind in chosen)
        return entry

    def messages(self, entries: list[int]) -> Records:
        """Append a program per kind of message."""
        messages = records(obl.MESSAGE_DTYPE, 2)
        object_class = self.entries.index(entries)
        for row, share in enumerate((0.4, 1.0)):
            messages[row].cumulative, messages[row].entry = share, len(self.rows)
            self.call(object_class)
            step = self.rows[-1]
            step.object_class, step.entry = object_class, self.rng.choice(entries)
            step.only_reads = int(self.reads[int(step.entry)])
            self.step(lay.END)
        return messages

    def steps(self) -> Records:
        rows = records(lay.STEP_DTYPE, len(self.rows))
        for number, row in enumerate(self.rows):
            rows[number] = row
        return rows


def _spreads(rng: np.random.Generator, count: int) -> Records:
    spreads = records(obl.SPREAD_DTYPE, 2 * count)
    for row in range(count):
        spreads.cumulative[2 * row : 2 * row + 2] = [rng.uniform(0.2, 0.8), 1.0]
        spreads.spread[2 * row : 2 * row + 2] = rng.permutation(len(obl.SPREADS))[:2]
    return spreads


def _member_cells(rng: np.random.Generator, clients: int) -> Records:
    cells = records(obl.MEMBER_CELL_DTYPE, len(obl.SPREADS) * clients)
    for spread in range(len(obl.SPREADS)):
        own = cells[spread * clients : (spread + 1) * clients]
        own.client = rng.permutation(clients)
        own.threshold, own.alias = alias_table(rng.uniform(0.1, 1.0, clients))
        own.first, own.width = 0, clients
    return cells


def _places(rng: np.random.Generator, law: Laws, inputs: Inputs, add: Any) -> ObjectInputs:
    sites = inputs.site_count
    hosts = int(rng.integers(1, sites + 1))
    is_alone = rng.random() < 0.15  # no followers: the home's own storage confirms
    followers = 1 if is_alone else int(rng.integers(1, sites + 1))
    width = int(rng.integers(1, hosts + 1))
    choices = records(obl.HOME_CHOICE_DTYPE, sites * width)
    for site in range(sites):
        rows = slice(site * width, (site + 1) * width)
        shares = list(accumulate(rng.dirichlet(np.ones(width))))
        choices.cumulative[rows] = [*shares[:-1], 1.0]
        choices.host[rows] = rng.permutation(hosts)[:width]
    follower_rows = records(obl.FOLLOWER_DTYPE, hosts * followers)
    for host in range(hosts):
        rows = slice(host * followers, (host + 1) * followers)
        follower_rows.site[rows] = rng.permutation(sites)[:followers]
    follower_rows.rtt = law.values(len(follower_rows), 5.0)
    host_sites = rng.permutation(sites)[:hosts].astype(np.int64)
    if is_alone:
        follower_rows.site, follower_rows.rtt = host_sites, 0.0
    has_replicas = rng.random() < 0.7
    first = int(inputs.kv.spaces.first[-1])
    return ObjectInputs(
        scalars=_scalars(rng, add, followers),
        host_sites=host_sites,
        rtt=law.values(sites * hosts, 8.0),
        distance_km=rng.uniform(0.0, 9e3, sites * hosts),
        site_regions=rng.integers(0, 2, sites),
        nearest_host=rng.integers(0, hosts, sites),
        home_choices=choices,
        choices=width,
        known_numbers=np.arange(first, first + 3, dtype=np.int64),
        known_homes=rng.integers(0, hosts, 3),
        followers=follower_rows,
        substitutes=np.concatenate([rng.permutation(hosts) for _ in range(hosts)]),
        replica_hosts=rng.permutation(hosts)[: 2 if has_replicas else 0].astype(np.int64),
        host_names=tuple(f"host{row}" for row in range(hosts)),
    )


def _scalars(rng: np.random.Generator, add: Any, followers: int) -> ObjectScalars:
    def pick(*values: float) -> float:
        return values[int(rng.integers(len(values)))]

    return ObjectScalars(
        mode=int(pick(obl.BY_TABLE, obl.KNOWN, obl.ASKED)),
        is_serial=rng.random() < 0.8,
        hibernate_after=pick(0.0, 10.0, 60.0),
        queue_limit=int(pick(-1, 0, 2)),
        quorum=int(pick(int(rng.integers(1, followers + 1)), followers)),
        followers=followers,
        votes=int(pick(0, 0, 2, 5)),
        activation_table=add(6.0),
        commit_table=add(pick(3.0, 30.0)),
        evict_table=add(20.0),
        takeover_table=add(40.0),
        move_table=add(15.0),
        reconnect_table=add(15.0),
        lag_table=add(pick(5.0, 40.0)),
        history=int(pick(1, 4, 64)),
        alarm_retry=pick(3.0, 20.0),
        alarm_retries=int(pick(0, 2, 6)),
    )
