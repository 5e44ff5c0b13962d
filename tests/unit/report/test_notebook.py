"""What notebooks show: complete, escaped, small, readable on white and on black."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import popsim
from popsim.report.notebook.markup import FAILS, HOLDS, STYLE, UNDECIDED, element
from popsim.report.notebook.places import COLOURS
from popsim.report.notebook.scenario import YAML_CHARACTERS, preset_of
from popsim.results import Estimate, Expectation, Result, Verdict, Verdicts
from popsim.results.warmup import WarmupCheck
from popsim.scenario.bundled import bundled_names
from popsim.scenario.parts import Where

EVIL = "<script>alert('x')</script><b>&amp;"
ADDRESS = "https://example.org/a?b='1'&amp;c=2"  # as wild as an address may be
NAN = float("nan")


class Reader(HTMLParser):
    """Checks that every element is closed; collects tags, attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.cells: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name == "src"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag != "br":
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def shown(thing: Any, most: int = 20_000) -> Reader:
    """Return what a notebook shows of something, which must be safe, small and the same each time."""
    source: str = thing._repr_html_()
    assert source == thing._repr_html_()
    assert "<script" not in source.lower()
    assert "url(" not in source
    assert "@import" not in source
    without_map = re.sub(r"<svg.*?</svg>", "", source)
    assert len(without_map) < most
    assert len(source) < 60_000
    return Reader(source)


def verdict(**changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "id": "fast",
        "says": "It is fast",
        "source": {"url": "https://www.example.org/a?b=1&c=2", "date": "2024-05", "scope": "p95"},
        "expectations": (
            Expectation("workers.p(50) < 20ms", "holds", Estimate(12.0, 11.5, 12.5), "ms"),
            Expectation("workers.p(95) < 90ms", "undecided", Estimate(91.0, 80.0, 99.0), "ms", 40),
        ),
    }
    return Verdict(**(values | changes))


# --- scenarios ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled_names("scenarios"))
def test_every_bundled_scenario(name: str) -> None:
    scenario = popsim.load(name)
    page = shown(scenario)
    assert set(scenario.platforms) <= set(page.cells)
    assert scenario.name in page.text
    assert f"seed {scenario.seed}, compiled engine" in page.text
    assert "details" in page.tags


def test_a_scenario_says_what_is_run() -> None:
    scenario = popsim.load("workers_vs_lambda")
    cells = shown(scenario).cells
    assert cells[1].startswith("10 replications of 30min, warm-up 10min, from 00:00 UTC, seed 2026")
    assert cells[3] == "world-users, network home"
    assert cells[5].startswith("200 requests/s on average, by local hour; 10 functions; steps cpu")
    assert cells[7].startswith("4 (faster-than-lambda, ")
    row = cells.index("lambda")
    assert cells[row + 1 : row + 5] == ["aws-lambda", "us-east-1 of awslatency", "where they enter", "microvm1769MB"]  # fmt: skip
    row = cells.index("lambda_edge")
    assert cells[row + 2 : row + 4] == ["cloudfront of awsanycast", "nearest of rec"]


def test_workloads_and_events_of_every_kind() -> None:
    text = shown(popsim.load("pop_outage")).text
    assert "failure of the 19 busiest sites of workers at 15min for 10min" in text
    assert "every client asks every " in shown(popsim.load("probes_2018_world")).text
    assert "messages over open sessions of " in shown(popsim.load("document_editor")).text
    base = popsim.load("config_flag_flip")
    assert "a write to " in shown(base).text
    where = base.changed(clients={"where": {"continent": ["EU", "AS"]}}, precision="2%")
    text = shown(where).text
    assert "continent EU, AS" in text
    assert "up to 100 until ± 2 %" in text


def test_presets_are_recognised_unless_their_description_was_changed() -> None:
    own = {"topology": "aws", "runtime": "always_warm"}
    platforms = {
        **{f"p{n}": {"preset": name} for n, name in enumerate(bundled_names("presets"))},
        "described": {"preset": "cloudflare-workers", "description": "with a twist"},
        "own": own,
    }
    scenario = popsim.load(
        {
            "name": "all",
            "duration": "1min",
            "workload": {"arrivals": {"rate": "1/s"}},
            "platforms": platforms,
        }
    )
    found = [preset_of(platform) for platform in scenario.platforms.values()]
    assert found == [*bundled_names("presets"), None, None]
    cells = shown(scenario).cells
    assert cells[cells.index("described") + 1] == "with a twist"
    assert cells[cells.index("own") + 1] == "none"


