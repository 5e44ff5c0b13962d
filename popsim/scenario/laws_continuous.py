"""Parametric laws: lognormal, exponential, gamma, Weibull, uniform."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import exp, gamma, log, sqrt
from typing import Any

import numpy as np

from popsim.scenario.laws import Floats, Law, duration, form, ms, normal_quantile, number, take
from popsim.scenario.text import quoted

PERCENTILE = re.compile(r"p(\d+(?:\.\d+)?)")


class Lognormal(Law):
    """exp(N(ln median, sigma**2)); median in ms."""

    def __init__(
        self, median: float, sigma: float, yaml_form: dict[str, Any] | None = None
    ) -> None:
        self.median, self.sigma, self._yaml_form = median, sigma, yaml_form

    def quantile_lower(self, p: Floats) -> Floats:
        """Return median * exp(sigma * z(p))."""
        return np.asarray(self.median * np.exp(self.sigma * normal_quantile(p)))

    def quantile_upper(self, p: Floats) -> Floats:
        """Return median * exp(-sigma * z(p))."""
        return np.asarray(self.median * np.exp(-self.sigma * normal_quantile(p)))

    def _z(self, x: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.maximum(x, 0.0) / self.median) / self.sigma)

    def cdf(self, x: Floats) -> Floats:
        """Return Phi(z)."""
        from scipy.special import ndtr

        return np.asarray(ndtr(self._z(x)))

    def sf(self, x: Floats) -> Floats:
        """Return Phi(-z)."""
        from scipy.special import ndtr

        return np.asarray(ndtr(-self._z(x)))

    def mean(self) -> float:
        """Return median * exp(sigma**2 / 2)."""
        return self.median * exp(self.sigma**2 / 2)

    def scaled(self, factor: float) -> Law:
        """Return the lognormal with ``factor`` times the median."""
        return Lognormal(self.median * factor, self.sigma)

    def to_yaml(self) -> Any:
        """Return the parameters."""
        return self._yaml_form or {"lognormal": {"p50": ms(self.median), "sigma": self.sigma}}


class Gamma(Law):
    """Gamma with shape and scale (ms); shape 1 is the exponential."""

    def __init__(self, shape: float, scale: float) -> None:
        self.shape, self.scale = shape, scale

    def quantile_lower(self, p: Floats) -> Floats:
        """Return the inverse of the regularised lower incomplete gamma function."""
        if self.shape == 1.0:
            return np.asarray(-self.scale * np.log1p(-p))
        from scipy.special import gammaincinv

        return np.asarray(self.scale * gammaincinv(self.shape, p))

    def quantile_upper(self, p: Floats) -> Floats:
        """Return the inverse of the regularised upper incomplete gamma function."""
        if self.shape == 1.0:
            return np.asarray(-self.scale * np.log(p))
        from scipy.special import gammainccinv

        return np.asarray(self.scale * gammainccinv(self.shape, p))

    def cdf(self, x: Floats) -> Floats:
        """Return the regularised lower incomplete gamma function."""
        from scipy.special import gammainc

        return np.asarray(gammainc(self.shape, np.maximum(x, 0.0) / self.scale))

    def sf(self, x: Floats) -> Floats:
        """Return the regularised upper incomplete gamma function."""
        from scipy.special import gammaincc

        return np.asarray(gammaincc(self.shape, np.maximum(x, 0.0) / self.scale))

    def mean(self) -> float:
        """Return shape * scale."""
        return self.shape * self.scale

    def scaled(self, factor: float) -> Law:
        """Return the gamma with ``factor`` times the scale."""
        return Gamma(self.shape, self.scale * factor)

    def to_yaml(self) -> Any:
        """Return the parameters; an exponential if the shape is 1."""
        if self.shape == 1.0:
            return {"exponential": {"mean": ms(self.scale)}}
        return {"gamma": {"shape": self.shape, "scale": ms(self.scale)}}


class Weibull(Law):
    """Weibull with shape and scale (ms)."""

    def __init__(self, shape: float, scale: float) -> None:
        self.shape, self.scale = shape, scale

    def quantile_lower(self, p: Floats) -> Floats:
        """Return scale * (-ln(1 - p))**(1 / shape)."""
        return np.asarray(self.scale * (-np.log1p(-p)) ** (1 / self.shape))

    def quantile_upper(self, p: Floats) -> Floats:
        """Return scale * (-ln p)**(1 / shape)."""
        return np.asarray(self.scale * (-np.log(p)) ** (1 / self.shape))

    def cdf(self, x: Floats) -> Floats:
        """Return 1 - exp(-(x / scale)**shape)."""
        return np.asarray(-np.expm1(-self._hazard(x)))

    def sf(self, x: Floats) -> Floats:
        """Return exp(-(x / scale)**shape)."""
        return np.asarray(np.exp(-self._hazard(x)))

    def _hazard(self, x: Floats) -> Floats:
        with np.errstate(over="ignore"):  # infinite is right
            return np.asarray((np.maximum(x, 0.0) / self.scale) ** self.shape)

    def mean(self) -> float:
        """Return scale * Gamma(1 + 1 / shape)."""
        return self.scale * gamma(1 + 1 / self.shape)

    def scaled(self, factor: float) -> Law:
        """Return the Weibull with ``factor`` times the scale."""
        return Weibull(self.shape, self.scale * factor)

    def to_yaml(self) -> Any:
        """Return the parameters."""
        return {"weibull": {"shape": self.shape, "scale": ms(self.scale)}}


class Uniform(Law):
    """Uniform between two durations (ms)."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def quantile_lower(self, p: Floats) -> Floats:
        """Return low + p * (high - low)."""
        return np.asarray(self.low + p * (self.high - self.low))

    def quantile_upper(self, p: Floats) -> Floats:
        """Return high - p * (high - low)."""
        return np.asarray(self.high - p * (self.high - self.low))

    def cdf(self, x: Floats) -> Floats:
        """Return the share of the interval up to x."""
        if self.high == self.low:
            return np.asarray(np.asarray(x) >= self.low, dtype=np.float64)
        return np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def sf(self, x: Floats) -> Floats:
        """Return the share of the interval beyond x."""
        if self.high == self.low:
            return np.asarray(np.asarray(x) < self.low, dtype=np.float64)
        return np.clip((self.high - x) / (self.high - self.low), 0.0, 1.0)

    def cdf_before(self, x: Floats) -> Floats:
        """Return P(X < x), which is another if there is one value alone."""
        return np.asarray(x > self.low, np.float64) if self.high == self.low else self.cdf(x)

    def sf_before(self, x: Floats) -> Floats:
        """Return P(X >= x), which is another if there is one value alone."""
        return np.asarray(x <= self.low, np.float64) if self.high == self.low else self.sf(x)

    def marks(self) -> Floats:
        """Return both ends."""
        return np.unique([self.low, self.high])

    def mean(self) -> float:
        """Return the middle."""
        return (self.low + self.high) / 2

    def maximum(self) -> float:
        """Return the upper end."""
        return self.high

    def scaled(self, factor: float) -> Law:
        """Return the interval times ``factor``."""
        return Uniform(self.low * factor, self.high * factor)

    def to_yaml(self) -> Any:
        """Return both ends."""
        return {"uniform": {"low": ms(self.low), "high": ms(self.high)}}


