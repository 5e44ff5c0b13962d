"""Say in words what a part of the JSON Schema allows."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
UNBOUNDED = 2**31  # what stands for any number
TYPES = {
    "Duration": "duration",
    "PositiveDuration": "duration above 0",
    "Size": "size",
    "PositiveSize": "size above 0",
    "Rate": "rate",
    "Share": "share",
    "Weight": "weight",
    "Names": "names",
    "TrueOrFalse": "`true`, `false`",
    "NumberAsText": "",
    "Law": "[law](keys.md#laws)",
    "SizeLaw": "[law of sizes](keys.md#laws)",
    "ClientsSpec": "[mapping](keys.md#clients)",
    "NetworkSpec": "[mapping](keys.md#network)",
    "WorkloadSpec": "[mapping](keys.md#workload)",
    "KeySpaceSpec": "[key space](keys.md#key-spaces)",
    "ObjectClassSpec": "[class](keys.md#classes-of-objects)",
    "OriginSpec": "[origin](keys.md#origins)",
    "PlatformSpec": "[platform](keys.md#platforms)",
    "ObjectsSpec": "[mapping](keys.md#objects-of-a-platform)",
    "EventSpec": "[event](keys.md#events)",
    "ClaimSpec": "[claim](keys.md#claims)",
    "Where": "[place](keys.md#places)",
    "StepSpec": "[step](keys.md#steps)",
    "routing": "[model](models.md#routing)",
    "cold_start": "[model](models.md#cold-start)",
    "kv_replication": "[model](models.md#kv-replication)",
    "object_placement": "[model](models.md#object-placement)",
}


def type_in_words(says: Schema) -> str:
    """Return the type of a key: its unit, its range, its words."""
    if "$ref" in says:
        return TYPES.get(name_of(says), "mapping")
    if "anyOf" in says or "oneOf" in says:
        words = [type_in_words(way) for way in _ways(says)]
        return " or ".join(dict.fromkeys(word for word in words if word))
    if "enum" in says or "const" in says:
        return ", ".join(
            f"`{word}`" for word in says.get("enum", [says.get("const")]) if isinstance(word, str)
        )
    kind = says.get("type")
    if kind == "array":
        return _list(says)
    if kind == "object" and "properties" in says:
        return f"`{{{', '.join(says['properties'])}}}`"
    if kind == "object":
        return f"names: {type_in_words(_values(says))}"
    if kind in ("integer", "number"):
        return _numbers(says)
    if kind == "null":
        return ""
    return "CSV file" if says.get("pattern") == r"\.csv$" else "text"


def name_of(says: Schema) -> str:
    """Return the name of the definition that is referred to."""
    return str(says["$ref"]).removeprefix("#/$defs/")


def class_below(schema: Schema, says: Schema) -> str | None:
    """Return the class with keys of its own that a key has, or a list or mapping of; None if there is none."""
    if "$ref" in says:
        name = name_of(says)
        return name if "properties" in schema["$defs"][name] else None
    ways = _ways(says)
    if says.get("type") == "array" and isinstance(says.get("items"), dict):
        ways.append(says["items"])
    if _has_any_names(says):
        ways.append(_values(says))
    return next((below for way in ways if (below := class_below(schema, way)) is not None), None)


def is_map(says: Schema) -> bool:
    """Tell whether a key holds a mapping of names that the user chooses."""
    return _has_any_names(says) or any(is_map(way) for way in _ways(says))


def is_list(says: Schema) -> bool:
    """Tell whether a key holds a list."""
    return says.get("type") == "array" or any(is_list(way) for way in _ways(says))


def _ways(says: Schema) -> list[Schema]:
    """Return the alternatives that a key has."""
    return [*says.get("anyOf", ()), *says.get("oneOf", ())]


def _has_any_names(says: Schema) -> bool:
    return says.get("type") == "object" and "properties" not in says


def _values(says: Schema) -> Schema:
    """Return the schema of a mapping's values."""
    patterns = says.get("patternProperties")
    values: Schema = next(iter(patterns.values())) if patterns else says["additionalProperties"]
    return values


def _list(says: Schema) -> str:
    if "prefixItems" in says:
        return f"[{', '.join(type_in_words(item) for item in says['prefixItems'])}]"
    length = f"{says['minItems']} of: " if says.get("minItems") == says.get("maxItems", -1) else ""
    return f"list of {length}{type_in_words(says['items'])}"


def _numbers(says: Schema) -> str:
    """Return the range of a number, "from" and "to" included."""
    words = ["number"] if says["type"] == "number" else []
    if "exclusiveMinimum" in says:
        words.append(f"above {_digits(says['exclusiveMinimum'])}")
    if "minimum" in says:
        words.append(f"from {_digits(says['minimum'])}")
    high: float | None = says.get("maximum", says.get("exclusiveMaximum"))
    if high is not None and high < UNBOUNDED:
        words.append(f"to {_digits(high)}")
    return " ".join(words or ["integer"])


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
