"""The command as users meet it: in a process of its own, with exit codes, streams and files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from commands import popsim_command

SCENARIO = {
    "name": "command line",
    "duration": "20s",
    "replications": 2,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "100/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}},
}


def popsim(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = popsim_command(*arguments, cwd=cwd)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def write(folder: Path, name: str = "it.yaml", **keys: object) -> str:
    (folder / name).write_text(yaml.safe_dump(SCENARIO | keys), encoding="utf-8")
    return name


def claim(expect: str, identifier: str = "it") -> dict[str, object]:
    return {"id": identifier, "says": "so", "source": "ours", "expect": [expect]}


@pytest.mark.smoke
def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['popsim', '--help']\n"
        "from popsim.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numba', 'pandas', 'matplotlib', 'scipy', 'networkx', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("run", "check", "validate", "list", "warmup"):
        assert command in done.stdout


@pytest.mark.smoke
def test_run_prints_tables_and_writes_everything(tmp_path: Path) -> None:
    done = popsim("run", write(tmp_path), "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Latency in ms" in done.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "summary.json", "summary.csv", "phases.csv", "countries.csv", "sites.csv", "requests.csv",
        "timeline.csv", "scenario.yaml", "cdf.png", "ccdf.png", "map.png", "phases.png",
    }  # fmt: skip


def test_key_value_stores_have_tables_and_figures_of_their_own(tmp_path: Path) -> None:
    workload = {
        "arrivals": {"rate": "100/s"},
        "keys": {"users": {"count": 50}},
        "handler": [
            {"kv.get": {"keys": "users"}},
            {"kv.put": {"keys": "users", "on_error": "ignore"}},
        ],
    }
    done = popsim("run", write(tmp_path, workload=workload), "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Key-value store: ") == 2
    assert {path.name for path in (tmp_path / "out").glob("kv*")} == {
        "kv.csv", "kv_by_space.csv", "kv_by_site.csv", "kv_by_country.csv", "kv_visibility.csv",
        "kv_tiers.png", "kv_reads.png", "kv_staleness.png", "kv_visibility.png",
    }  # fmt: skip


def test_json_on_stdout_is_nothing_but_json(tmp_path: Path) -> None:
    done = popsim("run", write(tmp_path), "--json", "-", cwd=tmp_path)
    assert json.loads(done.stdout)["platforms"]["workers"]["requests"] > 3_000


@pytest.mark.parametrize(
    ("expects", "code"),
    [
        (["workers.p(50) > 1ms"], 0),
        (["workers.p(50) > 1ms", "workers.p(50) > 10s"], 99),
    ],
)
def test_exit_codes_of_claims(tmp_path: Path, expects: list[str], code: int) -> None:
    claims = [claim(text, f"c{number}") for number, text in enumerate(expects)]
    name = write(tmp_path, claims=claims)
    assert popsim("run", name, cwd=tmp_path).returncode == code
    done = popsim("check", name, cwd=tmp_path)
    assert done.returncode == code
    assert "Latency" not in done.stdout


def test_an_undecided_claim_is_98(tmp_path: Path) -> None:
    name = write(tmp_path, replications=1, claims=[claim("workers.p(50) > 1ms")])
    assert popsim("check", name, cwd=tmp_path).returncode == 98


def test_a_warning_changes_no_exit_code(tmp_path: Path) -> None:
    claims = [
        claim("workers.p(50) > 1ms"),
        claim("workers.p(50) > 10s", "w") | {"severity": "warn"},
    ]
    name = write(tmp_path, claims=claims)
    done = popsim("check", name, cwd=tmp_path)
    assert done.returncode == 0
    assert "✗ w" in done.stdout
    assert "a warning only" in done.stdout
    assert "1 holds, 0 fail, 0 undecided, 1 warning" in done.stdout
    assert popsim("run", name, cwd=tmp_path).returncode == 0


def test_check_writes_what_programs_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"url": "https://example.org/post", "date": "2026-01-31", "scope": "a|b"}
    claims = [
        claim("workers.p(50) > 1ms") | {"source": source},
        claim("workers.p(50) > 10s", "c1"),
        claim("workers.p(50) > 10s", "c2") | {"severity": "warn"},
    ]
    name = write(tmp_path, claims=claims)
    summary = tmp_path / "step.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = {kind: tmp_path / f"verdicts.{kind}" for kind in ("json", "junit", "markdown")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", str(path))]
    done = popsim("check", name, *options, cwd=tmp_path)
    assert done.returncode == 99
    (found,) = json.loads(files["json"].read_text())["scenarios"]
    assert [each["verdict"] for each in found["claims"]] == ["holds", "fails", "fails"]
    assert found["claims"][0]["source"] == source
    assert found["source"] == name
    (suite,) = ElementTree.parse(files["junit"]).getroot()
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == list("3101")
    assert [[part.tag for part in case] for case in suite] == [[], ["failure"], ["skipped"]]
    table = files["markdown"].read_text()
    assert "1 holds, 1 fails, 0 undecided, 1 warning" in table
    assert table.count("\n| ✓ |") == 1
    assert "https://example.org/post" in table
    assert summary.read_text() == "before\n" + table
    piped = popsim("check", name, "--json", "-", cwd=tmp_path)
    assert json.loads(piped.stdout) == json.loads(files["json"].read_text())


def test_check_tells_before_it_runs_that_it_cannot_write(tmp_path: Path) -> None:
    name = write(tmp_path, claims=[claim("workers.p(50) > 1ms")])
    (tmp_path / "file").write_text("")
    done = popsim("check", name, "--junit", "file/junit.xml", cwd=tmp_path)
    assert done.returncode == 2
    assert "is not a folder" in done.stderr
    assert "✓" not in done.stdout


def test_mistakes_exit_with_2_and_no_traceback(tmp_path: Path) -> None:
    name = write(tmp_path, durration="10s", clients={"topology": "citys"})
    for command in ("run", "check", "validate"):
        done = popsim(command, name, cwd=tmp_path)
        assert done.returncode == 2
        assert "unknown key 'durration' (did you mean 'duration'?)" in done.stderr
        assert done.stderr.startswith(f"error: {name}:")
        assert "Traceback" not in done.stderr


def test_unknown_scenario_and_option(tmp_path: Path) -> None:
    done = popsim("run", "workers_vs_lamda", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'workers_vs_lambda'" in done.stderr
    assert popsim("run", "nearest_edge", "--replications", "0", cwd=tmp_path).returncode == 2


def test_validate_resolved_loads_back(tmp_path: Path) -> None:
    name = write(tmp_path)
    resolved = popsim("validate", "--resolved", name, cwd=tmp_path).stdout
    (tmp_path / "resolved.yaml").write_text(resolved, encoding="utf-8")
    done = popsim("validate", name, "resolved.yaml", cwd=tmp_path)
    one, other = done.stdout.splitlines()
    assert one.split("id ")[1] == other.split("id ")[1]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    for out in ("out", "out/deeper"):
        done = popsim("run", write(tmp_path), "--out", out, cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert not (tmp_path / ".popsim").exists()  # refused before anything ran


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    done = popsim("run", write(tmp_path), "--out", "closed/out", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    name = write(tmp_path)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "popsim", "run", name, "--json", "-"],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m popsim run {write(tmp_path)} --json - | head -c 10"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_finished_runs_are_used_again_and_extended(tmp_path: Path) -> None:
    name = write(tmp_path)
    first = popsim("run", name, "--json", "-", cwd=tmp_path).stdout
    runs = sorted((tmp_path / ".popsim" / "runs").glob("*.run"))
    assert len(runs) == 2
    again = popsim("run", name, "--json", "-", cwd=tmp_path).stdout
    assert json.loads(first)["platforms"] == json.loads(again)["platforms"]
    popsim("run", name, "--replications", "3", cwd=tmp_path)
    assert len(list((tmp_path / ".popsim" / "runs").glob("*.run"))) == 3
    runs[0].write_bytes(b"damaged")
    damaged = popsim("run", name, "--json", "-", cwd=tmp_path)
    assert json.loads(damaged.stdout)["platforms"] == json.loads(first)["platforms"]


def test_a_finished_result_is_extended(tmp_path: Path) -> None:
    name = write(tmp_path)
    nothing = popsim("run", name, "--extend", "1", cwd=tmp_path)
    assert nothing.returncode == 3
    assert "there is nothing to extend" in nothing.stderr
    popsim("run", name, cwd=tmp_path)
    extended = popsim("run", name, "--extend", "2", "--json", "-", cwd=tmp_path)
    assert json.loads(extended.stdout)["replications"] == 4
    for option in (["--replications", "3"], ["--fresh"]):
        both = popsim("run", name, "--extend", "1", *option, cwd=tmp_path)
        assert both.returncode == 2
        assert f"--extend does not go with {option[0]}" in both.stderr


def test_a_warm_up_that_is_too_short_is_told(tmp_path: Path) -> None:
    """Every instance is cold at first, and starts so slowly that the mean moves."""
    slow = {"preset": "aws-lambda", "runtime": {"init": "8s"}}
    name = write(
        tmp_path, duration="10min", replications=5, platforms={"lambda": slow}, clients={"topology": "cities"},
        workload={"arrivals": {"rate": "20/s"}, "functions": {"count": 20}},
    )  # fmt: skip
    done = popsim("run", name, "--json", "-", cwd=tmp_path)
    notes = [
        line for line in done.stderr.splitlines() if line.startswith("note: the latency of lambda")
    ]
    assert len(notes) == 1
    assert "MSER-5" in notes[0]
    warmup = json.loads(done.stdout)["platforms"]["lambda"]["warmup"]
    assert warmup["note"] == notes[0].removeprefix("note: ")
    assert warmup["bias"] > 0.01


def _heed_interrupts() -> None:
    """Undo what shells do to background jobs: these ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    name = write(tmp_path, duration="20h", replications=40, workload={"arrivals": {"rate": "50/s"}})
    process = subprocess.Popen(
        [sys.executable, "-m", "popsim", "run", name, "--out", "out"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=_heed_interrupts,
    )  # fmt: skip
    runs = tmp_path / ".popsim" / "runs"
    deadline = time.monotonic() + 90
    while not (runs.exists() and list(runs.glob("*.run"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; finished runs are kept" in errors
    assert "Traceback" not in errors
    assert list(runs.glob("*.run"))
    assert [path.name for path in runs.glob(".*")] == [".gitignore"]  # nothing half written
    assert not (tmp_path / "out").exists()


def test_the_schema_is_that_of_the_docs(tmp_path: Path) -> None:
    docs = Path(__file__).parents[3] / "docs" / "scenario.schema.json"
    assert popsim("schema", cwd=tmp_path).stdout == docs.read_text("utf-8")
    assert popsim("schema", "--out", "new/it.json", cwd=tmp_path).returncode == 0
    assert (tmp_path / "new" / "it.json").read_text("utf-8") == docs.read_text("utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    bad = popsim("schema", "--out", "file/it.json", cwd=tmp_path)
    assert bad.returncode == 2
    assert "is not a folder" in bad.stderr


def test_list_names_everything(tmp_path: Path) -> None:
    out = popsim("list", cwd=tmp_path).stdout
    for name in ("workers_vs_lambda", "cloudflare-workers", "world-users", "anycast", "isolate"):
        assert name in out
