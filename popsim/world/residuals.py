"""How far a pair of places lies off the latency graph, always: peering, detours, luck.

ln(measured / model) over measured city pairs is close to Student's t with three degrees of freedom, wider for
short distances. A pair keeps its residual: drawn from the planet's seed and the two names.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from popsim.world.addressing import mix, name_words, uniforms
from popsim.world.clients import Clients
from popsim.world.distances import Distances
from popsim.world.geo import Floats
from popsim.world.latency import FLOOR, MS_PER_KM
from popsim.world.sites import Sites

DEGREES_OF_FREEDOM = 3.0
SCALES = ((500.0, 0.45), (2_000.0, 0.26), (6_000.0, 0.16), (np.inf, 0.10))  # (up to km, scale)
BACKBONE = 0.7  # scales on cloud backbones, relative to the public Internet
CLIP = (-0.5, 1.0)
NODES, TAIL = (1 << 14) + 1, 1.0 / 64.0  # of the table of quantiles, which does not serve the tails


def residual_rtt(
    seed: int,
    pairs: Distances,
    sources: Clients | Sites,
    destinations: Clients | Sites,
    *,
    backbone: bool,
) -> Floats:
    """Return the pairs' RTT in ms [source, destination] times each pair's residual, floored again.

    The same pair of ids has the same residual in both directions and in every platform of a scenario.
    """
    limits, scales = (np.array(column) for column in zip(*SCALES, strict=True))
    scale = scales[np.searchsorted(limits, pairs.km)] * (BACKBONE if backbone else 1.0)
    student = _student(uniforms(_pair_words(seed, sources.ids, destinations.ids)))
    rtt = pairs.rtt_ms * np.exp(np.clip(student * scale, *CLIP))
    return np.asarray(np.maximum(rtt, FLOOR * MS_PER_KM * pairs.km))


def _student(uniform: Floats) -> Floats:
    """Return Student's t quantiles, to 3e-6 of them between the tails: a million in 40 ms instead of 500."""
    from scipy.special import stdtrit

    table = _student_table()
    position = uniform * (len(table) - 1)
    cell = position.astype(np.int64)
    low = table[cell]
    found = low + (table[cell + 1] - low) * (position - cell)
    is_tail = np.abs(uniform - 0.5) > 0.5 - TAIL
    tails = np.clip(uniform[is_tail], 2.0**-53, 1.0 - 2.0**-53)
    found[is_tail] = stdtrit(DEGREES_OF_FREEDOM, tails)
    return np.asarray(found)


@cache
def _student_table() -> Floats:
    from scipy.special import stdtrit

    nodes = np.clip(np.linspace(0.0, 1.0, NODES), 2.0**-53, 1.0 - 2.0**-53)
    return np.asarray(stdtrit(DEGREES_OF_FREEDOM, nodes))


def _pair_words(
    seed: int, sources: tuple[str, ...], destinations: tuple[str, ...]
) -> NDArray[np.uint64]:
    a = name_words(sources, seed, "residual")[:, None]
    b = name_words(destinations, seed, "residual")[None, :]
    words: NDArray[np.uint64] = mix(np.minimum(a, b), np.maximum(a, b))
    return words
