"""Which requests: by where their clients are, over which network, at which site they enter, and when they begin."""

from __future__ import annotations

import math

from pydantic import model_validator

from popsim.scenario.fields import DurationMs, Names
from popsim.scenario.parts import Where

MOST_SELECTIONS = 1_000  # of a scenario; each takes half a megabyte of every run
WIFI = "+wifi"  # a fixed line with Wi-Fi behind it


class Selection(Where):
    """Requests of some clients, by place, access network and site, in a window of time; all that is given must match."""

    network: Names | None = None
    """Over one of these access networks; ``cable`` is cable with Wi-Fi behind it, too."""
    site: Names | None = None
    """That enter at one of these sites, by id."""
    after: DurationMs | None = None
    """That begin at this time or later, since the start of the run."""
    before: DurationMs | None = None
    """That begin before this time."""

    @model_validator(mode="after")
    def _some_time(self) -> Selection:
        if self.after is not None and self.before is not None and self.after >= self.before:
            raise ValueError("no time lies in the window: after must be less than before")
        return self

    @property
    def where(self) -> Where:
        """The places in it."""
        return Where(**{key: getattr(self, key) for key in Where.model_fields})

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it selects by, of place, network, site and time."""
        given = {
            "place": self.where != Where(),
            "network": self.network is not None,
            "site": self.site is not None,
            "time": self.after is not None or self.before is not None,
        }
        return tuple(kind for kind, is_given in given.items() if is_given)

    def window(self, duration: float) -> tuple[float, float]:
        """Return from when and until when requests begin, in ms; to the end of the run, if not said."""
        last = math.nextafter(duration, math.inf)
        return self.after or 0.0, last if self.before is None else self.before

    @property
    def key(self) -> str:
        """A text that equal selections share."""
        return self.model_dump_json(exclude_none=True)


def is_called(label: str, name: str) -> bool:
    """Tell whether a network or site goes by a name; ``cable`` is one with Wi-Fi, too."""
    return name in (label, label.removesuffix(WIFI))
