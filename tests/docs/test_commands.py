"""Every command and every Python example of README and docs runs, and prints what the page says that it prints.

Blocks of a page are taken in their order, in a folder of the page's own. A block whose first line is ``# NAME.yaml`` (or .csv) is
that file; ``# NAME.yaml, continued`` goes on with it. A block without a language in the pages of PRINTED is output.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "docs/tutorial.md"),
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs/guides").glob("*.md"))),
    *("docs/reference/report.md", "docs/background/model.md"),
]
PRINTED = ("README.md", "docs/tutorial.md")
ELSEWHERE = ("git clone", "source ")  # the machine that runs this has a copy and an environment
VERDICTS = (
    0,
    98,
    99,
)  # exit codes of commands that did what they are for, where the page states none
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w.-]+\.(?:yaml|csv))(, continued)?\n")
SMALL = {  # what pages call my.yaml
    "name": "Mine",
    "duration": "1min",
    "replications": 3,
    "clients": {"topology": "cities"},
    "workload": {"arrivals": {"rate": "20/s"}},
    "platforms": {"workers": {"preset": "cloudflare-workers"}, "lambda": {"preset": "aws-lambda"}},
    "claims": [
        {"id": "it", "says": "so", "source": "ours", "expect": ["workers.p(50) < lambda.p(50)"]}
    ],
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one place for finished runs: pages share scenarios."""
    return tmp_path_factory.mktemp("kept")


@dataclass
class Reader:
    """Somebody who follows a page in a folder."""

    folder: Path
    printed: list[str] = field(default_factory=list)

    def write(self, text: str) -> None:
        if (match := FILE.match(text)) is None:
            return
        path = self.folder / match[1]
        old = path.read_text("utf-8") if match[2] else ""
        path.write_text(old + text[match.end() :], encoding="utf-8")

    def type_in(self, command: str, comment: str) -> None:
        if command.startswith("make "):
            target = command.split()[1]
            assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text("utf-8"), re.M)
            return
        if command.startswith(ELSEWHERE):
            return
        command = command.replace(".venv/bin/", "")
        if shutil.which("jq") is None:
            command = re.sub(r"\| jq .*", "| cat", command)
        done = self.run("bash", "-o", "pipefail", "-c", command)
        stated = re.search(r"exit code (\d+)", comment)
        expected = (int(stated[1]),) if stated else VERDICTS
        assert done.returncode in expected, f"{command}: {done.returncode}\n{done.stderr}"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            command, cwd=self.folder, env=os.environ | {"PATH": path, "COLUMNS": "200"},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        self.printed += [line.rstrip() for line in done.stdout.splitlines()]
        return done


@pytest.fixture
def reader(tmp_path: Path, kept: Path) -> Reader:
    (tmp_path / ".popsim").symlink_to(kept, target_is_directory=True)
    for name in ("scenarios", "topologies"):
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    for name in ("my", "before", "after"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return Reader(tmp_path)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield every command with its comment."""
    for line in block.splitlines():
        command, _, comment = line.partition(" #")
        if command.strip():
            yield command.strip(), comment


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, reader: Reader) -> None:
    blocks = BLOCK.findall((ROOT / page).read_text("utf-8"))
    python = []
    for language, text in blocks:
        if language == "sh":
            for command, comment in commands(text):
                reader.type_in(command, comment)
        elif language == "python":
            python.append(text)
        else:
            reader.write(text)
    if python:
        done = reader.run(sys.executable, "-W", "error", "-c", "\n\n".join(python))
        assert done.returncode == 0, done.stderr
    if page in PRINTED:
        reader.run("popsim", "run", "workers_vs_lambda")  # what `make run` prints
        for language, text in blocks:
            missing = [line for line in text.splitlines() if line.rstrip() not in reader.printed]
            assert language or not missing, "the page is not what is printed"


def test_no_page_is_forgotten() -> None:
    """A page with commands or Python is in PAGES, or tested in tests/unit/test_docs.py."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
    with_code = {
        path.relative_to(ROOT).as_posix()
        for path in pages
        if "_build" not in path.parts
        and {"sh", "python"} & {language for language, _ in BLOCK.findall(path.read_text("utf-8"))}
    }
    assert with_code <= {*PAGES, "docs/reference/scenario.md"}
