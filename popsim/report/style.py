"""What all figures have in common: colours, lines, headlines, axes, legends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import offset_copy

from popsim.scenario.text import visible

# Okabe and Ito's colours, told apart by most colour-blind readers (https://jfly.uni-koeln.de/color/, 2008)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6BB1")
STYLES = ("-", (0, (4.0, 1.2)), (0, (1.2, 0.8)), (0, (6.0, 1.2, 1.2, 1.2)))
GRID = "#E5E5E5"
QUIET = "#666666"
HEADLINE_PT, SUBTITLE_PT = 12.0, 9.0
LINE_HEIGHT = 1.2  # of text, over its size
PT_PER_INCH = 72.0
SVG_POINTS = 2_000  # a figure with more of them is shown as pixels
FORMATS = ("png", "svg")


def colours() -> tuple[str, ...]:
    """Return a colour for each of some platforms, repeating after eight."""
    return COLOURS * 4


def curve_style(number: int) -> dict[str, Any]:
    """Return how the curve with a number is drawn: colour, dashes and width.

    Neighbours differ in dashes, and later ones are thinner, so that curves that coincide are all seen.
    """
    return {
        "color": colours()[number % len(colours())],
        "linestyle": STYLES[(number + number // len(COLOURS)) % len(STYLES)],
        "linewidth": max(2.4 - 0.15 * number, 1.4),
    }


class Chart(Figure):
    """A figure that notebooks show by itself: sharp as SVG if that is small, else as PNG."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **({"layout": "constrained"} | kwargs))
        self.subtitle = ""

    def headline(self, finding: str, subtitle: str) -> None:
        """Put what was found on top, and under it, small, what was run; long ones are broken or cut."""
        width_pt = PT_PER_INCH * self.get_figwidth() - 12.0
        lines = list(_fitted(finding, width_pt, HEADLINE_PT))
        # The last, empty line keeps room for the subtitle; the layout knows nothing but the headline.
        self.suptitle(
            "\n".join([*lines, ""]), x=0.01, ha="left", fontsize=HEADLINE_PT, parse_math=False
        )
        self.subtitle = next(_fitted(subtitle, width_pt, SUBTITLE_PT, most=1), "")
        below_pt = LINE_HEIGHT * HEADLINE_PT * len(lines) + 4.0
        place = offset_copy(self.transFigure, self, y=-below_pt, units="points")
        self.text(
            0.01, 1.0, self.subtitle, transform=place, va="top", fontsize=SUBTITLE_PT, color=QUIET,
            parse_math=False,
        )  # fmt: skip

    def legend_below(self, columns: int, **names: Any) -> None:
        """Add the legend under the figure, if there is anything to name."""
        if names or any(axes.get_legend_handles_labels()[1] for axes in self.axes):
            self.legend(
                loc="outside lower center", ncols=columns, frameon=False, fontsize=9, **names
            )

    def image(self, kind: str, dpi: int = 140) -> bytes:
        """Return the figure as a file, ``png`` or ``svg``: the same bytes each time."""
        buffer = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        with mpl.rc_context({"svg.hashsalt": "popsim"}):
            self.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.image("png", dpi=110)

    def _repr_svg_(self) -> str | None:
        points = sum(np.size(c.get_offsets()) // 2 for axes in self.axes for c in axes.collections)
        return self.image("svg").decode() if points <= SVG_POINTS else None


def _fitted(text: str, width_pt: float, size_pt: float, most: int = 3) -> Iterator[str]:
    """Yield the lines of a text broken between words, at most so many; what is too long is cut."""
    words, line, count = visible(" ".join(text.split())).split(" "), "", 1
    for word in words:
        longer = f"{line} {word}".strip()
        if _width(longer, size_pt) <= width_pt:
            line = longer
            continue
        if count == most or not line:
            line = _cut(longer, width_pt, size_pt)
            if count == most:
                break
            continue
        yield line
        line, count = _cut(word, width_pt, size_pt), count + 1
    if line:
        yield line


def _cut(text: str, width_pt: float, size_pt: float) -> str:
    """Return a text that fits, with an ellipsis where something is missing."""
    if _width(text, size_pt) <= width_pt:
        return text
    while text and _width(f"{text}…", size_pt) > width_pt:
        text = text[:-1]
    return f"{text}…"


def _width(text: str, size_pt: float) -> float:
    """Return how wide a text is, in points.

    From the control points of its outlines, which letters reach at either side; solving for the extrema of every curve, as
    ``get_extents`` does, takes ten times as long.
    """
    if not text.strip():
        return 0.0
    path = TextPath((0.0, 0.0), text.replace("$", "S"), size=size_pt)
    x = path.vertices[path.codes != TextPath.CLOSEPOLY, 0]
    return float(x.max() - x.min())


def log_axis(axis: Axis, *, minor: bool = True) -> None:
    """Write plain numbers at an axis with a logarithmic scale: 1, 2 and 5 of each decade, or 1 alone."""
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    begins = "25" if minor else ""
    axis.set_minor_formatter(FuncFormatter(lambda x, _: f"{x:,g}" if f"{x:e}"[0] in begins else ""))
    axis.set_tick_params(which="minor", labelsize=8)


def grid(axes: Axes, axis: str = "both") -> None:
    """Draw lines behind the data at major ticks."""
    axes.grid(visible=True, which="major", axis=axis, color=GRID)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def bare(axes: Axes) -> None:
    """Leave only the left and the lower side of the frame."""
    axes.spines[["top", "right"]].set_visible(False)


def ms_text(value: float) -> str:
    """Write milliseconds with three digits, from ten seconds on as seconds.

    >>> ms_text(38.56), ms_text(786.0), ms_text(40_210.0), ms_text(0.0)
    ('38.6 ms', '786 ms', '40.2 s', '0 ms')
    """
    if value >= 10_000.0:
        return f"{value / 1e3:,.3g} s"
    return f"{value:.3g} ms" if value < 100.0 else f"{value:,.0f} ms"


def percent_text(ratio: float) -> str:
    """Write a share in percent with two digits; nearly all is not all.

    >>> percent_text(0.1234), percent_text(0.998), percent_text(1.0), percent_text(0.0)
    ('12 %', '>99 %', '100 %', '0 %')
    """
    return ">99 %" if 0.99 < ratio < 1.0 else f"{float(f'{100.0 * ratio:.2g}'):g} %"
