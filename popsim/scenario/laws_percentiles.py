"""The law of published percentiles: linear between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.laws import Floats, Law, duration, form, ms, normal_quantile
from popsim.scenario.laws_continuous import percentile_of
from popsim.scenario.text import quoted


class _Tail(NamedTuple):
    """What lies beyond an outermost percentile: a lognormal through it and its neighbour.

    ``z`` is the normal score of ``value``, which is one of the two.
    """

    value: float
    z: float
    sigma: float

    def quantile(self, z: Floats) -> Floats:
        return np.asarray(self.value * np.exp(self.sigma * (z - self.z)))

    def score(self, x: Floats) -> Floats:
        """Return the normal score of values from 0 up."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.z + np.log(np.maximum(x, 0.0) / self.value) / self.sigma)

    def mean(self, score: float) -> float:
        """Return the part of the lognormal's mean that has normal scores below ``score + sigma``."""
        from scipy.special import log_ndtr

        exponent = self.sigma * (self.sigma / 2.0 - self.z) + float(log_ndtr(score))
        return float(self.value * np.exp(exponent))


class Percentiles(Law):
    """Linear between known percentiles; beyond the outermost, lognormal through the last two.

    ``p0`` and ``p100`` close the ends. ``probabilities`` ascend, ``values`` (ms) do not descend. Where two outermost values
    are equal, or the lowest is 0, nothing lies beyond: the rest of the probability is at the outermost.
    """

    def __init__(self, probabilities: Floats, values: Floats, yaml_form: Any = None) -> None:
        self.probabilities, self.values, self._yaml_form = probabilities, values, yaml_form
        self._below, self._above = self._tail(0, 1), self._tail(-2, -1)

    def _tail(self, first: int, second: int) -> _Tail | None:
        z1, z2 = normal_quantile(self.probabilities[[first, second]])
        x1, x2 = float(self.values[first]), float(self.values[second])
        if not np.isfinite([z1, z2]).all() or x1 <= 0.0 or x2 <= x1:
            return None
        return _Tail(x1, float(z1), float(np.log(x2 / x1) / (z2 - z1)))

    def quantile_lower(self, p: Floats) -> Floats:
        """Interpolate, or follow the lognormal beyond the outermost percentiles."""
        p = np.asarray(p)
        inside = np.interp(p, self.probabilities, self.values)
        below, above = p < self.probabilities[0], p > self.probabilities[-1]
        return self._beyond(inside, normal_quantile(p), below, above)

    def quantile_upper(self, p: Floats) -> Floats:
        """Interpolate, or follow the lognormal beyond the outermost percentiles."""
        p = np.asarray(p)
        inside = np.interp(-p, self.probabilities - 1.0, self.values)
        below, above = p > 1.0 - self.probabilities[0], p < 1.0 - self.probabilities[-1]
        return self._beyond(inside, -normal_quantile(p), below, above)

    def _beyond(
        self, inside: Floats, z: Floats, below: NDArray[np.bool_], above: NDArray[np.bool_]
    ) -> Floats:
        """Replace values below the first and above the last known percentile; z are normal scores."""
        if self._below is not None:
            low = np.minimum(self._below.quantile(z), self.values[0])
            inside = np.where(below, low, inside)
        if self._above is not None:
            high = np.maximum(self._above.quantile(z), self.values[-1])
            inside = np.where(above, high, inside)
        return np.asarray(inside)

    def cdf(self, x: Floats) -> Floats:
        """Return P(X <= x)."""
        return self._share(x, self.probabilities, "right", 1.0)

    def cdf_before(self, x: Floats) -> Floats:
        """Return P(X < x), which is less where percentiles have the same value."""
        return self._share(x, self.probabilities, "left", 1.0)

    def sf(self, x: Floats) -> Floats:
        """Return P(X > x)."""
        return self._share(x, 1.0 - self.probabilities, "right", -1.0)

    def sf_before(self, x: Floats) -> Floats:
        """Return P(X >= x)."""
        return self._share(x, 1.0 - self.probabilities, "left", -1.0)

    def _share(self, x: Floats, shares: Floats, side: Any, sign: float) -> Floats:
        """Return the share on one side of x: below it if ``sign`` is 1, above it if -1; ``shares`` are at the values."""
        from scipy.special import ndtr

        x, ends = np.asarray(x, dtype=np.float64), (0.0, 1.0)[:: int(sign)]
        after = np.searchsorted(self.values, x, side=side)
        low, high = np.clip(after - 1, 0, None), np.clip(after, None, len(self.values) - 1)
        width = self.values[high] - self.values[low]
        within = (x - self.values[low]) / np.where(width > 0.0, width, 1.0)
        share = shares[low] + (shares[high] - shares[low]) * np.where(width > 0.0, within, 0.0)
        beyond = (
            (after == 0, self._below, shares[0], ends[0]),
            (after == len(self.values), self._above, shares[-1], ends[1]),
        )
        for is_beyond, tail, outermost, end in beyond:
            rest: Floats | float = end
            if tail is not None:
                low_end, high_end = sorted((float(outermost), end))
                rest = np.clip(ndtr(sign * tail.score(x)), low_end, high_end)
            share = np.where(is_beyond, rest, share)
        return np.asarray(share)

    def marks(self) -> Floats:
        """Return the known percentiles' values."""
        return np.unique(self.values)

    def mean(self) -> float:
        """Add up the trapezoids between the percentiles, and what lies beyond them."""
        total = float(((self.values[1:] + self.values[:-1]) / 2.0) @ np.diff(self.probabilities))
        z = normal_quantile(self.probabilities[[0, -1]])
        ends = (
            (self._below, self.values[0], self.probabilities[0], z[0], 1.0),
            (self._above, self.values[-1], 1.0 - self.probabilities[-1], -z[1], -1.0),
        )
        for tail, value, share, score, sign in ends:
            if share > 0.0:
                rest = value * share if tail is None else tail.mean(score - sign * tail.sigma)
                total += float(rest)
        return total

    def maximum(self) -> float:
        """Return the value of p100, if there is one, or of the last percentile if nothing lies beyond it."""
        return float(self.values[-1]) if self._above is None else float("inf")

    def scaled(self, factor: float) -> Law:
        """Return the percentiles times ``factor``."""
        return Percentiles(self.probabilities, self.values * factor)

    def to_yaml(self) -> Any:
        """Return the percentiles."""
        if self._yaml_form is not None:
            return self._yaml_form
        points = zip(self.probabilities, self.values, strict=True)
        return {"percentiles": {f"p{float(p) * 100:.10g}": ms(float(x)) for p, x in points}}


