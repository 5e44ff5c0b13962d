"""The JSON Schema of scenario files, for editors that complete and check them, and for the pages of all keys and models."""

from popsim.json_schema.build import build_schema, scenario_schema

__all__ = ["build_schema", "scenario_schema"]
