from __future__ import annotations

import io

import pytest
from matplotlib.figure import Figure
from rich.console import Console

import popsim
from popsim.report.figures import figure_files
from popsim.report.terminal import print_summary
from popsim.results import Result


def printed(result: Result, width: int) -> str:
    out = io.StringIO()
    print_summary(result, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def test_terminal_tables_have_every_part(small_result: Result) -> None:
    text = printed(small_result, 132)
    for part in ("small", "Latency in ms", "p99", "Where the time goes", "by continent", "Claims"):
        assert part in text
    assert "holds" in text
    assert "fails" in text
    assert f"{small_result.pools['workers'].requests:,}" in text


def test_narrow_terminals_break_no_table(small_result: Result) -> None:
    assert max(len(line) for line in printed(small_result, 80).splitlines()) <= 80


@pytest.mark.parametrize("name", ["cdf", "ccdf", "map", "phases", "timeline"])
def test_figures_draw(small_result: Result, name: str) -> None:
    figure = getattr(small_result.plot, name)()
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_map_has_one_dot_per_client_and_site(small_result: Result) -> None:
    axes = small_result.plot.map(("workers",)).axes[0]
    counts = [
        len(points.get_offsets()) for points in axes.collections if len(points.get_offsets()) > 1
    ]
    assert sorted(counts) == [53, 310]


def test_cdf_ends_at_all_requests(small_result: Result) -> None:
    lines = small_result.plot.cdf().axes[0].get_lines()[:2]
    for line in lines:
        assert line.get_ydata()[-1] == pytest.approx(100.0)


def test_figure_files(small_result: Result) -> None:
    files = figure_files(small_result)
    assert list(files) == ["cdf.png", "ccdf.png", "map.png", "phases.png"]
    assert all(
        content.startswith(b"\x89PNG") and len(content) > 10_000 for content in files.values()
    )


def test_figures_of_a_platform_that_answers_nobody(small_result: Result) -> None:
    scenario = small_result.scenario.changed(
        replications=1, warmup=0, claims=[], events=[{"at": 0, "fail": {"sites": "us-east-1"}}]
    )
    result = popsim.run(scenario, store=None, progress=False, workers=1)
    assert result.pools["lambda"].answered == 0
    for name in ("cdf", "ccdf", "map", "phases", "timeline"):
        getattr(result.plot, name)()
    assert "-" in printed(result, 120)
    assert result.to_json_dict()["platforms"]["lambda"]["latency_ms"]["p50"]["value"] is None
