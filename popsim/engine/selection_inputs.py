"""Turn selections into flags: which clients, networks and sites each of them keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from popsim.engine.arrays import Floats
from popsim.scenario.selections import Selection, is_called
from popsim.world.clients import Clients
from popsim.world.places import matching

Flags = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SelectionInputs:
    """Which requests each of W selections keeps: flags by row of clients, networks and sites, and when they begin.

    The last column of ``sites`` is for requests that reach none.
    """

    clients: Flags = field(default_factory=lambda: np.zeros((0, 1), np.uint8))  # [W, C]
    networks: Flags = field(default_factory=lambda: np.zeros((0, 1), np.uint8))  # [W, N]
    sites: Flags = field(default_factory=lambda: np.zeros((0, 1), np.uint8))  # [W, S + 1]
    windows: Floats = field(default_factory=lambda: np.zeros((0, 2)))  # [W, (from, to)] ms

    def __len__(self) -> int:
        """Return how many selections there are."""
        return len(self.windows)


def selection_inputs(
    selections: Sequence[Selection],
    clients: Clients,
    networks: Sequence[str],
    sites: Sequence[str],
    duration: float,
) -> SelectionInputs:
    """Look up what each selection names; raises InputError for an unknown place."""

    def flags(names: tuple[str, ...] | None, labels: Sequence[str]) -> list[bool]:
        return [names is None or any(is_called(label, name) for name in names) for label in labels]

    count = len(selections)
    inputs = SelectionInputs(
        np.zeros((count, len(clients)), np.uint8),
        np.zeros((count, len(networks)), np.uint8),
        np.zeros((count, len(sites) + 1), np.uint8),
        np.zeros((count, 2)),
    )
    for row, selection in enumerate(selections):
        inputs.clients[row] = matching(clients, selection.where)
        inputs.networks[row] = flags(selection.network, networks)
        inputs.sites[row] = [*flags(selection.site, sites), selection.site is None]
        inputs.windows[row] = selection.window(duration)
    return inputs
