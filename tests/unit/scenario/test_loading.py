"""From a file to a scenario: presets beneath, problems in their places, the resolved form back again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from popsim.scenario.bundled import bundled_file, bundled_names, is_there
from popsim.scenario.document import load_yaml
from popsim.scenario.errors import InputError
from popsim.scenario.limits import LimitsSpec
from popsim.scenario.loading import dump_resolved, read_scenario, read_what_is_right
from popsim.scenario.parts import Where
from popsim.scenario.schema import PlatformSpec

PROPERTY = settings(deadline=None, derandomize=True, max_examples=50)
HEAD = "name: it\nduration: 1min\nworkload: {arrivals: {rate: 10/s}}\n"
BASE: dict[str, Any] = {
    "name": "it",
    "duration": "1min",
    "workload": {"arrivals": {"rate": "10/s"}},
}


def platform(**keys: Any) -> PlatformSpec:
    return read_scenario({**BASE, "platforms": {"it": keys}})[0].platforms["it"]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "it.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def told(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_scenario(path)
    return [str(problem).replace(f"{path}:", "") for problem in caught.value.problems]


# --- sources -----------------------------------------------------------------------------------------


def test_scenarios_come_from_files_names_and_mappings(tmp_path: Path) -> None:
    path = written(tmp_path, "platforms: {it: {preset: aws-lambda}}\n")
    by_path, document = read_scenario(path)
    assert document.file == str(path)
    assert read_scenario(str(path))[0] == by_path
    assert read_scenario({**BASE, "platforms": {"it": {"preset": "aws-lambda"}}})[0] == by_path
    assert read_scenario("nearest_edge")[0] == read_scenario(bundled_file("scenarios", "nearest_edge"))[0]  # fmt: skip


@pytest.mark.parametrize("name", ["nearest-edge", "x" * 5_000, "", "a\0b"])
def test_names_of_nothing(name: str) -> None:
    with pytest.raises(InputError) as caught:
        read_scenario(name)
    assert caught.value.problems[0].line is None


def test_mappings_are_left_alone() -> None:
    platforms = {"it": {"preset": "aws-lambda", "memory": "1GB"}}
    data = {**BASE, "platforms": platforms}
    read_scenario(data)
    assert data == {**BASE, "platforms": {"it": {"preset": "aws-lambda", "memory": "1GB"}}}


def test_topologies_lie_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("", encoding="utf-8")
    text = (
        "clients: {topology: mine.csv}\nplatforms: {it: {topology: mine.csv, runtime: always_warm}}"
    )
    scenario, _ = read_scenario(written(tmp_path, text))
    assert scenario.clients.topology == str(tmp_path / "mine.csv")
    assert scenario.platforms["it"].topology == str(tmp_path / "mine.csv")
    elsewhere = written(tmp_path, text.replace("mine", "other"))
    assert read_scenario(elsewhere)[0].clients.topology == "other.csv"


def test_no_file_has_an_impossible_name() -> None:
    assert not is_there(Path("x" * 5_000))
    assert not is_there(Path("a\0b"))
    with pytest.raises(InputError, match="there is no preset"):
        bundled_file("presets", "x" * 5_000)


# --- presets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", bundled_names("presets"))
def test_a_preset_alone_is_what_its_file_says(preset: str) -> None:
    data = load_yaml(bundled_file("presets", preset)).data
    assert platform(preset=preset) == platform(**data)


@pytest.mark.parametrize("preset", bundled_names("presets"))
def test_user_keys_lie_over_the_preset(preset: str) -> None:
    base = platform(preset=preset)
    over = platform(preset=preset, memory="3GB", upstream={"round_trips": 7})
    assert over.memory == 3_000_000_000
    assert over.upstream.round_trips == 7
    assert over.upstream.idle_timeout == base.upstream.idle_timeout
    same = {"memory": base.memory, "upstream": base.upstream}
    assert over.model_copy(update=same) == base


def test_a_distribution_replaces_a_distribution_whole() -> None:
    over = platform(preset="cloudflare-workers", front_door={"exponential": {"mean": "4ms"}})
    assert over.front_door.to_yaml() == {"exponential": {"mean": "4ms"}}
    half = platform(preset="cloudflare-workers", front_door={"lognormal": {"p50": "1ms", "sigma": 1}})  # fmt: skip
    assert half.front_door.to_yaml() == {"lognormal": {"p50": "1ms", "sigma": 1}}
    runtime = platform(preset="aws-lambda", runtime={"code_fetch": "1ms"}).runtime
    assert runtime["code_fetch"] == "1ms"
    assert "percentiles" in runtime["init"]


def test_another_model_replaces_the_model_whole() -> None:
    preset = "cloudflare-workers"
    assert platform(preset=preset, runtime="always_warm").runtime == {"model": "always_warm"}
    other = platform(preset=preset, runtime={"model": "microvm", "init": "1ms", "idle": "1min"})
    assert other.runtime == {"model": "microvm", "init": "1ms", "idle": "1min"}
    same = platform(preset=preset, runtime={"model": "isolate", "idle": "1min"})
    assert same.runtime == {**platform(preset=preset).runtime, "idle": "1min"}
    routing = platform(preset=preset, ingress={"routing": {"model": "nearest"}}).ingress
    assert routing.routing == {"model": "nearest"}
    assert routing.exclude.country == ("CN",)


def test_null_takes_a_presets_key_away() -> None:
    over = platform(preset="cloudflare-workers", ingress={"exclude": {"country": None}})
    assert over.ingress.exclude.country is None
    assert platform(preset="aws-lambda", regions=None).regions is None
    assert platform(preset="aws-lambda", limits=None).limits == LimitsSpec()
    assert (
        platform(preset="cloudflare-workers", ingress={"exclude": None}).ingress.exclude == Where()
    )
    prices = platform(preset="aws-lambda", prices={"by_region": None}).prices
    assert prices is not None
    assert prices.by_region == {}
    assert prices.duration == 16.6667
    fewer = platform(preset="aws-lambda", prices={"by_region": {"af-south-1": None}}).prices
    assert fewer is not None
    assert "af-south-1" not in fewer.by_region
    assert "ap-east-1" in fewer.by_region


def test_platforms_with_one_preset_are_apart() -> None:
    scenario, _ = read_scenario(
        {**BASE, "platforms": {name: {"preset": "aws-lambda"} for name in "ab"}}
    )
    a, b = scenario.platforms.values()
    assert a == b
    assert a.runtime is not b.runtime


# --- places of problems ------------------------------------------------------------------------------


def test_what_the_user_wrote_is_placed_in_the_users_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "platforms:\n"
        "  it:\n"
        "    preset: cloudflare-workers\n"
        "    memory: 5 parsecs\n"
        "    front_door: {lognormal: {p50: 1ms}}\n"
        "    compute: {sites: []}\n"
        "    ingress: {exclude: {land: CN}}\n",
    )
    assert [line.split(": ")[:2] for line in told(path)] == [
        ["7:13", "platforms.it.memory"],
        ["8:17", "platforms.it.front_door"],
        ["9:22", "platforms.it.compute.sites"],
        ["10:25", "platforms.it.ingress.exclude.land"],
    ]


def test_what_the_preset_wrote_is_placed_in_the_preset(tmp_path: Path) -> None:
    """The preset's memory is no problem; asking for one at its place shows where it stands."""
    path = written(tmp_path, "platforms: {it: {preset: aws-lambda, ingress: {role: pop}}}\n")
    _, document = read_scenario(path)
    lines = bundled_file("presets", "aws-lambda").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text.startswith("memory:"))
    problem = document.problem(("platforms", "it", "memory"), "wrong")
    assert str(problem) == f"preset aws-lambda:{line}:9: platforms.it.memory: wrong"
    assert document.problem(("platforms", "it", "ingress", "role"), "x").file == str(path)
    routing = document.problem(("platforms", "it", "ingress", "routing"), "x")
    assert routing.file == "preset aws-lambda"


