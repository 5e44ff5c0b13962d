"""The HTML report in a browser: it works from a file, without a network, and shows the numbers that are in it."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

Opened = Any
WEST, NORTH, SOUTH, STRETCH = -170.0, 78.0, -57.0, 1.2  # the map's edges in degrees


def ms(value: float) -> str:
    """Write a time as JavaScript rounds: of two equally near, the larger (52.25 is 52.3; Python has 52.2)."""
    step = Decimal("0.1") if value < 1_000.0 else Decimal(1)
    return f"{Decimal(value).quantize(step, ROUND_HALF_UP):,}"


def position(opened: Opened, lat: float, lon: float) -> tuple[float, float]:
    """Return where on the page the unzoomed map shows a place."""
    box = opened.page.locator("#map").bounding_box()
    x = ((lon + 360.0 if lon < WEST else lon) - WEST) / 360.0
    y = (NORTH - lat) * STRETCH / 360.0
    return box["x"] + x * box["width"], box["y"] + y * box["width"]


def scroll_to(opened: Opened, selector: str) -> None:
    opened.page.locator(selector).scroll_into_view_if_needed()
    opened.page.wait_for_timeout(400)  # smooth scrolling, and the map ignores the wheel for 250 ms


def bars(opened: Opened) -> dict[tuple[str, str], float]:
    """Return the bars' widths by platform and phase, as shares of the widest platform."""
    found = opened.page.locator("#phase-bars rect").evaluate_all(
        "all => all.map(r => [r.dataset.platform, r.dataset.phase, +r.getAttribute('width')])"
    )
    totals: dict[str, float] = {}
    for platform, _, width in found:
        totals[platform] = totals.get(platform, 0.0) + width
    return {(platform, phase): width / max(totals.values()) for platform, phase, width in found}


def expected_bars(
    data: dict[str, Any], values: dict[str, list[float]]
) -> dict[tuple[str, str], float]:
    most = max(sum(row) for row in values.values())
    return {
        (platform, name): value / most
        for platform, row in values.items()
        for name, value in zip(data["phases"]["names"], row, strict=True)
        if value
    }


def column(opened: Opened, number: int) -> list[str]:
    found: list[str] = opened.page.locator(
        f"#table-body tbody tr > :nth-child({number})"
    ).all_inner_texts()
    return found


def numbers(opened: Opened, number: int) -> list[float]:
    return [float(text.replace(",", "")) for text in column(opened, number)]


