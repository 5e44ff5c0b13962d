"""Key traces: their forms, what is told of wrong ones, and who asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import popsim
from popsim.engine import layout as lay
from popsim.engine.tables import alias_table
from popsim.engine.traces import KeyTrace, read_trace, trace_rows
from popsim.scenario.loading import dump_resolved
from popsim.sweeps.store import run_key

LINES = (
    "100,a,1,20,c1,get,0\n100,b,2,300,c2,set,60\n101.5,a,1,99,c1,gets,0\n102,b,2,9,c3,delete,0\n"
)
HEADER = "timestamp,key,key_size,value_size,client_id,operation,TTL\n"
OTHER = (
    "operation,TTL,client_id,more,value_size,key_size,key,timestamp\n"
    "get,0,c1,x,20,1,a,100\nSET,60,c2,x,300,2,b,100\n gets ,0,c1,x,99,1,a,101.5\ndelete,0,c3,x,9,2,b,102\n"
)


def read(folder: Path, text: str | bytes) -> KeyTrace:
    path = folder / "trace.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_trace(path)


def refusal(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(popsim.InputError) as caught:
        read(folder, text)
    place = str(folder / "trace.csv")
    return [str(problem).removeprefix(place).lstrip(":") for problem in caught.value.problems]


# --- what is read --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [LINES, HEADER + LINES, OTHER, "# source\n\n" + LINES, "# source\n" + HEADER + "# more\n" + LINES,
     "\ufeff" + HEADER + LINES, LINES.replace("\n", "\r\n"), LINES.rstrip("\n"), LINES.replace("a", '"a"')],
    ids=["bare", "header", "other order", "comments", "comments and header", "BOM", "CRLF", "no last newline", "quotes"],
)  # fmt: skip
def test_forms_of_one_trace(text: str, tmp_path: Path) -> None:
    trace = read(tmp_path, text)
    assert trace.rows.time.tolist() == [0.0, 0.0, 1_500.0, 2_000.0]  # ms from the first line on
    assert trace.rows.key.tolist() == [0, 1, 0, 1]
    assert trace.rows.client.tolist() == [0, 1, 0, 2]
    assert trace.rows.kind.tolist() == [lay.KV_GET, lay.KV_PUT, lay.KV_GET, lay.KV_DELETE]
    assert trace.rows.expiry.tolist() == [np.inf, 60_000.0, np.inf, np.inf]
    assert trace.sizes.tolist() == [21, 302]  # as first named
    assert trace.clients == ("c1", "c2", "c3")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("get", lay.KV_GET), ("gets", lay.KV_GET), ("delete", lay.KV_DELETE)]
    + [(name, lay.KV_PUT) for name in ("set", "add", "replace", "cas", "append", "prepend", "incr", "decr")],
)  # fmt: skip
def test_operations(operation: str, kind: int, tmp_path: Path) -> None:
    trace = read(tmp_path, f"0,a,1,2,c,{operation},0\n")
    assert trace.rows.kind.tolist() == [kind]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    first = read(tmp_path, LINES)
    assert read_trace(tmp_path / "trace.csv") is first
    assert len(read(tmp_path, LINES + "103,z,1,1,c,get,0\n").sizes) == 3


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the trace has no lines"),
        ("# only this\n", "the trace has no lines"),
        (HEADER, "the trace has no lines"),
        (LINES + "1,2\n", "5: expected 7 values"),
        ("0,a,1,2,c,touch,0\n", "1: unknown operation 'touch'"),
        ("0,a,1,2,c,get,never\n", "1: TTL must be a number"),
        ("0,a,1,2,c,get,inf\n", "1: TTL must be a number"),
        ("-1,a,1,2,c,get,0\n", "1: timestamp must be a number"),
        ("0,a,513,2,c,get,0\n", "1: key_size must be a number from 0 to 512"),
        ("0,a,1,26214401,c,get,0\n", "1: value_size must be a number from 0 to 26214400"),
        ("0,,1,2,c,get,0\n", "1: key is empty"),
        (LINES + "99,a,1,2,c,get,0\n", "5: times must not go back, from 102 s to 99 s"),
        (HEADER.replace("TTL", "ttl") + LINES, "1: the header lacks the column TTL"),
        (HEADER.replace("TTL", "key") + LINES, "1: the header has twice the column key"),
        (b"0,a,1,2,c,get,0\n0,\xff,1,2,c,get,0\n", "2: not UTF-8 text"),
        ("0," + "k" * 200_000 + ",1,2,c,get,0\n", "1: not valid CSV: a line has more than 100,000 bytes"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_mistakes_have_a_line(text: str | bytes, told: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, text)[0].lstrip(" ").startswith(told)


def test_many_mistakes_are_told_at_once_but_not_all(tmp_path: Path) -> None:
    told = refusal(tmp_path, "0,a,1,2,c,touch,0\n" * 100)
    assert len(told) == 20
    assert told[-1].startswith("20: ")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(popsim.InputError, match="there is no trace file"):
        read_trace(tmp_path / "no.csv")
    with pytest.raises(popsim.InputError, match="the trace is a folder"):
        read_trace(tmp_path)


def test_a_file_may_be_too_large(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    with path.open("wb") as file:
        file.truncate(1_000_000_001)
    with pytest.raises(popsim.InputError, match="expected at most 1,000 MB"):
        read_trace(path)


# --- who asks ------------------------------------------------------------------------------------------


def test_clients_of_a_trace_live_where_users_do(tmp_path: Path) -> None:
    """Each client_id has one home, drawn by weight: 3 of 4 in the first of two cells, within 4 standard errors."""
    count = 4_000
    trace = read(tmp_path, "".join(f"{n},a,1,1,c{n % count},get,0\n" for n in range(2 * count)))
    threshold, alias = alias_table(np.array([3.0, 1.0]))
    rows = trace_rows(trace, 9, threshold, alias)
    assert (rows.client[:count] == rows.client[count:]).all()
    assert abs((rows.client[:count] == 0).mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / count)
    assert (trace_rows(trace, 9, threshold, alias).client == rows.client).all()
    assert (trace_rows(trace, 8, threshold, alias).client != rows.client).any()
    assert trace.rows.client.max() == count - 1  # the trace itself is left alone


# --- in scenarios --------------------------------------------------------------------------------------


def scenario(trace: Path, **over: Any) -> dict[str, Any]:
    return {
        "name": "it",
        "duration": "1min",
        "replications": 1,
        "clients": {"topology": "cities"},
        "workload": {
            "arrivals": {"trace": str(trace)},
            "keys": {"k": {}},
            "handler": [{"kv.trace": {"keys": "k"}}],
        },
        "platforms": {"it": {"preset": "cloudflare-workers"}},
        **over,
    }


def test_ids_are_of_the_content_of_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(LINES, encoding="utf-8")
    one = popsim.load(scenario(path))
    ids, keys = [one.id], [run_key(one, "it", 0, "compiled")]
    assert (one.id, run_key(one, "it", 0, "compiled")) == (ids[0], keys[0])
    path.write_text(LINES.replace("60", "61"), encoding="utf-8")
    ids.append(one.id)
    keys.append(run_key(one, "it", 0, "compiled"))
    path.write_text(LINES, encoding="utf-8")
    assert len(set(ids)) == len(set(keys)) == 2
    assert one.id == ids[0]


def test_ids_are_of_the_content_of_own_topologies(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    text = "id,city,country,lat,lon,roles\na,Oslo,NO,60,10,pop\n"
    path.write_text(text, encoding="utf-8")
    platform = {"topology": str(path), "runtime": "always_warm"}
    one = popsim.load(
        {"name": "it", "duration": "1s", "workload": {"arrivals": {"rate": "1/s"}}, "platforms": {"it": platform}}
    )  # fmt: skip
    before = one.id
    path.write_text(text.replace("60", "61"), encoding="utf-8")
    assert one.id != before


def test_a_trace_lies_beside_its_scenario_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "cluster52.sample").write_text(LINES, encoding="utf-8")
    path = tmp_path / "it.yaml"
    path.write_text(
        "name: it\nduration: 1min\n"
        "workload: {arrivals: {trace: cluster52.sample}, keys: {k: {}}, handler: [kv.trace: {keys: k}]}\n"
        "platforms: {it: {preset: cloudflare-workers}}\n",
        encoding="utf-8",
    )
    one = popsim.load(path)
    assert one.workload.arrivals.trace == str(tmp_path / "cluster52.sample")
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(dump_resolved(one), encoding="utf-8")
    assert popsim.load(resolved).id == one.id


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_requests_are_the_lines(engine: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(LINES, encoding="utf-8")
    result = popsim.run(scenario(path), engine=engine, store=None, progress=False, workers=1)
    (run,) = result.runs["it"]
    assert (run.requests, run.failed.sum()) == (4, 0)
    assert run.arrivals == 4