def test_a_replaced_model_is_not_blamed_on_the_preset(tmp_path: Path) -> None:
    """The preset's init and idle belong to the isolate, which is gone."""
    path = written(tmp_path, "platforms: {it: {preset: cloudflare-workers, runtime: microvm}}\n")
    _, document = read_scenario(path)
    for key in ("init", "idle", "placement"):
        problem = document.problem(("platforms", "it", "runtime", key), "missing")
        assert (problem.file, problem.line, problem.col) == (str(path), 4, 55)


def test_a_users_mapping_is_not_blamed_on_the_preset() -> None:
    with pytest.raises(InputError) as caught:
        platform(preset="cloudflare-workers", memory="5 parsecs")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (None, None)
    assert str(problem).startswith("platforms.it.memory: unknown unit 'parsecs'")


def test_all_mistakes_are_told_in_order_and_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "seed: -1\nreplications: 0\nwarmup: 2min\nstart: noon\nplatfroms: {}\n"
        "platforms: {a: {preset: aws-lamda}, b: {preset: aws-lamda}, c-d: {preset: aws-lambda}}\n"
        "claims: [{id: x, source: ours}, {id: y, says: z, expect: [], source: ours}]\n",
    )
    places = [tuple(map(int, line.split(": ")[0].split(":"))) for line in told(path)]
    assert places == sorted(places)
    assert len(set(told(path))) == len(places) == 11
    assert [line for line, _ in places] == [4, 5, 6, 7, 8, 9, 9, 9, 10, 10, 10]


def test_items_after_a_wrong_one_keep_their_places(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "platforms: {it: {preset: aws-lambda}}\n"
        "events:\n  - {at: 1x, fail: {busiest: 1}}\n  - {at: 2min, fail: {busiest: 1}}\n"
        "claims:\n  - {id: a, source: ours}\n  - {id: b, says: b, source: ours, expect: [c]}\n  - {id: b, says: b, source: ours, expect: [c]}\n",
    )
    assert [line.split(": ")[0] for line in told(path)] == ["6:10", "7:10", "9:5", "9:5", "11:10"]


