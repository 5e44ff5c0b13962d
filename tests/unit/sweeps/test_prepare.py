"""Loading checks everything that a scenario names, and every mistake is an InputError, never a crash."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from popsim import InputError
from popsim.scenario.bundled import bundled_names
from popsim.scenario.errors import Problem
from popsim.scenario.loading import dump_resolved
from popsim.scenario.schema import Scenario
from popsim.sweeps import load

VALID = Path(__file__).parents[2] / "data" / "valid"
BASE: dict[str, Any] = {
    "name": "it",
    "duration": "1min",
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "10/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}, "lambda": {"preset": "aws-lambda"}},
}


def refusals(**over: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        load({**BASE, **over})
    return [str(problem) for problem in caught.value.problems]


# --- what loads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled_names("scenarios"))
def test_the_resolved_form_of_a_bundled_scenario_is_a_file_that_loads(
    name: str, tmp_path: Path
) -> None:
    scenario = load(name)
    path = tmp_path / "resolved.yaml"
    path.write_text(dump_resolved(scenario), encoding="utf-8")
    again = load(path)
    assert again == scenario
    assert again.id == scenario.id
    assert load(yaml.safe_load(dump_resolved(again))) == scenario


def test_loading_a_loaded_scenario_checks_it_again() -> None:
    scenario = load("nearest_edge")
    assert load(scenario) is scenario
    wrong = scenario.changed(clients={"topology": "town"})  # changed() does not look for files
    with pytest.raises(InputError, match="there is no topology of clients 'town'"):
        load(wrong)


def test_changes_are_laid_over_and_checked() -> None:
    assert load("nearest_edge", seed=8).seed == 8
    assert load("nearest_edge", clients={"where": {"country": "DE"}}).clients.topology == "cities"
    with pytest.raises(InputError, match="did you mean 'cities'"):
        load("nearest_edge", clients={"topology": "citys"})


def test_norway_is_where_it_lies() -> None:
    scenario = load(VALID / "norway.yaml")
    assert scenario.clients.where.country == ("NO",)
    assert scenario.name == "on"


def test_scalars_of_a_file_are_read_by_yaml_1_2() -> None:
    scenario = load(VALID / "scalars.yaml")
    assert (scenario.name, scenario.description) == ("yes", "1:30")
    assert (scenario.seed, scenario.duration, scenario.replications) == (15, 60_000.0, 1_000)
    assert scenario.clients.where.country == ("NO", "DE")
    assert scenario.platforms["on"].description == "off"
    law = scenario.workload.handler[0].sleep
    assert law is not None
    assert law.mean() == pytest.approx((1.23456789123 * 1_000 + 1e-4 * 16) / 1_016)


def test_aliases_of_a_file_are_two_of_the_same() -> None:
    scenario = load(VALID / "aliases.yaml")
    assert scenario.platforms["one"] == scenario.platforms["two"]
    assert scenario.claims[0].where == scenario.claims[1].where
    assert scenario.workload.handler[0] == scenario.workload.handler[1]


# --- what is looked up -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "path", "message"),
    [
        ({"clients": {"topology": "town"}}, "clients.topology", "no topology of clients 'town'"),
        ({"clients": {"topology": "no.csv"}}, "clients.topology", "no file 'no.csv'"),
        ({"clients": {"topology": "x" * 300}}, "clients.topology", "there is no topology"),
        ({"clients": {"topology": "x" * 300 + ".csv"}}, "clients.topology", "name too long"),
        ({"clients": {"where": {"city": "Pari"}}}, "clients.where.city", "did you mean"),
        ({"clients": {"topology": "cities", "where": {"country": "LI"}}}, "clients.where", "no client is left"),
        ({"clients": {"network": "dial-up"}}, "clients.network", "no access network 'dial-up'"),
        ({"clients": {"network": {"mix": {"dsl": 1, "isdn": 1}}}}, "clients.network.mix.isdn", "no access network 'isdn'"),
        ({"network": {"remove": {"links": [["LHR", "LHR"]]}}}, "network.remove.links[0]", "no link LHR - LHR"),
        ({"network": {"remove": {"sites": ["A"]}}}, "network.remove.sites[0]", "no node 'A'"),
        ({"origins": {"db": {"region": "eu"}}}, "origins.db.region", "no region 'eu'"),
        ({"origins": {"db": {"region": "fra1", "topology": "verce"}}}, "origins.db", "did you mean 'vercel'"),
        ({"origins": {"db": {"city": "Paris", "country": "DE"}}}, "origins.db.city", "no city 'Paris'"),
        ({"events": [{"at": "1s", "surge": {"factor": 2, "where": {"id": "x"}}}]}, "events[0].surge.where.id", "no id 'x' here"),
        ({"events": [{"at": "1s", "fail": {"sites": "us-east-1", "platforms": "workers"}}]}, "events[0].fail.sites", "no site 'us-east-1' on workers"),
        ({"events": [{"at": "1s", "fail": {"sites": "ZZZ"}}]}, "events[0].fail.sites", "on workers or lambda"),
        ({"claims": [{"id": "a", "says": "b", "source": "ours", "where": {"continent": "Asia"}, "expect": ["lambda.p50 < 1s"]}]}, "claims[0].where.continent", "unknown continent 'Asia'"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)  # fmt: skip
def test_names_of_nothing_are_refused(over: dict[str, Any], path: str, message: str) -> None:
    (told,) = refusals(**over)
    assert told.startswith(f"{path}: ")
    assert message in told


@pytest.mark.parametrize(
    ("keys", "path", "message"),
    [
        ({"topology": "no"}, "topology", "no topology of sites 'no'"),
        ({"regions": ["eu-west-1", "eu-west-9"]}, "regions", "no site 'eu-west-9'"),
        ({"ingress": {"role": "edge"}}, "ingress.role", "no site is a 'edge'"),
        ({"ingress": {"sites": "eu-west-9"}}, "ingress.sites", "no site 'eu-west-9'"),
        ({"ingress": {"where": {"country": "ZZ"}}}, "ingress.where.country", "unknown country 'ZZ'"),
        ({"ingress": {"exclude": {"city": "Atlantis"}}}, "ingress.exclude.city", "no city 'Atlantis'"),
        ({"ingress": {"exclude": {"continent": "NA"}}}, "ingress", "no site of 'aws' is left"),
        ({"ingress": {"routing": "any"}}, "ingress.routing", "no routing model 'any'"),
        ({"ingress": {"routing": {"model": "fixed", "sites": ["nowhere"]}}}, "ingress.routing", "not a site of this platform"),
        ({"ingress": {"routing": {"model": "anycast", "neares": 1}}}, "ingress.routing.neares", "did you mean 'nearest'"),
        ({"ingress": {"routing": {"model": "anycast", "nearest": 0, "within_400_km": 0, "from_400_to_1400_km": 0, "further": 0}}}, "ingress.routing", "must exceed 0"),
        ({"compute": {"at": "nearest", "role": "edge"}}, "compute.role", "no site is a 'edge'"),
        ({"runtime": "vm"}, "runtime", "no cold_start model 'vm'"),
        ({"runtime": {"idle": 5}}, "runtime.idle", "5 has no unit"),
        ({"runtime": {"max_requests": -1}}, "runtime.max_requests", "greater than or equal to 0"),
        ({"runtime": {"model": "isolate", "init": "1ms", "idle": "1s", "instance_memory": "2GB", "site_memory": "1GB"}}, "runtime", "more than the memory of a site"),
        ({"runtime": {"model": "container", "idle": "1min"}}, "runtime.init", "'init' is missing"),
        ({"runtime": {"model": ["microvm"]}}, "runtime", "expected a model's name"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)  # fmt: skip
def test_platforms_of_nothing_are_refused(keys: dict[str, Any], path: str, message: str) -> None:
    """The runtime of another model has lost the preset's keys: nothing but the user's is wrong."""
    told = refusals(platforms={"it": {"preset": "aws-lambda", **keys}})
    assert any(line.startswith(f"platforms.it.{path}: ") and message in line for line in told), told
    assert len(told) == 1


def test_mistakes_of_all_stages_are_told_at_once() -> None:
    told = refusals(
        seed=-1,
        warmup="2min",
        clients={"topology": "town"},
        network={"remove": {"sites": ["A", "B"]}},
        platforms={"a": {"preset": "nothing"}, "b": {"preset": "aws-lambda", "regions": "nowhere"}},
        claims=[{"id": "a", "says": "a", "source": "ours", "expect": ["a.p50 < 1", "c.p50 < 1s"]}],
    )
    assert sorted(line.split(": ")[0] for line in told) == [
        "claims[0].expect[0]", "claims[0].expect[1]", "clients.topology", "network.remove.sites[0]",
        "network.remove.sites[1]", "platforms.a.preset", "platforms.b.regions", "seed", "warmup",
    ]  # fmt: skip


def test_nothing_is_said_about_the_sites_of_a_platform_that_is_wrong() -> None:
    event = {"at": "1s", "fail": {"sites": "us-east-1", "platforms": "a"}}
    (told,) = refusals(platforms={"a": {"preset": "nothing"}}, events=[event])
    assert told.startswith("platforms.a.preset: ")


@pytest.mark.parametrize("quote", ["'", '"', ""])
@pytest.mark.parametrize("indent", [6, 9])
def test_columns_lie_inside_the_text_of_a_claim(tmp_path: Path, quote: str, indent: int) -> None:
    path = tmp_path / "it.yaml"
    text = yaml.safe_dump({**BASE, "claims": [{"id": "a", "says": "b", "source": "ours"}]})
    expectation = "workers.p(50) < lamda.p(50)"
    line = f"{' ' * indent}- {quote}{expectation}{quote}"
    whole = text.replace("says: b", "says: b\n  expect:\n" + line)
    path.write_text(whole, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert problem.line == whole.splitlines().index(line) + 1
    assert problem.col == line.index("lamda") + 1
    assert problem.hint == "did you mean 'lambda'?"


# --- anything at all ---------------------------------------------------------------------------------


ANYTHING: list[Any] = [
    None, True, 0, 1, -1, 1.5, float("nan"), float("inf"), 10**30, 10**400, 2**63, 1e308, "", "x", "0", "5ms",
    "-5ms", "1e308d", "1e400ms", "9" * 500 + "ms", "NO", "a\0b", "x" * 300, "x" * 300 + ".csv", "100%", "120%",
    "never", "always", "workers", "EU", "A", "23:59", "aws", "isolate", "microvm", "per_request", "fixed",
    [], [1], ["x"], [[]], [["a", "b"]], {}, {"a": 1}, {1: 2}, {"model": 3}, {"model": "isolate"}, {"model": []},
    {"lognormal": {}}, {"lognormal": [1]}, {"lognormal": {"p50": "5ms", "p99": "6ms"}},
    {"lognormal": {"p50": "5ms", "sigma": 1_000}}, {"lognormal": {"p0": "5ms", "sigma": 1}},
    {"weibull": {"shape": 1e-3, "scale": "1ms"}}, {"gamma": {"shape": 1e-300, "mean": "1e300d"}},
    {"integers": {"low": "0ms", "high": "1d", "step": "1ns"}}, {"constant": {"a": 1}}, {"sample": ["1ms", "x"]},
    {"choices": {"values": ["1ms"], "weights": [float("inf")]}}, {"percentiles": {"p50": "1ms", "p50.0": "2ms"}},
    {"mixture": [{"weight": 1e308, "law": "1ms"}] * 2}, {"mix": {"fibre": 0}}, {"zipf": -1}, {"lat": 0, "lon": 0},
    {"role": "x"}, {"preset": ["x"]}, {"busiest": 10**6}, "26MiB", "pull", {"model": "edge_config"},
    {"keys": "items"}, {"kv.get": {"keys": "items"}}, [{"kv.get": {"keys": "items", "on_miss": [{"kv.put": {}}]}}],
    {"top": {"keys": 0.1, "reads": 0.5}}, {"by_country": {"XX": "1h"}}, {"default": "1h"}, [{"weight": 1}],
    {"trace": "no.csv"}, {"trace": "."}, {"stores": "a"}, {"keys": "items", "rank": 10**9},
    {"model": "pull", "stores": {"a": {"region": "us-east-1"}}}, {"model": "hybrid"},
]  # fmt: skip


def paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():  # fmt: skip
        yield from paths(item, (*path, key))


def spoiled(data: dict[str, Any], generator: random.Random) -> dict[str, Any]:
    """Replace, remove or add one to three parts."""
    data = copy.deepcopy(data)
    for _ in range(generator.choice([1, 1, 2, 3])):
        *path, last = generator.choice(list(paths(data)))
        whole = data
        for key in path:
            whole = whole[key]
        action = generator.random()
        if action < 0.8:
            whole[last] = copy.deepcopy(generator.choice(ANYTHING))
        elif action < 0.9 and isinstance(whole, dict):
            whole["no key"] = 1
        elif len(data) > 1:
            del whole[last]
    return data


def tried(source: Any) -> tuple[Scenario | None, tuple[Problem, ...]]:
    try:
        return load(source), ()
    except InputError as error:
        return None, error.problems


def test_whatever_is_wrong_is_an_input_error() -> None:
    """Everything of a large scenario replaced by anything: it loads and keeps its id, or says why not."""
    generator = random.Random(1)
    whole = load(VALID / "everything.yaml").resolved()
    by_preset = {**whole, "platforms": {"workers": BASE["platforms"]["workers"], "lambda": {"preset": "aws-lambda", "runtime": {"idle": "5min"}}, "own": whole["platforms"]["own"]}}  # fmt: skip
    keys = load(VALID / "keys.yaml").resolved()
    objects = load(VALID.parents[2] / "scenarios/document_editor.yaml").resolved()
    loaded = 0
    for _ in range(200):
        data = spoiled(generator.choice([whole, by_preset, keys, objects]), generator)
        scenario, problems = tried(data)
        assert (scenario is None) == bool(problems)
        assert not any("\n" in str(problem) for problem in problems)
        if scenario is not None:
            loaded += 1
            assert load(yaml.safe_load(dump_resolved(scenario))).id == scenario.id
    assert 3 <= loaded <= 60  # both ways have been taken


PIECES = ["\t", "\0", "\x85", "\ufeff", "\r\n", "- ", "? ", ": ", "&a ", "*a ", "*post ", "<<: ", "!!str ", "!x ",
          "'", '"', "{", "}", "[", "]", "|\n", "---\n", "%YAML 1.1\n", "null", "~", "1e999", "#", "10", "%",
          "/s", "-", "1: ", "[a]: ", "é", "(", "p(0)", "9" * 50]  # fmt: skip


def test_whatever_is_typed_wrong_is_an_input_error_with_a_line(tmp_path: Path) -> None:
    """Pieces inserted into the text of a file, or cut from it."""
    generator = random.Random(2)
    text = (VALID / "everything.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.csv").write_bytes((VALID / "own.csv").read_bytes())
    path = tmp_path / "it.yaml"
    refused = 0
    for _ in range(80):
        place = generator.randrange(len(text))
        cut = generator.choice([0, 0, generator.randrange(1, 6)])
        piece = generator.choice(PIECES) if cut == 0 else ""
        path.write_bytes((text[:place] + piece + text[place + cut :]).encode())
        _, problems = tried(path)
        refused += bool(problems)
        for problem in problems:
            assert "\n" not in str(problem)
            assert problem.line is not None or "unacceptable character" in problem.message
    assert 30 <= refused < 80
