"""What is written below the fields of pydantic classes, which editors show for a key.

pydantic can read it itself (``use_attribute_docstrings``), but does so whenever the classes are imported: that would be a
tenth of a second of every command, for what ``popsim schema`` alone needs.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from contextlib import suppress
from itertools import pairwise

from pydantic import BaseModel


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings of a class's fields by name, inherited ones too; none of a class without source.

    >>> from popsim.scenario.parts import OriginSpec
    >>> field_docstrings(OriginSpec)["lat"]
    'Latitude in degrees; with `lon`.'
    """
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            with suppress(OSError, TypeError):  # made by exec, or installed without source
                found |= _written_in(inspect.getsource(cls))
    return found


def first_paragraph(docstring: str | None) -> str:
    """Return a docstring's first paragraph on one line, as Markdown."""
    text = inspect.cleandoc(docstring or "").split("\n\n")[0]
    return " ".join(text.split()).replace("``", "`")


def _written_in(source: str) -> dict[str, str]:
    found = {}
    (definition,) = ast.parse(textwrap.dedent(source)).body
    for pair in pairwise(getattr(definition, "body", ())):
        match pair:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = first_paragraph(text)
    return found
