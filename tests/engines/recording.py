"""A source of random words that remembers what each address was drawn for."""

from __future__ import annotations

import sys
from collections import Counter
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
    """Words as any other source gives them; ``uses`` counts what each address was asked for."""

    uses: dict[Address, Counter[str]] = field(default_factory=dict)

    def __call__(self, key: int, stream: int, entity: int, index: int) -> tuple[int, int]:
        assert 0 <= entity < 1 << 64, (stream, entity, index)
        assert 0 <= index < 1 << 64, (stream, entity, index)
        purposes = self.uses.setdefault((stream, entity, index), Counter())
        purposes[self._purpose(sys._getframe(1))] += 1
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
