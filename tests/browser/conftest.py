"""Pages of two small results, and a headless Chromium that is cut off from the network."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import popsim

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCENARIO: dict[str, Any] = {
    "name": "Browser </script><b>bold</b>",
    "seed": 5,
    "duration": "60s",
    "warmup": "5s",
    "replications": 3,
    "clients": {"topology": "cities", "network": "home"},
    "workload": {
        "arrivals": {"rate": "200/s"},
        "connection": {"reuse": "50%"},
        "keys": {"articles": {"count": 50, "popularity": {"zipf": 1.0}}},
        "handler": [{"cpu": "1ms"}, {"kv.get": {"keys": "articles"}}],
    },
    "platforms": {
        "workers": {"preset": "cloudflare-workers"},
        "edge": {"preset": "cloudflare-workers", "kv": {"memory_size": 0}},
    },
    "events": [{"at": "20s", "fail": {"busiest": 3, "platforms": ["workers"]}, "for": "20s"}],
    "claims": [
        {
            "id": "fast",
            "says": "Everybody waits less than a second <i>really</i>",
            "source": {"url": "https://example.org/a", "date": "2018-07-02", "scope": "the world"},
            "expect": ["workers.p(99) < 1s"],
        },
        {
            "id": "script",
            "says": "p50 is 1 ms",
            "source": "ours",
            "expect": ["workers.p(50) < 1ms"],
        },
    ],
}
NO_ANSWER: dict[str, Any] = {
    "name": "Nobody answers",
    "duration": "10s",
    "replications": 1,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "50/s"}},
    "platforms": {"lambda": {"preset": "aws-lambda"}},
    "events": [{"at": "0s", "fail": {"busiest": 1}}],
}


@dataclass
class Opened:
    """A page, the numbers in it, and what went wrong while it was looked at."""

    page: Any
    data: dict[str, Any]
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def files(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    files = {}
    for name, scenario in {"small": SCENARIO, "no_answer": NO_ANSWER}.items():
        files[name] = folder / f"{name}.html"
        popsim.run(scenario, store=None, progress=False, workers=1).to_html(files[name])
    return files


@pytest.fixture
def open_page(chromium: Any, files: dict[str, Path]) -> Iterator[Any]:
    """Return a function that opens a page: its name, width and height in px, further options of the browser."""
    contexts = []

    def open_it(
        name: str = "small", width: int = 1200, height: int = 900, **options: Any
    ) -> Opened:
        viewport = {"width": width, "height": height}
        context = chromium.new_context(viewport=viewport, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        block = re.search(r'id="data">(.*?)</script>', files[name].read_text("utf-8"), re.DOTALL)
        assert block is not None
        opened = Opened(page, json.loads(block[1]))
        page.on(
            "console", lambda message: opened.problems.append(f"{message.type}: {message.text}")
        )
        page.on("pageerror", lambda error: opened.problems.append(str(error)))
        page.on(
            "requestfailed", lambda request: opened.problems.append(f"failed: {request.url[:80]}")
        )
        page.on("request", lambda request: opened.requests.append(request.url))
        page.goto(files[name].as_uri())
        page.locator("#phase-bars svg[viewBox]").wait_for()
        opened.page.locator("#map").evaluate(
            "canvas => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        return opened

    yield open_it
    for context in contexts:
        context.close()
