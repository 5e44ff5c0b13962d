"""``popsim baseline`` as users meet it: files, streams, exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from commands import popsim_command

SCENARIO = {
    "name": "under watch",
    "duration": "20s",
    "replications": 3,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "50/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers", "front_door": "1ms"}},
}
SLOWER = {"workers": {"preset": "cloudflare-workers", "front_door": "20ms"}}


def popsim(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = popsim_command(*arguments, cwd=cwd)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def write(folder: Path, **keys: object) -> str:
    (folder / "it.yaml").write_text(yaml.safe_dump(SCENARIO | keys), encoding="utf-8")
    return "it.yaml"


def test_what_got_worse_is_found(tmp_path: Path) -> None:
    name = write(tmp_path)
    saved = popsim("baseline", "save", name, cwd=tmp_path)
    assert saved.returncode == 0, saved.stderr
    assert f"written: {Path('baselines') / 'it.json'}" in saved.stderr
    assert json.loads((tmp_path / "baselines/it.json").read_text("utf-8"))["seed"] == 1

    same = popsim("baseline", "compare", name, cwd=tmp_path)
    assert same.returncode == 0, same.stderr
    assert "nothing has changed" in same.stdout
    assert "the baseline is of" not in same.stderr

    write(tmp_path, platforms=SLOWER)
    worse = popsim(
        "baseline", "compare", name, "--markdown", "it.md", "--json", "it.json", cwd=tmp_path
    )
    assert worse.returncode == 99, worse.stderr
    assert "front door +19 ms" in worse.stdout
    assert "the baseline is of scenario id" in worse.stderr
    report = json.loads((tmp_path / "it.json").read_text("utf-8"))["comparisons"][name]
    assert (report["outcome"], report["method"]) == ("worse", "paired")
    assert next(iter(report["platforms"]["workers"]["phases_ms"])) == "front_door"
    text = (tmp_path / "it.md").read_text("utf-8")
    assert "| workers | p95 |" in text

    tolerant = popsim(
        "baseline", "compare", name, "--tolerance", "90%", "--json", "-", cwd=tmp_path
    )
    assert tolerant.returncode == 0
    assert json.loads(tolerant.stdout)["comparisons"][name]["outcome"] == "same"


def test_a_missing_baseline_says_how_to_make_it(tmp_path: Path) -> None:
    done = popsim("baseline", "compare", write(tmp_path), "--dir", "kept here", cwd=tmp_path)
    assert done.returncode == 2
    path = Path("kept here") / "it.json"
    assert done.stderr.startswith(f"error: {path}: there is no such baseline")
    assert "popsim baseline save it.yaml --dir 'kept here'" in done.stderr
    assert not (tmp_path / ".popsim").exists()  # found before anything ran


def test_baselines_of_another_schema_and_bad_options(tmp_path: Path) -> None:
    name = write(tmp_path)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines/it.json").write_text('{"schema": 2, "users": ""}', encoding="utf-8")
    done = popsim("baseline", "compare", name, cwd=tmp_path)
    assert done.returncode == 2
    assert "is a baseline of schema 2; this popsim reads schema 1" in done.stderr
    assert popsim("baseline", "compare", name, "--tolerance", "much", cwd=tmp_path).returncode == 2
    done = popsim("baseline", "save", name, f"./{name}", cwd=tmp_path)
    assert done.returncode == 2
    assert "two scenarios would have the baseline" in done.stderr


def test_baselines_of_another_version(tmp_path: Path) -> None:
    """One of the same form is compared, with a note; one of another form is refused before anything runs."""
    name = write(tmp_path)
    assert popsim("baseline", "save", name, cwd=tmp_path).returncode == 0
    path = tmp_path / "baselines/it.json"
    kept = json.loads(path.read_text("utf-8")) | {"popsim": "9.9.9"}
    path.write_text(json.dumps(kept), encoding="utf-8")
    done = popsim("baseline", "compare", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: it.yaml: the baseline is of popsim 9.9.9, this is " in done.stderr
    shutil.rmtree(tmp_path / ".popsim")
    for change in ({"schema": 2}, {"schema": "1"}, {"one": "more"}, {"platforms": []}):
        path.write_text(json.dumps(kept | change), encoding="utf-8")
        done = popsim("baseline", "compare", name, cwd=tmp_path)
        assert done.returncode == 2, change
        assert done.stderr.startswith(f"error: {Path('baselines') / 'it.json'}: is "), change
        assert "make it with: popsim baseline save it.yaml" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / ".popsim").exists()


def test_comparing_nothing_is_an_error(tmp_path: Path) -> None:
    name = write(tmp_path)
    assert popsim("baseline", "save", name, cwd=tmp_path).returncode == 0
    write(tmp_path, platforms={"renamed": SCENARIO["platforms"]["workers"]})  # type: ignore[index]
    none = popsim("baseline", "compare", name, cwd=tmp_path)
    assert none.returncode == 2
    assert "has the platforms workers, the scenario has renamed: none in common" in none.stderr


def test_another_seed_is_compared_by_ranks(tmp_path: Path) -> None:
    name = write(tmp_path)
    assert popsim("baseline", "save", name, "--replications", "1", cwd=tmp_path).returncode == 0
    done = popsim("baseline", "compare", name, "--seed", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "compared by ranks" in done.stdout
    assert "too few replications" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no baseline: it is not valid JSON"),
        ("[]", "it.json"),
        ('{"schema": 1}', "it.json"),
    ],
)
def test_damaged_baselines_are_told(content: str, message: str, tmp_path: Path) -> None:
    name = write(tmp_path)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "it.json").write_text(content, encoding="utf-8")
    done = popsim("baseline", "compare", name, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert message in done.stderr
