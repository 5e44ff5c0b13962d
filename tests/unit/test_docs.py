"""Built pages are current, links lead somewhere, and the JSON schema accepts what popsim accepts."""

from __future__ import annotations

import json
import re
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest
from jsonschema import Draft202012Validator

from popsim.scenario.document import load_yaml

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["docs_build"] = module
    spec.loader.exec_module(module)
    return module


def test_built_pages_are_current(build: ModuleType) -> None:
    hint = "run `make docs`"
    assert (ROOT / "docs/scenario.schema.json").read_text("utf-8") == build.scenario_schema(), hint
    assert (ROOT / "docs/assumptions.md").read_text("utf-8") == build.assumptions_page(), hint


def test_every_assumption_is_listed(build: ModuleType) -> None:
    marks = sum(
        path.read_text("utf-8").count("ASSUMPTION:")
        for folder in ("popsim", "topologies", "scenarios")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".csv")
    )
    assert len(build.assumptions()) == marks > 60
    assert all(len(sentence) > 2 for _, _, sentence in build.assumptions())


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_schema_accepts_what_popsim_accepts_and_not_a_misspelt_key(build: ModuleType) -> None:
    validator = Draft202012Validator(json.loads(build.scenario_schema()))
    for path in [*ROOT.glob("scenarios/*.yaml"), *ROOT.glob("tests/data/valid/*.yaml")]:
        assert [error.message for error in validator.iter_errors(load_yaml(path).data)] == []
    for name in ("misspelt_key", "missing_unit", "unknown_preset", "step_unknown"):
        data = load_yaml(ROOT / "tests" / "data" / "invalid" / f"{name}.yaml").data
        assert not validator.is_valid(data), name


def test_schema_knows_every_key_and_preset(build: ModuleType) -> None:
    schema = json.loads(build.scenario_schema())
    assert {"name", "clients", "platforms", "claims"} <= set(schema["properties"])
    assert "cloudflare-workers" in schema["$defs"]["PlatformSpec"]["properties"]["preset"]["enum"]


def test_rules_cited_in_the_engines_exist() -> None:
    rules = set(
        re.findall(r"^(\d+)\. \*\*", (ROOT / "docs/semantics.md").read_text("utf-8"), re.MULTILINE)
    )
    cited = set()
    for path in (ROOT / "popsim" / "engine").rglob("*.py"):
        for numbers in re.findall(r"rules? (\d+(?:, \d+)*)", path.read_text("utf-8")):
            cited |= set(numbers.split(", "))
    assert len(cited) > 12
    assert cited <= rules
