"""Checks of objects across keys: references to undefined names, steps that are not allowed where they stand."""

from __future__ import annotations

from popsim.scenario.calls import circle, levels, most_calls, reachable, roots
from popsim.scenario.document import Document, Key
from popsim.scenario.errors import Problem, did_you_mean
from popsim.scenario.objects import (
    MAX_ALARMS,
    MAX_CALLS,
    MAX_CALLS_DEEP,
    MAX_PAYLOAD_BYTES,
    MAX_STORED_BYTES,
)
from popsim.scenario.parts import Where
from popsim.scenario.schema import Scenario
from popsim.scenario.size_laws import excess
from popsim.scenario.steps import StepPath, StepSpec, nested
from popsim.scenario.text import quoted
from popsim.scenario.workload import ObjectClassSpec, WorkloadSpec

ON_THEIR_OWN = ("alarm", "connect")  # handlers that no request runs


def object_inconsistencies(scenario: Scenario, document: Document) -> list[Problem]:
    """Return the problems of classes of objects, their handlers, calls, messages and restarts."""
    check = _ObjectChecks(scenario, document)
    check.run()
    return check.problems


class _ObjectChecks:
    """Collect problems, each at its place in the document."""

    def __init__(self, scenario: Scenario, document: Document) -> None:
        self.scenario, self.workload, self.document = scenario, scenario.workload, document
        self.problems: list[Problem] = []

    def add(
        self, path: StepPath, message: str, hint: str | None = None, *, key: bool = False
    ) -> None:
        """Note a problem at a path in the workload."""
        place: Key = ("workload", *path)
        self.problems.append(self.document.problem(place, message, hint, key=key))

    def _says(self, *path: str) -> bool:
        """Tell whether the document has a key of the workload, be its value right or wrong."""
        data = self.document.data
        for part in ("workload", *path):
            if not isinstance(data, dict) or data.get(part) is None:
                return False
            data = data[part]
        return True

    def run(self) -> None:
        """Check all."""
        for path, step in nested(("handler",), self.workload.handler):
            self._call(path, step)
            if step.of_an_object is not None:
                message = f"{step.of_an_object} is for the handlers of objects only"
                self.add((*path, step.of_an_object), message, key=True)
        for name, kind in self.workload.objects.items():
            for handler, steps in kind.handlers.items():
                for path, step in nested(("objects", name, "handlers", handler), steps):
                    self._call(path, step)
                    self._step(path, name, kind, step)
                    if handler in ON_THEIR_OWN:
                        self._without_a_request(path, handler, step)
                self._alarms(("objects", name, "handlers", handler), steps)
        self._messages()
        self._events()
        if not self.problems and self.document.whole is None:  # else it is not clear who calls whom
            self._circles()
            if not self.problems:
                self._depth()
                self._idle_handlers()

    # --- steps --------------------------------------------------------------------------------------------

    def _call(self, path: StepPath, step: StepSpec) -> None:
        if step.object_call is None:
            return
        call, place = step.object_call, (*path, "object.call")
        if self._is_class(call.object_class, (*place, "class")):
            self._is_handler(call.object_class, call.handler, (*place, "handler"))
        if call.payload is not None and (has := excess(call.payload, MAX_PAYLOAD_BYTES)):
            message = f"a call may carry {MAX_PAYLOAD_BYTES / 2**20:g} MiB, got {has}"
            self.add((*place, "payload"), message)

    def _is_class(self, name: str, path: StepPath) -> bool:
        """Tell whether there is a class; note that there is none."""
        known = list(self.workload.objects)
        if name not in known and not self._says("objects", name):
            hint = did_you_mean(name, known) or "name it under workload.objects:"
            self.add(path, f"there is no class of objects {quoted(name)}", hint)
        return name in known

    def _is_handler(self, name: str, handler: str, path: StepPath, *, key: bool = False) -> None:
        known = list(self.workload.objects[name].handlers)
        if handler not in known and not self._says("objects", name, "handlers", handler):
            hint = did_you_mean(handler, known)
            self.add(
                path, f"objects of {quoted(name)} have no handler {quoted(handler)}", hint, key=key
            )

    def _step(self, path: StepPath, name: str, kind: ObjectClassSpec, step: StepSpec) -> None:
        if step.broadcast is not None and not self._has_participants(name, kind):
            message = f"objects of {quoted(name)} have no participants who could be told"
            self.add((*path, "broadcast"), message, "give the class participants", key=True)
        has_alarm = "alarm" in kind.handlers or self._says("objects", name, "handlers", "alarm")
        if step.alarm is not None and not has_alarm:
            message = f"objects of {quoted(name)} have no handler 'alarm', which an alarm runs"
            self.add((*path, "alarm"), message, key=True)
        stored = {"storage.put": step.storage_put, "storage.transaction": step.storage_transaction}
        for what, write in stored.items():
            if write is not None and write.size > MAX_STORED_BYTES:
                most, has = MAX_STORED_BYTES / 1e6, write.size / 1e6
                message = f"a value may have {most:g} MB with its key, got {has:.7g} MB"
                self.add((*path, what, "size"), message)

    def _has_participants(self, name: str, kind: ObjectClassSpec) -> bool:
        return kind.participants is not None or self._says("objects", name, "participants")

    def _without_a_request(self, path: StepPath, handler: str, step: StepSpec) -> None:
        """Refuse steps of a handler that runs without a request: it has no key, and no place."""
        asks = step.object_call is not None or step.kv is not None
        if asks:
            key = next(info.alias for name, info in type(step).model_fields.items()
                       if info.alias is not None and getattr(step, name) is not None)  # fmt: skip
            message = f"{key} needs a request, and the handler {quoted(handler)} runs without one"
            self.add((*path, key), message, key=True)
        for row, branch in enumerate(step.choose or ()):
            if branch.where != Where():
                message = (
                    f"where needs a request, and the handler {quoted(handler)} runs without one"
                )
                self.add((*path, "choose", row, "where"), message, key=True)

    def _alarms(self, path: StepPath, steps: tuple[StepSpec, ...]) -> None:
        places = [place for place, step in nested(path, steps) if step.alarm is not None]
        if len(places) > MAX_ALARMS:
            message = f"a handler may have {MAX_ALARMS} steps that set the alarm, got {len(places)}"
            self.add((*places[MAX_ALARMS], "alarm"), message, "only the last one counts", key=True)

    # --- messages and events -------------------------------------------------------------------------------

    def _messages(self) -> None:
        messages, path = self.workload.arrivals.messages, ("arrivals", "messages")
        if messages is None:
            return
        if self.workload.handler:
            message = (
                "the handler has no effect: messages go to objects, without a function's instance"
            )
            self.add(("handler",), message, key=True)
        name = messages.object_class
        if not self._is_class(name, (*path, "class")):
            return
        for handler in messages.rates:
            self._is_handler(name, handler, (*path, "rates", handler), key=True)
        kind = self.workload.objects[name]
        if not self._has_participants(name, kind):
            message = f"objects of {quoted(name)} have no participants who could send messages"
            self.add((*path, "class"), message, "give the class participants")
        for key in ("per", "locality"):
            if key in kind.model_fields_set and getattr(kind, key) not in ("world", 0.0):
                message = f"{key} has no effect: participants of all objects send messages"
                self.add(("objects", name, key), message, key=True)

    def _events(self) -> None:
        for number, event in enumerate(self.scenario.events):
            if event.restart is None:
                continue
            path: Key = ("events", number)
            name, known = event.restart.object_class, list(self.workload.objects)
            if name not in known and not self._says("objects", name):
                message = f"there is no class of objects {quoted(name)}"
                place: Key = (*path, "restart", "class")
                hint = did_you_mean(name, known)
                self.problems.append(self.document.problem(place, message, hint))
            if event.lasting is not None:
                message = "'for' can only be used with fail and surge"
                self.problems.append(self.document.problem((*path, "for"), message, key=True))

    # --- who calls whom -------------------------------------------------------------------------------------

    def _circles(self) -> None:
        told: set[frozenset[str]] = set()
        for name, kind in self.workload.objects.items():
            for handler in kind.handlers:
                found = circle(self.workload, (name, handler))
                if found is None or (classes := frozenset(name for name, _ in found[1])) in told:
                    continue
                told.add(classes)
                message = f"calls in a circle wait for each other forever: {_way(found[1])}"
                self.add((*found[0], "class"), message)

    def _depth(self) -> None:
        found = levels(self.workload, MAX_CALLS_DEEP + 1)
        if len(found) > MAX_CALLS_DEEP:
            path, way = next(iter(found[-1].values()))
            message = f"expected at most {MAX_CALLS_DEEP} calls within each other, got {_way(way)}"
            self.add(path, message)
            return
        made = most_calls(self.workload)
        if made > MAX_CALLS:
            message = f"a request makes up to {made} calls of objects, expected at most {MAX_CALLS}"
            self.add(roots(self.workload)[0][0], message, "those within calls are counted, too")

    def _idle_handlers(self) -> None:
        """Refuse handlers that nothing runs."""
        found = set(reachable(self.workload))
        for name, kind in self.workload.objects.items():
            for handler in kind.handlers:
                if (name, handler) not in found:
                    message = f"nothing runs the handler {quoted(handler)} of {quoted(name)}"
                    path = ("objects", name, "handlers", handler)
                    self.add(path, message, _why(self.workload, name, handler), key=True)


def _why(workload: WorkloadSpec, name: str, handler: str) -> str:
    if handler == "alarm":
        return "no step sets an alarm"
    if handler == "connect" and workload.objects[name].participants is None:
        return "the class has no participants who could connect"
    return (
        "no step calls it" if workload.arrivals.messages is None else "no message or step calls it"
    )


def _way(handlers: list[tuple[str, str]]) -> str:
    return " -> ".join(f"{name}.{handler}" for name, handler in handlers)
