"""The page of all models that come with popsim: what they do, their parameters, where they come from."""

from __future__ import annotations

import re
import sys
from typing import Any

from building.rows import Row, rows_of, table
from popsim.json_schema import build_schema
from popsim.json_schema.docstrings import first_paragraph
from popsim.json_schema.models import built_in
from popsim.models import Model

Schema = dict[str, Any]
HEAD = """# All models

Every model that comes with popsim, built by `make reference` from the code. A scenario names one, `routing: latency`, or gives
parameters, too: `routing: {model: anycast, nearest: 90%}`. [The scenario file](scenario.md) says more about them, and how to
write one of your own.
"""
KINDS = {
    "routing": ("Routing", "How clients find a site: `platforms.NAME.ingress.routing`."),
    "cold_start": ("Cold start", "How instances start, stay and end: `platforms.NAME.runtime`."),
    "kv_replication": (
        "KV replication",
        "Which copies of a key there are, and who hears of a write: `platforms.NAME.kv`.",
    ),
    "object_placement": (
        "Object placement",
        "Where new objects live: `platforms.NAME.objects.placement`.",
    ),
}
PARAMETERS = "| parameter | type | default | meaning |\n|---|---|---|---|"
URL = re.compile(r"https?://[^\s)\"`]+")


def models_page() -> str:
    """Return the page."""
    schema = build_schema()
    parts = [HEAD]
    for kind, (title, what) in KINDS.items():
        parts.append(f"## {title}\n\n{what}\n")
        shown: dict[str, str] = {}  # the table of parameters: the first model with it
        for name, model in built_in(kind).items():
            parts += [f"### {name}\n", first_paragraph(model.__doc__) + "\n"]
            parts += _parameters(schema, name, model, shown)
            parts += _sources(model)
    return "\n".join(parts)


def _parameters(schema: Schema, name: str, model: type[Model], shown: dict[str, str]) -> list[str]:
    rows = [row for row in rows_of(schema, model.__name__, "", frozenset()) if row.path != "model"]
    if not rows:
        return []
    text = table([_with_required(row, model) for row in rows], PARAMETERS)
    if text in shown:
        return [f"Parameters: those of [{shown[text]}](#{shown[text]}).\n"]
    shown[text] = name
    return [text]


def _with_required(row: Row, model: type[Model]) -> Row:
    """Say which parameters are required, which the schema leaves to the preset."""
    field = model.model_fields.get(row.path)
    is_required = field is not None and field.is_required()
    return Row(row.path, row.type, "required" if is_required else row.default, row.meaning)


def _sources(model: type[Model]) -> list[str]:
    """Return links to what the docstrings of a model, and of those that it derives from, cite."""
    found: dict[str, None] = {}
    for cls in model.__mro__:
        if cls.__module__.startswith("popsim.models.") and cls.__module__ != Model.__module__:
            text = f"{sys.modules[cls.__module__].__doc__}\n{cls.__doc__}"
            found |= dict.fromkeys(url.rstrip(".,;") for url in URL.findall(text))
    links = [f"[{url.split('://')[1]}]({url})" for url in found]
    return [f"Sources: {', '.join(links)}\n"] if links else []
