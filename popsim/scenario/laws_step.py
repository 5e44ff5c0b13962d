"""Laws of a few values: constant, integers, choices, samples. No other value is ever drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from popsim.scenario.laws import Floats, Law, duration, form, ms, number, take
from popsim.scenario.text import quoted

MAX_VALUES = 100_000


class Constant(Law):
    """Always the same value in ms."""

    def __init__(self, value: float) -> None:
        self.value = value

    def quantile_lower(self, p: Floats) -> Floats:
        """Return the value."""
        return np.full(np.shape(p), self.value)

    quantile_upper = quantile_lower

    def cdf(self, x: Floats) -> Floats:
        """Return 1 from the value on."""
        return np.asarray(np.asarray(x) >= self.value, dtype=np.float64)

    def cdf_before(self, x: Floats) -> Floats:
        """Return 1 beyond the value."""
        return np.asarray(np.asarray(x) > self.value, dtype=np.float64)

    def sf_before(self, x: Floats) -> Floats:
        """Return 1 up to the value."""
        return np.asarray(np.asarray(x) <= self.value, dtype=np.float64)

    def marks(self) -> Floats:
        """Return the value."""
        return np.array([self.value])

    def mean(self) -> float:
        """Return the value."""
        return self.value

    def maximum(self) -> float:
        """Return the value."""
        return self.value

    def scaled(self, factor: float) -> Law:
        """Return the constant times ``factor``."""
        return Constant(self.value * factor)

    def to_yaml(self) -> Any:
        """Return the duration."""
        return ms(self.value)


class Choices(Law):
    """A few values in ms with weights."""

    def __init__(
        self, values: Floats, weights: Floats, yaml_form: dict[str, Any] | None = None
    ) -> None:
        order = np.argsort(values, kind="stable")
        self.values = np.asarray(values, dtype=np.float64)[order]
        self.weights = np.asarray(weights, dtype=np.float64)[order]
        below, above = np.cumsum(self.weights), np.cumsum(self.weights[::-1])[::-1]
        self._cumulative, self._survival = below / below[-1], above / above[0]  # P(X <=), P(X >=)
        self._yaml_form = yaml_form

    def quantile_lower(self, p: Floats) -> Floats:
        """Return the smallest value whose CDF reaches p."""
        index = np.searchsorted(self._cumulative, p, side="left")
        return self.values[np.minimum(index, len(self.values) - 1)]

    def quantile_upper(self, p: Floats) -> Floats:
        """Return the largest value that is reached with probability above p."""
        index = len(self.values) - np.searchsorted(self._survival[::-1], p, side="right") - 1
        return self.values[np.maximum(index, 0)]

    def cdf(self, x: Floats) -> Floats:
        """Return P(X <= x)."""
        return np.append(0.0, self._cumulative)[np.searchsorted(self.values, x, side="right")]

    def cdf_before(self, x: Floats) -> Floats:
        """Return P(X < x)."""
        return np.append(0.0, self._cumulative)[np.searchsorted(self.values, x, side="left")]

    def sf(self, x: Floats) -> Floats:
        """Return P(X > x)."""
        return np.append(self._survival, 0.0)[np.searchsorted(self.values, x, side="right")]

    def sf_before(self, x: Floats) -> Floats:
        """Return P(X >= x)."""
        return np.append(self._survival, 0.0)[np.searchsorted(self.values, x, side="left")]

    def marks(self) -> Floats:
        """Return the values."""
        return np.unique(self.values)

    def mean(self) -> float:
        """Return the weighted mean."""
        return float(np.average(self.values, weights=self.weights))

    def maximum(self) -> float:
        """Return the largest value."""
        return float(self.values[-1])

    def scaled(self, factor: float) -> Law:
        """Return the choices times ``factor``."""
        return Choices(self.values * factor, self.weights)

    def to_yaml(self) -> Any:
        """Return values and weights."""
        if self._yaml_form is not None:
            return self._yaml_form
        values, weights = [ms(v) for v in self.values], self.weights.tolist()
        return {"choices": {"values": values, "weights": weights}}


@form("constant")
def _constant(parameters: Mapping[str, Any]) -> Law:
    return Constant(duration("constant", "value", parameters[""]))


@form("integers")
def _integers(parameters: Mapping[str, Any]) -> Law:
    take("integers", parameters, ("low", "high"), ("step",))
    low = duration("integers", "low", parameters["low"])
    high = duration("integers", "high", parameters["high"])
    step = duration("integers", "step", parameters.get("step", "1ms"), positive=True)
    if high < low:
        raise ValueError(f"integers: high ({ms(high)}) must not be below low ({ms(low)})")
    count = (high - low) / step + 1.0
    if count > MAX_VALUES:
        raise ValueError(
            f"integers: {count:.0f} values are too many, expected at most {MAX_VALUES}"
        )
    values = low + step * np.arange(int(count + 1e-9))
    yaml_form = {"integers": {"low": ms(low), "high": ms(high), "step": ms(step)}}
    return Choices(np.asarray(values, dtype=np.float64), np.ones(len(values)), yaml_form)


@form("choices")
def _choices(parameters: Mapping[str, Any]) -> Law:
    take("choices", parameters, ("values",), ("weights",))
    values = parameters["values"]
    if not isinstance(values, list) or not values:
        raise ValueError(f"choices: values must be a list of durations, got {quoted(values)}")
    weights = parameters.get("weights", [1] * len(values))
    if not isinstance(weights, list) or len(weights) != len(values):
        raise ValueError(
            f"choices: expected {len(values)} weights, one per value, got {quoted(weights)}"
        )
    checked = [number("choices", "weights", weight, positive=False) for weight in weights]
    if sum(checked) <= 0:
        raise ValueError("choices: one weight must be above 0")
    times = [duration("choices", "values", value) for value in values]
    return Choices(np.array(times), np.array(checked))


@form("sample")
def _sample(parameters: Mapping[str, Any]) -> Law:
    values = parameters[""]
    if not isinstance(values, list) or not 2 <= len(values) <= MAX_VALUES:
        raise ValueError(
            f"sample: expected a list of 2 to {MAX_VALUES} durations, got {quoted(values)}"
        )
    times, counts = np.unique(
        [duration("sample", "value", value) for value in values], return_counts=True
    )
    return Choices(times, counts.astype(np.float64), {"sample": list(values)})
