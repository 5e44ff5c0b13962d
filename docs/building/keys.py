"""The page of all keys of a scenario file, from the JSON Schema."""

from __future__ import annotations

from typing import Any

from building.rows import Row, rows_of, table
from building.words import TYPES, type_in_words
from popsim.json_schema import build_schema

Schema = dict[str, Any]
HEAD = """# All keys

Every key of a scenario file, built by `make reference` from the schema that editors use, `popsim schema`; the words are those of
the code. [The scenario file](scenario.md) explains them with examples, [models.md](models.md) has the parameters of models.
`NAME` stands for a name that you choose. A key without default may be left out; `null` takes away what a preset says.
"""
QUANTITIES = ("Duration", "Size", "Rate", "Share", "Weight", "Names")
SECTIONS = {  # title: (class, path, what the paths count from)
    "Clients": ("ClientsSpec", "clients", ""),
    "Network": ("NetworkSpec", "network", ""),
    "Workload": ("WorkloadSpec", "workload", ""),
    "Key spaces": ("KeySpaceSpec", "workload.keys.NAME", ""),
    "Classes of objects": ("ObjectClassSpec", "workload.objects.NAME", ""),
    "Steps": (
        "StepSpec",
        "",
        "Of a handler: `workload.handler` and `workload.objects.NAME.handlers.NAME` are lists of steps, and so are"
        " `on_miss` and a branch's `steps`. A step has exactly one key.",
    ),
    "Origins": ("OriginSpec", "origins.NAME", ""),
    "Platforms": ("PlatformSpec", "platforms.NAME", ""),
    "Objects of a platform": ("ObjectsSpec", "platforms.NAME.objects", ""),
    "Events": (
        "EventSpec",
        "",
        "`events` is a list; each event has exactly one of `fail`, `surge`, `write`, `restart`.",
    ),
    "Claims": ("ClaimSpec", "", "`claims` is a list."),
    "Places": ("Where", "", "Wherever places are chosen; all keys that are given must match."),
}
CUT = frozenset(owner for owner, _, _ in SECTIONS.values())


def keys_page() -> str:
    """Return the page."""
    schema = build_schema()
    schema["$defs"]["Scenario"] = schema
    parts = [HEAD, "## Top level\n", table(_top_level(schema))]
    for title, (owner, prefix, note) in SECTIONS.items():
        rows = list(rows_of(schema, owner, prefix, CUT))
        parts += [f"## {title}\n", *([f"{note}\n"] if note else []), table(rows)]
    parts += ["## Laws\n", _laws(schema), "## Quantities\n", _quantities(schema)]
    return "\n".join(parts)


def _top_level(schema: Schema) -> list[Row]:
    return list(rows_of(schema, "Scenario", "", CUT))


def _laws(schema: Schema) -> str:
    forms = schema["$defs"]["Law"]["anyOf"][1]["properties"]
    rows = [
        f"| `{name}` | {_parameters(form)} | {form['description']} |"
        for name, form in forms.items()
    ]
    head = (
        "A law is a duration, or a mapping with one of these forms; a law of sizes has sizes in their places.\n\n"
        "| form | parameters | meaning |\n|---|---|---|"
    )
    return "\n".join([head, *rows]) + "\n"


def _parameters(form: Schema) -> str:
    if form.get("type") != "object":
        return type_in_words(form)
    if "patternProperties" in form:
        named = [f"`{key}`" for key in form.get("properties", {}) if not key.startswith("p")]
        return ", ".join(["percentiles such as `p50`, `p99.9`", *named])
    return ", ".join(f"`{key}` ({type_in_words(says)})" for key, says in form["properties"].items())


def _quantities(schema: Schema) -> str:
    rows = [f"| {TYPES[name]} | {schema['$defs'][name]['description']} |" for name in QUANTITIES]
    return "\n".join(["| type | written as |\n|---|---|", *rows]) + "\n"
