"""Laws made of others or of data: published percentiles, samples, mixtures, shifts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.laws import (
    Floats,
    Law,
    duration,
    form,
    ms,
    normal_quantile,
    number,
    parse_law,
    take,
)
from popsim.scenario.laws_continuous import percentile_of
from popsim.scenario.text import quoted

BISECTIONS = 80


class Percentiles(Law):
    """Linear between known percentiles; beyond the outermost, lognormal through the last two.

    ``p0`` and ``p100`` close the ends. ``probabilities`` ascend, ``values`` (ms) do not descend.
    """

    def __init__(self, probabilities: Floats, values: Floats, yaml_form: Any = None) -> None:
        self.probabilities, self.values, self._yaml_form = probabilities, values, yaml_form

    def quantile_lower(self, p: Floats) -> Floats:
        """Interpolate, or follow the lognormal below the first known percentile."""
        inside = np.interp(p, self.probabilities, self.values)
        below, above = p < self.probabilities[0], p > self.probabilities[-1]
        return self._beyond(inside, normal_quantile(np.asarray(p)), below, above)

    def quantile_upper(self, p: Floats) -> Floats:
        """Interpolate, or follow the lognormal above the last known percentile."""
        inside = np.interp(-np.asarray(p), self.probabilities - 1.0, self.values)
        below, above = p > 1.0 - self.probabilities[0], p < 1.0 - self.probabilities[-1]
        return self._beyond(inside, -normal_quantile(np.asarray(p)), below, above)

    def _beyond(
        self, inside: Floats, z: Floats, below: NDArray[np.bool_], above: NDArray[np.bool_]
    ) -> Floats:
        """Replace values below the first and above the last known percentile; z are normal scores."""
        if np.any(below):
            inside = np.where(below, np.minimum(self._lognormal(z, 0, 1), self.values[0]), inside)
        if np.any(above):
            inside = np.where(
                above, np.maximum(self._lognormal(z, -2, -1), self.values[-1]), inside
            )
        return np.asarray(inside)

    def _lognormal(self, z: Floats, first: int, second: int) -> Floats:
        z1, z2 = normal_quantile(self.probabilities[[first, second]])
        x1, x2 = self.values[first], self.values[second]
        if not np.isfinite([z1, z2]).all() or x1 <= 0.0 or x2 <= x1:
            return np.full(np.shape(z), x1 if first == 0 else x2)
        sigma = np.log(x2 / x1) / (z2 - z1)
        return np.asarray(x1 * np.exp(sigma * (z - z1)))

    def cdf(self, x: Floats) -> Floats:
        """Invert the quantile function."""
        low, high = np.zeros(np.shape(x)), np.ones(np.shape(x))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            at = np.where(
                middle <= 0.5,
                self.quantile_lower(np.clip(middle, 1e-300, 0.5)),
                self.quantile_upper(np.clip(1.0 - middle, 1e-300, 0.5)),
            )
            below = at <= x
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2

    def mean(self) -> float:
        """Integrate the quantile function over normal scores, to about 1e-6."""
        z = np.linspace(-8.2, 0.0, 40_001)
        from scipy.special import ndtr

        p = ndtr(z)
        both = self.quantile_lower(p) + self.quantile_upper(p)
        return float(np.sum((both[1:] + both[:-1]) / 2 * np.diff(p)))

    def maximum(self) -> float:
        """Return the value of p100, if there is one."""
        return float(self.values[-1]) if self.probabilities[-1] == 1.0 else float("inf")

    def scaled(self, factor: float) -> Law:
        """Return the percentiles times ``factor``."""
        return Percentiles(self.probabilities, self.values * factor)

    def to_yaml(self) -> Any:
        """Return the percentiles."""
        if self._yaml_form is not None:
            return self._yaml_form
        points = zip(self.probabilities, self.values, strict=True)
        return {"percentiles": {f"p{float(p) * 100:.10g}": ms(float(x)) for p, x in points}}


class Mixture(Law):
    """One of several laws, drawn by weight."""

    def __init__(self, laws: list[Law], weights: list[float]) -> None:
        self.laws, self.weights = laws, weights
        total = sum(weights)
        self._shares = [weight / total for weight in weights]
        self.is_step = all(law.is_step for law in laws)  # type: ignore[misc]

    def cdf(self, x: Floats) -> Floats:
        """Return the weighted sum of the parts' CDFs."""
        return np.asarray(
            sum(w * law.cdf(x) for w, law in zip(self._shares, self.laws, strict=True))
        )

    def sf(self, x: Floats) -> Floats:
        """Return the weighted sum of the parts' tails."""
        return np.asarray(
            sum(w * law.sf(x) for w, law in zip(self._shares, self.laws, strict=True))
        )

    def quantile_lower(self, p: Floats) -> Floats:
        """Bisect the CDF."""
        p = np.asarray(p, dtype=np.float64)
        ends = np.stack(
            [
                _at(law, p, lower=True, share=w)
                for w, law in zip(self._shares, self.laws, strict=True)
            ]
        )
        low, high = np.zeros(p.shape), ends.max(axis=0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            reached = self.cdf(middle) >= p
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return np.asarray(high)

    def quantile_upper(self, p: Floats) -> Floats:
        """Bisect the tail."""
        p = np.asarray(p, dtype=np.float64)
        ends = np.stack([_at(law, p, lower=False, share=1.0) for law in self.laws])
        low, high = np.zeros(p.shape), ends.max(axis=0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            reached = self.sf(middle) <= p
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return np.asarray(high)

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


def _at(law: Law, p: Floats, *, lower: bool, share: float) -> Floats:
    """Return a value by which the part alone has reached the mixture's quantile."""
    if not lower:
        return law.quantile_upper(p)
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
        self.is_step = law.is_step  # type: ignore[misc]

    def quantile_lower(self, p: Floats) -> Floats:
        """Shift the law's quantile."""
        return self.law.quantile_lower(p) + self.by

    def quantile_upper(self, p: Floats) -> Floats:
        """Shift the law's quantile."""
        return self.law.quantile_upper(p) + self.by

    def cdf(self, x: Floats) -> Floats:
        """Return the law's CDF at x - by."""
        return self.law.cdf(np.asarray(x) - self.by)

    def sf(self, x: Floats) -> Floats:
        """Return the law's tail at x - by."""
        return self.law.sf(np.asarray(x) - self.by)

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
        raise ValueError(f"{name}: a percentile is there twice, got {dict(parameters)}")
    if np.any(np.diff(values) < 0):
        raise ValueError(
            f"{name}: higher percentiles must not have smaller values, got {dict(parameters)}"
        )
    for end, inner, side in ((0, 1, "below"), (-1, -2, "above")):
        if 0.0 < probabilities[end] < 1.0 and probabilities[inner] in (0.0, 1.0):
            last = f"p{100 * probabilities[end]:g}"
            raise ValueError(
                f"{name}: nothing says what lies {side} {last}, got {dict(parameters)};"
                f" add p{0 if end == 0 else 100}, or a second percentile between p0 and p100"
            )
    return Percentiles(probabilities, values, {name: dict(parameters)})


@form("sample")
def _sample(parameters: Mapping[str, Any]) -> Law:
    values = parameters[""]
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError(f"sample: expected a list of at least two durations, got {quoted(values)}")
    times = np.sort([duration("sample", "value", value) for value in values])
    return Percentiles(np.linspace(0.0, 1.0, len(times)), times, {"sample": list(values)})


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
