"""The page of everything that no source gives: marks in the code, presets, topologies and scenarios."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("popsim/**/*.py", "popsim/**/*.yaml", "topologies/**/*", "scenarios/**/*.yaml")
MARK = "ASSUMPTION:"
END = re.compile(r"\.(?=\s+[A-Z\"]|\s*$)|\.\s*\"\"\"")  # of a sentence

HEAD = """# Assumptions

Every number that no source gives, as marked in the code, presets, topologies and scenarios. This page is built from those
marks by `make reference`; change the mark, not the page.

| where | of | what is assumed |
|---|---|---|
"""


def assumptions() -> list[tuple[str, str, str]]:
    """Return (file, what the mark is about, sentence) of every mark."""
    found = []
    for path in sorted({path for place in PLACES for path in ROOT.glob(place) if path.is_file()}):
        if path.suffix not in (".py", ".yaml", ".csv"):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        name = path.relative_to(ROOT).as_posix()
        found += [
            (name, _subject(lines, number), _sentence(lines, number))
            for number, line in enumerate(lines)
            if MARK in line
        ]
    return found


def _subject(lines: list[str], number: int) -> str:
    """Return the line of code or data that a comment's mark belongs to; nothing in prose."""
    before, hash_, _ = lines[number].partition(MARK)[0].rpartition("#")
    if not hash_:
        return ""
    if before.strip():
        return _short(before)
    for line in lines[number + 1 :]:
        if line.strip() and not line.strip().startswith("#"):
            return _short(line.split("  #")[0])
    return ""


def _sentence(lines: list[str], number: int) -> str:
    """Return what follows a mark, to the end of its sentence."""
    before, _, text = lines[number].partition(MARK)
    is_comment = "#" in before
    for line in lines[number + 1 : number + 8]:
        bare = line.strip()
        is_more = bare.startswith("#") and not before.split("#")[0].strip() if is_comment else bare
        if END.search(text) or not is_more or MARK in bare or bare.startswith('"""'):
            break
        text += " " + bare.removeprefix("#").strip()
    text = END.split(text.strip(), maxsplit=1)[0].replace('"""', "").replace("|", "/")
    return text.strip().rstrip('.",')


def _short(line: str) -> str:
    text = line.strip()
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def assumptions_page() -> str:
    """Return the page of all assumptions."""
    rows = [f"| `{name}` | {subject} | {what} |" for name, subject, what in assumptions()]
    return HEAD + "\n".join(rows) + "\n"
