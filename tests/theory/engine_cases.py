"""The generated runs of ``tests/engines``, for laws of conservation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))

from typing import TypeVar

from generate import Case, case
from run_case import run_compiled, run_specification

from popsim.engine.kv_books import KvBooks
from popsim.engine.object_books import ObjectBooks
from popsim.engine.sums import exact

__all__ = ["Case", "case", "run_compiled", "run_specification", "with_exact_sums"]

SUMS = ("by_space", "by_site", "by_class", "by_host", "spawn_ns")
AnyBooks = TypeVar("AnyBooks", KvBooks, ObjectBooks)


def with_exact_sums(books: AnyBooks) -> AnyBooks:
    """Turn the words and carries of some books into the sums that they stand for, in place."""
    for name in SUMS:
        if hasattr(books, name):
            setattr(books, name, exact(getattr(books, name)))
    return books
