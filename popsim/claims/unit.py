"""Units of expressions, checked when claims are read: powers of milliseconds and of bytes."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """What a quantity is measured in; both powers 0 is a bare number.

    >>> str(TIME.times(BYTES)), str(TIME.over(TIME))
    ('ms B', '')
    """

    ms: int = 0
    bytes: int = 0

    def times(self, other: Unit) -> Unit:
        """Return the unit of a product."""
        return Unit(self.ms + other.ms, self.bytes + other.bytes)

    def over(self, other: Unit) -> Unit:
        """Return the unit of a quotient."""
        return Unit(self.ms - other.ms, self.bytes - other.bytes)

    def __str__(self) -> str:
        """Write it as in results: ``ms``, ``B``, ``ms^2``; nothing for a bare number."""
        powers = {"ms": self.ms, "B": self.bytes}
        return " ".join(
            name if power == 1 else f"{name}^{power}" for name, power in powers.items() if power
        )

    @property
    def words(self) -> str:
        """What it is, for an error."""
        known = {NONE: "a bare number", TIME: "a time", BYTES: "a size"}
        return known.get(self, f"something in {self}")


NONE, TIME, BYTES = Unit(), Unit(ms=1), Unit(bytes=1)
