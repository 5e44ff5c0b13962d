"""Breaches of the rules 57 to 59, of what is recorded beside the whole; see test_ablation.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from popsim.engine import recorder, selections
from popsim.engine.layout import OK, P_CONNECT, P_TLS
from popsim.engine.selections import SelectionRecorder
from popsim.engine.specification.plane import SpecificationPlane


class SelectionBreach(SpecificationPlane):
    """Replace how a selection is recognised; subclasses say how."""

    kind: type[SelectionRecorder]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.recorder.selections = self.kind(self.inputs.selections, self.recorder.books.selected)


class EndsWithTheWindow(SelectionBreach):
    """Rule 57: a request belongs to a window if it ends in it."""

    class kind(SelectionRecorder):  # noqa: N801
        def finish(self, request: Any, total: float, outcome: int) -> None:
            start, request.start = request.start, request.start + total
            super().finish(request, total, outcome)
            request.start = start


class WindowHasBothEnds(SelectionBreach):
    """Rule 57: a request that begins when the window ends belongs to it."""

    class kind(SelectionRecorder):  # noqa: N801
        def _has(self, row: int, request: Any) -> bool:
            start = request.start
            if start == self.inputs.windows[row, 1]:
                request.start = self.inputs.windows[row, 0]
            found = super()._has(row, request)
            request.start = start
            return found


class FailuresAreElsewhere(SpecificationPlane):
    """Rule 57: a request that reached no site counts as one of the first site."""

    def end(self, request: Any, total: float, outcome: int) -> None:
        if outcome != OK and request.ingress < 0:
            request.ingress = 0
        super().end(request, total, outcome)


class _Patched(SpecificationPlane):
    """Run with a function of a module replaced."""

    name: str

    def end(self, request: Any, total: float, outcome: int) -> None:
        usual = {module: getattr(module, self.name) for module in self.modules()}
        for module in usual:
            setattr(module, self.name, self.instead)
        try:
            super().end(request, total, outcome)
        finally:
            for module, function in usual.items():
                setattr(module, self.name, function)

    def modules(self) -> tuple[Any, ...]:
        return (recorder, selections)

    def instead(self, request: Any, total: float) -> float:
        raise NotImplementedError


class NameIsNoSetup(_Patched):
    """Rule 58: what resolving the name takes is no set-up."""

    name = "without_setup"

    def instead(self, request: Any, total: float) -> float:
        return float(total - (request.phases[P_CONNECT] + request.phases[P_TLS]))


class WholeResponse(_Patched):
    """Rule 58: the first byte comes with the last."""

    name = "to_first_byte"

    def instead(self, request: Any, total: float) -> float:
        return total


class LargerUnits(SpecificationPlane):
    """Rule 59: a unit is twice as large."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        scalars = self.inputs.kv.scalars
        self.kv.recorder.inputs = replace(
            self.inputs,
            kv=replace(self.inputs.kv, scalars=replace(scalars, read_unit=2 * scalars.read_unit)),
        )


BOOK_BREACHES: dict[str, type[SpecificationPlane]] = {
    "57 ends in the window": EndsWithTheWindow,
    "57 window has both ends": WindowHasBothEnds,
    "57 no site is the first": FailuresAreElsewhere,
    "58 name is no set-up": NameIsNoSetup,
    "58 whole response": WholeResponse,
    "59 larger units": LargerUnits,
}
