"""The schema for editors accepts what popsim accepts, and marks what is misspelt."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import popsim
from popsim.json_schema import build_schema
from popsim.json_schema.docstrings import field_docstrings
from popsim.json_schema.models import KEYS, built_in
from popsim.models import Model
from popsim.models.registry import BUILT_IN
from popsim.scenario.document import load_yaml
from popsim.scenario.laws import law_forms, parse_law
from popsim.scenario.loading import read_scenario
from popsim.scenario.size_laws import parse_size_law
from popsim.scenario.units import (
    DURATIONS_MS,
    SIZES_BYTES,
    parse_bytes,
    parse_duration,
    parse_share,
)

ROOT = Path(__file__).parents[3]
SCENARIOS = [*ROOT.glob("scenarios/**/*.yaml"), *ROOT.glob("tests/data/valid/*.yaml")]
LEAST: dict[str, Any] = {
    "name": "least",
    "duration": "1min",
    "workload": {"arrivals": {"rate": "10/s"}},
    "platforms": {"one": {"preset": "cloudflare-workers"}},
}


@cache
def schema() -> dict[str, Any]:
    return build_schema()


def accepts(**over: Any) -> bool:
    return Draft202012Validator(schema()).is_valid({**LEAST, **over})


def accepts_platform(**platform: Any) -> bool:
    return accepts(platforms={"one": platform})


def accepts_as(definition: str, value: object) -> bool:
    part = {"$ref": f"#/$defs/{definition}", "$defs": schema()["$defs"]}
    return Draft202012Validator(part).is_valid(value)


def is_read(parse: Callable[[object], object], value: object) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def test_it_is_a_schema_without_noise() -> None:
    Draft202012Validator.check_schema(schema())
    text = json.dumps(schema())
    assert "x-type" not in text
    assert text.count('"title"') == 1


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_resolved_scenarios_are_accepted(path: Path) -> None:
    resolved = read_scenario(path)[0].resolved()
    assert [error.message for error in Draft202012Validator(schema()).iter_errors(resolved)] == []


# --- quantities and laws -----------------------------------------------------------------------------

NUMBERS = st.from_regex(r"\s?[-+]?([0-9]{0,3}\.?[0-9]{0,3})([eE][-+]?[0-9])?\s?", fullmatch=True)
UNITS = st.sampled_from([*DURATIONS_MS, *SIZES_BYTES, "%", "/s", "", "m", "MS", "ms x"])
TEXTS = st.builds("".join, st.tuples(NUMBERS, UNITS, st.sampled_from(["", " ", "\t"])))


def is_beyond(parse: Callable[[object], object], limit: str, value: object) -> bool:
    try:
        parse(value)
    except ValueError as error:
        return limit in str(error)
    return False


@settings(deadline=None, derandomize=True, max_examples=400)
@given(TEXTS | st.integers(-1, 2) | st.floats(-0.5, 1.5) | st.booleans())
def test_quantities_are_those_that_are_read(value: object) -> None:
    # A schema of texts cannot say how much is too much
    for definition, parse, limit in (
        ("Duration", parse_duration, "below 138 years"),
        ("Size", parse_bytes, "at most 1e+18 bytes"),
    ):
        expected = is_read(parse, value) or is_beyond(parse, limit, value)
        assert accepts_as(definition, value) is expected
    if is_read(parse_share, value):
        assert accepts_as("Share", value)


def test_positive_quantities_are_above_0() -> None:
    for text in ("1ms", "0.0001s", "+5e-3 min", "10d", ".5h"):
        assert accepts_as("PositiveDuration", text), text
    for nothing in ("0ms", "0.00s", "0e5ms", 0, "0"):
        assert not accepts_as("PositiveDuration", nothing), nothing
    assert not accepts_as("Rate", "0/s") and accepts_as("Rate", "0.1/s")


LAWS: tuple[Any, ...] = (
    "5ms", 0, "0", {"constant": "5ms"}, {"constant": 0},
    {"uniform": {"low": 0, "high": "3ms"}},
    {"exponential": {"mean": "2ms"}},
    {"gamma": {"shape": 2, "mean": "4ms"}}, {"gamma": {"shape": 0.5, "scale": "4ms"}},
    {"weibull": {"shape": 0.7, "scale": "2ms"}},
    {"lognormal": {"p50": "5ms", "p99.9": "20ms"}}, {"lognormal": {"p5": "5ms", "sigma": 0.8}},
    {"lognormal": {"mean": "6ms", "p50": "5ms"}}, {"lognormal": {"mean": "6ms", "sigma": 1}},
    {"integers": {"low": "1ms", "high": "6ms"}}, {"integers": {"low": "1ms", "high": "6ms", "step": "2ms"}},
    {"choices": {"values": ["1ms", 0]}}, {"choices": {"values": ["1ms", "9ms"], "weights": [0, 1.5]}},
    {"percentiles": {"p0": 0, "p50": "5ms", "p100": "20ms"}},
    {"sample": ["1ms", 0, "1.4ms"]},
    {"shifted": {"by": "2ms", "law": {"exponential": {"mean": "1ms"}}}},
    {"mixture": [{"weight": 9, "law": "1ms"}, {"weight": 1, "law": {"shifted": {"by": 0, "law": "1ms"}}}]},
)  # fmt: skip
NO_LAWS: tuple[Any, ...] = (
    "5", 5, None, True, [], {}, "5MB",
    {"lognorm": {"p50": "5ms", "p99": "9ms"}}, {"uniform": {"low": 0, "high": "1ms"}, "constant": "1ms"},
    {"uniform": {"low": "1ms"}}, {"uniform": {"low": 0, "hihg": "1ms"}}, {"uniform": ["1ms", "2ms"]},
    {"exponential": {"mean": "2ms", "p50": "1ms"}}, {"exponential": {"mean": 2}},
    {"gamma": {"shape": 2}}, {"gamma": {"shape": 2, "mean": "4ms", "scale": "2ms"}},
    {"gamma": {"shape": 0, "mean": "4ms"}}, {"weibull": {"shape": "0.7", "scale": "2ms"}},
    {"lognormal": {"p50": "5ms"}}, {"lognormal": {"p50": "5ms", "sigma": 1, "mean": "9ms"}},
    {"lognormal": {"p50": "5ms", "sgima": 1}}, {"lognormal": {"median": "5ms", "sigma": 1}},
    {"percentiles": {"p50": "5ms"}}, {"percentiles": {"50": "5ms", "p90": "9ms"}},
    {"choices": {"values": []}}, {"sample": ["1ms"]}, {"mixture": []},
    {"mixture": [{"weight": "9", "law": "1ms"}]}, {"mixture": [{"weight": 9, "law": {"lognorm": {}}}]},
    {"shifted": {"by": "2ms"}},
)  # fmt: skip


def in_sizes(value: Any) -> Any:
    """Return a law of durations with sizes in their places."""
    return json.loads(json.dumps(value).replace('ms"', 'kB"').replace('MB"', 'min"'))


def test_every_form_of_a_law_is_known() -> None:
    for name in ("Law", "SizeLaw"):
        forms = schema()["$defs"][name]["anyOf"][1]["properties"]
        assert set(forms) == set(law_forms())
    assert {next(iter(law)) for law in LAWS if isinstance(law, dict)} == set(law_forms())


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_laws_are_accepted(law: object) -> None:
    assert is_read(parse_law, law) and accepts_as("Law", law)
    assert is_read(parse_size_law, in_sizes(law)) and accepts_as("SizeLaw", in_sizes(law))


@pytest.mark.parametrize("law", NO_LAWS, ids=str)
def test_what_is_no_law_is_marked(law: object) -> None:
    assert not is_read(parse_law, law) and not accepts_as("Law", law)
    assert not is_read(parse_size_law, in_sizes(law)) and not accepts_as("SizeLaw", in_sizes(law))


# --- names and models --------------------------------------------------------------------------------


def test_names_that_come_with_popsim_are_known() -> None:
    for clients in ({"network": "home"}, {"network": {"mix": {"4g": 1}}}, {"topology": "mine.csv"}):
        assert accepts(clients=clients), clients
    for clients in ({"network": "hoem"}, {"network": {"mix": {"fiber": 1}}}, {"topology": "citys"}):
        assert not accepts(clients=clients), clients
    assert accepts(clients={"where": {"continent": ["EU", "NA"], "country": "DE"}})
    assert not accepts(clients={"where": {"continent": "Europe"}})
    assert not accepts(clients={"where": {"country": "Germany"}})
    assert accepts_platform(topology="aws", runtime="always_warm")
    assert not accepts_platform(topology="awz", runtime="always_warm")
    assert not accepts_platform(preset="cloudflare-worker")
    assert not accepts(platforms={"two words": {"preset": "aws-lambda"}})
    assert accepts(platforms={"größe": {"preset": "aws-lambda"}})
    for hours in ("office", [1] * 24):
        assert accepts(workload={"arrivals": {"rate": "1/s", "by_local_hour": hours}})
    for hours in ("offfice", [1] * 23):
        assert not accepts(workload={"arrivals": {"rate": "1/s", "by_local_hour": hours}})


def test_numbers_and_truth_may_be_written_as_popsim_reads_them() -> None:
    """YAML 1.2 takes 1_000, yes and off for text."""
    for over in (
        {"seed": "1_000"},
        {"replications": "1_0"},
        {"workload": {"arrivals": {"every": "1min", "stagger": "off"}, "connection": {"tls": 1.2}}},
    ):
        assert popsim.load({**LEAST, **over}) and accepts(**over)
    assert not accepts(seed="many") and not accepts(replications=0)


@pytest.mark.parametrize(
    "platform",
    [
        {"runtime": {"idle": "5min"}},
        {"runtime": {"prewarm_on_tls": None, "concurrency": 3}},
        {"runtime": "always_warm", "memory": "100MB"},
        {"runtime": {"model": "microvm", "init": "9ms", "idle": {"exponential": {"mean": "9min"}}}},
        {"ingress": {"routing": "nearest", "exclude": {"country": None}}},
        {"ingress": {"routing": {"nearest": "90%"}}},
        {"kv": None, "objects": None},
        {"kv": {"ttl": "45s", "stores": {"frankfurt": None}, "refresh_after": None}},
        {"kv": {"stores": {"virginia": {"read": "2ms", "city": None}}}},
        {"objects": {"placement": {"model": "hub", "host": "IAD"}}},
        {"objects": {"placement": {"slots": 3}}},
    ],
    ids=str,
)
def test_what_can_be_laid_over_a_preset_is_accepted(platform: dict[str, Any]) -> None:
    whole = {"preset": "cloudflare-workers", **platform}
    popsim.load({**LEAST, "platforms": {"one": copy.deepcopy(whole)}})
    assert accepts_platform(**whole)


@pytest.mark.parametrize(
    "platform",
    [
        {"runtime": {"model": "isolate", "idel": "5min"}},
        {"runtime": {"model": "microvm", "prewarm_on_tls": True}},
        {"runtime": {"model": "isolate", "idle": {"exponential": {"mean": "9min"}}}},
        {"runtime": {"idel": "5min"}},
        {"runtime": "isolate"},
        {"ingress": {"routing": {"model": "anycast", "nearst": "90%"}}},
        {"ingress": {"routing": {"model": 3}}},
        {"kv": {"model": "strong", "ttl": "45s"}},
        {"kv": {"stores": {"virginia": {"raed": "2ms"}}}},
        {"kv": {"model": "hybrid", "stores": {"a": {"city": "Tokyo"}}, "reads": "rase"}},
        {"objects": {"placement": {"model": "location_hint", "hint": "mars"}}},
        {"objects": {"placement": {"model": "hub", "hots": "IAD"}}},
    ],
    ids=str,
)
def test_misspelt_parameters_of_known_models_are_marked(platform: dict[str, Any]) -> None:
    assert not accepts_platform(preset="cloudflare-workers", **platform)


def test_models_that_nobody_knows_may_have_any_parameters() -> None:
    """A plug-in or a notebook may register them."""
    for key in ("runtime", "kv"):
        for model in ("mine", {"model": "mine", "anything": {"at": ["all"]}}):
            assert accepts_platform(preset="cloudflare-workers", **{key: model})
    assert accepts_platform(preset="aws-lambda", ingress={"routing": {"model": "mine", "x": 1}})
    assert accepts_platform(preset="aws-lambda", objects={"placement": {"model": "mine", "x": 1}})


@pytest.mark.parametrize("kind", BUILT_IN)
def test_parameters_are_those_of_the_classes(kind: str) -> None:
    assert kind in KEYS.values()
    for name, model in built_in(kind).items():
        known = schema()["$defs"][model.__name__]["properties"]
        assert known["model"]["const"] == name
        assert set(known) == {"model", *model.model_fields}
        assert set(known) - {"model"} <= set(schema()["$defs"][f"{kind}_parameters"]["properties"])


# --- descriptions and defaults -----------------------------------------------------------------------


def test_defaults_are_written_as_in_yaml() -> None:
    known = schema()["$defs"]
    assert schema()["properties"]["warmup"]["default"] == "0ms"
    assert known["NetworkSpec"]["properties"]["convergence"]["default"] == "30s"
    assert known["PlatformSpec"]["properties"]["memory"]["default"] == "128MB"
    assert known["KeySpaceSpec"]["properties"]["value_size"]["default"] == "288B"
    assert "default" not in known["PlatformSpec"]["properties"]["ingress"]


def test_models_without_source_have_no_descriptions() -> None:
    """As those of a notebook's cell that is gone, or of exec."""
    names: dict[str, Any] = {"__name__": "nowhere"}
    exec(
        "from popsim.models.routing import RoutingModel\n"
        "class Mine(RoutingModel):\n"
        "    detour: float = 0.0\n"
        "    'How far.'\n",
        names,
    )
    mine: type[Model] = names["Mine"]
    assert field_docstrings(mine) == {}


def test_descriptions_are_read_only_when_they_are_needed() -> None:
    code = "import sys, popsim.scenario.schema, popsim.models.routing; print('popsim.json_schema' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_every_scenario_file_is_among_those_tested() -> None:
    assert len(SCENARIOS) > 20
    assert all(load_yaml(path).data for path in SCENARIOS)