@form("percentiles")
def _percentiles(parameters: Mapping[str, Any]) -> Law:
    name = "percentiles"
    points = sorted(
        (percentile_of(name, str(k)), duration(name, str(k), v)) for k, v in parameters.items()
    )
    if len(points) < 2:
        raise ValueError(f"{name}: expected at least two, such as {{p50: 5ms, p99: 20ms}}")
    probabilities, values = (np.array(column) for column in zip(*points, strict=True))
    if np.any(np.diff(probabilities) == 0):
        raise ValueError(f"{name}: a percentile is there twice, got {quoted(dict(parameters))}")
    if np.any(np.diff(values) < 0):
        raise ValueError(
            f"{name}: higher percentiles must not have smaller values, got {quoted(dict(parameters))}"
        )
    for end, inner, side in ((0, 1, "below"), (-1, -2, "above")):
        if 0.0 < probabilities[end] < 1.0 and probabilities[inner] in (0.0, 1.0):
            last = f"p{100 * probabilities[end]:g}"
            raise ValueError(
                f"{name}: nothing says what lies {side} {last}, got {quoted(dict(parameters))};"
                f" add p{0 if end == 0 else 100}, or a second percentile between p0 and p100"
            )
    return Percentiles(probabilities, values, {name: dict(parameters)})
