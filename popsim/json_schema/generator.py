"""How pydantic writes the schema of a class: keys with what editors show, defaults as YAML has them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from popsim.json_schema.docstrings import field_docstrings, first_paragraph
from popsim.json_schema.quantities import number


class Generator(GenerateJsonSchema):
    """Describes keys by their docstrings, and writes defaults as YAML has them."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles, which would only repeat the key."""
        return False

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        """Keep the order: what a key is for comes first."""
        return value

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of a class, its keys described."""
        cls: type[BaseModel] = schema["cls"]
        summary: dict[str, Any] = {"description": first_paragraph(cls.__doc__)}
        made = summary | super().model_schema(schema) | summary
        made.pop("title", None)
        words, defaults = field_docstrings(cls), _defaults(cls)
        for name, field in cls.model_fields.items():
            key = field.alias or name
            says = dict(made["properties"][key])
            says.pop("default", None)
            if cls.__module__.startswith("popsim.models."):
                says = _or_null(says)  # which takes away what the preset says
            if name in words:
                says = {"description": words[name], **says}
            made["properties"][key] = says | defaults.get(key, {})
        return made

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """Return the schema of a whole number."""
        return number(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """Return the schema of a number."""
        return number(super().float_schema(schema))

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        """Return the schema of true or false."""
        return {"x-type": "TrueOrFalse"}


def _defaults(cls: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return defaults by key, but for those that are nothing, or are made of other keys' defaults."""
    made = cls.model_construct()
    plain = made.model_dump(mode="json", by_alias=True, warnings=False)
    found = {}
    for name, field in cls.model_fields.items():
        value = plain.get(field.alias or name)
        if value in (None, "", [], {}) or isinstance(getattr(made, name), BaseModel):
            continue
        whole = isinstance(value, float) and value.is_integer()
        found[field.alias or name] = {"default": int(value) if whole else value}
    return found


def _or_null(says: dict[str, Any]) -> dict[str, Any]:
    """Let a key be null, too; and what a mapping has by name, such as one of the stores."""
    if isinstance(says.get("additionalProperties"), dict):
        says = says | {"additionalProperties": _or_null(says["additionalProperties"])}
    null = {"type": "null"}
    ways = says.get("anyOf", [says])
    return {"anyOf": ways if null in ways else [*ways, null]}