def test_long_yaml_is_cut_and_says_so() -> None:
    page = shown(popsim.load("object_placement"))
    assert " lines more; scenario.resolved() has it all" in page.text
    yaml = next(text for text in page.texts if text.startswith("name: "))
    assert 0.9 * YAML_CHARACTERS < len(yaml) <= YAML_CHARACTERS
    assert "lines more" not in shown(popsim.load("probes_2018_world")).text


# --- results and verdicts -----------------------------------------------------------------------------------


def test_a_result_shows_finding_latencies_and_claims(small_result: Result) -> None:
    page = shown(small_result)
    assert "workers answers 95 % of requests within" in page.text
    assert "3 replications of 1min, compiled engine" in page.text
    row = page.cells.index("workers")
    assert page.cells[row + 1] == f"{small_result.pools['workers'].requests:,}"
    assert re.fullmatch(r"\d+\.\d ± \d+\.\d", page.cells[row + 2])
    assert "✓ holds" in page.cells
    assert "✗ fails" in page.cells
    assert "elapsed" not in page.text
    head = page.cells.index("platform")
    assert page.cells[head + 9] == "USD per million sent"
    assert re.fullmatch(r"\d+\.\d\d", page.cells[row + 9])


def test_a_result_says_what_is_doubtful(
    small_result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = WarmupCheck("workers", 100.0, autocorrelation=0.9)
    monkeypatch.setattr(Result, "warmup_check", lambda self: (check, WarmupCheck("lambda", 100.0)))
    text = shown(small_result).text
    assert text.count("Note") == 1
    assert "the latency of workers drifts slowly" in text


def test_one_replication_has_no_intervals(small_result: Result) -> None:
    runs = {name: runs[:1] for name, runs in small_result.runs.items()}
    page = shown(Result(small_result.scenario, runs))
    assert "±" not in page.text
    assert "laim" not in page.text


def test_verdicts_show_expectations_observations_and_sources() -> None:
    page = shown(
        Verdicts(
            [verdict(), verdict(id="ours", source={}, severity="warn", confidence=0.99, expectations=verdict().expectations[:1])]
        )
    )  # fmt: skip
    assert page.links == ["https://www.example.org/a?b=1&c=2"]
    assert page.cells[5:10] == [
        "? undecided", "fastIt is fast", "✓ workers.p(50) < 20ms", "12 ms (11.5 to 12.5)", "example.org, 2024-05p95",
    ]  # fmt: skip
    assert page.cells[10:15] == [
        "", "", "? workers.p(95) < 90ms", "91 ms (80 to 99)about 40 replications would decide", "",
    ]  # fmt: skip
    assert page.cells[15:] == [
        "✓ holds", "oursIt is fast (a warning only)", "workers.p(50) < 20ms", "12 ms (11.5 to 12.5) 99 % interval", "ours",
    ]  # fmt: skip
    assert "2 claims :  ✓ 1 holds ,  ? 1 undecided" in page.text


def test_one_verdict_and_none() -> None:
    assert "1 claim :  ? 1 undecided" in shown(verdict()).text
    assert shown(Verdicts()).text == "No claims"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "https://[", "", "//example.org"]
)
def test_only_web_addresses_become_links(url: str) -> None:
    page = shown(verdict(source={"url": url, "date": "2024", "scope": ""}))
    assert page.links == []


# --- topologies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled_names("topologies/sites"))
def test_every_topology_of_sites(name: str) -> None:
    sites = popsim.load_sites(name)
    page = shown(sites)
    assert "svg" in page.tags
    row = page.cells.index("Europe")
    assert page.cells[row + 1] == str(sites.continents.count("EU"))
    assert sites.ids[0] in page.cells
    assert "the first 10" in page.text


def test_sites_have_the_colour_of_their_rarest_role() -> None:
    sites = popsim.load_sites("aws").select(ids=["us-east-1", "af-south-1"])
    source = sites._repr_html_()
    assert "2 region" in source
    assert "all of them" in source
    assert source.count("h0") == 2  # dots
    assert "in 2 countries" in source
    assert "in 1 country" in shown(sites.select(ids=["us-east-1"])).text


def test_no_sites_at_all() -> None:
    sites = popsim.load_sites("aws").select(role="rec", where=Where(country="ZA"))
    assert "0 sites" in shown(sites).text


@pytest.mark.parametrize("name", bundled_names("topologies/clients"))
def test_every_topology_of_clients(name: str) -> None:
    clients = popsim.load_clients(name)
    page = shown(clients)
    shares = [float(cell[:-2]) for cell in page.cells if re.fullmatch(r"\d+(\.\d+)? %", cell)]
    continents = len(set(clients.continents))
    assert sum(shares[:continents]) == pytest.approx(100.0, abs=1.5)
    is_even = len(set(clients.weight.tolist())) == 1
    assert ("area of a dot" in page.text) != is_even


