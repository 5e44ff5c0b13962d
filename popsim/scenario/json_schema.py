"""The JSON Schema of scenario files, for editors that complete and check them."""

from __future__ import annotations

import json
import warnings
from typing import Any

from popsim.scenario.bundled import bundled_names
from popsim.scenario.schema import Scenario


def scenario_schema() -> str:
    """Return the JSON Schema of a scenario file, in which a platform may name a preset, as text."""
    with warnings.catch_warnings():  # laws as defaults cannot be written as JSON, and are left out
        warnings.simplefilter("ignore")
        schema: dict[str, Any] = Scenario.model_json_schema()
    platform = schema["$defs"]["PlatformSpec"]
    platform["properties"]["preset"] = {"enum": bundled_names("presets")}
    platform["anyOf"] = [{"required": ["preset"]}, {"required": platform.pop("required")}]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
