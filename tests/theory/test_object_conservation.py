"""What must add up in the books of objects, whatever the run: generated ones full of failures and ties."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from engine_cases import Case, case, run_compiled, run_specification, with_exact_sums

from popsim.engine import object_books as ob
from popsim.engine import object_layout as obl
from popsim.engine.object_books import ObjectBooks
from popsim.engine.object_layout import PARTS, SPREADS
from popsim.engine.outputs import BUCKETS, bucket_edges

SEEDS = range(240)


@cache
def runs(engine: str) -> list[tuple[Case, ObjectBooks]]:
    """Return the generated runs that use objects, on one engine."""
    run, seeds = (run_compiled, SEEDS) if engine == "compiled" else (run_specification, SEEDS[:60])
    cases = [case(seed) for seed in seeds]
    return [(one, with_exact_sums(run(one).objects)) for one in cases if one.inputs.objects.is_used]


def rows(books: ObjectBooks, *numbers: int) -> np.ndarray:
    """Return how many values each class has in some rows together, shape (Q,)."""
    counts = books.histogram.sum(axis=1).reshape(-1, ob.ROWS_PER_CLASS)
    return np.asarray(counts[:, list(numbers)].sum(axis=1))


def of_messages(one: Case, books: ObjectBooks, first: int) -> np.ndarray:
    """Return how many values the messages to each class have in the rows of all spreads together, shape (Q,)."""
    found = np.zeros(len(books.by_class), np.int64)
    counts = books.by_message.sum(axis=1).reshape(-1, ob.ROWS_PER_MESSAGE)
    own = counts[:, first : first + len(SPREADS)].sum()
    if one.inputs.objects.message_names:
        found[one.inputs.objects.scalars.message_class] = own
    return found


pytestmark = pytest.mark.parametrize("engine", ["compiled", "simpy"])


def test_there_is_something_to_add_up(engine: str) -> None:
    columns = np.sum([books.by_class.sum(axis=0) for _, books in runs(engine)], axis=0)
    rare = np.isin(np.arange(len(columns)), [obl.O_FAILOVERS, obl.O_STALE, obl.O_UNAVAILABLE])
    if engine == "simpy":  # fewer runs, none of which has one; the compiled ones must
        columns[obl.O_TRUNCATED] += 1
    assert np.all((columns > 0) | rare), f"some column never moves: {columns}"
    assert columns[obl.O_CALLS] > 1_000


def test_every_answered_call_has_a_time_a_distance_and_a_host(engine: str) -> None:
    for one, books in runs(engine):
        calls = books.by_class[:, obl.O_CALLS]
        assert np.array_equal(rows(books, ob.CALL), calls), one.seed
        assert np.array_equal(rows(books, ob.DISTANCE), calls), one.seed
        assert books.by_host[:, obl.H_CALLS].sum() == calls.sum(), one.seed
        assert np.all(books.by_class[:, obl.O_IN_REGION] <= calls), one.seed
        for part in range(len(PARTS)):
            assert np.all(rows(books, ob.FIRST_PART + part) <= calls), one.seed


def test_parts_add_up_to_calls(engine: str) -> None:
    """Sums from buckets lie between those of the buckets' edges."""
    low, high = bucket_edges(np.arange(BUCKETS))
    for one, books in runs(engine):
        by_row = books.histogram.reshape(-1, ob.ROWS_PER_CLASS, len(low))
        calls = by_row[:, ob.CALL]
        parts = by_row[:, ob.FIRST_PART : ob.FIRST_PART + len(PARTS)].sum(axis=1)
        assert np.all(parts @ low <= calls @ high), one.seed
        assert np.all(calls @ low <= parts @ high + 1e-6 * calls.sum(axis=1)), one.seed


def test_objects_are_counted_by_class_by_host_and_by_who_asked(engine: str) -> None:
    for one, books in runs(engine):
        made = books.by_class[:, obl.O_CREATED]
        assert np.array_equal(books.created.sum(axis=0), books.by_host[:, obl.H_CREATED]), one.seed
        assert books.created.sum() == made.sum(), one.seed
        assert np.all(rows(books, ob.SPAWN) <= made), one.seed  # some are lost on the way
        sites = books.created.sum(axis=1)
        assert np.all(books.spawn_ns[sites == 0] == 0), one.seed


def test_commits_and_time_are_counted_by_class_and_by_host(engine: str) -> None:
    for one, books in runs(engine):
        total, by_host = books.by_class.sum(axis=0), books.by_host.sum(axis=0)
        assert total[obl.O_COMMITS] == by_host[obl.H_COMMITS], one.seed
        assert total[obl.O_ACTIVE_US] == by_host[obl.H_ACTIVE_US], one.seed
        assert total[obl.O_COMMITS] <= total[obl.O_PUTS] + total[obl.O_TRANSACTIONS], one.seed
        assert books.by_class.min() >= 0
        assert books.by_host.min() >= 0


def test_what_participants_see_is_counted_once(engine: str) -> None:
    spreads = range(len(SPREADS))
    for one, books in runs(engine):
        count = books.by_class.T
        visible = rows(books, *(ob.VISIBLE + spread for spread in spreads))
        visible = visible + of_messages(one, books, ob.SEEN)
        assert np.array_equal(visible, count[obl.O_DELIVERED]), one.seed
        acknowledged = of_messages(one, books, ob.ACKNOWLEDGED)
        attempts = count[obl.O_CALLS : obl.O_FAILED + 1].sum(axis=0)  # errors may be ignored
        assert np.all(acknowledged <= attempts), one.seed
        told = count[obl.O_DELIVERED] + count[obl.O_MISSED]
        assert np.all(told[count[obl.O_BROADCASTS] == 0] == 0), one.seed


def test_sessions_that_are_back_were_cut(engine: str) -> None:
    for one, books in runs(engine):
        count = books.by_class.T
        assert np.array_equal(rows(books, ob.RECONNECT), count[obl.O_RECONNECTED]), one.seed
        assert np.all(count[obl.O_RECONNECTED] <= count[obl.O_CUT]), one.seed


def test_replicas_answers_are_stale_or_fresh(engine: str) -> None:
    for one, books in runs(engine):
        count = books.by_class.T
        assert np.array_equal(rows(books, ob.STALENESS), count[obl.O_STALE]), one.seed
        assert np.all(count[obl.O_STALE] <= count[obl.O_REPLICA_READS]), one.seed
