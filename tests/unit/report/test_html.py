from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_runs import made, with_objects

import popsim
from popsim.engine.outputs import BUCKETS, PHASES, Ints, bucket_index
from popsim.report.html.data import MOST_ACTIONS, PERCENTS, actions, distribution
from popsim.report.html.finding import finding
from popsim.results import Result

MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & <!-- \u2028"


class Page(HTMLParser):
    """The page's elements: their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.texts.append((self.elements[-1][0], data))

    def of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag and text.strip()]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.of("script")[0])
        return found


@pytest.fixture(scope="module")
def page(small_result: Result) -> Page:
    return Page(small_result.to_html())


def histogram(**counts: int) -> Ints:
    """Return the histogram of counts by latency: ``ms10=50`` are 50 of 10 ms."""
    found = np.zeros(BUCKETS, np.int64)
    for name, count in counts.items():
        found[bucket_index(np.array([float(name[2:])]))] += count
    return found


def of_latencies(*platforms: Ints, **changes: Any) -> Result:
    """Return a result of platforms a, b, ... with one run each, of which only the latencies are known."""
    names = [chr(ord("a") + i) for i in range(len(platforms))]
    scenario = popsim.load(
        {
            "name": "made",
            "duration": "1s",
            "clients": {"topology": "cities"},
            "workload": {"arrivals": {"rate": "1/s"}},
            "platforms": {name: {"preset": "cloudflare-workers"} for name in names},
        }
    )
    runs = {
        name: [made(platform=name, latency=latency, requests=int(latency.sum()), **changes)]
        for name, latency in zip(names, platforms, strict=True)
    }
    return Result(scenario, runs)


# --- the numbers ----------------------------------------------------------------------------------------


def test_the_summary_in_the_page_is_the_json_summary(small_result: Result, page: Page) -> None:
    assert page.data["summary"] == json.loads(small_result.to_json())


def test_phases_at_percentiles_equal_those_of_the_summary(small_result: Result, page: Page) -> None:
    phases = page.data["phases"]
    for platform, found in page.data["summary"]["platforms"].items():
        for percent in (50, 90, 95, 99):
            row = phases["ms"][platform][page.data["percents"].index(percent)]
            expected = found["phases_ms"][f"p{percent}"]
            assert dict(zip(phases["names"], row, strict=True)) == {
                name: expected[name] for name in phases["names"]
            }
            assert all(expected[name] == 0.0 for name in set(PHASES) - set(phases["names"]))
    assert page.data["percents"][0] == 1
    assert page.data["percents"][-1] == 99.9
    assert len(PERCENTS) == len(set(PERCENTS)) == 108


def test_the_distribution_is_exact_at_edges() -> None:
    result = of_latencies(histogram(ms10=50, ms40=50))
    one, other = histogram(ms10=75, ms40=25), histogram(ms10=25, ms40=75)
    result = Result(result.scenario, {"a": [made(latency=one), made(latency=other, replication=1)]})
    found = distribution(result)
    slower = found["slower"]["a"]
    edges = np.array(found["edges_ms"])
    between = (edges > 10.1) & (edges <= 40.0)
    assert (np.diff(edges) > 0.0).all()
    assert edges[0] <= 10.0
    assert edges[-1] > 40.0
    for key, share in {"all": 0.5, "low": 0.25, "high": 0.75}.items():
        line = np.array(slower[key])
        assert (line[edges <= 10.0] == 1.0).all()
        assert (line[between] == share).all()
        assert (line[edges > 40.4] == 0.0).all()


def test_the_map_has_every_client_with_its_numbers(small_result: Result, page: Page) -> None:
    places, cells = page.data["map"]["clients"], page.data["map"]["cells"]
    frame = small_result.by("client").set_index(["platform", "client"])
    assert len(places["id"]) == frame.index.get_level_values("client").nunique()
    for platform, columns in cells.items():
        for client, requests, p95 in zip(
            places["id"], columns["answered"], columns["p95_ms"], strict=True
        ):
            assert requests == frame.at[(platform, client), "answered"]
            assert p95 == pytest.approx(frame.at[(platform, client), "p95_ms"], rel=5e-4)
    sites = page.data["map"]["topologies"][page.data["map"]["sites"]["lambda"]]
    assert sites["id"] == list(small_result.runs["lambda"][0].labels["site"])
    assert "Ashburn" in sites["city"] or all(sites["city"])


def test_the_timeline_counts_every_request(page: Page) -> None:
    for name, columns in page.data["timeline"]["platforms"].items():
        summary = page.data["summary"]["platforms"][name]
        assert sum(columns["sent"]) == summary["sent"]
        assert sum(columns["failed"]) == sum(summary["failed"].values())


def test_tables_of_objects_equal_those_of_the_summary() -> None:
    result = of_latencies(histogram(ms10=1))
    page = Page(Result(result.scenario, {"a": [with_objects()]}).to_html())
    table = next(t for t in page.data["tables"] if (t["of"], t["by"]) == ("objects", "class"))
    classes = page.data["summary"]["platforms"]["a"]["objects"]["classes"]
    assert len(table["rows"]) == len(classes) == 2
    for row in table["rows"]:
        found = dict(zip(table["columns"], row, strict=True))
        assert found.pop("platform") == "a"
        assert found == {"class": found["class"], **classes[found["class"]]}


def test_actions_are_grouped_and_limited() -> None:
    log = [(float(t), "fail", site) for t in range(MOST_ACTIONS + 5) for site in ("FRA", "IAD")]
    found = actions(of_latencies(histogram(ms10=1), log=log))
    assert found["count"] == MOST_ACTIONS + 5
    assert len(found["entries"]) == MOST_ACTIONS
    assert found["entries"][0] == {
        "time_ms": 0.0, "verb": "fail", "platform": "a", "count": 2, "detail": "FRA, IAD",
    }  # fmt: skip


# --- what it says ---------------------------------------------------------------------------------------


def test_the_finding_names_first_and_last() -> None:
    text = finding(of_latencies(histogram(ms200=9), histogram(ms50=9), histogram(ms100=9)))
    assert text == "b answers 95 % of requests within 50.2 ms; a takes 201 ms, 4 times as long."


def test_the_finding_of_one_platform_and_of_equal_ones() -> None:
    fast = histogram(ms50=9)
    one, two = finding(of_latencies(fast)), finding(of_latencies(fast, fast))
    assert one == "a answers half of all requests within 50.1 ms and 95 % within 50.2 ms."
    assert two == "a and b cannot be told apart at p95, about 50.2 ms."


def test_the_finding_without_an_answer() -> None:
    assert finding(of_latencies(histogram())) == "No platform answered a request."


def test_a_platform_that_answered_nothing_has_a_page() -> None:
    data = Page(of_latencies(histogram(), histogram(ms10=3)).to_html()).data
    assert data["summary"]["platforms"]["a"]["latency_ms"]["p50"]["value"] is None
    assert list(data["distribution"]["slower"]) == ["b"]
    assert Page(of_latencies(histogram()).to_html()).data["distribution"]["edges_ms"] == []


# --- the file -------------------------------------------------------------------------------------------


def test_text_of_the_scenario_is_no_markup(small_result: Result, page: Page) -> None:
    scenario = small_result.scenario.changed(name=MARKUP, description=MARKUP)
    hostile = Page(Result(scenario, small_result.runs, small_result.verdicts).to_html())
    assert hostile.data["summary"]["scenario"] == MARKUP
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in page.elements]
    assert hostile.of("h1") == [MARKUP]


def test_the_page_loads_nothing(page: Page, small_result: Result) -> None:
    outside = small_result.to_html().replace(page.of("script")[0], "")
    assert set(re.findall(r"https?://[^\s\"'`\\]+", outside)) == {"http://www.w3.org/2000/svg"}
    loads = [a for _, attrs in page.elements for a in attrs.items() if a[0] in ("src", "href")]
    assert all(value and value.startswith(("#", "data:,")) for _, value in loads)


def test_the_policy_allows_the_pages_own_script_and_style_alone(page: Page) -> None:
    policy = next(
        attrs["content"] or ""
        for tag, attrs in page.elements
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    for directive, text in (
        ("script-src", page.of("script")[1]),
        ("style-src", page.of("style")[0]),
    ):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert directives[directive] == f"'sha256-{digest}'"


def test_it_is_written_whole_or_not_at_all(small_result: Result, tmp_path: Path) -> None:
    path = tmp_path / "it.html"
    assert small_result.to_html(path) == path.read_text("utf-8")
    assert path.stat().st_size < 2_000_000
    with pytest.raises(FileNotFoundError):
        small_result.to_html(tmp_path / "missing" / "it.html")
    assert list(tmp_path.iterdir()) == [path]


# --- the command ----------------------------------------------------------------------------------------


def run(folder: Path, html: str) -> subprocess.CompletedProcess[str]:
    scenario = {
        "name": "command line",
        "duration": "5s",
        "replications": 1,
        "engine": "simpy",
        "clients": {"topology": "cities"},
        "workload": {"arrivals": {"rate": "20/s"}},
        "platforms": {"workers": {"preset": "cloudflare-workers"}},
    }
    (folder / "it.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    command = [sys.executable, "-m", "popsim", "run", "it.yaml", "--html", html]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_writes_a_page_into_a_new_folder(tmp_path: Path) -> None:
    done = run(tmp_path, "new/it.html")
    assert done.returncode == 0, done.stderr
    assert "Latency in ms" in done.stdout
    data = Page((tmp_path / "new" / "it.html").read_text("utf-8")).data
    assert data["summary"]["scenario"] == "command line"


@pytest.mark.parametrize(
    ("html", "message"), [("it.yaml/page.html", "is not a folder"), (".", "is a directory")]
)
def test_a_page_that_cannot_be_written_fails_before_the_run(
    tmp_path: Path, html: str, message: str
) -> None:
    done = run(tmp_path, html)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["it.yaml"]  # no .popsim: nothing has run
