"""The forms of distributions: which parameters each has."""

from __future__ import annotations

from typing import Any

from popsim.scenario.laws import MAX_NUMBER

Schema = dict[str, Any]
POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_NUMBER}
WEIGHTS: Schema = {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 1}
PERCENTILE = r"^p\d+(\.\d+)?$"


def law(name: str, quantity: str) -> Schema:
    """Return the schema of a law of quantities, called ``name`` where it is part of another."""
    value = {"$ref": f"#/$defs/{quantity}"}
    forms = {**_plain(value), **_of_data(value), **_of_laws(value, {"$ref": f"#/$defs/{name}"})}
    if name == "SizeLaw":  # parse_size_law reads whatever a constant is
        forms["constant"] = {**forms["constant"], "$ref": "#/$defs/SizeLaw"}
    return {
        "description": f"A {quantity.lower()}, or a distribution such as {{lognormal: {{p50: ..., p99: ...}}}}.",
        "anyOf": [
            value,
            {
                "type": "object",
                "properties": forms,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ],
    }


def _mapping(what: str, required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "description": what,
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _plain(value: Schema) -> dict[str, Schema]:
    gamma = _mapping("Gamma, by its shape and its scale or mean.", {"shape": POSITIVE})
    gamma["properties"] |= {"scale": value, "mean": value}
    return {
        "constant": {"description": "Always the same.", **value},
        "uniform": _mapping("Anything between two values.", {"low": value, "high": value}),
        "exponential": _mapping("Exponential, by its mean.", {"mean": value}),
        "gamma": gamma | {"minProperties": 2, "maxProperties": 2},
        "weibull": _mapping("Weibull.", {"shape": POSITIVE, "scale": value}),
        "lognormal": {
            "description": "Lognormal, by two of: percentiles, the mean, the logarithm's sigma.",
            "type": "object",
            "properties": {"p50": value, "p99": value, "mean": value, "sigma": POSITIVE},
            "patternProperties": {PERCENTILE: value},
            "additionalProperties": False,
            "minProperties": 2,
            "maxProperties": 2,
        },
    }


def _of_data(value: Schema) -> dict[str, Schema]:
    values = {"type": "array", "items": value, "minItems": 1}
    return {
        "integers": _mapping(
            "Steps from a value to another, equally likely.",
            {"low": value, "high": value},
            {"step": value},
        ),
        "choices": _mapping(
            "Some values, with weights or equally likely.", {"values": values}, {"weights": WEIGHTS}
        ),
        "percentiles": {
            "description": "Linear between two or more percentiles; p0 and p100 close the ends.",
            "type": "object",
            "patternProperties": {PERCENTILE: value},
            "additionalProperties": False,
            "minProperties": 2,
        },
        "sample": {
            "description": "Measured values, each as likely as any other; nothing between them is drawn.",
            **values,
            "minItems": 2,
        },
    }


def _of_laws(value: Schema, inner: Schema) -> dict[str, Schema]:
    part = _mapping("A law and its weight.", {"weight": POSITIVE, "law": inner})
    return {
        "mixture": {
            "description": "One of several laws, drawn by weight.",
            "type": "array",
            "items": part,
            "minItems": 1,
        },
        "shifted": _mapping("A law plus a constant.", {"by": value, "law": inner}),
    }
