"""What methods of models must return: a wrong type is told with the method's name, not found out later by an AttributeError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import numpy as np

from popsim.scenario.errors import InputError, Problem
from popsim.scenario.laws import Law
from popsim.scenario.text import quoted

Method = Callable[..., Any]


@dataclass(frozen=True)
class Answer:
    """The type of an answer: ``kind``, several of it, or none; ``kind`` int is an array of whole numbers."""

    kind: type
    is_several: bool = False
    is_optional: bool = False

    def checked(self, method: Method) -> Method:
        """Return the method, refusing answers of other types.

        Raises:
            InputError: when it is called and answers something else.
        """

        @wraps(method)
        def answer(*args: Any, **kwargs: Any) -> Any:
            value = method(*args, **kwargs)
            if not self._is(value):
                got = type(value).__name__
                if self.is_several and isinstance(value, tuple | list):
                    got = f"{got} of {', '.join(sorted({type(item).__name__ for item in value}))}"
                message = f"{method.__qualname__}() must return {self}, got {got}"
                raise InputError([Problem(None, None, None, (), message)])
            return value

        return answer

    def _is(self, value: object) -> bool:
        if value is None:
            return self.is_optional
        if self.kind is int:
            return isinstance(value, np.ndarray | tuple | list | range) and (
                np.asarray(value).size == 0 or np.asarray(value).dtype.kind in "iu"
            )
        if self.is_several:
            items = isinstance(value, tuple | list)
            return items and all(isinstance(item, self.kind) for item in value)  # type: ignore[attr-defined]
        return isinstance(value, self.kind)

    def __str__(self) -> str:
        """Say what is expected."""
        if self.kind is int:
            return "whole numbers"
        name = "text" if self.kind is str else self.kind.__name__
        what = f"a tuple of {name}" if self.is_several else f"a {name}"
        return f"{what} or None" if self.is_optional else what


def check_laws(part: Any) -> None:
    """Raise ValueError for a field of a dataclass that should be a law and is none."""
    for field in fields(part):
        value, wanted = getattr(part, field.name), str(field.type)
        if not wanted.startswith("Law") or isinstance(value, Law):
            continue
        if value is not None or "None" not in wanted:
            hint = "parse_law('5ms') makes one"
            raise ValueError(f"{field.name} must be a law of ms ({hint}), got {quoted(value)}")
