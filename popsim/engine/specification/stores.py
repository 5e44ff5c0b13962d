"""The central stores: which are up, and which one a read or write goes to."""

from __future__ import annotations

from popsim.engine import draws
from popsim.engine.arrays import Row, rows
from popsim.engine.kv_layout import IN_ORDER
from popsim.engine.layout import Inputs
from popsim.engine.specification.lookups import Lookups

Choice = tuple[int, float, float]  # store, rtt and service in ms


class Stores:
    """A platform's central stores."""

    def __init__(self, inputs: Inputs, lookups: Lookups) -> None:
        kv = inputs.kv
        self.lookups, self.rules, self.count = lookups, kv.scalars, kv.choices
        self.read_tables: list[int] = kv.stores.read_table.tolist()
        self.write_tables: list[int] = kv.stores.write_table.tolist()
        self.is_up = [True] * len(kv.stores)
        self.read_choices = rows(kv.read_choices)
        self.write_choices = rows(kv.write_choices)

    def to_read(self, node: int, request: int, position: int) -> Choice | None:
        """Return the store that a read from a node goes to; None if none is up."""
        choices = self.read_choices[node * self.count : (node + 1) * self.count]
        return self._choose(
            choices, self.rules.reads, self.read_tables, request, position, draws.AT_STORE
        )

    def to_write(self, site: int, request: int, position: int) -> Choice | None:
        """Return the store that a site's write goes to; None if none is up."""
        choices = self.write_choices[site * self.count : (site + 1) * self.count]
        return self._choose(
            choices, self.rules.writes, self.write_tables, request, position, draws.WRITING
        )

    def _choose(
        self,
        choices: list[Row],
        mode: int,
        tables: list[int],
        request: int,
        position: int,
        part: int,
    ) -> Choice | None:
        """Choose the first that is up, or the fastest (rule 36)."""
        best = None
        for choice in choices:
            store, rtt = choice.store, choice.rtt
            if store < 0 or not self.is_up[store]:
                continue
            service = self.service(tables[store], request, position, part + store)
            if mode == IN_ORDER:
                return store, rtt, service
            if best is None or rtt + service < best[1] + best[2]:
                best = (store, rtt, service)
        return best

    def service(self, table: int, request: int, position: int, part: int) -> float:
        """Draw the time that a part of the way of a read or write takes."""
        index = (position << draws.DETAIL_BITS) + part
        return self.lookups.draw(table, draws.KV_SERVICE, request, index)
