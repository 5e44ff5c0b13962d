"""Built pages are current, links lead somewhere, and pages and JSON schema agree with what popsim accepts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import popsim
from popsim.engine.traces import read_trace
from popsim.models import registry
from popsim.models.registry import get
from popsim.scenario.document import load_yaml, parse_yaml
from popsim.scenario.loading import dump_resolved
from popsim.scenario.workload import KeySpaceSpec
from popsim.world.clients import load_clients
from popsim.world.sites import load_sites

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SCENARIO_PAGE = DOCS / "reference" / "scenario.md"
EXPECTATIONS_PAGE = DOCS / "reference" / "expectations.md"
PAGES = [
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *sorted(DOCS.rglob("*.md")))
    if "_build" not in page.parts
]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    sys.path.insert(0, str(DOCS))  # as for a script
    spec = util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["docs_build"] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(DOCS))
    return module


@pytest.fixture(scope="module")
def schema(build: ModuleType) -> dict[str, Any]:
    text: str = build.scenario_schema()
    made: dict[str, Any] = json.loads(text)
    return made


def test_built_pages_are_current(build: ModuleType) -> None:
    assert len(build.BUILT) == 4
    for name, page in build.BUILT.items():
        assert (DOCS / name).read_text("utf-8") == page(), f"{name}: run `make reference`"


def test_every_assumption_is_listed(build: ModuleType) -> None:
    assumptions = sys.modules["building.assumptions"].assumptions()
    marks = sum(
        path.read_text("utf-8").count("ASSUMPTION:")
        for folder in ("popsim", "topologies", "scenarios")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".csv")
    )
    assert len(assumptions) == marks > 60
    assert all(len(sentence) > 2 for _, _, sentence in assumptions)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text("utf-8")):
        if target.startswith(("http", "mailto")):
            continue
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor and path.suffix == ".md":
            assert anchor in headings(path), f"{target}#{anchor}"


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts and MyST make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_schema_accepts_what_popsim_accepts_and_not_a_misspelt_key(schema: dict[str, Any]) -> None:
    validator = Draft202012Validator(schema)
    for path in [*ROOT.glob("scenarios/**/*.yaml"), *ROOT.glob("tests/data/valid/*.yaml")]:
        assert [error.message for error in validator.iter_errors(load_yaml(path).data)] == []
    for name in ("misspelt_key", "missing_unit", "unknown_preset", "step_unknown", "kv_steps_wrong",
                 "keys_out_of_range", "kv_get_of_too_many", "kv_expiry_of_nothing", "unknown_parameter",
                 "another_model_has_other_parameters", "kv_parameters_wrong", "unknown_distribution",
                 "unknown_network", "unknown_network_in_mix", "unknown_topology", "unknown_clients",
                 "unknown_hours", "unknown_continent", "step_with_two_keys"):  # fmt: skip
        data = load_yaml(ROOT / "tests" / "data" / "invalid" / f"{name}.yaml").data
        assert not validator.is_valid(data), name


def keys_of(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield class, key and what the schema says of it, models' parameters included."""
    for owner, definition in (("Scenario", schema), *schema["$defs"].items()):
        for key, says in definition.get("properties", {}).items():
            yield owner, key, says


def test_every_key_has_a_description(schema: dict[str, Any]) -> None:
    assert len(list(keys_of(schema))) > 300
    for owner, key, says in keys_of(schema):
        words = says.get("description", "")
        assert 10 < len(words) < 120 and words.endswith("."), (owner, key, words)


def test_every_key_is_explained(schema: dict[str, Any]) -> None:
    """In code, so that a word of a sentence does not count."""
    text = SCENARIO_PAGE.read_text("utf-8")
    code = " ".join(re.findall(r"`[^`\n]+`|^```.*?^```", text, re.MULTILINE | re.DOTALL))
    for owner, key, _ in keys_of(schema):
        assert re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", code), (owner, key)


