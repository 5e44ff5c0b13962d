"""The types that ``popsim.scenario.fields`` names: quantities with units, shares, weights, names, laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from popsim.json_schema.laws import law
from popsim.scenario.laws import MAX_NUMBER
from popsim.scenario.units import DURATIONS_MS, RATES_PER_S, SIZES_BYTES

NUMBER = r"\s*\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*"
ABOVE_0 = r"(?=[^1-9eE]*[1-9])"
ZERO = r"\s*[-+]?(0+\.?0*|\.0+)([eE][-+]?\d+)?\s*"
NUMBER_AS_TEXT = r"^\s*[-+]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][-+]?\d+)?\s*$"
TRUTH = r"^([tT]|[tT]rue|TRUE|[yY]|[yY]es|YES|[oO]n|ON|1|[fF]|[fF]alse|FALSE|[nN]|[nN]o|NO|[oO]ff|OFF|0)$"


def definitions() -> dict[str, dict[str, Any]]:
    """Return the schema of each named type."""
    share = {"type": "string", "pattern": rf"^({NUMBER}|{ZERO})%?\s*$", "examples": ["80%"]}
    return {
        "Duration": _quantity("A duration.", DURATIONS_MS, ["200ms", "5min"]),
        "PositiveDuration": _positive("A duration above 0.", DURATIONS_MS, ["200ms", "5min"]),
        "Size": _quantity("A size.", SIZES_BYTES, ["128MB"]),
        "PositiveSize": _positive("A size above 0.", SIZES_BYTES, ["128MB"]),
        "Rate": _positive("A rate above 0.", RATES_PER_S, ["200/s"]),
        "Share": {
            "description": "A share, from 0 to 1 or from 0% to 100%.",
            "anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, share],
        },
        "Weight": {
            "description": "A weight above 0, of any scale, or a share.",
            "anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": MAX_NUMBER}, share],
        },
        "Names": {
            "description": "A name, or a list of names.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
        },
        "TrueOrFalse": _TRUE_OR_FALSE,
        "NumberAsText": {"type": "string", "pattern": NUMBER_AS_TEXT, "examples": ["1_000"]},
        "Law": law("Law", "Duration"),
        "SizeLaw": law("SizeLaw", "Size"),
    }


def number(bounds: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a number within bounds; YAML 1.2 takes one with underscores, 1_000, for text."""
    return {"anyOf": [bounds, {"x-type": "NumberAsText"}]}


def _positive(what: str, units: Mapping[str, float], examples: list[str]) -> dict[str, Any]:
    return {
        "description": f"{what} Units: {', '.join(units)}.",
        "type": "string",
        "pattern": rf"^{ABOVE_0}{NUMBER}({'|'.join(units)})\s*$",
        "examples": examples,
    }


def _quantity(what: str, units: Mapping[str, float], examples: list[str]) -> dict[str, Any]:
    text = {
        "type": "string",
        "pattern": rf"^({NUMBER}({'|'.join(units)})|{ZERO}({'|'.join(units)})?)\s*$",
        "examples": examples,
    }
    return {
        "description": f"{what} Units: {', '.join(units)}; 0 needs none.",
        "anyOf": [text, {"const": 0}],
    }


_TRUE_OR_FALSE = {
    "anyOf": [
        {"type": "boolean"},
        # Words like yes, which are text in YAML 1.2, are understood
        {"type": "string", "pattern": TRUTH},
        {"type": "integer", "minimum": 0, "maximum": 1},
    ]
}
