"""What must add up in the books of a key-value store, whatever the run: generated ones full of failures and ties."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from engine_cases import Case, case, run_compiled, run_specification, with_exact_sums

from popsim.engine import layout as lay
from popsim.engine.kv_books import KvBooks, KvRows
from popsim.engine.kv_layout import (
    COALESCED,
    EDGE,
    FAILED,
    K_ABSENT,
    K_BYTES_MEMORY,
    K_BYTES_STORE,
    K_BYTES_WRITTEN,
    K_DELETES,
    K_EDGE_REFRESHES,
    K_GETS,
    K_LIMITED,
    K_LISTS,
    K_OWN_STALE,
    K_PUTS,
    K_REFRESH_STORE_READS,
    K_REGION_REFRESHES,
    K_STALE,
    K_TRUNCATED,
    K_WRITES_FAILED,
    MEMORY,
    REGION,
    SIZE_CONSTANT,
    STORE,
    WATCHED,
)
from popsim.engine.outputs import bucket_index
from popsim.engine.recorder import C_KV_LIMITED, C_KV_UNAVAILABLE, Books

SEEDS = range(240)


@cache
def runs(engine: str) -> list[tuple[Case, Books]]:
    """Return the generated runs that use a key-value store, on one engine."""
    run, seeds = (run_compiled, SEEDS) if engine == "compiled" else (run_specification, SEEDS[:40])
    cases = [case(seed) for seed in seeds]
    found = [(one, run(one)) for one in cases if one.inputs.kv.is_used]
    for _, books in found:
        with_exact_sums(books.kv)
    return found


pytestmark = pytest.mark.parametrize("engine", ["compiled", "simpy"])


def test_there_is_something_to_add_up(engine: str) -> None:
    columns = np.sum([books.kv.by_space.sum(axis=0) for _, books in runs(engine)], axis=0)
    if engine == "simpy":  # fewer runs, none of which forgets a version that is still cached
        columns[K_TRUNCATED] += 1
    assert np.all(columns > 0), f"some column never moves: {columns}"
    assert columns[: FAILED + 1].sum() > (20_000 if engine == "compiled" else 2_000)


def test_sites_and_key_spaces_sum_to_the_same(engine: str) -> None:
    for one, books in runs(engine):
        by_site, by_space = books.kv.by_site, books.kv.by_space
        assert np.array_equal(by_site.sum(axis=0), by_space.sum(axis=0)), one.seed
        assert by_site.min() >= 0
        assert by_space.min() >= 0


def test_every_read_is_in_one_tier_of_its_histograms(engine: str) -> None:
    """A get counts once by the worst tier of its keys, by key space and by country, unless a key of it failed."""
    for one, books in runs(engine):
        rows, counts, by_space = rows_of(one, books)
        tiers = counts[rows.tier : rows.space]
        spaces = counts[rows.space : rows.country]
        answered = counts[rows.country : rows.write].sum()
        assert tiers.sum() == spaces.sum() == answered, one.seed
        assert tiers[FAILED] == 0
        assert np.all(spaces <= by_space[:, K_GETS])
        keys = by_space[:, : FAILED + 1].sum(axis=0)
        lost = by_space[:, K_GETS].sum() - answered
        assert 0 <= lost <= keys[FAILED], "a get is lost if one of its keys is"
        assert (lost == 0) == (keys[FAILED] == 0)
        assert np.all(tiers[: STORE + 1] <= keys[: STORE + 1]), "some key of it was found there"


def test_gets_read_one_key_or_as_many_as_their_step_says(engine: str) -> None:
    for one, books in runs(engine):
        steps = one.inputs.steps
        gets = steps[np.isin(steps.kind, (lay.KV_GET, lay.KV_TRACE))]
        keys, by_space = books.kv.by_space[:, : FAILED + 1].sum(axis=1), books.kv.by_space
        for space in range(len(by_space)):
            counts = gets.count[gets.space == space]
            reads = by_space[space, K_GETS]
            low, high = (counts.min(), counts.max()) if len(counts) else (0, 0)
            assert low * reads <= keys[space] <= high * reads, one.seed


def test_writes_and_stale_reads_are_in_their_histograms(engine: str) -> None:
    for one, books in runs(engine):
        rows, counts, by_space = rows_of(one, books)
        assert counts[rows.write] == by_space[:, [K_PUTS, K_DELETES]].sum(), one.seed
        assert np.array_equal(counts[rows.stale : rows.count], by_space[:, K_STALE])
        assert np.all(by_space[:, K_OWN_STALE] <= by_space[:, K_STALE])
        assert np.all(by_space[:, K_TRUNCATED] <= by_space[:, K_STALE])
        found = by_space[:, : STORE + 1].sum(axis=1)
        assert np.all(by_space[:, K_STALE] <= found)
        assert np.all(by_space[:, K_ABSENT] <= found)
        stale = books.kv.histogram[rows.stale : rows.count]
        for space, row in enumerate(stale):
            oldest = books.kv.stale_max[space]
            assert (oldest > 0.0) == (row.sum() > 0), one.seed
            if row.any():
                assert np.flatnonzero(row)[-1] == bucket_index(oldest), "the oldest is in the last"


def test_tiers_that_are_not_there_answer_nothing(engine: str) -> None:
    for one, books in runs(engine):
        scalars, by_site = one.inputs.kv.scalars, books.kv.by_site
        has_tier = one.inputs.kv.tier_links.region >= 0
        assert scalars.memory_bytes > 0 or by_site[:, MEMORY].sum() == 0, one.seed
        assert scalars.has_edge or by_site[:, [MEMORY, EDGE, K_EDGE_REFRESHES]].sum() == 0
        assert scalars.coalesces or by_site[:, COALESCED].sum() == 0
        assert by_site[~has_tier][:, [REGION, K_REGION_REFRESHES]].sum() == 0
        refreshes = by_site[:, [K_EDGE_REFRESHES, K_REGION_REFRESHES]].sum()
        assert by_site[:, K_REFRESH_STORE_READS].sum() <= refreshes
        assert np.isfinite(scalars.refresh_after) or refreshes == 0
        assert scalars.write_gap > 0.0 or by_site[:, K_LIMITED].sum() == 0


def test_bytes_are_keys_times_their_size(engine: str) -> None:
    """Where all keys of a space are equally large; a write's bytes count if it was confirmed."""
    checked = 0
    for one, books in runs(engine):
        own = one.inputs.kv.spaces[: len(books.kv.by_space)]  # classes of objects follow
        for item, counts in zip(own, books.kv.by_space, strict=True):
            if item.size_table != SIZE_CONSTANT or one.inputs.kv.has_trace:
                continue
            read = counts[K_BYTES_MEMORY : K_BYTES_STORE + 1]
            assert np.array_equal(read, counts[: STORE + 1] * item.bytes), one.seed
            writes = counts[K_PUTS] + counts[K_DELETES]
            assert counts[K_BYTES_WRITTEN] == writes * item.bytes, one.seed
            checked += int(counts[K_GETS])
    assert checked > 1_000


