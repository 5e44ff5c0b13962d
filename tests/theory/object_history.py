"""Watch what runs in objects, and decide whether what their callers saw is linearizable.

M. Herlihy, J. Wing, "Linearizability: a correctness condition for concurrent objects", ACM TOPLAS 12(3), 1990.
P. Gibbons, E. Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997: easy for a register if each value is
written once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np

from popsim.engine.layout import OK, STORAGE_GET
from popsim.engine.specification.actors import Call
from popsim.engine.specification.plane import SpecificationPlane

# --- the checker ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """A read or write of a register; ``end`` = inf if the caller never heard, so that it may or may not have happened."""

    begin: float
    end: float
    value: int  # written, each one once, or read
    is_write: bool


def is_linearizable(history: Iterable[Operation], initial: int = 0) -> bool:
    """Tell whether operations could have happened one by one, each between its begin and its end.

    A value's write and reads have to happen in one go. So one value comes before another if any of its operations ended
    before any of the other's began, and no two values may come before each other. Nothing else can go wrong: of longer
    circles, some two values would be one, too.
    """
    by_value: dict[int, list[Operation]] = defaultdict(list)
    for one in (Operation(-inf, -inf, initial, is_write=True), *_known(tuple(history))):
        by_value[one.value].append(one)
    for group in by_value.values():
        begin = min((one.begin for one in group if one.is_write), default=inf)
        if any(one.end < begin for one in group):
            return False  # was read before it was written, or never was
    first_end = np.array([min(one.end for one in group) for group in by_value.values()])
    last_begin = np.array([max(one.begin for one in group) for group in by_value.values()])
    is_before = first_end[:, None] < last_begin[None, :]
    np.fill_diagonal(is_before, val=False)
    return not bool(np.any(is_before & is_before.T))


def _known(history: tuple[Operation, ...]) -> Iterator[Operation]:
    """Yield what must have happened: a write that nobody heard of has, if it was read, by the end of that read."""
    for one in history:
        if one.end < inf:
            yield one
        elif reads := [other.end for other in history if _is_read_of(other, one)]:
            yield replace(one, end=min(reads))


def _is_read_of(other: Operation, write: Operation) -> bool:
    return not other.is_write and other.value == write.value


# --- what is watched ------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Trail:
    """What a call did at its object."""

    call: Call
    read: int = -1  # commits that its last read of the storage met
    wrote: int = -1  # the commit that it made
    sent: float = inf  # ms, when
    confirmed: float = inf  # ms, when a quorum had it


@dataclass(eq=False)
class Watched:
    """What ran in all objects of a run; times in ms. An object that was lost is another one then."""

    stretches: dict[Any, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    intruders: int = 0  # that did something in an object while another call had not left off
    let_in: Counter[int] = field(default_factory=Counter)  # by the step during which others ran
    trails: dict[Call, Trail] = field(default_factory=dict)
    answers: list[tuple[Trail, float, int]] = field(default_factory=list)  # when, outcome
    _inside: dict[Any, dict[Call, float]] = field(default_factory=lambda: defaultdict(dict))
    _away: dict[Any, dict[Call, int]] = field(default_factory=lambda: defaultdict(dict))

    def trail(self, call: Call) -> Trail:
        """Return what a call did so far."""
        return self.trails.setdefault(call, Trail(call))

    def enters(self, call: Call, now: float) -> None:
        """A call does something in its object."""
        key = (call.actor, call.generation)
        self._away[key].pop(call, None)
        inside = self._inside[key]
        inside.setdefault(call, now)
        self.intruders += len(inside) > 1
        self.let_in.update(set(self._away[key].values()))

    def leaves(self, call: Call, now: float, step: int = -1) -> None:
        """A call ends, or waits elsewhere, which is a kind of step."""
        key = (call.actor, call.generation)
        since = self._inside[key].pop(call, None)
        if since is not None:
            self.stretches[key].append((since, now))
        self._away[key].pop(call, None)
        if step >= 0:
            self._away[key][call] = step

    @property
    def overlaps(self) -> int:
        """How many stretches of the same object began before the one before had ended."""
        count = 0
        for stretches in self.stretches.values():
            ordered = sorted(stretches)
            ends = [end for _, end in ordered]
            count += sum(ordered[row + 1][0] < ends[row] for row in range(len(ordered) - 1))
        return count

    def history(self, object_class: int = 0) -> dict[int, list[Operation]]:
        """Return what callers of each object saw; a write is known by the number of its commit."""
        found: dict[int, list[Operation]] = defaultdict(list)
        for trail, now, outcome in self.answers:
            call, is_write = trail.call, trail.wrote >= 0
            if call.actor.object_class != object_class or (outcome != OK and not is_write):
                continue
            value = trail.wrote if is_write else call.version
            end = now if outcome == OK else inf
            found[call.actor.number].append(Operation(call.began, end, value, is_write))
        return found


class WatchedPlane(SpecificationPlane):
    """The specification, with a look at what its objects do. ``runs`` has what was seen, one per plane."""

    runs: list[Watched] = []

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        assert self.calls is not None
        self.seen = Watched()
        self.runs.append(self.seen)
        threads = self.calls.threads
        for part, names in (
            (threads, ("begin", "execute", "_on_thread", "_at_once", "_wait", "commit")),
            (self.calls, ("_record",)),
        ):
            for name in names:
                watch = getattr(self, f"watch_{name.strip('_')}")
                setattr(part, name, watch(getattr(part, name)))

    def watch_begin(self, begin: Any) -> Any:
        def watched(call: Call) -> Any:
            self.seen.enters(call, self.env.now)
            return begin(call)

        return watched

    def watch_execute(self, execute: Any) -> Any:
        def watched(call: Call, pc: int) -> Any:
            outcome = yield from execute(call, pc)
            self.seen.leaves(call, self.env.now)
            return outcome

        return watched

    def watch_on_thread(self, on_thread: Any) -> Any:
        def watched(call: Call, pc: int, step: Any) -> Any:
            self.seen.enters(call, self.env.now)
            outcome = yield from on_thread(call, pc, step)
            self.seen.enters(call, self.env.now)
            if step.kind == STORAGE_GET:
                self.seen.trail(call).read = call.actor.version
            return outcome

        return watched

    def watch_at_once(self, at_once: Any) -> Any:
        def watched(call: Call, pc: int, step: Any) -> Any:
            self.seen.enters(call, self.env.now)
            return at_once(call, pc, step)

        return watched

    def watch_wait(self, wait: Any) -> Any:
        def watched(call: Call, pc: int, step: Any) -> Any:
            self.seen.leaves(call, self.env.now, step.kind)
            return wait(call, pc, step)

        return watched

    def watch_commit(self, commit: Any) -> Any:
        def watched(call: Call, pc: int) -> bool:
            before = call.actor.version
            is_fine = bool(commit(call, pc))
            if call.actor.version > before:
                trail, gate = self.seen.trail(call), self.calls.threads.gate(call)  # type: ignore[union-attr]
                trail.wrote, trail.sent, trail.confirmed = call.actor.version, self.env.now, gate
            return is_fine

        return watched

    def watch_record(self, record: Any) -> Any:
        def watched(call: Call, outcome: int) -> None:
            self.seen.answers.append((self.seen.trail(call), self.env.now, outcome))
            record(call, outcome)

        return watched