@pytest.mark.parametrize("name", ["small", "no_answer"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_from_a_file_without_a_word(open_page: Any, name: str, scheme: str) -> None:
    opened = open_page(name, color_scheme=scheme)
    assert opened.page.locator("h1").inner_text() == opened.data["summary"]["scenario"]
    assert opened.problems == []
    assert len(opened.requests) == 1  # the file itself
    assert opened.page.locator("#summary-table tbody tr").count() == len(
        opened.data["summary"]["platforms"]
    )


def test_the_policy_forbids_other_scripts_and_requests(open_page: Any) -> None:
    opened = open_page()
    outcome = opened.page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.textContent = "window.wasRun = true";
          document.body.append(script);
          const fetched = await fetch("data:text/plain,x").then(() => true, () => false);
          return [window.wasRun === true, fetched];
        }"""
    )
    assert outcome == [False, False]


def test_the_head_has_the_summary_s_numbers(open_page: Any) -> None:
    opened = open_page()
    for name, found in opened.data["summary"]["platforms"].items():
        row = opened.page.locator("#summary-table tbody tr", has_text=name).inner_text()
        for estimate in found["latency_ms"].values():
            assert ms(estimate["value"]) in row
        assert f"{found['requests']:,}" in row


def test_claims_show_verdict_source_and_markup_as_text(open_page: Any) -> None:
    opened = open_page()
    for claim in opened.data["summary"]["claims"]:
        article = opened.page.locator(f"[data-claim={claim['id']}]")
        text = article.inner_text()
        assert claim["says"] in text
        assert {"holds": "✓", "fails": "✗", "undecided": "?"}[claim["verdict"]] in text
        assert claim["expect"] in text
    link = opened.page.locator("[data-claim=fast] a")
    assert link.get_attribute("href") == "https://example.org/a"
    assert "2018-07-02 · the world" in opened.page.locator("[data-claim=fast]").inner_text()
    assert opened.page.locator("main i, main b, h1 b").count() == 0


# --- the map --------------------------------------------------------------------------------------------


def test_hovering_a_client_shows_its_numbers(open_page: Any) -> None:
    opened = open_page()
    scroll_to(opened, "#map")
    clients, cells = opened.data["map"]["clients"], opened.data["map"]["cells"]
    for city in ("Lagos", "Sydney"):
        i = clients["city"].index(city)
        opened.page.mouse.move(*position(opened, clients["lat"][i] + 0.8, clients["lon"][i]))
        tip = opened.page.locator("#tip")
        if city not in tip.inner_text():  # a site lies nearer
            opened.page.mouse.move(*position(opened, clients["lat"][i], clients["lon"][i] + 1.5))
        assert tip.is_visible()
        lines = tip.inner_text().splitlines()
        assert lines[0].startswith(f"{city}, ")
        for platform, cell in cells.items():
            expected = [
                platform,
                f"{cell['answered'][i]:,}",
                ms(cell["p50_ms"][i]),
                ms(cell["p95_ms"][i]),
            ]
            assert "\t".join(expected) in lines
    opened.page.mouse.move(*position(opened, -40.0, -130.0))  # the South Pacific
    assert not opened.page.locator("#tip").is_visible()


def test_the_keyboard_reads_the_map(open_page: Any) -> None:
    opened = open_page()
    opened.page.locator("#map").focus()
    clients = opened.data["map"]["clients"]
    pairs = zip(clients["city"], clients["weight"], strict=True)
    largest = [city for city, weight in pairs if weight == max(clients["weight"])]
    opened.page.keyboard.press("ArrowRight")
    first = opened.page.locator("#tip").inner_text()
    assert first.split(",")[0] in largest
    opened.page.keyboard.press("ArrowLeft")
    assert opened.page.locator("#tip").inner_text() != first
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator("#tip").is_visible()


def test_platform_and_colour_repaint_the_map(open_page: Any) -> None:
    opened = open_page()
    pictures = set()
    choices = opened.page.locator("#map-metric option").evaluate_all("all => all.map(o => o.value)")
    assert choices == [
        "p50",
        "p95",
        "kv_p50",
        "kv_p95",
        "kv_hits",
        "kv_stale",
    ]  # there are no objects
    for platform, metric in (
        ("workers", "p50"),
        ("edge", "p50"),
        ("edge", "p95"),
        ("workers", "kv_hits"),
    ):
        opened.page.locator("#map-platform").select_option(platform)
        opened.page.locator("#map-metric").select_option(metric)
        opened.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        pictures.add(opened.page.locator("#map").evaluate("canvas => canvas.toDataURL()"))
        caption = opened.page.locator("#map-caption").inner_text()
        assert caption.startswith(f"{platform}: ")
        assert caption.removeprefix(f"{platform}: ").startswith(
            opened.page.locator("#map-legend > div:last-child").inner_text()
        )
    assert len(pictures) == 4


def test_sites_show_their_key_value_ratios(open_page: Any) -> None:
    opened = open_page()
    opened.page.locator("#map-metric").select_option("kv_hits")
    scroll_to(opened, "#map")
    table = next(t for t in opened.data["tables"] if (t["of"], t["by"]) == ("kv", "site"))
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    busiest = next(row for row in rows if row["platform"] == "workers")
    places = opened.data["map"]["topologies"][opened.data["map"]["sites"]["workers"]]
    i = places["id"].index(busiest["site"])
    opened.page.mouse.move(*position(opened, places["lat"][i], places["lon"][i]))
    text = opened.page.locator("#tip").inner_text()
    assert text.startswith(busiest["site"])
    assert f"KV reads\t{busiest['reads']:,}" in text
    hits = 100.0 * (busiest["memory_ratio"] + busiest["edge_ratio"])
    shown = float(text.split("KV hit ratio\t")[1].split(" %")[0])
    assert shown == pytest.approx(hits, rel=0.01)


def test_wheel_buttons_and_drag_move_the_map(open_page: Any) -> None:
    opened = open_page()
    scroll_to(opened, "#map")
    canvas = opened.page.locator("#map")
    picture = "canvas => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(canvas.toDataURL()))))"
    seen = [canvas.evaluate(picture)]
    x, y = position(opened, 50.0, 8.0)
    opened.page.mouse.move(x, y)
    opened.page.mouse.wheel(0, -400)
    opened.page.wait_for_timeout(100)
    seen.append(canvas.evaluate(picture))
    opened.page.mouse.down()
    opened.page.mouse.move(x + 60, y + 40, steps=4)
    opened.page.mouse.up()
    seen.append(canvas.evaluate(picture))
    opened.page.locator("#zoom-in").click()
    seen.append(canvas.evaluate(picture))
    assert len(set(seen)) == 4
    opened.page.locator("#zoom-reset").click()
    opened.page.mouse.move(5, 5)
    assert canvas.evaluate(picture) == seen[0]


def test_two_fingers_zoom_the_map(open_page: Any) -> None:
    opened = open_page(width=400, has_touch=True)
    scroll_to(opened, "#map")
    x, y = position(opened, 20.0, 10.0)
    session = opened.page.context.new_cdp_session(opened.page)
    for kind, apart in (
        ("touchStart", 20),
        ("touchMove", 40),
        ("touchMove", 80),
        ("touchEnd", None),
    ):
        points = (
            [] if apart is None else [{"x": x + way * apart, "y": y, "id": way} for way in (-1, 1)]
        )
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert "zoomed" in (opened.page.locator("#map").get_attribute("class") or "")


# --- distribution, phases, timeline ---------------------------------------------------------------------


def test_the_legend_hides_a_platform_everywhere(open_page: Any) -> None:
    opened = open_page()
    lines = opened.page.locator(".line[data-platform=edge]")
    assert lines.count() == 4  # CDF, CCDF, latency and rate over time
    button = opened.page.locator("#series-legend [data-platform=edge]")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert lines.count() == 0
    assert opened.page.locator(".line[data-platform=workers]").count() == 4
    button.click()
    assert lines.count() == 4


def test_hovering_the_distribution_reads_shares(open_page: Any) -> None:
    opened = open_page()
    scroll_to(opened, "#cdf")
    box = opened.page.locator("#cdf svg").bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 80)
    lines = opened.page.locator("#tip").inner_text().splitlines()
    found = opened.data["distribution"]
    at = next(i for i, edge in enumerate(found["edges_ms"]) if f"{ms(edge)} ms" == lines[0])
    for name, slower in found["slower"].items():
        shown = next(line for line in lines if line.startswith(name)).split("\t")
        assert float(shown[1].removesuffix(" %")) == pytest.approx(
            100 * (1 - slower["all"][at]), rel=0.01
        )
        assert float(shown[2].removesuffix(" %")) == pytest.approx(
            100 * slower["all"][at], rel=0.06
        )
    opened.page.locator("#ccdf svg").focus()
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.locator("#tip").is_visible()


@pytest.mark.parametrize("percent", [1, 50, 95, 99.9])
def test_the_slider_draws_the_phases_of_its_percentile(open_page: Any, percent: float) -> None:
    opened = open_page()
    data = opened.data
    at = data["percents"].index(percent)
    opened.page.locator("#percent").fill(str(at))
    assert opened.page.locator("#percent-value").inner_text() == f"p{percent}"
    expected = expected_bars(data, {name: rows[at] for name, rows in data["phases"]["ms"].items()})
    assert bars(opened) == pytest.approx(expected, abs=1e-6)
    if percent in (50, 95):
        summary = data["summary"]["platforms"]["workers"]["phases_ms"][f"p{percent}"]
        total = sum(summary.values())
        assert f"{ms(total)} ms" in opened.page.locator("#phase-bars").inner_text()


def test_the_mean_of_phases(open_page: Any) -> None:
    opened = open_page()
    opened.page.locator("#phase-mean").click()
    means = {
        platform: [found["phases_ms"]["mean"][name] for name in opened.data["phases"]["names"]]
        for platform, found in opened.data["summary"]["platforms"].items()
    }
    assert bars(opened) == pytest.approx(expected_bars(opened.data, means), abs=1e-6)


def test_bars_can_be_read(open_page: Any) -> None:
    opened = open_page()
    opened.page.locator("#phase-bars svg").focus()
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("ArrowDown")
    lines = opened.page.locator("#tip").inner_text().splitlines()
    assert lines[0] == "edge"
    for phase, value in opened.data["summary"]["platforms"]["edge"]["phases_ms"]["p95"].items():
        if phase in opened.data["phases"]["names"]:
            assert f"{phase.replace('_', ' ')}\t{ms(value)}" in lines


def test_the_timeline_marks_what_happened(open_page: Any) -> None:
    opened = open_page()
    assert opened.page.locator("#time-latency-chart .span").count() == 1
    moments = {action["time_ms"] for action in opened.data["actions"]["entries"]}
    assert len(moments) >= 2
    assert opened.page.locator("#time-latency-chart .moment").count() == len(moments)
    scroll_to(opened, "#time-rate-chart")
    opened.page.locator("#time-rate").select_option("failed")
    svg = opened.page.locator("#time-rate-chart svg")
    svg.focus()
    opened.page.keyboard.press("ArrowRight")
    timeline = opened.data["timeline"]
    bin_ms, columns = timeline["bin_ms"], timeline["platforms"]["workers"]
    worst = max(range(len(columns["failed"])), key=lambda i: columns["failed"][i])
    for _ in range(worst):
        opened.page.keyboard.press("ArrowRight")
    text = opened.page.locator("#tip").inner_text()
    share = 100.0 * columns["failed"][worst] / columns["sent"][worst]
    assert f"workers\t{share:.4g}" in text
    assert f"{worst * bin_ms / 1e3:.3g} s" in text


# --- tables, scenario -----------------------------------------------------------------------------------


def test_tables_sort_and_filter(open_page: Any) -> None:
    opened = open_page()
    page = opened.page
    countries = opened.data["summary"]["platforms"]["workers"]["groups"]["country"]
    page.locator("#table-filter").fill("WORKERS")
    rows = len(countries)
    assert page.locator("#table-count").inner_text().startswith(f"{rows} of ")
    page.get_by_role("button", name="p95 ms").click()
    slowest_first = sorted((group["p95_ms"] for group in countries.values()), reverse=True)
    assert numbers(opened, 8) == pytest.approx(slowest_first[:25], abs=0.051)  # one decimal
    assert page.locator("#table-body th[aria-sort=descending]").inner_text().startswith("p95")
    page.get_by_role("button", name="p95 ms").click()
    assert numbers(opened, 8) == pytest.approx(slowest_first[::-1][:25], abs=0.051)
    if rows > 25:
        page.locator("#table-more").click()
        assert len(column(opened, 6)) == rows
    page.locator("#table-filter").fill("workers australia")
    assert column(opened, 2) == ["Australia (AU)"]
    for number, key in ((3, "sent"), (4, "answered"), (5, "failed")):
        assert column(opened, number) == [f"{countries['AU'][key]:,}"]
    page.locator("#table-filter").fill("nowhere")
    assert column(opened, 1) == []


def test_every_table_can_be_chosen(open_page: Any) -> None:
    opened = open_page()
    titles = opened.page.locator("#table-choice option").all_inner_texts()
    assert titles[:4] == ["Continents", "Countries", "Sites", "Networks"]
    assert "KV by site" in titles
    for title in titles:
        opened.page.locator("#table-choice").select_option(label=title)
        assert opened.page.locator("#table-body tbody tr").count() > 0
        assert opened.page.locator("#table-caption").inner_text().startswith(title)


def test_the_scenario_can_be_copied(open_page: Any) -> None:
    opened = open_page(permissions=["clipboard-read", "clipboard-write"])
    opened.page.locator("#resolved summary").click()
    assert opened.page.locator("#yaml").inner_text() == opened.data["scenario_yaml"]
    opened.page.locator("#copy").click()
    opened.page.get_by_text("Copied.").wait_for()
    assert opened.page.evaluate("navigator.clipboard.readText()") == opened.data["scenario_yaml"]
    assert opened.data["summary"]["id"] in opened.page.locator("#recreate").inner_text()


# --- screens and paper ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small", "no_answer"])
@pytest.mark.parametrize("width", [320, 360, 768])
def test_narrow_screens_scroll_in_one_direction(open_page: Any, name: str, width: int) -> None:
    opened = open_page(name, width=width, height=740, has_touch=True)
    opened.page.locator("#resolved summary").click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.page.evaluate("scrollTo(500, 0), scrollX") == 0


def test_dark_and_print_change_the_colours(open_page: Any) -> None:
    opened = open_page(color_scheme="dark")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    picture = "document.querySelector('#map').toDataURL()"
    dark, on_dark = opened.page.evaluate(paper), opened.page.evaluate(picture)
    assert dark == "rgb(20, 23, 27)"
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate(paper) == "rgb(255, 255, 255)"
    opened.page.wait_for_function(f"before => {picture} !== before", arg=on_dark)
    assert opened.problems == []


def test_print_hides_controls_and_opens_sections(open_page: Any) -> None:
    opened = open_page()
    yaml = opened.page.locator("#yaml")
    assert not yaml.is_visible()
    opened.page.emulate_media(media="print")
    yaml.wait_for(state="visible")
    assert opened.page.locator("details:not([open])").count() == 0
    for selector in ("nav", "#map-platform", "#percent", "#table-filter", "#copy"):
        assert not opened.page.locator(selector).is_visible()
    for selector in ("#summary-table", "#map", "#cdf svg", "#phase-bars svg", "#table-body"):
        assert opened.page.locator(selector).is_visible()
    assert len(opened.page.pdf()) > 50_000
    opened.page.emulate_media(media="screen")
    yaml.wait_for(state="hidden")


def test_a_platform_without_an_answer_breaks_nothing(open_page: Any) -> None:
    opened = open_page("no_answer")
    found = opened.data["summary"]["platforms"]["lambda"]
    assert sum(found["failed"].values()) == found["requests"] > 0
    text = opened.page.locator("main").inner_text()
    assert "No request was answered" in text
    assert "no answered requests" in opened.page.locator("#phase-bars").inner_text()
    assert "100 %" in opened.page.locator("#summary-table").inner_text()
    opened.page.locator("#percent").fill("10")
    opened.page.locator("#map").focus()
    opened.page.keyboard.press("ArrowRight")
    assert "NaN" not in opened.page.content().split('id="data"')[0]
    assert opened.problems == []
