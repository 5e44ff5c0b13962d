"""Key-value stores in the terminal, in figures and in a result's folder."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

import popsim
from popsim.cli.output import write_folder
from popsim.engine.kv_layout import TIERS
from popsim.report.figures import figure_files
from popsim.report.terminal import print_summary
from popsim.results import Result

FIGURES = ("kv_tiers", "kv_reads", "kv_staleness", "kv_visibility")
TITLES = (
    "Key-value store: where reads are answered, and how long they take in ms",
    "Key-value store: how old answers are, how long until sites see a write, what operations cost",
)
TABLES = {f"kv{kind}.csv" for kind in ("", "_by_space", "_by_site", "_by_country", "_visibility")}
READ: list[dict[str, Any]] = [{"kv.get": {"keys": "users"}}, {"kv.get": {"keys": "flags"}}]
WRITE: list[dict[str, Any]] = [{"kv.put": {"keys": "users", "on_error": "ignore"}}]


def run(*steps: dict[str, Any], replications: int = 1, **changes: Any) -> Result:
    scenario = {
        "name": "stored",
        "seed": 3,
        "duration": "20s",
        "replications": replications,
        "clients": {"topology": "cities"},
        "workload": {
            "arrivals": {"rate": "50/s"},
            "keys": {"users": {"count": 100}, "flags": {"count": 5}},
            "handler": list(steps),
        },
        "platforms": {"workers": {"preset": "cloudflare-workers"}},
    }
    return popsim.run(scenario | changes, store=None, progress=False, workers=1)


@pytest.fixture(scope="module")
def stored() -> Result:
    """Reads of two key spaces; one request in five writes."""
    choice = {"choose": [{"weight": 1, "steps": WRITE}, {"weight": 4}]}
    return run(*READ, choice, replications=2)


@pytest.fixture(scope="module")
def unwritten() -> Result:
    return run(*READ)


@pytest.fixture(scope="module")
def without() -> Result:
    return run({"cpu": "1ms"})


def printed(result: Result, width: int = 132) -> str:
    out = io.StringIO()
    print_summary(result, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def row_under(text: str, title: str) -> tuple[str, str]:
    """Return the heading of a table and its first row."""
    lines = text.splitlines()
    first = lines.index(title) + 1
    return lines[first], lines[first + 1]


# --- terminal -------------------------------------------------------------------------------------------


def test_terminal_has_both_tables(stored: Result) -> None:
    kv = stored.pools["workers"].kv
    text = printed(stored)
    heading, row = row_under(text, TITLES[0])
    assert heading.split()[:8] == ["platform", "reads", *TIERS]
    assert row.split()[:2] == ["workers", f"{kv.reads:,}"]
    assert f"{100 * kv.ratio('store'):.3g} %" in row
    assert f"{kv.read_p(50):.1f} ±" in row
    assert row.split()[-2:] == [f"{kv.write_p(p):.1f}" for p in (50, 95)]
    heading, row = row_under(text, TITLES[1])
    for name in ("stale", "max age", "visible 50 %", "refused", "USD per million"):
        assert name in heading
    usd = stored.kv().at["workers", "usd_per_million_requests"]
    refused = kv.operations()["writes_limited"]
    assert row.split()[-2:] == [f"{refused:,}", f"{usd:.2f}"]


def test_terminal_without_a_store_has_neither(without: Result) -> None:
    assert "Key-value store" not in printed(without)


def test_terminal_of_a_store_never_written(unwritten: Result) -> None:
    text = printed(unwritten)
    assert row_under(text, TITLES[0])[1].split()[-2:] == ["-", "-"]
    assert row_under(text, TITLES[1])[1].split()[:-2] == ["workers", "0", "0", "0", "-", "-", "-"]


def test_narrow_terminals_break_no_table(stored: Result) -> None:
    table = printed(stored, 80).split(TITLES[0][:30])[1]
    assert max(len(line) for line in table.splitlines()) <= 80


# --- figures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw(stored: Result, name: str) -> None:
    figure = getattr(stored.plot, name)()
    assert isinstance(figure, Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
    assert len(buffer.getvalue()) > 5_000


@pytest.mark.parametrize("name", FIGURES)
def test_figures_need_a_store(without: Result, name: str) -> None:
    with pytest.raises(ValueError, match="no step of the handler asks a key-value store"):
        getattr(without.plot, name)()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_store_never_written(unwritten: Result, name: str) -> None:
    getattr(unwritten.plot, name)().savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_store_never_read(name: str) -> None:
    getattr(run(*WRITE).plot, name)().savefig(io.BytesIO(), format="png")


def test_bars_add_up_to_all_reads(stored: Result) -> None:
    (axes,) = stored.plot.kv_tiers().axes
    kv = stored.pools["workers"].kv
    widths = [bar.get_width() for bar in axes.patches]
    assert sum(widths) == pytest.approx(100.0)
    assert widths == pytest.approx([100 * kv.ratio(t) for t in TIERS if kv.ratio(t) > 0.0])


def test_curves_say_what_results_say(stored: Result) -> None:
    kv = stored.pools["workers"].kv
    (reads,) = stored.plot.kv_reads().axes[0].get_lines()
    assert reads.get_ydata()[-1] == pytest.approx(100.0)
    (stale,) = stored.plot.kv_staleness().axes[0].get_lines()
    assert stale.get_ydata()[0] == pytest.approx(100 * kv.stale_ratio)
    (seen,) = stored.plot.kv_visibility().axes[0].get_lines()
    assert seen.get_xdata()[-1] == pytest.approx(kv.visibility(1.0) / 1e3)


def test_reads_are_told_by_tier_under_the_curve(stored: Result) -> None:
    kv = stored.pools["workers"].kv
    used = [tier for tier in TIERS if kv.latency(tier).any()]
    assert {"edge", "store"} <= set(used)
    panel = stored.plot.kv_reads().axes[1]
    lines = panel.get_lines()
    spans = [
        (line.get_xdata(), dot.get_xdata())
        for line, dot in zip(lines[::2], lines[1::2], strict=True)
    ]
    for tier, (span, dot) in zip(used, spans, strict=True):
        assert list(span) == [kv.read_p(5, tier), kv.read_p(95, tier)]
        assert list(dot) == [kv.read_p(50, tier)]
    assert len(panel.get_yticklabels()) == len(used)
    low, high = panel.get_xlim()
    assert all(low < end < high for span, _ in spans for end in span)


def test_figure_files_are_those_with_something_to_show(
    stored: Result, unwritten: Result, without: Result
) -> None:
    def names(result: Result) -> list[str]:
        return [name for name in figure_files(result) if name.startswith("kv_")]

    assert names(stored) == [f"{name}.png" for name in FIGURES]
    assert names(unwritten) == ["kv_tiers.png", "kv_reads.png"]
    assert names(without) == []


# --- the folder -----------------------------------------------------------------------------------------


def test_the_folder_has_tables_with_the_numbers_of_the_json(stored: Result, tmp_path: Path) -> None:
    written = write_folder(stored, tmp_path / "out", figures="png")
    names = {path.name for path in written}
    assert names >= TABLES | {f"{name}.png" for name in FIGURES}
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    tables = {name: pd.read_csv(tmp_path / "out" / name) for name in TABLES}
    text = (tmp_path / "out" / "summary.json").read_text(encoding="utf-8")
    kv = json.loads(text)["platforms"]["workers"]["kv"]

    (row,) = tables["kv.csv"].to_dict(orient="records")
    assert row.pop("platform") == "workers"
    expected = {
        "reads": kv["reads"],
        **{f"{tier}_ratio": kv["ratios"][tier] for tier in TIERS},
        "hit_ratio": kv["hit_ratio"]["value"],
        "miss_ratio": kv["miss_ratio"]["value"],
        "region_share_of_misses": kv["region_share_of_misses"],
        "absent_ratio": kv["absent_ratio"],
        **{f"read_{p}_ms": kv["read_ms"][p]["value"] for p in kv["read_ms"]},
        "stale_ratio": kv["stale_ratio"]["value"],
        "own_stale_ratio": kv["own_stale_ratio"],
        "truncated_ratio": kv["truncated_ratio"],
        "staleness_p99_ms": kv["staleness_ms"]["p99"]["value"],
        "staleness_max_ms": kv["staleness_ms"]["max"],
        **{f"write_{p}_ms": kv["write_ms"][p]["value"] for p in kv["write_ms"]},
        **{f"visible_{p}_ms": ms for p, ms in kv["visibility_ms"].items()},
        **kv["operations"],
        **{f"{tier}_bytes": count for tier, count in kv["bytes"].items()},
        "usd_per_million_requests": kv["usd_per_million_requests"],
    }
    assert row == pytest.approx(expected, rel=1e-5)

    spaces = tables["kv_by_space.csv"].drop(columns="platform").set_index("space")
    assert list(spaces.index) == ["users", "flags"]
    for space, numbers in kv["spaces"].items():
        known = {key: math.nan if value is None else value for key, value in numbers.items()}
        assert spaces.loc[space].to_dict() == pytest.approx(known, rel=1e-5, nan_ok=True)

    sites = tables["kv_by_site.csv"]
    assert sites["reads"].sum() == kv["reads"]
    assert sites["writes"].sum() == kv["operations"]["puts"]
    for tier in TIERS:
        share = (sites[f"{tier}_ratio"] * sites["reads"]).sum() / kv["reads"]
        assert share == pytest.approx(kv["ratios"][tier], rel=1e-5)
    countries = tables["kv_by_country.csv"]
    assert countries["operations"].sum() == kv["operations"]["gets"]
    assert countries["operations"].is_monotonic_decreasing

    seen = tables["kv_visibility.csv"].set_index("share")["time_ms"]
    assert len(seen) == 100
    for percent in (50, 90, 99, 100):
        at = seen.iloc[percent - 1]
        assert at == pytest.approx(kv["visibility_ms"][f"p{percent}"], rel=1e-5)


def test_the_folder_without_a_store_has_no_such_tables(without: Result, tmp_path: Path) -> None:
    written = write_folder(without, tmp_path / "out", figures="png")
    assert not [path.name for path in written if path.name.startswith("kv")]


def test_the_folder_of_a_store_never_written(unwritten: Result, tmp_path: Path) -> None:
    write_folder(unwritten, tmp_path / "out", figures=None)
    seen = pd.read_csv(tmp_path / "out" / "kv_visibility.csv")
    assert list(seen.columns) == ["platform", "share", "time_ms"]
    assert len(seen) == 0
