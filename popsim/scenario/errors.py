"""Everything that can go wrong and is not a bug.

PopsimError
├── InputError      the user's file or argument is wrong: exit code 2, every problem listed
└── RunError        a run could not be finished: exit code 3
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from difflib import get_close_matches

from popsim.scenario.text import QUOTED, quoted, visible

MOST_SHOWN = 50  # problems; whoever mends these sees the next ones
MOST_COMPARISONS = 50_000  # of unknown with known names in one file, about 2 s
LONGEST_NAME = 100  # characters; what is longer was no slip of the pen


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
        return visible(": ".join(words) + (f" ({self.hint})" if self.hint else ""))


class PopsimError(Exception):
    """Base of all errors that are not bugs."""

    exit_code = 3


class InputError(PopsimError):
    """The input is wrong; ``problems`` lists every mistake found."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return a line for each problem; if there are very many, for the first, and how many more there are."""
        lines = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        more = len(self.problems) - MOST_SHOWN
        return lines if more <= 0 else [*lines, f"and {more:,} more"]

    def under(self, *path: str | int) -> InputError:
        """Return the same problems, with ``path`` before theirs."""
        return InputError([replace(p, path=(*path, *p.path)) for p in self.problems])


class RunError(PopsimError):
    """A run could not be finished."""


def dotted(path: tuple[str | int, ...]) -> str:
    """Write a path as users do: ``platforms.workers.runtime``, ``claims[0].expect[1]``."""
    text = ""
    for part in path:
        name = str(part) if len(str(part)) <= QUOTED else f"{str(part)[:QUOTED]}..."
        text += f"[{part}]" if isinstance(part, int) else f".{name}" if text else name
    return text


_comparisons_left: ContextVar[list[int] | None] = ContextVar("_comparisons_left", default=None)


@contextmanager
def few_suggestions() -> Iterator[None]:
    """Suggest names for as long as that is quick: a file with thousands of unknown names is not slow to refuse."""
    token = _comparisons_left.set([MOST_COMPARISONS])
    try:
        yield
    finally:
        _comparisons_left.reset(token)


def did_you_mean(name: object, known: Sequence[str]) -> str | None:
    """Suggest the closest known name, or list them if they are few."""
    text = name if isinstance(name, str) else quoted(name)
    if len(text) <= LONGEST_NAME and may_compare(len(known)):
        by_lower = {each.lower(): each for each in known if len(each) <= LONGEST_NAME}
        close = get_close_matches(text.lower(), list(by_lower), n=1, cutoff=0.6)
        if close:
            return f"did you mean {quoted(by_lower[close[0]])}?"
    if 0 < len(known) <= 12:
        return f"known: {', '.join(quoted(each)[1:-1] for each in sorted(known))}"
    return None


def may_compare(names: int) -> bool:
    """Tell whether comparing with so many names is still quick."""
    left = _comparisons_left.get()
    if left is None:
        return True
    left[0] -= names
    return left[0] >= 0
