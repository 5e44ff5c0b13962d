"""A source of random words that remembers what each address was drawn for."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import FrameType

from popsim.engine.compiled.plane import words
from popsim.engine.specification import lookups, stores

# What stands between a draw and what it is for
BETWEEN = {
    *(method.__code__ for method in vars(lookups.Lookups).values() if hasattr(method, "__code__")),
    stores.Stores.service.__code__,
}
Address = tuple[int, int, int]  # stream, entity, index


@dataclass
class Recording:
    """Words as any other source gives them; notes which streams are drawn from, and addresses that are asked for twice."""

    streams: set[int] = field(default_factory=set)
    first: dict[Address, str] = field(default_factory=dict)  # what for
    again: dict[Address, set[str]] = field(default_factory=dict)  # what for, the first use included

    def __call__(self, key: int, stream: int, entity: int, index: int) -> tuple[int, int]:
        assert 0 <= entity < 1 << 64, (stream, entity, index)
        assert 0 <= index < 1 << 64, (stream, entity, index)
        self.streams.add(stream)
        address, purpose = (stream, entity, index), self._purpose(sys._getframe(1))
        if address in self.first:
            self.again.setdefault(address, {self.first[address]}).add(purpose)
        else:
            self.first[address] = sys.intern(purpose)
        return words(key, stream, entity, index)

    @staticmethod
    def _purpose(frame: FrameType | None) -> str:
        while frame is not None and frame.f_code in BETWEEN:
            frame = frame.f_back
        assert frame is not None
        step = frame.f_locals.get("step")
        kind = getattr(step, "kind", "")  # of the step that draws
        part = frame.f_locals.get("part", "")  # of a read's or write's way
        return f"{frame.f_code.co_qualname} {kind} {part}".strip()
