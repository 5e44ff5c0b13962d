"""The versions that `make lowest` installs are those that pyproject.toml says."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_lowest_versions_are_those_that_are_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    said = dict(each.split(">=") for each in project["dependencies"])
    lines = (ROOT / "constraints-lowest.txt").read_text("utf-8").splitlines()
    tried = dict(line.lower().split("==") for line in lines if not line.startswith("#"))
    assert said.keys() == tried.keys()
    for name, version in said.items():
        assert re.fullmatch(re.escape(version) + r"(\.0)*", tried[name]), name