def percentile_of(name: str, key: str) -> float:
    """Return the probability that a key such as ``p99.9`` names.

    Raises:
        ValueError: it names none between p0 and p100.
    """
    match = PERCENTILE.fullmatch(key)
    if match is None or float(match[1]) > 100:
        raise ValueError(f"{name}: expected a percentile such as p50 or p99.9, got {quoted(key)}")
    return float(match[1]) / 100


@form("lognormal")
def _lognormal(parameters: Mapping[str, Any]) -> Law:
    name, yaml_form = "lognormal", {"lognormal": dict(parameters)}
    if len(parameters) != 2:
        raise ValueError(f"{name}: expected two of p50, another percentile, mean, sigma")
    if "sigma" in parameters:
        sigma = number(name, "sigma", parameters["sigma"])
        key = next(key for key in parameters if key != "sigma")
        value = duration(name, key, parameters[key], positive=True)
        if key == "mean":
            return Lognormal(value / exp(sigma**2 / 2), sigma, yaml_form)
        p = percentile_of(name, key)
        if not 0 < p < 1:
            raise ValueError(f"{name}: has neither a lowest nor a highest value, got {key}")
        z = float(normal_quantile(np.array(p)))
        return Lognormal(value * exp(-sigma * z), sigma, yaml_form)
    if "mean" in parameters:
        take(name, parameters, ("mean", "p50"))
        mean = duration(name, "mean", parameters["mean"], positive=True)
        median = duration(name, "p50", parameters["p50"], positive=True)
        if mean <= median:
            raise ValueError(f"{name}: the mean ({ms(mean)}) must exceed p50 ({ms(median)})")
        return Lognormal(median, sqrt(2 * log(mean / median)), yaml_form)
    points = sorted(
        (percentile_of(name, k), duration(name, k, v, positive=True)) for k, v in parameters.items()
    )
    (p1, x1), (p2, x2) = points
    if not 0 < p1 < p2 < 1 or x2 <= x1:
        raise ValueError(
            f"{name}: the higher percentile must have the larger value, got {dict(parameters)}"
        )
    z1, z2 = (float(normal_quantile(np.array(p))) for p in (p1, p2))
    sigma = log(x2 / x1) / (z2 - z1)
    return Lognormal(x1 * exp(-sigma * z1), sigma, yaml_form)


@form("exponential")
def _exponential(parameters: Mapping[str, Any]) -> Law:
    take("exponential", parameters, ("mean",))
    return Gamma(1.0, duration("exponential", "mean", parameters["mean"], positive=True))


@form("gamma")
def _gamma(parameters: Mapping[str, Any]) -> Law:
    if "scale" in parameters:
        take("gamma", parameters, ("shape", "scale"))
        scale = duration("gamma", "scale", parameters["scale"], positive=True)
        return Gamma(number("gamma", "shape", parameters["shape"]), scale)
    take("gamma", parameters, ("shape", "mean"))
    shape = number("gamma", "shape", parameters["shape"])
    return Gamma(shape, duration("gamma", "mean", parameters["mean"], positive=True) / shape)


@form("weibull")
def _weibull(parameters: Mapping[str, Any]) -> Law:
    take("weibull", parameters, ("shape", "scale"))
    shape = number("weibull", "shape", parameters["shape"])
    return Weibull(shape, duration("weibull", "scale", parameters["scale"], positive=True))


@form("uniform")
def _uniform(parameters: Mapping[str, Any]) -> Law:
    take("uniform", parameters, ("low", "high"))
    low, high = (duration("uniform", key, parameters[key]) for key in ("low", "high"))
    if high < low:
        raise ValueError(f"uniform: high ({ms(high)}) must not be below low ({ms(low)})")
    return Uniform(low, high)
