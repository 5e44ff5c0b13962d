"""HTML for a notebook's cell: text is escaped unless it is markup already, colours suit light and dark themes.

A notebook that is not trusted, and a forge that shows one, may drop the style; what remains still reads well.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

# Semantic colours, each with a contrast of more than 4 to white and to #111 (WCAG 2.1, 1.4.3, relative luminance).
HOLDS, FAILS, UNDECIDED = "#188753", "#dc3f45", "#a07005"
STYLE = f"""
div.popsim {{ max-width: 64rem; line-height: 1.4 }}
div.popsim p {{ margin: .3em 0 }}
div.popsim table {{ table-layout: auto; border-collapse: collapse; margin: .5em 0; color: inherit; font-size: inherit }}
div.popsim th, div.popsim td {{ padding: .2em .7em; text-align: left; vertical-align: top; border: 0 }}
div.popsim tr > :first-child {{ padding-left: .2em }}
div.popsim thead th {{ border-bottom: 1px solid #888 }}
div.popsim .number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }}
div.popsim .whole {{ white-space: nowrap }}
div.popsim .mark {{ font-weight: bold; white-space: nowrap }}
div.popsim .holds {{ color: {HOLDS} }}
div.popsim .fails {{ color: {FAILS} }}
div.popsim .undecided {{ color: {UNDECIDED} }}
div.popsim .quiet {{ opacity: .75 }}
div.popsim a {{ color: inherit; text-decoration: underline }}
div.popsim code, div.popsim pre {{ color: inherit; background: none; font-size: .95em }}
div.popsim pre {{ max-height: 30em; overflow: auto }}
div.popsim summary {{ cursor: pointer }}
div.popsim svg {{ display: block; max-width: 100%; height: auto; margin: .5em 0 }}
"""


class Markup(str):
    """Finished HTML, which is not escaped again."""

    __slots__ = ()


BR = Markup("<br>")


def element(tag: str, *inside: str, **attributes: str) -> Markup:
    """Return an element; what is inside and its attributes are escaped; ``class_`` is class, ``a_b`` is a-b.

    >>> element("p", "1 < 2 ", element("b", "indeed"), class_="x", aria_label='"')
    '<p class="x" aria-label="&quot;">1 &lt; 2 <b>indeed</b></p>'
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for name, value in attributes.items()
    )
    return Markup(f"<{tag}{given}>{joined(inside)}</{tag}>")


def joined(parts: Iterable[str], separator: str = "") -> Markup:
    """Return parts one after the other, each escaped unless it is markup."""
    return Markup(
        separator.join(p if isinstance(p, Markup) else html.escape(p, quote=False) for p in parts)
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> Markup:
    """Return a table with a head; so many of the last columns are numbers, to the right."""
    words = len(columns) - numbers
    return element(
        "table",
        element("thead", _row("th", columns, words)),
        element("tbody", *(_row("td", row, words) for row in rows)),
    )


def _row(tag: str, cells: Sequence[str], words: int) -> Markup:
    return element(
        "tr",
        *(
            element(tag, cell) if n < words else element(tag, cell, class_="number")
            for n, cell in enumerate(cells)
        ),
    )


def facts(rows: Iterable[tuple[str, str]]) -> Markup:
    """Return a table of names and what each is, without those that are nothing."""
    lines = (element("tr", element("th", name), element("td", what)) for name, what in rows if what)
    return element("table", element("tbody", *lines))


def folded(summary: str, *inside: str) -> Markup:
    """Return a part that is shown when its summary is clicked."""
    return element("details", element("summary", summary), *inside)


def quiet(text: str) -> Markup:
    """Return a text that stands back."""
    return element("span", text, class_="quiet")


def titled(title: str, *after: str) -> Markup:
    """Return the first line of a display."""
    return element("p", element("strong", title), *(joined((" ", quiet(text))) for text in after))


def display(*parts: str) -> str:
    """Return some parts as what a notebook shows."""
    return str(joined((element("style", Markup(STYLE)), element("div", *parts, class_="popsim"))))


def counted(number: int, noun: str) -> str:
    """Write how many there are.

    >>> counted(1, "claim"), counted(1200, "claim")
    ('1 claim', '1,200 claims')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(ratio: float) -> str:
    """Write a share in percent with two digits.

    >>> percent(0.1234), percent(1.0), percent(0.0), percent(2e-6), percent(float("nan"))
    ('12 %', '100 %', '0 %', '<0.001 %', '-')
    """
    if not math.isfinite(ratio):
        return "-"
    return "<0.001 %" if 0.0 < ratio < 1e-5 else f"{float(f'{100.0 * ratio:.2g}'):g} %"