def test_schema_knows_every_key_and_preset(schema: dict[str, Any]) -> None:
    assert {"name", "clients", "platforms", "claims"} <= set(schema["properties"])
    presets = schema["$defs"]["PlatformSpec"]["properties"]["preset"]["anyOf"][0]["enum"]
    assert "cloudflare-workers" in presets
    steps = set(schema["$defs"]["StepSpec"]["properties"])  # as they are written, not as in Python
    assert steps == {
        "cpu", "sleep", "fetch", "choose", "kv.get", "kv.put", "kv.delete", "kv.list", "kv.trace", "object.call",
        "storage.get", "storage.put", "storage.transaction", "alarm", "broadcast",
    }  # fmt: skip
    assert "for" in schema["$defs"]["EventSpec"]["properties"]
    assert {"keys", "handler"} <= set(schema["$defs"]["WorkloadSpec"]["properties"])


# --- examples in scenario.md -------------------------------------------------------------------------


BASE: dict[str, Any] = {
    "name": "example",
    "duration": "10min",
    "workload": {"arrivals": {"rate": "10/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}, "lambda": {"preset": "aws-lambda"}},
}


def blocks(language: str, page: Path = SCENARIO_PAGE) -> list[str]:
    text = page.read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", [*blocks("yaml"), *blocks("yaml", EXPECTATIONS_PAGE)])
def test_examples_load(block: str, schema: dict[str, Any], tmp_path: Path) -> None:
    """Examples are parts of scenarios; what is missing is taken from the smallest one there is."""
    (tmp_path / "trace.csv").write_text(blocks("csv")[0], encoding="utf-8")
    part = parse_yaml(block).data
    path = tmp_path / "it.yaml"
    path.write_text(yaml.safe_dump({**BASE, **part}, sort_keys=False), encoding="utf-8")
    scenario = popsim.load(path)
    again = popsim.load(yaml.safe_load(dump_resolved(scenario)))
    assert again == scenario
    assert again.id == scenario.id
    errors = Draft202012Validator(schema).iter_errors({**BASE, **part})
    assert [error.message for error in errors] == []


def test_tables_are_read(tmp_path: Path) -> None:
    trace, sites, clients = (tmp_path / f"{name}.csv" for name in ("trace", "sites", "clients"))
    for path, text in zip((trace, sites, clients), blocks("csv"), strict=True):
        path.write_text(text, encoding="utf-8")
    assert len(read_trace(trace).rows) == 3
    assert len(load_sites(str(sites))) == 2
    assert len(load_clients(str(clients))) == 2


def test_a_model_of_ones_own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    names: dict[str, Any] = {"__name__": "example"}
    try:
        exec(compile(code, "scenario.md", "exec"), names)
    finally:  # other tests list all models there are
        registry._models["kv_replication"].pop("purge-near", None)
    assert names["result"].runs["near"][0].kv_by_site.sum() > 0


def test_tables_of_models_have_every_parameter_with_its_default() -> None:
    """A parameter that nobody has written down is found here."""
    text = SCENARIO_PAGE.read_text("utf-8")
    section = text[
        text.index("### Replication models") : text.index("### A replication model of your own")
    ]
    for name in (
        "pull",
        "hybrid",
        "push_purge",
        "push_value",
        "strong",
        "global_table",
        "edge_config",
    ):
        assert f"| `{name}` |" in section
        for parameter in get("kv_replication", name).model_fields:
            assert f"`{parameter}`" in section, (name, parameter)
    for space in KeySpaceSpec.model_fields:
        assert f"| `{space}` |" in text, space
    for key in ("keys", "rank", "every", "delete"):
        assert f"`write.{key}`" in text


def test_rules_cited_in_the_engines_exist() -> None:
    rules = set(
        re.findall(
            r"^(\d+)\. \*\*",
            (DOCS / "background" / "semantics.md").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    cited = set()
    for path in (ROOT / "popsim" / "engine").rglob("*.py"):
        for numbers in re.findall(r"rules? (\d+(?:, \d+)*)", path.read_text("utf-8")):
            cited |= set(numbers.split(", "))
    assert len(cited) > 12
    assert cited <= rules
