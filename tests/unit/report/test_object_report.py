"""Objects in the terminal, in figures and in a result's folder."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import made, message_histogram, object_columns, object_histogram, with_objects
from matplotlib.figure import Figure
from rich.console import Console

import popsim
from popsim.cli.output import write_folder
from popsim.engine.object_layout import PARTS
from popsim.engine.outputs import PHASES, PlatformRun
from popsim.report.figures import figure_files
from popsim.report.object_plots import PART_COLOURS, PART_NAMES
from popsim.report.plots import PHASE_COLOURS
from popsim.report.terminal import print_summary
from popsim.results import Result
from popsim.results.objects import ObjectPool

FIGURES = ("object_parts", "object_distance", "object_homes", "object_visible")
TITLES = (
    "Objects: how long calls take in ms, and the mean of each part; which calls fail",
    "Objects: where they live and what happens to them (made: warm-up included)",
    "Objects, after warm-up: total seconds active, idle in memory, out of memory; "
    "USD per million requests",
    "Messages: ms until they are answered, and until others see them; p50 / p95 by how far these are spread",
    "Sessions: disconnections, ms to reconnect, messages missed while disconnected",
)
FAR = np.array([[9, 80, 15, 0, 9], [1, 40, 10, 0, 1]])  # by host
MOVED = np.array([[9, 80, 15, 0, 2], [1, 40, 10, 0, 8]])
DIMENSIONS = ("class", "part", "host", "spread", "message", "site")


def uncalled() -> PlatformRun:
    """Return a run whose handler could have called objects, but no request came."""
    return with_objects(
        requests=0,
        objects_by_class=np.array([object_columns({}), object_columns({})]),
        objects_histogram=object_histogram({}, {}),
        objects_by_message=message_histogram({}, {}),
        objects_by_host=np.zeros((2, 5), np.int64),
        objects_created=np.zeros((4, 2), np.int64),
        objects_spawn_ns=np.zeros(4, np.int64),
    )


def result_of(**runs: PlatformRun) -> Result:
    scenario = {
        "name": "Documents",
        "duration": "1min",
        "clients": {"topology": "cities"},
        "workload": {"arrivals": {"rate": "1/s"}, "handler": [{"cpu": "1ms"}]},
        "platforms": {name: {"preset": "cloudflare-workers"} for name in runs},
    }
    return Result(popsim.load(scenario), {name: [run] for name, run in runs.items()})


@pytest.fixture
def called() -> Result:
    """Two platforms with objects, one without."""
    return result_of(near=with_objects(), far=with_objects(), without=made())


def printed(result: Result, width: int = 160) -> str:
    out = io.StringIO()
    print_summary(result, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def row_under(text: str, title: str) -> tuple[list[str], list[str]]:
    """Return the words of a table's heading and of its first row."""
    lines = text.splitlines()
    first = lines.index(title) + 1
    return lines[first].split(), lines[first + 1].split()


# --- terminal -------------------------------------------------------------------------------------------


def test_terminal_has_calls_with_the_parts_that_took_time(called: Result) -> None:
    heading, row = row_under(printed(called), TITLES[0])
    objects = ObjectPool(called.pools["near"].runs, "document")
    assert " ".join(heading) == (
        "platform class calls p50 p95 p99 mean to home execute gate back lost overloaded unavailable failed"
    )
    means = [objects.part_mean(part) for part in ("to_home", "execute", "gate", "back")]
    assert row[:3] == ["near", "document", "100"]
    assert row[6:11] == [f"{ms:.1f}" for ms in (objects.call_mean, *means)]
    assert row[11:13] == ["4.2", "%"]  # 5 of 120 are lost


def test_terminal_has_homes_time_in_memory_and_sessions(called: Result) -> None:
    text = printed(called)
    heading, row = row_under(text, TITLES[1])
    assert row[:3] == ["near", "document", "8"]
    assert row[5:] == ["60", "%", "4", "1", "2", "25", "40", "10", "%", "501.8", "ms"]
    assert " ".join(heading[-5:]) == "replica reads stale stale p99"
    heading, row = row_under(text, TITLES[2])
    assert " ".join(heading[2:]) == (
        "activations active idle in memory not in memory in memory billed USD"
    )
    usd = called.objects(by="class")["usd_per_million_requests"]
    assert row[2:] == ["20", "2", "10", "28", "30", "%", "2", f"{usd[0]:.2f}"]
    heading, row = row_under(text, TITLES[3])
    assert heading[-2:] == ["city", "world"]
    assert row[:4] == ["near", "document", "edit", "30"]
    assert (row[6], row[-6:]) == ("60", ["15", "/", "15", "100", "/", "100"])
    _, row = row_under(text, TITLES[4])
    assert (row[1], row[-2:]) == ("3", ["10", "%"])


