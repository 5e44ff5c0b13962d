"""Keys whose values are names that only layers above the scenario know."""

from __future__ import annotations

from typing import Any

from popsim.models.arrivals import PROFILES
from popsim.scenario.bundled import bundled_names
from popsim.world.access import mix_names, network_names
from popsim.world.geo import CONTINENTS

Schema = dict[str, Any]
COUNTRY: Schema = {"type": "string", "pattern": "^[A-Z]{2}$", "examples": ["DE"]}


def named_values() -> dict[tuple[str, str], Schema]:
    """Return what a key may say, by class and key."""
    sites, continents = _topology("sites"), {"enum": list(CONTINENTS)}
    hours = {"type": "array", "items": {"type": "number", "minimum": 0}} | _of_length(24)
    return {
        ("ClientsSpec", "topology"): _topology("clients"),
        ("ClientsSpec", "network"): {
            "anyOf": [{"enum": [*mix_names(), *network_names()]}, {"$ref": "#/$defs/AccessMix"}]
        },
        ("AccessMix", "mix"): {
            "type": "object",
            "propertyNames": {"enum": network_names()},
            "additionalProperties": {"$ref": "#/$defs/Weight"},
            "minProperties": 1,
        },
        ("PlatformSpec", "topology"): sites,
        ("OriginSpec", "topology"): sites,
        ("StoreSpec", "topology"): _or_null(sites),
        ("PlatformSpec", "preset"): _or_null({"enum": list(bundled_names("presets"))}),
        ("ArrivalsSpec", "by_local_hour"): _or_null({"enum": sorted(PROFILES)}, hours),
        ("Where", "continent"): _or_null(continents, _list_of(continents)),
        ("Where", "country"): _or_null(COUNTRY, _list_of(COUNTRY)),
    }


def _topology(kind: str) -> Schema:
    own_file = {"type": "string", "pattern": r"[./\\]", "examples": ["mine.csv"]}
    return {"anyOf": [{"enum": list(bundled_names(f"topologies/{kind}"))}, own_file]}


def _or_null(*ways: Schema) -> Schema:
    return {"anyOf": [*ways, {"type": "null"}]}


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def _of_length(count: int) -> Schema:
    return {"minItems": count, "maxItems": count}
