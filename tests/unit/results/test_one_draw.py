from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import popsim
from popsim.engine.build import build
from popsim.report.html.data import page_data
from popsim.report.notebook.result import result_html
from popsim.report.verdicts import Checked, checked_markdown
from popsim.results import Result
from popsim.scenario.schema import Scenario

EXPECTED = (
    "w.p(50) > 1ms",
    "w.p(50) < 1ms",
    "w.network.mean > 0ms",
    "w.execute.p(50) < 1s",
    "w.failed_ratio < 10%",
    "w.p(50) / w.p(95) < 1",
)


def scenario(residual: bool | str, **over: Any) -> Scenario:
    claims = [
        {"id": f"c{row}", "says": "it", "source": "ours", "expect": [text]}
        for row, text in enumerate(EXPECTED)
    ]
    return popsim.load(
        {
            "name": "few requests",
            "duration": "20s",
            "replications": 3,
            "engine": "simpy",
            "clients": {"topology": "cities", "where": {"country": ["DE", "IN"]}},
            "network": {"residual": residual},
            "workload": {"arrivals": {"rate": "5/s"}, "handler": [{"cpu": "1ms"}]},
            "platforms": {"w": {"preset": "cloudflare-workers"}},
            "claims": claims,
            **over,
        }
    )


def ran(residual: bool | str) -> Result:
    return popsim.run(scenario(residual), store=None, progress=False, workers=1)


def verdicts(result: Result) -> Sequence[str]:
    return [verdict.verdict for verdict in result.verdicts]


@pytest.fixture(scope="module")
def fixed() -> Result:
    return ran("fixed")


def test_redrawn_is_another_word_for_true() -> None:
    assert scenario("redrawn") == scenario(True)
    assert scenario("redrawn").id == scenario(True).id != scenario("fixed").id


@pytest.mark.parametrize(("residual", "same"), [(True, False), ("fixed", True), (False, False)])
def test_each_replication_has_its_own_planet_unless_it_is_fixed(
    residual: bool | str, same: bool
) -> None:
    one, other = (build(scenario(residual), "w", number).inputs for number in (0, 1))
    assert np.array_equal(one.routes.site, other.routes.site) == same  # catchments
    assert np.array_equal(one.routes.rtt, other.routes.rtt) == same


def test_platforms_share_the_planet_of_a_replication() -> None:
    """So what two platforms have in common cancels out of their difference."""
    both = scenario(True, platforms={"w": {"preset": "cloudflare-workers"}, "x": {"preset": "cloudflare-workers"}})  # fmt: skip
    for replication in (0, 1):
        w, x = (build(both, name, replication).inputs for name in ("w", "x"))
        assert np.array_equal(w.routes, x.routes)


def test_what_one_draw_decides_is_never_certain(fixed: Result) -> None:
    assert verdicts(ran(True)) == ["holds", "fails", "holds", "holds", "holds", "holds"]
    assert verdicts(fixed) == ["undecided"] * 3 + ["holds"] * 2 + ["undecided"]
    reasons = [verdict.deciding.reason for verdict in fixed.verdicts]
    assert all((reason is not None) == (found == "undecided") for reason, found in zip(reasons, verdicts(fixed), strict=True))  # fmt: skip
    assert "network.residual: fixed" in str(reasons[0])
    assert "network.residual: fixed" in checked_markdown(
        [Checked("x", "x", "x", 3, fixed.verdicts)]
    )


def test_a_note_names_what_one_draw_decides(fixed: Result) -> None:
    assert fixed.one_draw_decides == (
        "the lasting detours between places",
        "the sites that anycast takes each client to",
    )
    note = fixed.notes[0]
    assert all(what in note for what in fixed.one_draw_decides)
    assert json.loads(fixed.to_json())["one_draw_decides"] == list(fixed.one_draw_decides)
    assert note in page_data(fixed)["notes"]
    assert note in result_html(fixed)
    assert ran(False).one_draw_decides == ()
