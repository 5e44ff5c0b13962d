"""Tables of keys: one row per key of a class in the JSON Schema, and of the classes below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from building.words import class_below, is_list, is_map, type_in_words

Schema = dict[str, Any]
END_OF_SCALAR = "...\n"
HEAD = "| key | type | default | meaning |\n|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """One key: its path, its type in words, its default as YAML, what it is for."""

    path: str
    type: str
    default: str
    meaning: str

    def __str__(self) -> str:
        """Write the row of a Markdown table."""
        cells = (f"`{self.path}`", self.type, self.default, self.meaning)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(rows: list[Row], head: str = HEAD) -> str:
    """Return a Markdown table."""
    return "\n".join([head, *map(str, rows)]) + "\n"


def rows_of(schema: Schema, owner: str, prefix: str, cut: frozenset[str]) -> Iterator[Row]:
    """Yield the rows of a class's keys and of what they contain; ``cut`` names classes with tables of their own."""
    definition = schema["$defs"][owner]
    for key, says in definition.get("properties", {}).items():
        path = f"{prefix}.{key}".lstrip(".")
        yield Row(path, type_in_words(says), _default(definition, key), says["description"])
        below = class_below(schema, says)
        if below is not None and below not in cut:
            inside = ".NAME" if is_map(says) else "[]" if is_list(says) else ""
            yield from rows_of(schema, below, f"{path}{inside}", cut)


def _default(definition: Schema, key: str) -> str:
    if key in definition.get("required", ()):
        return "required"
    if any(
        key in way.get("required", ()) for way in definition.get("anyOf", ()) if key != "preset"
    ):
        return "required without a preset"
    said = definition["properties"][key].get("default")
    if said is None:
        return ""
    text = yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=1000)
    return f"`{text.removesuffix(END_OF_SCALAR).strip()}`"
