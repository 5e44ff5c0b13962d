"""Which keys a request is about."""

from __future__ import annotations

from popsim.engine import draws
from popsim.engine.arrays import rows
from popsim.engine.layout import Inputs
from popsim.engine.specification.lookups import Lookups


class Keys:
    """The key spaces of a run, and their laws of popularity."""

    def __init__(self, inputs: Inputs, lookups: Lookups) -> None:
        kv = inputs.kv
        self.lookups = lookups
        self.spaces = rows(kv.spaces)
        self.cells = rows(kv.cells)
        self.partitions: list[int] = kv.partitions.tolist()
        self.shifts: list[int] = kv.shifts.tolist()
        self.trace_keys: list[int] | None = inputs.trace.key.tolist() if kv.has_trace else None
        self.country: list[int] = inputs.clients.country.tolist()
        self.countries = inputs.country_count

    def of(self, request: int, client: int, space: int, place: int) -> int:
        """Return the key of a request in a space; ``place`` counts the keys of a bulk read.

        All steps of a request that use a space are about the same key (rule 29).
        """
        own = self.spaces[space]
        if self.trace_keys is not None and space == 0:  # others are numbers of objects
            return int(own.first + self.trace_keys[request])
        index = (space << 8) + place
        cell_word, rank_word = self.lookups.words(draws.KEY, request, index)
        position = draws.uniform(cell_word) * own.cells
        cell = int(position)
        if not position - cell < self.cells[own.first_cell + cell].threshold:
            cell = self.cells[own.first_cell + cell].alias
        ranks = self.cells[own.first_cell + cell]
        rank = ranks.first + int(draws.uniform(rank_word) * ranks.width)
        row = space * self.countries + self.country[client]
        if own.locality > 0.0:
            word, _ = self.lookups.words(draws.KEY, request, index + draws.KEY_LOCALITY)
            if draws.uniform(word) < own.locality:
                rank += self.shifts[row]
                if rank >= own.count:
                    rank -= own.count
        return int(own.first + self.partitions[row] * own.count + rank)
