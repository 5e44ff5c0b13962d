"""Tables for the terminal whose texts are shown as they are: no codes, no markup."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from popsim.scenario.text import visible


class PlainTable(Table):
    """A table whose cells and heads may hold what strangers wrote."""

    def add_column(self, header: Any = "", *args: Any, **options: Any) -> None:
        """Add a column; its head is one line of visible characters."""
        super().add_column(_plain(header), *args, **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; each text is one line of visible characters."""
        super().add_row(*map(_plain, cells), **options)


def _plain(cell: Any) -> Any:
    return Text(visible(cell)) if isinstance(cell, str) else cell
