"""What all figures have in common."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by most colour-blind readers (https://jfly.uni-koeln.de/color/, 2008)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6BB1")


def colours() -> tuple[str, ...]:
    """Return a colour for each of some platforms, repeating after eight."""
    return COLOURS * 4


def line_style(number: int) -> str:
    """Return a style for the line with a number: another one when the colours repeat."""
    return ("-", "--", ":", "-.")[number // len(COLOURS) % 4]


class Chart(Figure):
    """A figure that notebooks show by itself."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def ms_text(value: float) -> str:
    """Write milliseconds with three digits."""
    return f"{value:.3g} ms" if value < 100.0 else f"{value:,.0f} ms"
