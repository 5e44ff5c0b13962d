"""How busy each hour of the local day is, relative to the mean hour.

``evening`` follows consumer traffic: C. Labovitz, "The Internet After Dark" (Arbor Networks, 2009,
http://www.arbornetworks.com/blog/asert/the-internet-after-dark/): half of the peak at 6 h, a first
maximum at 16 h, the peak late in the evening, still 60 % at 3 h; and European exchanges, whose peak
comes at about 19-20 h. ``office`` follows functions called by business software: a daily peak of
twice a constant floor (M. Shahrad et al., "Serverless in the Wild", USENIX ATC 2020,
https://arxiv.org/abs/2003.03423). ASSUMPTION: the hours between those points, and that the floor of
``office`` is left from 7 to 19 h.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from popsim.scenario.text import quoted

HOURS = 24
MOST, LEAST = 1e12, 1e-12  # of numbers, of their mean

PROFILES = MappingProxyType(
    {
        # percent of the peak, by local hour from 0 h
        "evening": (
            *(82, 74, 66, 60, 55, 51, 50, 53, 58, 63, 67, 70),
            *(73, 75, 77, 79, 81, 83, 87, 93, 98, 100, 97, 91),
        ),
        "office": (
            *(50, 50, 50, 50, 50, 50, 50, 58, 75, 92, 100, 100),
            *(95, 97, 100, 100, 97, 90, 75, 58, 50, 50, 50, 50),
        ),
    }
)


def hourly_profile(by_local_hour: str | Sequence[float] | None) -> NDArray[np.float64]:
    """Return the relative intensity of the 24 local hours, shape (24,), with mean 1.

    Takes a name, 24 non-negative numbers of any scale, or None for the same rate all day. Raises
    ValueError for anything else.

    >>> int(hourly_profile("evening").argmax())
    21
    """
    if by_local_hour is None:
        return np.ones(HOURS)
    if isinstance(by_local_hour, str):
        if by_local_hour not in PROFILES:
            known = ", ".join(sorted(PROFILES))
            raise ValueError(f"there is no hourly profile {quoted(by_local_hour)}; known: {known}")
        by_local_hour = PROFILES[by_local_hour]
    intensity = np.asarray(by_local_hour, dtype=np.float64)
    if intensity.shape != (HOURS,):
        raise ValueError(f"an hourly profile needs {HOURS} numbers, not {intensity.size}")
    if not intensity.max() <= MOST or not intensity.min() >= 0 or not intensity.mean() > LEAST:
        raise ValueError(
            f"an hourly profile needs finite numbers from 0 up to {MOST:g}, not all 0 (a mean above {LEAST:g})"
        )
    return np.asarray(intensity / intensity.mean())
