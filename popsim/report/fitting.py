"""Make tables fit a terminal: numbers are never cut, wide tables become several, only names are shortened."""

from __future__ import annotations

from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

GAP = 2  # between two columns
LEAST_NAME = 12  # characters of a name that is shortened
LEAST_TEXT = 16  # characters in a line of text; less is read with difficulty


def fitted(table: Table, width: int) -> list[Table]:
    """Return the table as one or more that are no wider than ``width``, each with the columns that name its rows.

    Titles break between words only where the table would not fit otherwise. A table of text alone is left to wrap, or
    has one row per cell where that would break words or leave lines of a word each.
    """
    names = [column for column in table.columns if column.justify == "left"]
    numbers = [column for column in table.columns if column.justify != "left"]
    if not numbers:
        longest = [max(_longest_word(column), min(_whole(column), LEAST_TEXT)) for column in names]
        slack = width - sum(longest) - GAP * (len(longest) - 1)
        return [_of_text(names, longest, slack) if slack >= 0 else _stacked(table)]
    if sum(map(_whole, table.columns)) + GAP * (len(table.columns) - 1) <= width:
        return [_of([*names, *numbers], width, titles_break=False)]
    most = max(LEAST_NAME, width // 3)
    room = width - sum(min(_width(column), most) + GAP for column in names)
    groups: list[list[Column]] = [[]]
    left = room
    for column in numbers:
        needed = _width(column) + GAP
        if groups[-1] and needed > left + GAP:
            groups.append([])
            left = room
        groups[-1].append(column)
        left -= needed
    return [_of([*names, *group], most) for group in groups]


def shortened(name: str, most: int) -> str:
    """Return a name with a visible gap in its middle if it is longer than ``most``.

    >>> shortened("workers_with_a_long_name", 12)
    'worker…_name'
    """
    if cell_len(name) <= most:
        return name
    head = (most - 1) - (most - 1) // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def _texts(column: Column) -> list[Text]:
    return [cell if isinstance(cell, Text) else Text(str(cell)) for cell in column.cells]


def _width(column: Column) -> int:
    """Return how wide a column is whose cells stay whole; its title breaks between words."""
    words = str(column.header).split() or [""]
    return max(map(cell_len, (*words, *(text.plain for text in _texts(column)))))


def _of(columns: list[Column], most: int, *, titles_break: bool = True) -> Table:
    """Return a table of some columns, each as wide as it needs to be."""
    width_of = _width if titles_break else _whole
    part = Table(box=None, pad_edge=False)
    for column in columns:
        is_name = column.justify == "left"
        needed = min(width_of(column), most) if is_name else width_of(column)
        part.add_column(column.header, justify=column.justify, min_width=needed, max_width=needed)
    cells = [
        [Text(shortened(text.plain, most), text.style) if column.justify == "left" else text for text in _texts(column)]
        for column in columns
    ]  # fmt: skip
    for row in zip(*cells, strict=True):
        part.add_row(*row)
    return part


def _of_text(columns: list[Column], widths: list[int], slack: int) -> Table:
    """Return a table of text whose columns have the least widths given, and are wider as far as there is room."""
    part = Table(box=None, pad_edge=False)
    for column, word in sorted(
        zip(columns, widths, strict=True), key=lambda each: _whole(each[0]) - each[1]
    ):
        extra = min(max(_whole(column) - word, 0), slack)
        slack -= extra
        column.min_width = column.max_width = word + extra
    for column in columns:
        part.add_column(column.header, min_width=column.min_width, max_width=column.max_width)
    for row in zip(*map(_texts, columns), strict=True):
        part.add_row(*row)
    return part


def _whole(column: Column) -> int:
    return max(map(cell_len, (str(column.header), *(text.plain for text in _texts(column)))))


def _longest_word(column: Column) -> int:
    """Return how wide a column of text is at least if no word is broken."""
    texts = [str(column.header), *(text.plain for text in _texts(column))]
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _stacked(table: Table) -> Table:
    """Return one row per cell that is not empty: the column's title, and what is in it."""
    part = Table(box=None, pad_edge=False, show_header=False)
    part.add_column(overflow="fold")
    part.add_column(overflow="fold")
    for row in zip(*map(_texts, table.columns), strict=True):
        for column, text in zip(table.columns, row, strict=True):
            if text.plain:
                part.add_row(Text(str(column.header).split(" (")[0], style="dim"), text)
        part.add_row("", "")
    return part
