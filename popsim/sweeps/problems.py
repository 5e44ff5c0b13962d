"""Collect everything that is wrong with a scenario, each at its place in the document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from popsim.models.registry import UnknownModel, get, resolve
from popsim.scenario.document import Document, Key
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.loading import in_order, translate


class Problems:
    """The problems found in a document so far."""

    def __init__(self, document: Document, found: list[Problem]) -> None:
        self.document, self.found = document, [*found]
        self._places: set[Key] = set()  # of the first problems, and all above them
        self._placed_problems = 0

    def __len__(self) -> int:
        """Return how many were found so far."""
        return len(self.found)

    def add(self, path: Key, message: str, hint: str | None = None, *, key: bool = False) -> None:
        """Note a mistake in the value at a path, or in the key itself."""
        self.found.append(self.document.problem(path, message, hint, key=key))

    @contextmanager
    def at(self, *path: str | int) -> Iterator[None]:
        """Note the input errors raised inside, with paths relative to ``path``."""
        try:
            yield
        except InputError as error:
            self.found += [self._placed(path, problem) for problem in error.problems]
        except ValidationError as error:
            self.add(path, f"{error.errors()[0]['msg']}".removeprefix("Value error, "))
        except ValueError as error:
            self.add(path, str(error))
        except OSError as error:  # no file can have such a name
            self.add(path, (error.strerror or str(error)).lower())

    def _placed(self, path: Key, problem: Problem) -> Problem:
        if problem.file is not None:  # a mistake in a file that the scenario only names
            return replace(problem, path=problem.path or ())
        return self.document.problem((*path, *problem.path), problem.message, problem.hint)

    def of_model(self, kind: str, spec: dict[str, Any], path: Key) -> bool:
        """Note what is wrong with a model's name and parameters; tell whether it can be made."""
        try:
            resolve(kind, spec)
        except UnknownModel as error:
            self.add(path, error.message, error.hint)
        except ValidationError as error:
            self.found += translate(error, self.document, get(kind, spec["model"]), path)
        else:
            return True
        return False

    def any_at(self, *path: str | int) -> bool:
        """Tell whether a problem lies at a path or below it."""
        for problem in self.found[self._placed_problems :]:
            self._places |= {problem.path[:length] for length in range(len(problem.path) + 1)}
        self._placed_problems = len(self.found)
        return path in self._places

    def raise_all(self) -> None:
        """Raise InputError if anything was found."""
        if self.found:
            raise InputError(in_order(self.found))
