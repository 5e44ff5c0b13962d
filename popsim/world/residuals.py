"""How far a pair of places lies off the latency graph, always: peering, detours, luck.

ln(measured / model) over measured city pairs is close to Student's t with three degrees of freedom, wider for
short distances. A pair keeps its residual: drawn once from the scenario's seed and the two names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from popsim.world.addressing import mix, name_words, uniforms
from popsim.world.clients import Clients
from popsim.world.geo import Floats, great_circle_km
from popsim.world.latency import FLOOR, MS_PER_KM
from popsim.world.sites import Sites

DEGREES_OF_FREEDOM = 3.0
SCALES = ((500.0, 0.45), (2_000.0, 0.26), (6_000.0, 0.16), (np.inf, 0.10))  # (up to km, scale)
BACKBONE = 0.7  # scales on cloud backbones, relative to the public Internet
CLIP = (-0.5, 1.0)


def residual_rtt(
    seed: int,
    rtt_ms: Floats,
    sources: Clients | Sites,
    destinations: Clients | Sites,
    *,
    backbone: bool,
) -> Floats:
    """Return ``rtt_ms[source, destination]`` times each pair's residual, floored again.

    The same pair of ids has the same residual in both directions and in every platform of a scenario.
    """
    from scipy.special import stdtrit

    km = great_circle_km(
        sources.lat[:, None], sources.lon[:, None], destinations.lat, destinations.lon
    )
    uniform = uniforms(_pair_words(seed, sources.ids, destinations.ids))
    student = stdtrit(DEGREES_OF_FREEDOM, np.clip(uniform, 2.0**-53, 1.0 - 2.0**-53))
    scale = np.select([km <= limit for limit, _ in SCALES], [scale for _, scale in SCALES])
    factor = np.exp(np.clip(student * scale * (BACKBONE if backbone else 1.0), *CLIP))
    return np.asarray(np.maximum(rtt_ms * factor, FLOOR * MS_PER_KM * km))


def _pair_words(
    seed: int, sources: tuple[str, ...], destinations: tuple[str, ...]
) -> NDArray[np.uint64]:
    a = name_words(sources, seed, "residual")[:, None]
    b = name_words(destinations, seed, "residual")[None, :]
    words: NDArray[np.uint64] = mix(np.minimum(a, b), np.maximum(a, b))
    return words