def test_requests_fail_by_the_store_only_if_it_refused_them(engine: str) -> None:
    """Each request that ends for the store's sake has had a read, a write or a listing refused; tolerant steps go on."""
    for one, books in runs(engine):
        refused = books.kv.by_space.sum(axis=0)
        assert books.counters[C_KV_LIMITED] <= refused[K_LIMITED], one.seed
        by_list = refused[K_LISTS]
        most = refused[FAILED] + refused[K_WRITES_FAILED] + by_list
        assert books.counters[C_KV_UNAVAILABLE] <= most, one.seed
        if np.all(one.inputs.steps.is_tolerant):
            assert books.counters[[C_KV_LIMITED, C_KV_UNAVAILABLE]].sum() == 0


def test_sampled_reads_tell_what_the_books_count(engine: str) -> None:
    """All requests of these runs are kept: those whose last read was stale are among the stale ones, and so on."""
    for one, books in runs(engine):
        sample, kv = books.sample, books.kv
        stale = sample["kv_stale_ms"]
        assert (stale > 0.0).sum() <= kv.by_space[:, K_STALE].sum(), one.seed
        assert stale.max(initial=0.0) <= kv.stale_max.max()
        tiers = np.bincount(sample["kv_tier"][sample["kv_tier"] >= 0], minlength=FAILED + 1)
        assert np.all(tiers <= kv.by_space[:, : FAILED + 1].sum(axis=0))
        is_stale = (stale > 0.0) & (sample["kv_age_ms"] >= 0.0)
        # at least as old as what is newer: two writes may be committed at the same time
        assert np.all(sample["kv_age_ms"][is_stale] >= stale[is_stale])


def test_followed_writes_are_seen_after_they_were_committed(engine: str) -> None:
    for one, books in runs(engine):
        watched, seen = books.kv.watched, books.kv.seen
        assert watched.shape[0] == WATCHED
        is_used = watched[:, 1] >= 0.0
        assert np.all(np.diff(watched[is_used, 0]) >= 0.0), one.seed
        assert np.all(seen[~is_used] == -1.0)
        last_stale = seen[is_used][:, :, 1]
        commit = watched[is_used][:, :1]
        assert np.all((last_stale == -1.0) | (last_stale > commit)), one.seed


def rows_of(one: Case, books: Books) -> tuple[KvRows, np.ndarray, np.ndarray]:
    """Return where the groups begin, how many values each histogram row has, and the counts by key space."""
    kv: KvBooks = books.kv
    rows = KvRows.of(len(one.inputs.kv.space_names), one.inputs.country_count)
    assert kv.histogram.shape[0] == rows.count
    return rows, kv.histogram.sum(axis=1), kv.by_space
