"""Every file of tests/data/invalid is refused with exactly the messages that stand at its end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import popsim
from popsim.scenario.errors import Problem

FOLDER = Path(__file__).parents[2] / "data" / "invalid"
FILES = sorted(FOLDER.glob("*.yaml"))


def expected(path: Path) -> list[str]:
    place = path.with_suffix(".expect") if path.with_suffix(".expect").exists() else path
    return re.findall(r"^# expect: (.*)$", place.read_text(encoding="utf-8"), flags=re.MULTILINE)


def told(problem: Problem) -> str:
    name = Path(problem.file).name if problem.file else None
    place = ":".join(str(part) for part in (name, problem.line, problem.col) if part is not None)
    return f"{place}: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_mistake_is_told(path: Path) -> None:
    with pytest.raises(popsim.InputError) as caught:
        popsim.load(path)
    assert expected(path)
    assert [told(problem) for problem in caught.value.problems] == expected(path)


def test_topologies_of_the_folder_are_used() -> None:
    """A table that no scenario names would test nothing."""
    texts = "".join(path.read_text(encoding="utf-8") for path in FILES)
    assert [path.name for path in FOLDER.glob("*.csv") if path.name not in texts] == []
    assert {path.stem for path in FOLDER.glob("*.expect")} <= {path.stem for path in FILES}


def test_large_files_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(popsim.InputError, match=r"is 100 MB large \(expected at most 2 MB\)"):
        popsim.load(path)


def test_what_is_no_text_file(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(popsim.InputError, match="is not UTF-8 text"):
        popsim.load(tmp_path / "binary.yaml")
    with pytest.raises(popsim.InputError, match="is a folder"):
        popsim.load(tmp_path)
    with pytest.raises(popsim.InputError, match="cannot be read: no such file"):
        popsim.load(tmp_path / "missing.yaml")
    with pytest.raises(
        popsim.InputError, match="there is no file and no bundled scenario 'worker_vs_lambda'"
    ):
        popsim.load("worker_vs_lambda")


def test_mistakes_in_a_mapping_have_a_path() -> None:
    scenario = popsim.load("nearest_edge").resolved() | {"seeed": 3}
    with pytest.raises(
        popsim.InputError, match=r"^seeed: unknown key 'seeed' \(did you mean 'seed'\?\)"
    ):
        popsim.load(scenario)


def test_changes_are_checked_too() -> None:
    with pytest.raises(popsim.InputError, match="there is no site 'us-est-1'"):
        popsim.load("workers_vs_lambda", platforms={"lambda": {"regions": ["us-est-1"]}})
