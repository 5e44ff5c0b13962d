"""Files of other tools are named in one sentence, wherever one is given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import popsim

FILES = {
    "a.har": (json.dumps({"log": {"version": "1.2", "entries": []}}), "a HAR file"),
    "summary.json": (json.dumps({"root_group": {}, "metrics": {}}), "a summary of k6"),
    "new.json": (json.dumps({"metrics": {"http_req_waiting": {}}}), "a summary of k6"),
    "points.json": ('{"type":"Metric","data":{}}\n{"type":"Point"}\n', "k6's output"),
    "k6.csv": ("metric_name,timestamp,metric_value,check\nhttp_reqs,1,1,\n", "k6's output"),
    "azure21.csv": ("app,func,end_timestamp,duration\n" + "a,b,1.5,0.5\n" * 30, "Azure Functions"),
    "azure19.csv": ("HashOwner,HashApp,HashFunction,Trigger,1,2\n" + "a,b,c,http,1,0\n" * 30, "Azure"),
    "cdn.log": ("#Version: 1.0\n#Fields: date time x-edge-location\n" + "1 2 3\n" * 30, "CloudFront"),
    "access.log": ('1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 26\n' * 30, "web server"),
}  # fmt: skip


def scenario(**parts: object) -> dict[str, object]:
    return {
        "name": "it",
        "duration": "10s",
        "workload": {"arrivals": {"rate": "1/s"}},
        "platforms": {"workers": {"preset": "cloudflare-workers"}},
    } | parts


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("given_as", ["trace", "scenario", "clients"])
def test_a_foreign_file_is_named_once(tmp_path: Path, name: str, given_as: str) -> None:
    text, what = FILES[name]
    path = tmp_path / name
    path.write_text(text)
    if given_as == "clients" and path.suffix != ".csv":
        pytest.skip("a table's name ends in .csv")
    keys = {"arrivals": {"trace": str(path)}, "keys": {"items": {}}, "handler": [{"kv.trace": {"keys": "items"}}]}  # fmt: skip
    source = {
        "trace": scenario(workload=keys),
        "scenario": path,
        "clients": scenario(clients={"topology": str(path)}),
    }[given_as]
    with pytest.raises(popsim.InputError) as caught:
        popsim.load(source)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert what in problem.message
    assert str(path) == problem.file


def test_a_large_har_file_is_named_too(tmp_path: Path) -> None:
    path = tmp_path / "large.har"
    path.write_text('{\n  "log": {\n' + " " * 3_000_000 + "}}")
    with pytest.raises(popsim.InputError, match="this is a HAR file, a browser's log"):
        popsim.load(path)


def test_a_scenario_in_json_is_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(scenario()))
    assert popsim.load(path).name == "it"


def test_functions_of_a_trace_are_not_drawn(tmp_path: Path) -> None:
    """Which function a line calls is not in the trace; to draw one by popularity would look as if it were."""
    path = tmp_path / "trace.csv"
    path.write_text("0,a,1,1,c,get,0\n1,b,1,1,c,get,0\n")
    workload = {
        "arrivals": {"trace": str(path)},
        "functions": {"count": 20},
        "handler": [{"cpu": "1ms"}],
    }
    with pytest.raises(
        popsim.InputError, match="does not say which of 20 functions it calls"
    ) as caught:
        popsim.load(scenario(workload=workload))
    assert caught.value.problems[0].path == ("workload", "functions", "count")
    assert popsim.load(scenario(workload=workload | {"functions": {"count": 1}})).name == "it"
