"""Answer draws from the tables of a run, as plain Python."""

from __future__ import annotations

from bisect import bisect_right

from popsim.engine import draws
from popsim.engine.arrays import Row, rows
from popsim.engine.draws import COUNT_BITS, NODES, WordSource
from popsim.engine.layout import Inputs


class Lookups:
    """Random words, quantiles and choices of one run; tables become lists, which Python reads faster."""

    def __init__(self, inputs: Inputs, word_source: WordSource) -> None:
        self.key = inputs.key
        self.word_source = word_source
        self.tables: list[list[float]] = [row.tolist() for row in inputs.tables]
        self.ends: list[float] = inputs.pieces.end.tolist()
        self.pieces: list[Row] = rows(inputs.pieces)
        self.clock_h: list[float] = inputs.clients.clock_h.tolist()
        self._clients = (inputs.clients.threshold.tolist(), inputs.clients.alias.tolist())
        self._functions = (inputs.functions.threshold.tolist(), inputs.functions.alias.tolist())
        self._networks = (inputs.networks.threshold.tolist(), inputs.networks.alias.tolist())

    def words(self, stream: int, entity: int, index: int) -> tuple[int, int]:
        """Return the two words of one address."""
        return self.word_source(self.key, stream, entity, index)

    def table(self, table: int, word: int) -> float:
        """Return the quantile that ``word`` addresses in a table (rule 9)."""
        side, node, fraction = draws.tail(word)
        row = self.tables[table]
        low, high = row[side * NODES + node], row[side * NODES + node + 1]
        if low < 0.0:
            return self._piece(int(-low), draws.tail_probability(word))
        if high < 0.0:
            high = self.pieces[int(-high) >> COUNT_BITS].low
        return low + (high - low) * fraction

    def _piece(self, code: int, probability: float) -> float:
        """Return the value of the first piece of a cell that ends above a tail probability (rule 9)."""
        first = code >> COUNT_BITS
        last = first + (code & ((1 << COUNT_BITS) - 1)) - 1
        piece = self.pieces[bisect_right(self.ends, probability, first, last)]
        return float(piece.low + (probability - piece.start) * piece.slope)

    def draw(self, table: int, stream: int, entity: int, index: int) -> float:
        """Return one draw of a law, from the first word of an address."""
        return self.table(table, self.words(stream, entity, index)[0])

    def since(self, stream: int, entity: int, index: int, time: float, cycle: float) -> float:
        """Return from when on the age of what is stored now counts, if it is renewed every ``cycle`` ms.

        A run begins in the midst of things: what is stored first is as old as it would be if it were met at random (rule 30).
        """
        if time < cycle:
            renewed, empty = map(draws.uniform, self.words(stream, entity, index))
            renewal, later = renewed * cycle, empty / (1.0 - empty) * cycle
            if time < renewal:
                return renewal - cycle if time < later else time - later
        return time

    def client(self, word: int) -> int:
        """Draw a client by its number of users."""
        return _choose(*self._clients, word)

    def function(self, word: int) -> int:
        """Draw a function by popularity."""
        return _choose(*self._functions, word)

    def network(self, word: int) -> int:
        """Draw an access network by its share."""
        return _choose(*self._networks, word)


def _choose(threshold: list[float], alias: list[int], word: int) -> int:
    position = draws.uniform(word) * len(threshold)
    cell = int(position)
    return cell if position - cell < threshold[cell] else alias[cell]
