"""Put the JSON Schema together from the scenario's classes, the registered models and what comes with popsim."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from popsim.json_schema.generator import Generator
from popsim.json_schema.models import add_models, all_built_in, remarks
from popsim.json_schema.names import named_values
from popsim.json_schema.quantities import definitions
from popsim.scenario.schema import Scenario

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def scenario_schema() -> str:
    """Return the JSON Schema of a scenario file as text."""
    return json.dumps(build_schema(), indent=1, ensure_ascii=False) + "\n"


def build_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, in which a platform may name a preset."""
    classes: list[type[BaseModel]] = [Scenario, *all_built_in()]
    _, made = models_json_schema(
        [(cls, "validation") for cls in classes], schema_generator=Generator
    )
    known: dict[str, dict[str, Any]] = _finished(made["$defs"]) | definitions()
    for (owner, key), says in named_values().items():
        said = known[owner]["properties"][key]
        known[owner]["properties"][key] = remarks(said) | says
    add_models(known)
    _finish_platforms_and_steps(known)
    scenario = known.pop("Scenario")
    return {
        "$schema": DIALECT,
        "title": "popsim scenario",
        **scenario,
        "$defs": dict(sorted(known.items())),
    }


def _finish_platforms_and_steps(known: dict[str, dict[str, Any]]) -> None:
    """Say what the classes check in Python: a platform needs a preset or all that is required; a step has one key."""
    platform = known["PlatformSpec"]
    with_preset = {"required": ["preset"], "properties": {"preset": {"type": "string"}}}
    platform["anyOf"] = [with_preset, {"required": platform.pop("required")}]
    known["StepSpec"] |= {"minProperties": 1, "maxProperties": 1}


def _finished(part: Any) -> Any:
    """Replace the names of types by references; refuse names that do not fit the pattern of a mapping's keys."""
    if isinstance(part, list):
        return [_finished(item) for item in part]
    if not isinstance(part, dict):
        return part
    whole = {key: _finished(value) for key, value in part.items() if key != "x-type"}
    if "x-type" in part:
        whole["$ref"] = f"#/$defs/{part['x-type']}"
    if "patternProperties" in part:  # JavaScript's \w has no letters beyond ASCII
        of_names = part["patternProperties"].items()
        whole["patternProperties"] = {
            pattern.replace(r"\w", r"[\w\u0080-\uffff]"): _finished(says)
            for pattern, says in of_names
        }
        whole["additionalProperties"] = False
    return whole