def test_what_is_right_is_read_nevertheless(tmp_path: Path) -> None:
    path = written(
        tmp_path, "seed: x\nclients: {topology: cities}\nplatforms: {it: {memory: 1}, other: 5}\n"
    )
    scenario, _, problems = read_what_is_right(path)
    assert scenario is not None
    assert (scenario.seed, scenario.clients.topology) == (1, "cities")
    assert list(scenario.platforms) == ["it", "other"]  # for claims about them
    assert len(problems) == 5


def test_what_is_no_mapping_has_a_place(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("# text\n- 1\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_scenario(path)
    assert str(caught.value) == f"{path}:2:1: expected a mapping of keys, got a list"


# --- aliases -----------------------------------------------------------------------------------------


def test_claims_share_parts_by_aliases(tmp_path: Path) -> None:
    text = (
        "platforms: {it: {preset: aws-lambda}}\n"
        "claims:\n"
        "  - {id: a, says: a, source: &post {url: https://a.b, date: 2018-07-02, scope: s}, expect: &e ['it.p50 < 1s']}\n"
        "  - {id: b, says: b, source: *post, expect: *e}\n"
    )
    one, two = read_scenario(written(tmp_path, text))[0].claims
    assert one.source == two.source is not None
    assert one.source.date == "2018-07-02"
    assert one.expect == two.expect == ("it.p50 < 1s",)
    wrong = written(tmp_path, text.replace("date:", "dat:"))
    assert {line.split(": ")[0] for line in told(wrong)} == {"6:30", "6:55"}


def test_merge_keys_are_unknown_keys(tmp_path: Path) -> None:
    """YAML 1.2 has none; and a silent one would be a key that is there twice."""
    text = (
        "platforms: {it: {preset: aws-lambda}}\n"
        "claims:\n"
        "  - &a {id: a, says: a, source: ours, expect: ['it.p50 < 1s']}\n"
        "  - {<<: *a, id: b, says: b, source: ours, expect: ['it.p50 < 1s']}\n"
    )
    (line,) = told(written(tmp_path, text))
    assert line.startswith("7:6: claims[1].<<: unknown key '<<'")


# --- the resolved form -------------------------------------------------------------------------------


TEXTS = st.sampled_from(
    ["NO", "on", "1e3", "1.5E-3", "1:30", "0o17", "0x1F", "017", "~", "null", "true", "5", ".inf", "-",
     "a: b", "# a", "'", '"', "a\nb", " a ", "é", "*a", "&a", "!a", "{", "2018-07-02", "=", "<<", "1_000"]
)  # fmt: skip


@PROPERTY
@given(TEXTS, TEXTS, TEXTS)
def test_texts_survive_the_resolved_form(name: str, description: str, says: str) -> None:
    claims = [{"id": name, "says": says, "source": "ours", "expect": ["it.p50 < 1s"]}]
    data = {**BASE, "name": name, "description": description, "claims": claims}
    data["platforms"] = {"it": {"preset": "aws-lambda"}}
    scenario, _ = read_scenario(data)
    text = dump_resolved(scenario)
    assert read_scenario(yaml.safe_load(text))[0] == scenario


@pytest.mark.parametrize("name", ["1e3", "0o17", "NO", "1:30", "null", "a\nb", "+1", "1E5"])
def test_the_resolved_form_is_a_file_that_loads(tmp_path: Path, name: str) -> None:
    """Our reader follows YAML 1.2, the writer 1.1: for 1.1 the name 1e3 needs no quotes."""
    scenario, _ = read_scenario({**BASE, "name": name, "platforms": {"it": {"preset": "aws-lambda"}}})  # fmt: skip
    path = tmp_path / "resolved.yaml"
    path.write_text(dump_resolved(scenario), encoding="utf-8")
    again, _ = read_scenario(path)
    assert again == scenario
    assert again.id == scenario.id


@PROPERTY
@given(st.floats(1e-6, 1e9), st.integers(1, 10**15), st.floats(1e-6, 1e6), st.floats(0, 1))
def test_quantities_survive_the_resolved_form(
    ms: float, size: int, rate: float, share: float
) -> None:
    data = {
        **BASE,
        "workload": {
            "arrivals": {"rate": f"{rate!r}/s"},
            "connection": {"reuse": share, "resumption": share},
            "handler": [
                {"cpu": {"choices": {"values": [f"{ms!r}ms", "1ms"], "weights": [share + 1, 2]}}},
                {"sleep": {"integers": {"low": f"{ms!r}ms", "high": f"{2 * ms!r}ms", "step": f"{ms!r}ms"}}},
            ],
        },
        "platforms": {"it": {"preset": "aws-lambda", "memory": f"{size}B", "front_door": f"{ms!r}ms"}},
    }  # fmt: skip
    scenario, _ = read_scenario(data)
    again, _ = read_scenario(yaml.safe_load(dump_resolved(scenario)))
    assert again == scenario
    assert again.id == scenario.id
    assert again.platforms["it"].memory == size
    assert again.workload.connection.reuse == share
