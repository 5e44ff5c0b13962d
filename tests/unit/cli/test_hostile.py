"""What strangers wrote reaches a terminal, a log or a file as one line of visible characters, from every command."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from commands import popsim_command

CODES = "\\e]0;t\\a\\e[31m\\r\\n::error file=a.py::no\\n##[error]no\\u202e\\u200b\\x85\\b"
SCENARIO = f"""
name: "it {CODES}"
description: "<img src=x onerror=alert(1)> {CODES}"
duration: 60s
replications: 2
seed: 1
engine: simpy
clients: {{topology: clients.csv}}
workload: {{arrivals: {{rate: 2/s}}, handler: [{{fetch: {{origin: "o{CODES}", service: 1ms}}}}]}}
origins: {{"o{CODES}": {{lat: 52, lon: 13}}}}
platforms: {{w: {{description: "{CODES}", topology: sites.csv, runtime: always_warm}}}}
claims:
  - id: "a{CODES}|`b`<i>@you"
    says: "a | b <script>[c](d) `e` @you {CODES}"
    source: {{url: "https://example.org/a_(b)", date: "2020-01-01", scope: "{CODES}"}}
    expect: ["w.p(50) < 1ms"]
    severity: warn
"""
CLIENTS = "id,city,country,lat,lon,utc_offset_h,weight\n=1+1,+Berlin,DE,52,13,1,1\n@b,::error::x,DE,51,12,1,1\n"
SITES = "id,city,country,lat,lon,roles\n=cmd|calc,##[error]x,DE,52,13,pop\n"
SPOOFED = re.compile(r"::error|##\[|(^|\s)::add-mask")


def popsim(
    folder: Path, *arguments: str, codes: tuple[int, ...] = (0,), **environment: str
) -> subprocess.CompletedProcess[bytes]:
    (folder / "clients.csv").write_text(CLIENTS, encoding="utf-8")
    (folder / "sites.csv").write_text(SITES, encoding="utf-8")
    if not (folder / "it.yaml").exists():
        (folder / "it.yaml").write_text(SCENARIO, encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if key != "GITHUB_STEP_SUMMARY"}
    env |= {"COLUMNS": "40"} | environment
    if "PYTHONIOENCODING" in environment:
        command = [sys.executable, "-m", "popsim", *arguments]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=120, check=False, env=env
        )
    else:
        done = popsim_command(*arguments, cwd=folder, environment=env)
    assert done.returncode in codes, done.stderr.decode()
    return done


def harmless(text: bytes, *, is_log: bool = True) -> str:
    shown = text.decode("utf-8")
    unseen = {ascii(c) for c in shown if not c.isprintable()} - {"'\\n'"}
    assert not unseen
    if is_log:
        assert not SPOOFED.search(shown)
    return shown


def test_run_and_its_tables(tmp_path: Path) -> None:
    done = popsim(tmp_path, "run", "it.yaml", "--out", "out", "--figures", "svg", "--workers", "1")
    harmless(done.stdout)
    harmless(done.stderr)
    tables = list((tmp_path / "out").glob("*.csv"))
    assert tables
    for path in tables:
        harmless(path.read_bytes())
        for row in csv.reader(path.read_text("utf-8").splitlines()):
            for cell in row:
                assert not cell.startswith(("=", "@", "+")), (path, cell)
    cells = (tmp_path / "out" / "sites.csv").read_text("utf-8")
    assert "'=cmd|calc" in cells
    harmless((tmp_path / "out" / "scenario.yaml").read_bytes(), is_log=False)


def test_check_everywhere(tmp_path: Path) -> None:
    reports = ("--junit", "it.xml", "--markdown", "it.md", "--json", "it.json")
    done = popsim(tmp_path, "check", "it.yaml", "--workers", "1", *reports)
    shown = harmless(done.stdout)
    assert shown.endswith("0 hold, 0 fail, 0 undecided, 1 warning\n")  # and the exit code is 0
    harmless((tmp_path / "it.xml").read_bytes())
    (case,) = ElementTree.parse(tmp_path / "it.xml").iter("testcase")
    assert case.get("classname") == "it.yaml"
    page = harmless((tmp_path / "it.md").read_bytes())
    assert "<" not in page.replace("`w.p(50) < 1ms`", "")
    assert "@" not in page and "`e`" not in page and "[c]" not in page
    assert "(https://example.org/a%5F%28b%29)" in page
    json.loads((tmp_path / "it.json").read_text("utf-8"))
    assert len(page.splitlines()) == 9


def test_other_commands(tmp_path: Path) -> None:
    resolved = popsim(tmp_path, "validate", "it.yaml", "--resolved").stdout
    harmless(resolved, is_log=False)
    assert not re.search(r"^\s*::", resolved.decode(), re.MULTILINE)
    popsim(tmp_path, "baseline", "save", "it.yaml", "--workers", "1")
    saved = tmp_path / "baselines" / "it.json"
    text = saved.read_text("utf-8").replace('"w": {', '"w\\u001b[31m\\n::error::x": {"replications": [1], "statistics": {}, "phases_ms": {}}, "w": {')  # fmt: skip
    saved.write_text(text, encoding="utf-8")
    arguments = ("baseline", "compare", "it.yaml", "--workers", "1", "--markdown", "b.md")
    done = popsim(tmp_path, *arguments)
    harmless(done.stdout)
    assert "error" in harmless(done.stderr)  # of the platform that is gone
    harmless((tmp_path / "b.md").read_bytes())


@pytest.mark.parametrize(
    "text",
    [
        SCENARIO.replace("platforms: {w:", f'"{CODES}": 1\nplatforms: {{w:'),
        SCENARIO.replace("duration: 60s", f'duration: "{CODES}"'),
        SCENARIO.replace("https://example.org", "javascript:alert"),
        SCENARIO.replace("w.p(50)", "\\u202e::error::x"),
        SCENARIO.replace("sites.csv", f"s{CODES}.csv"),
    ],
)
def test_messages(text: str, tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text(text, encoding="utf-8")
    told = harmless(popsim(tmp_path, "validate", "it.yaml", codes=(2,)).stderr)
    assert all(re.match(r"error: it\.yaml:\d+:\d+: ", line) for line in told.splitlines())


def test_names_of_files(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\x1b[31m\n::error::x.yaml")
    harmless(popsim(tmp_path, "validate", name, codes=(2,)).stderr)
    (tmp_path / name).write_text(SCENARIO, encoding="utf-8")
    harmless(popsim(tmp_path, "validate", name).stdout)


def test_an_ascii_terminal(tmp_path: Path) -> None:
    name = "it.yaml"
    (tmp_path / name).write_text(SCENARIO.replace("it ", "Köln 東京 "), encoding="utf-8")
    arguments = ("check", name, "--workers", "1")
    done = popsim(tmp_path, *arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert b"K\\xf6ln \\u6771\\u4eac" in done.stdout
    done = popsim(tmp_path, *arguments, "--json", "-", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["scenarios"][0]["name"].startswith("Köln")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_and_a_closed_pipe(tmp_path: Path) -> None:
    popsim(tmp_path, "validate", "it.yaml")
    command = [sys.executable, "-m", "popsim", "validate", "it.yaml"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr.decode()) == (2, f"error: {os.strerror(errno.ENOSPC)}\n")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
