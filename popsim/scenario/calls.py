"""Who calls whom: which handlers of objects run at all, how deep calls lie in each other, and where they go in circles."""

from __future__ import annotations

from collections.abc import Sequence

from popsim.scenario.steps import StepPath, StepSpec, nested
from popsim.scenario.workload import WorkloadSpec

Handler = tuple[str, str]  # (class, handler)
Call = tuple[StepPath, Handler]  # where it stands in the workload, and what it calls
Level = dict[Handler, tuple[StepPath, list[Handler]]]


def roots(workload: WorkloadSpec) -> list[Call]:
    """Return the calls of the main handler, or those that messages are."""
    messages = workload.arrivals.messages
    if messages is None:
        return _calls(("handler",), workload.handler)
    path = ("arrivals", "messages", "rates")
    return [((*path, kind), (messages.object_class, kind)) for kind in messages.rates]


def calls_of(workload: WorkloadSpec, handler: Handler) -> list[Call]:
    """Return the calls that a handler makes; none if there is no such handler."""
    name, own = handler
    kind = workload.objects.get(name)
    steps = kind.handlers.get(own, ()) if kind is not None else ()
    return _calls(("objects", name, "handlers", own), steps)


def _calls(path: StepPath, steps: Sequence[StepSpec]) -> list[Call]:
    return [
        ((*place, "object.call"), (step.object_call.object_class, step.object_call.handler))
        for place, step in nested(path, steps)
        if step.object_call is not None
    ]


def reachable(workload: WorkloadSpec) -> list[Handler]:
    """Return the handlers that can run, in the scenario's order: called ones, and ``alarm`` and ``connect`` of these."""
    found: set[Handler] = set()
    left = [handler for _, handler in roots(workload)]
    while left:
        name, own = handler = left.pop()
        kind = workload.objects.get(name)
        if kind is None or own not in kind.handlers or handler in found:
            continue
        found.add(handler)
        left += [callee for _, callee in calls_of(workload, handler)]
        if any(step.alarm is not None for _, step in nested((), kind.handlers[own])):
            left.append((name, "alarm"))
        if kind.participants is not None:
            left.append((name, "connect"))
    every = [(name, own) for name, kind in workload.objects.items() for own in kind.handlers]
    return [handler for handler in every if handler in found]


def only_reads(workload: WorkloadSpec, handler: Handler) -> bool:
    """Tell whether a handler changes nothing, so that a replica can answer."""
    name, own = handler
    return not any(
        step.storage_put or step.storage_transaction or step.alarm or step.broadcast
        or step.object_call or step.kv_put or step.kv_delete or step.kv_trace
        for _, step in nested((), workload.objects[name].handlers[own])
    )  # fmt: skip


def circle(workload: WorkloadSpec, start: Handler) -> tuple[StepPath, list[Handler]] | None:
    """Return how calls lead from a handler back to its class: the first call's place, and the handlers on the way."""
    ways: list[tuple[StepPath, list[Handler]]] = [
        (path, [start, callee]) for path, callee in calls_of(workload, start)
    ]
    seen: set[Handler] = set()
    while ways:
        path, way = ways.pop(0)
        if way[-1][0] == start[0]:
            return path, way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [(path, [*way, callee]) for _, callee in calls_of(workload, way[-1])]
    return None


def levels(
    workload: WorkloadSpec, most: int
) -> list[dict[Handler, tuple[StepPath, list[Handler]]]]:
    """Return what is called at each level of calls within calls, from 1 up to ``most``, as far as there is something.

    By handler: where a call of it stands, and one way that leads to it, itself included.
    """
    level: Level = {handler: (path, [handler]) for path, handler in roots(workload)}
    found: list[Level] = []
    while level and len(found) < most:
        found.append(level)
        level = {
            callee: (path, [*way, callee])
            for handler, (_, way) in level.items()
            for path, callee in calls_of(workload, handler)
        }
    return found


def most_calls(workload: WorkloadSpec) -> int:
    """Return how many calls a request makes at most, those within calls included. Calls must not go in circles."""
    known: dict[Handler, int] = {}

    def made_by(calls: list[Call]) -> int:
        return sum(1 + inside(callee) for _, callee in calls)

    def inside(handler: Handler) -> int:
        if handler not in known:
            known[handler] = made_by(calls_of(workload, handler))
        return known[handler]

    if workload.arrivals.messages is None:
        return made_by(roots(workload))
    return max((made_by([call]) for call in roots(workload)), default=0)


def depth(workload: WorkloadSpec) -> int:
    """Return how many calls lie in each other at most; 0 if there are none. Calls must not go in circles."""
    handlers = sum(len(kind.handlers) for kind in workload.objects.values())
    return len(levels(workload, handlers + 1))
