"""Keys whose values are models: known ones with their parameters, others with any.

A file may name a model that only a plug-in or a notebook registers, so that an unknown name is no mistake. A mapping
without ``model`` is laid over a preset, and has parameters of whichever model that has.
"""

from __future__ import annotations

from typing import Any

from popsim.models.registry import BUILT_IN, Model, get, names

Schema = dict[str, Any]
REMARKS = ("description", "default")
KEYS = {
    ("IngressSpec", "routing"): "routing",
    ("PlatformSpec", "runtime"): "cold_start",
    ("PlatformSpec", "kv"): "kv_replication",
    ("ObjectsSpec", "placement"): "object_placement",
}


def built_in(kind: str) -> dict[str, type[Model]]:
    """Return the models of a kind that come with popsim, by name, whatever else is registered.

    >>> list(built_in("routing"))
    ['anycast', 'fixed', 'latency', 'nearest']
    """
    known = {name: get(kind, name) for name in names(kind)}
    package = f"{BUILT_IN[kind]}."
    return {name: model for name, model in known.items() if model.__module__.startswith(package)}


def all_built_in() -> list[type[Model]]:
    """Return the models of all kinds."""
    return [model for kind in BUILT_IN for model in built_in(kind).values()]


def add_models(definitions: dict[str, Schema]) -> None:
    """Put the models of each kind into the definitions, and refer to them where a scenario names one."""
    for kind in BUILT_IN:
        models = built_in(kind)
        for name, model in models.items():
            own = definitions[model.__name__]
            own.pop("required", None)  # the preset may have it
            said = {"description": "The model's name.", "const": name}
            own["properties"] = {"model": said, **own.get("properties", {})}
        definitions[kind] = _kind(kind, models)
        definitions[f"{kind}_parameters"] = _any_of_them(
            [definitions[model.__name__] for model in models.values()]
        )
    for (owner, key), kind in KEYS.items():
        properties = definitions[owner]["properties"]
        optional = "anyOf" in properties[key]  # or null
        reference = {"$ref": f"#/$defs/{kind}"}
        says = {"anyOf": [reference, {"type": "null"}]} if optional else reference
        properties[key] = remarks(properties[key]) | says


def remarks(said: Schema) -> Schema:
    """Return what a key's schema has for readers: its description and default."""
    return {part: said[part] for part in REMARKS if part in said}


def _kind(kind: str, models: dict[str, type[Model]]) -> Schema:
    alone = [name for name, model in models.items() if not _needs_parameters(model)]
    unknown = {"type": "string", "not": {"enum": list(models)}}
    name = {"description": "The model's name.", "anyOf": [{"enum": list(models)}, unknown]}
    laid_over = {
        "if": {"type": "object", "not": {"required": ["model"]}},
        "then": {"$ref": f"#/$defs/{kind}_parameters"},
    }
    return {
        "description": f"A {kind.replace('_', ' ')} model: its name, or a mapping with `model` and parameters.",
        "anyOf": [{"enum": alone}, unknown, {"type": "object", "properties": {"model": name}}],
        "allOf": [*(_if_it_is(name, model) for name, model in models.items()), laid_over],
    }


def _if_it_is(name: str, model: type[Model]) -> Schema:
    says = {"type": "object", "required": ["model"], "properties": {"model": {"const": name}}}
    return {"if": says, "then": {"$ref": f"#/$defs/{model.__name__}"}}


def _needs_parameters(model: type[Model]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _any_of_them(models: list[Schema]) -> Schema:
    """Return the schema of a mapping with parameters of any of these models."""
    properties: dict[str, Schema] = {}
    for key in dict.fromkeys(key for model in models for key in model["properties"]):
        said = [model["properties"][key] for model in models if key in model["properties"]]
        ways: list[Schema] = []
        for says in said:
            plain = {part: value for part, value in says.items() if part not in REMARKS}
            ways += [plain] if plain not in ways else []
        rule = ways[0] if len(ways) == 1 else {"anyOf": ways}
        properties[key] = {"description": said[0]["description"], **rule}
    properties.pop("model")
    return {"type": "object", "properties": properties, "additionalProperties": False}