def test_terminal_has_no_columns_of_replicas_without_any() -> None:
    run = with_objects(
        objects_by_class=np.array([object_columns({"calls": 5}), object_columns({})]),
        objects_histogram=object_histogram({}, {}),
    )
    heading, _ = row_under(printed(result_of(workers=run)), TITLES[1])
    assert "stale" not in heading
    assert TITLES[4] not in printed(result_of(workers=run))  # nor of cuts


def test_terminal_without_objects_has_none_of_it() -> None:
    text = printed(result_of(without=made()))
    assert "Objects:" not in text
    assert "Sessions:" not in text


def test_terminal_without_participants_has_no_sessions() -> None:
    text = printed(result_of(workers=uncalled()))
    assert row_under(text, TITLES[0])[1][:7] == ["workers", "document", "0", "-", "-", "-", "-"]
    assert "Sessions:" not in text


# --- figures --------------------------------------------------------------------------------------------


def test_every_part_and_phase_has_a_colour() -> None:
    assert tuple(PART_COLOURS) == tuple(PART_NAMES) == PARTS
    assert tuple(PHASE_COLOURS) == PHASES


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw(called: Result, name: str) -> None:
    figure = getattr(called.plot, name)()
    assert isinstance(figure, Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
    assert len(buffer.getvalue()) > 5_000


@pytest.mark.parametrize("name", FIGURES)
def test_figures_need_objects(name: str) -> None:
    with pytest.raises(ValueError, match="no step of the handler calls an object"):
        getattr(result_of(without=made()).plot, name)()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_objects_that_nobody_called(name: str) -> None:
    getattr(result_of(workers=uncalled()).plot, name)().savefig(io.BytesIO(), format="png")


def title(figure: Figure) -> str:
    return f"{' '.join(figure.get_suptitle().split())}\n{figure.subtitle}"


def test_titles_say_what_was_found(called: Result) -> None:
    alone = result_of(near=with_objects())
    assert (
        title(alone.plot.object_parts())
        == "Waiting for confirmation: 38 % of a call's time\nDocuments"
    )
    assert title(alone.plot.object_homes()) == "IAD is home to 60 % of the objects\nDocuments"
    homes = result_of(
        near=with_objects(), far=with_objects(objects_by_host=FAR)
    ).plot.object_homes()
    assert title(homes).splitlines()[0] == (
        "The largest host is home to 60 % of the objects with near, to 90 % of the objects with far"
    )
    found = title(alone.plot.object_visible()).splitlines()[0]
    assert found == (
        "Half of the others see the message 'edit' after 15 ms in one city, "
        "after 100 ms all over the world"
    )
    found = title(alone.plot.object_visible("cursor")).splitlines()[0]
    assert found.startswith("Half of the others see the message 'cursor' after 6")
    half = alone.pools["near"].objects.distance_p(50)
    same = title(called.plot.object_distance()).splitlines()[0]
    assert same == f"Half of the calls go less than {half:.3g} km"


def test_bars_add_up_to_the_mean_of_calls(called: Result) -> None:
    (axes,) = called.plot.object_parts().axes
    widths = np.array([bar.get_width() for bar in axes.patches]).reshape(-1, 2)
    assert len(widths) == 4  # parts that took time
    assert widths.sum(axis=0) == pytest.approx([2_600 / 120] * 2, rel=0.008)


def test_curves_end_with_all(called: Result) -> None:
    for line in called.plot.object_distance().axes[0].get_lines():
        assert line.get_ydata()[-1] == pytest.approx(100.0)
        assert line.get_xdata()[-1] == pytest.approx(6_000, rel=0.008)
    panels = called.plot.object_visible().axes
    kinds = ("message: edit", "message: cursor", None)
    expected = [
        ", ".join(filter(None, (platform, kind))) for platform in ("near", "far") for kind in kinds
    ]
    assert [axes.get_title() for axes in panels] == expected
    assert len(panels[1].get_lines()) == 1
    city, world = panels[0].get_lines()
    assert city.get_xdata()[-1] == pytest.approx(15, rel=0.008)
    assert world.get_xdata()[-1] == pytest.approx(100, rel=0.008)


def test_discs_are_where_hosts_are_and_as_large_as_their_share(called: Result) -> None:
    near = called.plot.object_homes().axes[0]
    assert near.get_title() == "near: 10 objects at 2 hosts"
    discs = near.collections[1]
    assert np.asarray(discs.get_offsets()).tolist() == [[-77.5, 38.9], [8.6, 50.0]]
    one, other = discs.get_sizes() - 8.0
    assert one / other == pytest.approx(6 / 4)
    assert [text.get_text() for text in near.texts] == ["IAD 60 %", "FRA 40 %"]


def test_rings_tell_where_objects_were_made_that_moved(called: Result) -> None:
    near = called.plot.object_homes().axes[0]
    assert len(near.collections) == 2  # the land, and the discs
    moved = result_of(near=with_objects(objects_by_host=MOVED)).plot.object_homes()
    assert title(moved).splitlines()[0] == "FRA is home to 80 % of the objects"
    (axes,) = moved.axes
    assert axes.get_title() == (
        "near: 10 objects at 2 hosts at the end; rings: where they were made"
    )
    discs, rings = (found.get_sizes() - 8.0 for found in axes.collections[1:])
    assert discs[0] / discs[1] == pytest.approx(8 / 2)
    assert rings[0] / rings[1] == pytest.approx(9 / 1)


def test_an_unknown_message_says_what_is_known(called: Result) -> None:
    with pytest.raises(ValueError, match=r"unknown message 'typo'; expected one of edit, cursor"):
        called.plot.object_visible("typo")


def test_figure_files_are_those_with_something_to_show(called: Result) -> None:
    def names(result: Result) -> list[str]:
        return [name for name in figure_files(result) if name.startswith("object")]

    assert names(called) == [f"{name}.png" for name in FIGURES]
    assert names(result_of(workers=uncalled())) == []
    assert names(result_of(without=made())) == []


# --- the folder -----------------------------------------------------------------------------------------


def test_the_folder_has_tables_with_the_numbers_of_the_json(called: Result, tmp_path: Path) -> None:
    write_folder(called, tmp_path / "out", figures=None)
    text = (tmp_path / "out" / "summary.json").read_text(encoding="utf-8")
    objects = json.loads(text)["platforms"]["near"]["objects"]
    tables = {by: pd.read_csv(tmp_path / "out" / f"objects_by_{by}.csv") for by in DIMENSIONS}
    frame = pd.read_csv(tmp_path / "out" / "objects.csv").set_index("platform")
    assert list(frame.index) == ["near", "far"]
    row = frame.loc["near"]
    assert row["lost_ratio"] == pytest.approx(objects["lost_ratio"]["value"], rel=1e-5)
    assert row["call_p95_ms"] == pytest.approx(objects["call_ms"]["p95"]["value"], rel=1e-5)
    assert row["moves"] == objects["counts"]["moves"]
    for by, name in (("class", "classes"), ("part", "parts_ms"), ("spread", "spreads")):
        table = tables[by].set_index("platform").loc["near"].set_index(by)
        assert list(table.index) == list(objects[name])
        for group, numbers in objects[name].items():
            known = {k: math.nan if v is None else v for k, v in numbers.items()}
            assert table.loc[group].to_dict() == pytest.approx(known, rel=1e-5, nan_ok=True)
    by_message = tables["message"].set_index(["platform", "class", "message", "spread"])
    edits = objects["messages"]["document"]["edit"]["world"]
    assert by_message.loc[("near", "document", "edit", "world")].to_dict() == pytest.approx(
        edits, rel=1e-5
    )
    homes = pd.read_csv(tmp_path / "out" / "object_homes.csv")
    assert homes["objects"].sum() == tables["site"]["objects"].sum() == 2 * 10
    assert tables["host"]["created"].sum() == 2 * 10


def test_the_folder_without_objects_has_no_such_tables(tmp_path: Path) -> None:
    written = write_folder(result_of(without=made()), tmp_path / "one", figures=None)
    assert not [path.name for path in written if path.name.startswith("object")]
    written = write_folder(result_of(workers=uncalled()), tmp_path / "two", figures=None)
    names = {path.name for path in written if path.name.startswith("object")}
    assert names == {
        "objects.csv",
        "objects_by_class.csv",
        "objects_by_part.csv",
        "object_homes.csv",
    }