def test_places_lie_where_they_should() -> None:
    """Each dot of three far places, relative to the one before, at 3 units a degree, latitudes stretched by 1.2."""
    clients = popsim.load_clients("cities")
    chosen = replace(
        clients, ids=clients.ids[:3], cities=clients.cities[:3], countries=clients.countries[:3], continents=clients.continents[:3], weight=np.ones(3) / 3, utc_offset_h=np.zeros(3), lat=np.array([75.0, 0.0, -90.0]), lon=np.array([-170.0, 0.0, -171.0])
    )  # fmt: skip
    path = re.findall(r'd="(m[^"]*)"', chosen._repr_html_())
    assert path == ["m0 0h0m510 270h0m567 205h0"]


# --- all of it ----------------------------------------------------------------------------------------------


def test_what_a_user_writes_is_escaped(tmp_path: Path, small_result: Result) -> None:
    """Names, sentences, sources, ids and cities may contain markup; it is shown, not interpreted."""
    places = tmp_path / "mine.csv"
    line = f'"{EVIL}1","{EVIL}2",DE,50,8,"{EVIL.replace(" ", "")}3"\n'
    places.write_text(f"id,city,country,lat,lon,roles\n{line}", encoding="utf-8")
    people = tmp_path / "people.csv"
    people.write_text(
        f'id,city,country,lat,lon,utc_offset_h,weight\n"{EVIL}4","{EVIL}5",DE,50,8,1,1\n',
        encoding="utf-8",
    )
    claim = {
        "id": f"{EVIL}6", "says": f"{EVIL}7", "expect": ["workers.p(50) < 1s"],
        "source": {"url": ADDRESS, "date": "2024", "scope": f"{EVIL}8"},
    }  # fmt: skip
    scenario = small_result.scenario.changed(
        name=f"{EVIL}9", description=f"{EVIL}10", claims=[claim],
        platforms={"workers": {"description": f"{EVIL}11"}},
    )  # fmt: skip
    result = popsim.run(scenario, store=None, progress=False, replications=2, duration="20s")
    found: dict[str, Reader] = {
        "sites": shown(popsim.load_sites(str(places))),
        "clients": shown(popsim.load_clients(str(people))),
        "scenario": shown(scenario),
        "result": shown(result),
        "verdicts": shown(result.verdicts),
        "verdict": shown(result.verdicts[0]),
    }
    expected = {
        "sites": (1, 2, 3), "clients": (4, 5), "scenario": (6, 9, 10, 11), "result": (6, 7, 8, 9),
        "verdicts": (6, 7, 8), "verdict": (6, 7, 8),
    }  # fmt: skip
    for name, page in found.items():
        assert "b" not in page.tags
        for number in expected[name]:
            assert f"{EVIL}{number}" in page.text, (name, number)
    assert found["verdict"].links == [ADDRESS]
    no_scenario_has_it = 'https://example.org/"><script>alert(1)</script>'
    page = shown(verdict(source={"url": no_scenario_has_it, "date": "2024", "scope": ""}))
    assert page.links == [no_scenario_has_it]  # the address as it is, no markup


def test_a_builder_escapes_all_but_markup() -> None:
    inner = element("i", "<&>", title='"<')
    assert inner == '<i title="&quot;&lt;">&lt;&amp;&gt;</i>'
    assert element("p", inner, "<") == f"<p>{inner}&lt;</p>"


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = np.array([int(colour[at : at + 2], 16) / 255.0 for at in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(
    ("colours", "least"), [((HOLDS, FAILS, UNDECIDED), 4.0), (COLOURS, 3.0)], ids=["text", "dots"]
)
@pytest.mark.parametrize("background", ["#ffffff", "#111111"])
def test_colours_are_seen_in_both_themes(
    colours: tuple[str, ...], least: float, background: str
) -> None:
    for colour in colours:
        light, dark = sorted((luminance(colour), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > least, colour


def test_text_has_the_notebooks_colours() -> None:
    given = re.findall(r"(?<![-\w])color: ([^; }]+)", STYLE)
    assert set(given) == {"inherit", HOLDS, FAILS, UNDECIDED}
    assert set(re.findall(r"background: ([^; }]+)", STYLE)) == {"none"}


def test_looking_at_scenarios_and_topologies_loads_nothing_heavy() -> None:
    code = (
        "import sys, popsim.scenario.loading as loading\n"
        "from popsim import load_clients, load_sites\n"
        "for thing in (loading.read_scenario('nearest_edge')[0], load_sites('aws'), load_clients('cities')):\n"
        "    assert '<div' in thing._repr_html_()\n"
        "heavy = {'numba', 'pandas', 'matplotlib', 'simpy', 'networkx'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
