"""Laws made of others: mixtures, shifts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.laws import (
    Floats,
    Law,
    duration,
    form,
    ms,
    number,
    parse_law,
    take,
)
from popsim.scenario.text import quoted

BISECTIONS = 80


class Mixture(Law):
    """One of several laws, drawn by weight."""

    def __init__(self, laws: list[Law], weights: list[float]) -> None:
        self.laws, self.weights = laws, weights
        total = sum(weights)
        self._shares = [weight / total for weight in weights]

    def cdf(self, x: Floats) -> Floats:
        """Return the weighted sum of the parts' P(X <= x)."""
        return self._sum([law.cdf(x) for law in self.laws])

    def cdf_before(self, x: Floats) -> Floats:
        """Return the weighted sum of the parts' P(X < x)."""
        return self._sum([law.cdf_before(x) for law in self.laws])

    def sf(self, x: Floats) -> Floats:
        """Return the weighted sum of the parts' P(X > x)."""
        return self._sum([law.sf(x) for law in self.laws])

    def sf_before(self, x: Floats) -> Floats:
        """Return the weighted sum of the parts' P(X >= x)."""
        return self._sum([law.sf_before(x) for law in self.laws])

    def _sum(self, parts: list[Floats]) -> Floats:
        return np.asarray(sum(w * part for w, part in zip(self._shares, parts, strict=True)))

    def marks(self) -> Floats:
        """Return the parts' values."""
        return np.unique(np.concatenate([law.marks() for law in self.laws]))

    def quantile_lower(self, p: Floats) -> Floats:
        """Return the least value with P(X <= value) >= p."""
        p = np.asarray(p, dtype=np.float64)
        ends = [_by_which(law, p, w) for w, law in zip(self._shares, self.laws, strict=True)]
        return self._first(p, np.max(ends, axis=0), lambda x: self.cdf(x) >= p, 1.0)

    def quantile_upper(self, p: Floats) -> Floats:
        """Return the least value with P(X > value) <= p."""
        p = np.asarray(p, dtype=np.float64)
        ends = [law.quantile_upper(p) for law in self.laws]
        return self._first(p, np.max(ends, axis=0), lambda x: self.sf(x) <= p, -1.0)

    def _first(
        self, p: Floats, end: Floats, is_reached: Callable[[Floats], NDArray[np.bool_]], sign: float
    ) -> Floats:
        """Return the least value at which ``is_reached``: a mark, exactly, or bisected between two marks.

        ``end`` is reached; ``sign`` is 1 if ``p`` counts from below, -1 from above.
        """
        at = self.marks()
        share, before = (self.cdf, self.cdf_before) if sign > 0 else (self.sf, self.sf_before)
        index = np.searchsorted(sign * share(at), sign * p, side="left")
        floor, mark = np.append(0.0, at)[index], np.append(at, np.inf)[index]
        # the mark above holds p itself, not only all below it: no value between is reached
        is_atom = sign * np.append(before(at), sign * np.inf)[index] < sign * p
        low, high = floor, np.maximum(np.minimum(mark, end), floor)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            reached = is_reached(middle)
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return np.asarray(np.where(is_atom, mark, high))

    def mean(self) -> float:
        """Return the weighted mean."""
        return sum(w * law.mean() for w, law in zip(self._shares, self.laws, strict=True))

    def maximum(self) -> float:
        """Return the largest maximum."""
        return max(law.maximum() for law in self.laws)

    def scaled(self, factor: float) -> Law:
        """Return the mixture of the scaled laws."""
        return Mixture([law.scaled(factor) for law in self.laws], self.weights)

    def to_yaml(self) -> Any:
        """Return weights and laws."""
        parts = zip(self.weights, self.laws, strict=True)
        return {"mixture": [{"weight": w, "law": law.to_yaml()} for w, law in parts]}


def _by_which(law: Law, p: Floats, share: float) -> Floats:
    """Return a value by which a part with a ``share`` has alone reached the mixture's lower quantile."""
    wanted = np.minimum(p / share, 1.0 - 1e-16) if share < 1.0 else p
    return np.where(
        wanted <= 0.5,
        law.quantile_lower(np.minimum(wanted, 0.5)),
        law.quantile_upper(np.maximum(1.0 - wanted, 1e-16)),
    )


class Shifted(Law):
    """A law plus a constant (ms)."""

    def __init__(self, law: Law, by: float) -> None:
        self.law, self.by = law, by

    def quantile_lower(self, p: Floats) -> Floats:
        """Shift the law's quantile."""
        return self.law.quantile_lower(p) + self.by

    def quantile_upper(self, p: Floats) -> Floats:
        """Shift the law's quantile."""
        return self.law.quantile_upper(p) + self.by

    def cdf(self, x: Floats) -> Floats:
        """Return the law's P(X <= x - by)."""
        return self.law.cdf(self._unshifted(x))

    def cdf_before(self, x: Floats) -> Floats:
        """Return the law's P(X < x - by)."""
        return self.law.cdf_before(self._unshifted(x))

    def sf(self, x: Floats) -> Floats:
        """Return the law's P(X > x - by)."""
        return self.law.sf(self._unshifted(x))

    def sf_before(self, x: Floats) -> Floats:
        """Return the law's P(X >= x - by)."""
        return self.law.sf_before(self._unshifted(x))

    def _unshifted(self, x: Floats) -> Floats:
        """Return x - by; the law's own mark where x is a shifted one, which rounding would miss."""
        x, marks = np.asarray(x, dtype=np.float64), self.law.marks()
        if not len(marks):
            return x - self.by
        index = np.minimum(np.searchsorted(marks + self.by, x), len(marks) - 1)
        return np.where(marks[index] + self.by == x, marks[index], x - self.by)

    def marks(self) -> Floats:
        """Return the law's values plus the shift."""
        return np.unique(self.law.marks() + self.by)

    def mean(self) -> float:
        """Return the law's mean plus the shift."""
        return self.law.mean() + self.by

    def maximum(self) -> float:
        """Return the law's maximum plus the shift."""
        return self.law.maximum() + self.by

    def scaled(self, factor: float) -> Law:
        """Scale both."""
        return Shifted(self.law.scaled(factor), self.by * factor)

    def to_yaml(self) -> Any:
        """Return shift and law."""
        return {"shifted": {"by": ms(self.by), "law": self.law.to_yaml()}}


@form("mixture")
def _mixture(parameters: Mapping[str, Any]) -> Law:
    parts = parameters[""]
    if not isinstance(parts, list) or not parts:
        raise ValueError("mixture: expected a list of {weight: 1, law: 5ms}")
    weights, laws = [], []
    for part in parts:
        if not isinstance(part, Mapping):
            raise ValueError(f"mixture: expected {{weight: 1, law: 5ms}}, got {quoted(part)}")
        take("mixture", part, ("weight", "law"))
        weights.append(number("mixture", "weight", part["weight"]))
        laws.append(parse_law(part["law"]))
    return Mixture(laws, weights)


@form("shifted")
def _shifted(parameters: Mapping[str, Any]) -> Law:
    take("shifted", parameters, ("by", "law"))
    return Shifted(parse_law(parameters["law"]), duration("shifted", "by", parameters["by"]))
