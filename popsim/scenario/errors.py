"""Everything that can go wrong and is not a bug.

PopsimError
├── InputError      the user's file or argument is wrong: exit code 2, every problem listed
└── RunError        a run could not be finished: exit code 3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what is wrong, what was expected."""

    file: str | None
    line: int | None
    col: int | None
    path: tuple[str | int, ...]
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.col) if part is not None)
        words = [part for part in (place, dotted(self.path), self.message) if part]
        return ": ".join(words) + (f" ({self.hint})" if self.hint else "")


class PopsimError(Exception):
    """Base of all errors that are not bugs."""

    exit_code = 3


class InputError(PopsimError):
    """The input is wrong; ``problems`` lists every mistake found."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def under(self, *path: str | int) -> InputError:
        """Return the same problems, with ``path`` before theirs."""
        return InputError([replace(p, path=(*path, *p.path)) for p in self.problems])


class RunError(PopsimError):
    """A run could not be finished."""


def dotted(path: tuple[str | int, ...]) -> str:
    """Write a path as users do: ``platforms.workers.runtime``, ``claims[0].expect[1]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def did_you_mean(name: object, known: Sequence[str]) -> str | None:
    """Suggest the closest known name, or list them if they are few."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(str(name).lower(), list(by_lower), n=1, cutoff=0.6)
    if close:
        return f"did you mean {by_lower[close[0]]!r}?"
    if 0 < len(known) <= 12:
        return f"known: {', '.join(sorted(known))}"
    return None
