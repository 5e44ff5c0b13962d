"""Key-value stores in results, on runs made by hand: every number can be told beforehand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import COUNTRIES, SITES, made
from scipy.stats import binomtest

import popsim
from popsim.engine import kv_layout as kvl
from popsim.engine.kv_books import KvRows
from popsim.engine.kv_layout import KV_COLUMNS, TIERS
from popsim.engine.outputs import (
    BUCKETS,
    PHASES,
    Ints,
    PlatformRun,
    SparseHist,
    bucket_index,
)
from popsim.engine.recorder import SAMPLE_DTYPE
from popsim.models.kv_replication.contract import Prices
from popsim.results import Result
from popsim.results.kv import KvPool

SPACES = ("users", "flags")
ROWS = KvRows.of(len(SPACES), len(COUNTRIES))
BUCKET = 0.008  # a bucket's width
PRICES = Prices(read=0.5, write=5.0, delete=4.0, list=3.0)

# 100 keys read, of which 90 were answered and 9 were stale
USERS = {
    "memory": 10, "edge": 20, "coalesced": 5, "region": 15, "store": 40, "failed": 10,
    "absent": 4, "stale": 9, "own_stale": 3, "truncated": 6, "gets": 70, "puts": 8, "deletes": 2,
    "lists": 1, "limited": 3, "writes_failed": 2, "edge_refreshes": 11, "region_refreshes": 12,
    "refresh_store_reads": 13, "bytes_memory": 100, "bytes_edge": 200, "bytes_coalesced": 50,
    "bytes_region": 150, "bytes_store": 400, "bytes_written": 80,
}  # fmt: skip
FLAGS = {"memory": 30, "edge": 10, "region": 5, "store": 5, "gets": 50, "puts": 2, "stale": 1}
LATENCIES = {
    ROWS.tier + TIERS.index("memory"): {0.5: 40},
    ROWS.tier + TIERS.index("edge"): {2.0: 30},
    ROWS.tier + TIERS.index("store"): {100.0: 30},
    ROWS.space: {100.0: 25, 2.0: 25},
    ROWS.space + 1: {0.5: 40, 2.0: 5, 100.0: 5},
    ROWS.country: {0.5: 40, 2.0: 20},
    ROWS.country + 1: {2.0: 10, 100.0: 20},
    ROWS.country + 2: {100.0: 10},
    ROWS.write: {150.0: 10},
    ROWS.stale: {5_000.0: 9},
    ROWS.stale + 1: {700.0: 1},
}


def columns(counts: Mapping[str, int]) -> Ints:
    found = np.zeros(KV_COLUMNS, np.int64)
    for name, count in counts.items():
        column = TIERS.index(name) if name in TIERS else getattr(kvl, f"K_{name.upper()}")
        found[column] = count
    return found


def histogram(rows: Mapping[int, Mapping[float, int]]) -> SparseHist:
    dense = np.zeros((ROWS.count, BUCKETS), np.int64)
    for row, counts in rows.items():
        for ms, count in counts.items():
            dense[row, bucket_index(np.array([ms]))] += count
    return SparseHist.from_dense(dense)


def stored(**changes: Any) -> PlatformRun:
    """Return a run of 50 requests with the counts above."""
    by_site = np.zeros((len(SITES), KV_COLUMNS), np.int64)
    by_site[0] = columns({"memory": 10, "store": 10, "stale": 5, "puts": 3, "deletes": 1})
    by_site[1] = columns({"edge": 60, "failed": 20, "stale": 6})
    by_site[3] = columns({"puts": 7})  # reads nothing
    values: dict[str, Any] = {
        "requests": 50,
        "kv_by_space": np.array([columns(USERS), columns(FLAGS)]),
        "kv_by_site": by_site,
        "kv_histogram": histogram(LATENCIES),
        "kv_watched": np.full((2, 2), -1.0),
        "kv_seen": np.full((2, len(SITES), 3), -1.0),
        "kv_stale_max_ms": np.array([5_500.0, 701.0]),
        "labels": made().labels | {"space": SPACES, "store": ("virginia",)},
    }
    return made(**(values | changes))


def result_of(**runs: list[PlatformRun]) -> Result:
    scenario = popsim.load(
        {
            "name": "made",
            "duration": "1min",
            "workload": {
                "arrivals": {"rate": "1/s"},
                "keys": {"users": {"count": 9}, "flags": {"count": 9}},
                "handler": [{"kv.get": {"keys": "users"}}, {"kv.get": {"keys": "flags"}}],
            },
            "platforms": {name: {"preset": "cloudflare-workers"} for name in runs},
        }
    )
    return Result(scenario, runs)


# --- where reads are answered ---------------------------------------------------------------------------


def test_ratios_are_of_all_keys_read() -> None:
    pool = KvPool([stored()], "users")
    assert pool.reads == 100
    found = {tier: pool.ratio(tier) for tier in TIERS}
    assert found == {
        "memory": 0.1, "edge": 0.2, "coalesced": 0.05, "region": 0.15, "store": 0.4, "failed": 0.1,
    }  # fmt: skip
    assert pool.hit_ratio == pytest.approx(0.3)
    assert pool.miss_ratio == pytest.approx(0.55)
    parts = pool.hit_ratio, pool.miss_ratio, pool.ratio("coalesced"), pool.ratio("failed")
    assert sum(parts) == pytest.approx(1.0)
    assert pool.region_share_of_misses == 15 / 55
    assert pool.absent_ratio == 0.04
    assert pool.answered == 90


def test_a_pool_is_of_all_key_spaces_or_of_one() -> None:
    run = stored()
    assert (KvPool([run]).reads, KvPool([run], "flags").reads) == (150, 50)
    assert KvPool([run]).hit_ratio == pytest.approx(70 / 150)
    assert KvPool([run], "flags").hit_ratio == pytest.approx(0.8)
    assert KvPool([run]).stale_ratio == 10 / 140
    assert KvPool([run], "flags").stale_ratio == 1 / 50


def test_ratios_of_stale_reads() -> None:
    pool = KvPool([stored()], "users")
    assert pool.stale_ratio == 9 / 90  # over answered keys
    assert pool.own_stale_ratio == 3 / 90
    assert pool.truncated_ratio == 6 / 9


def test_a_store_nobody_read_has_no_ratios() -> None:
    empty = stored(
        kv_by_space=np.zeros((2, KV_COLUMNS), np.int64),
        kv_histogram=histogram({}),
        kv_stale_max_ms=np.zeros(2),
        requests=0,
    )
    pool = KvPool([empty])
    assert pool.is_used
    assert pool.reads == 0
    numbers = [
        *(pool.ratio(tier) for tier in TIERS),
        pool.hit_ratio,
        pool.miss_ratio,
        pool.region_share_of_misses,
        pool.absent_ratio,
        pool.stale_ratio,
        pool.own_stale_ratio,
        pool.truncated_ratio,
        pool.staleness_p(99),
        pool.stale_p(50),
        pool.read_p(50),
        pool.read_mean(),
        pool.write_p(50),
        pool.write_mean,
        pool.visibility(0.5),
        pool.cost_usd_per_million_requests(PRICES),
    ]
    assert all(math.isnan(number) for number in numbers)
    assert pool.staleness_max == 0.0


# --- latency --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "chosen", "percent", "ms"),
    [
        (None, {}, 20, 0.5),
        (None, {}, 60, 2.0),
        (None, {}, 95, 100.0),
        (None, {"tier": "memory"}, 99, 0.5),
        (None, {"tier": "edge"}, 1, 2.0),
        (None, {"tier": "store"}, 50, 100.0),
        (None, {"countries": ["US"]}, 99, 2.0),
        (None, {"countries": ["DE"]}, 50, 100.0),
        (None, {"countries": ["DE", "FR"]}, 20, 2.0),
        (None, {"countries": COUNTRIES}, 20, 0.5),
        ("users", {}, 90, 100.0),
        ("flags", {}, 70, 0.5),
    ],
)
def test_percentiles_of_reads(
    space: str | None, chosen: dict[str, Any], percent: float, ms: float
) -> None:
    assert KvPool([stored()], space).read_p(percent, **chosen) == pytest.approx(ms, rel=BUCKET)


def test_means_of_reads_and_writes() -> None:
    pool = KvPool([stored()])
    assert pool.read_mean() == pytest.approx((20 + 60 + 3_000) / 100, rel=BUCKET)
    assert pool.read_mean("store") == pytest.approx(100, rel=BUCKET)
    assert pool.read_mean(countries=["DE"]) == pytest.approx(2_020 / 30, rel=BUCKET)
    assert pool.write_p(50) == pytest.approx(150, rel=BUCKET)
    assert pool.write_mean == pytest.approx(150, rel=BUCKET)


def test_tiers_without_reads_have_no_latency() -> None:
    assert math.isnan(KvPool([stored()]).read_p(50, "region"))
    assert math.isnan(KvPool([stored()]).read_p(50, countries=[]))


# --- staleness ------------------------------------------------------------------------------------------


def test_staleness_is_of_all_answers_most_of_which_are_fresh() -> None:
    pool = KvPool([stored()], "users")  # a tenth of 90 answers is stale
    assert pool.staleness_p(50) == 0.0
    assert pool.staleness_p(90) == 0.0
    for percent in (91, 95, 99, 100):
        assert pool.staleness_p(percent) == pytest.approx(5_000, rel=BUCKET)


def test_staleness_percentiles_rank_within_the_stale() -> None:
    counts = columns({"edge": 100, "failed": 900, "stale": 10})
    run = stored(
        kv_by_space=np.array([counts, columns({})]),
        kv_histogram=histogram({ROWS.stale: {1_000.0: 6, 9_000.0: 4}}),
    )
    found = [KvPool([run]).staleness_p(percent) for percent in (89, 92, 95, 97, 99)]
    assert found == pytest.approx([0, 1_000, 1_000, 9_000, 9_000], rel=BUCKET)
    among_stale = [KvPool([run]).stale_p(percent) for percent in (1, 50, 70, 99)]
    assert among_stale == pytest.approx([1_000, 1_000, 9_000, 9_000], rel=BUCKET)


def test_fresh_answers_have_no_staleness_of_the_stale() -> None:
    counts = np.array([columns({"edge": 10}), columns({})])
    pool = KvPool([stored(kv_by_space=counts, kv_histogram=histogram({}))])
    assert pool.staleness_p(99) == 0.0
    assert math.isnan(pool.stale_p(99))
    assert math.isnan(pool.truncated_ratio)


def test_all_answers_may_be_stale() -> None:
    run = stored(
        kv_by_space=np.array([columns({"edge": 10, "stale": 10}), columns({})]),
        kv_histogram=histogram({ROWS.stale: {1_000.0: 10}}),
    )
    assert KvPool([run]).staleness_p(1) == pytest.approx(1_000, rel=BUCKET)
    assert KvPool([run]).stale_ratio == 1.0


def test_the_stalest_answer() -> None:
    run = stored()
    assert KvPool([run]).staleness_max == 5_500
    assert KvPool([run], "users").staleness_max == 5_500
    assert KvPool([run], "flags").staleness_max == 701
    other = stored(kv_stale_max_ms=np.array([10.0, 900.0]))
    assert KvPool([run, other], "flags").staleness_max == 900
    assert KvPool([run, other]).staleness_max == 5_500


# --- visibility -----------------------------------------------------------------------------------------


def followed(*writes: tuple[float, int, dict[int, tuple[float, ...]]]) -> PlatformRun:
    """Return a run whose writes are (commit, key, {site: (first seen, last stale[, served until])})."""
    watched = np.array([(commit, key) for commit, key, _ in writes], dtype=np.float64)
    seen = np.full((len(writes), len(SITES), 3), -1.0)
    for row, (_, _, sites) in enumerate(writes):
        for site, times in sites.items():
            seen[row, site, : len(times)] = times
    return stored(kv_watched=watched, kv_seen=seen)


def visible(run: PlatformRun, *shares: float) -> list[float]:
    return [KvPool([run]).visibility(share) for share in shares]


def test_sites_keep_an_older_version_until_their_last_answer_with_it() -> None:
    run = followed((1_000.0, 3, {0: (1_500.0, -1.0), 1: (9_000.0, 4_000.0), 2: (6_500.0, 6_000.0)}))
    # 0, 3 and 5 s; the fourth site did not read it
    assert visible(run, 0.3, 0.5, 0.67, 1.0) == [0.0, 3_000.0, 5_000.0, 5_000.0]


def test_a_copy_is_served_until_it_ends_whether_somebody_asks_or_not() -> None:
    sites = {
        0: (9_000.0, 4_000.0, 6_000.0),  # expired, or told, between two reads
        1: (5_000.0, 4_000.0, 6_000.0),  # a read that saw the write shows that it had ended before
        2: (5_000.0, 7_000.0, 6_000.0),  # another copy, or the store, gave an older one after that
        3: (-1.0, 4_000.0, 6_000.0),
    }
    assert visible(followed((1_000.0, 3, sites)), 0.25, 0.5, 0.75, 1.0) == [
        4_000.0,
        5_000.0,
        5_000.0,
        6_000.0,
    ]


def test_sites_without_evidence_do_not_count() -> None:
    run = followed((1_000.0, 3, {1: (-1.0, 4_000.0)}))
    assert visible(run, 0.01, 0.5, 1.0) == [3_000.0] * 3


def test_a_site_that_only_saw_the_write_saw_it_at_once() -> None:
    run = followed((1_000.0, 3, {2: (60_000.0, -1.0)}))
    assert visible(run, 0.5, 1.0) == [0.0, 0.0]


def test_visibility_is_the_mean_over_writes() -> None:
    slow, quick = (1_000.0, 3, {0: (-1.0, 9_000.0)}), (2_000.0, 4, {1: (-1.0, 4_000.0)})
    unread, none = (3_000.0, 5, {}), (-1.0, -1, {0: (-1.0, 5_000.0)})
    assert visible(followed(slow, quick, unread, none), 0.5) == [5_000.0]
    both = KvPool([followed(slow), followed(quick)])
    assert both.visibility(0.99) == 5_000.0
    assert both.visibility(1.0) == 8_000.0  # the longest: an extreme, no mean of extremes
    assert [len(KvPool([followed(w)]).site_times(followed(w))) for w in (slow, none)] == [1, 0]


def test_without_any_write_there_is_no_visibility() -> None:
    run = followed((3_000.0, 5, {}), (-1.0, -1, {}))
    assert all(math.isnan(ms) for ms in visible(run, 0.5, 1.0))


# --- operations, bytes, cost ----------------------------------------------------------------------------


def test_operations_and_bytes() -> None:
    pool = KvPool([stored()], "users")
    assert pool.operations() == {
        "gets": 70, "puts": 8, "deletes": 2, "lists": 1, "writes_limited": 3, "writes_failed": 2,
        "edge_refreshes": 11, "region_refreshes": 12, "refreshes_at_store": 13,
    }  # fmt: skip
    assert pool.bytes() == {
        "memory": 100, "edge": 200, "coalesced": 50, "region": 150, "store": 400, "written": 80,
    }  # fmt: skip
    assert KvPool([stored()]).operations()["gets"] == 120


def test_cost_is_of_operations_per_million_requests() -> None:
    usd = 70 * 0.5 + 8 * 5.0 + 2 * 4.0 + 1 * 3.0  # for 50 requests, prices per million
    pool = KvPool([stored()], "users")
    assert pool.cost_usd_per_million_requests(PRICES) == pytest.approx(usd / 50)
    assert pool.cost_usd_per_million_requests(Prices()) == 0.0
    two = KvPool([stored(), stored(requests=150)], "users")
    assert two.cost_usd_per_million_requests(PRICES) == pytest.approx(2 * usd / 200)


# --- several runs ---------------------------------------------------------------------------------------


def test_runs_pool_to_their_sum() -> None:
    one = stored()
    other = stored(
        replication=1,
        kv_by_space=np.array([columns({"edge": 50, "stale": 50, "gets": 5}), columns({"store": 7})]),
        kv_histogram=histogram({ROWS.tier + 1: {2.0: 7, 9.0: 3}, ROWS.stale: {40.0: 50}}),
    )  # fmt: skip
    for space in (None, *SPACES):
        pool, parts = KvPool([one, other], space), [KvPool([run], space) for run in (one, other)]
        assert np.array_equal(pool.columns, parts[0].columns + parts[1].columns)
        assert np.array_equal(pool.latency(), parts[0].latency() + parts[1].latency())
        assert np.array_equal(pool.stale, parts[0].stale + parts[1].stale)
        assert pool.reads == parts[0].reads + parts[1].reads
    assert KvPool([one, other], "users").stale_ratio == 59 / 140


def test_each_is_one_pool_per_run() -> None:
    runs = stored(), stored(replication=1)
    each = KvPool(runs, "flags").each
    assert [pool.runs for pool in each] == [(runs[0],), (runs[1],)]
    assert [pool.space for pool in each] == ["flags", "flags"]


# --- tables and JSON ------------------------------------------------------------------------------------


def test_summary_has_one_row_per_platform_with_a_store() -> None:
    frame = result_of(workers=[stored()], without=[made()]).kv()
    assert list(frame.index) == ["workers"]
    row = frame.loc["workers"]
    assert row["reads"] == 150
    assert row["hit_ratio"] == pytest.approx(70 / 150)
    assert row["miss_ratio"] == pytest.approx(65 / 150)
    assert row["stale_ratio"] == 10 / 140
    assert row["truncated_ratio"] == 6 / 10
    assert row["read_p95_ms"] == pytest.approx(100, rel=BUCKET)
    assert row["write_p50_ms"] == pytest.approx(150, rel=BUCKET)
    assert (row["gets"], row["puts"], row["edge_bytes"]) == (120, 10, 200)
    usd = 120 * 0.5 + (10 + 2 + 1) * 5.0  # the preset's prices
    assert row["usd_per_million_requests"] == pytest.approx(usd / 50)
    assert math.isnan(row["visible_p50_ms"])


def test_by_space() -> None:
    frame = result_of(workers=[stored()]).kv("space").set_index("space")
    assert list(frame["reads"]) == [100, 50]
    assert frame.loc["users", "stale_ratio"] == 9 / 90
    assert frame.loc["flags", "memory_ratio"] == 30 / 50


def test_by_site_busiest_first_without_those_that_read_nothing() -> None:
    frame = result_of(workers=[stored(), stored(replication=1)]).kv("site").set_index("site")
    assert list(frame.index) == ["FRA", "IAD"]
    assert list(frame["reads"]) == [160, 40]
    assert list(frame["writes"]) == [0, 8]
    assert frame.loc["FRA", "edge_ratio"] == 0.75
    assert frame.loc["FRA", "failed_ratio"] == 0.25


def test_staleness_of_sites_is_of_answered_keys_as_everywhere() -> None:
    frame = result_of(workers=[stored()]).kv("site").set_index("site")
    assert frame.loc["FRA", "stale_ratio"] == 6 / 60
    assert frame.loc["IAD", "stale_ratio"] == 5 / 20
    by_site = np.zeros((len(SITES), KV_COLUMNS), np.int64)
    by_site[0] = columns({"failed": 9})
    frame = result_of(workers=[stored(kv_by_site=by_site)]).kv("site")
    assert math.isnan(frame["stale_ratio"].item())


def test_by_country_and_continent() -> None:
    result = result_of(workers=[stored()])
    countries = result.kv("country")
    assert list(countries["country"]) == ["US", "DE", "FR"]
    assert list(countries["operations"]) == [60, 30, 10]
    continents = result.kv("continent").set_index("continent")
    assert continents["operations"].to_dict() == {"NA": 60, "EU": 40}
    assert continents.loc["EU", "read_p50_ms"] == pytest.approx(100, rel=BUCKET)
    assert continents.loc["NA", "read_p50_ms"] == pytest.approx(0.5, rel=BUCKET)


def test_an_unknown_group_says_what_is_known() -> None:
    expected = "unknown group 'tier'; expected one of space, site, country, continent"
    with pytest.raises(ValueError, match=expected):
        result_of(workers=[stored()]).kv(by="tier")


def test_visibility_over_shares_of_sites() -> None:
    run = followed((1_000.0, 3, {0: (1_500.0, -1.0), 1: (9_000.0, 4_000.0)}))
    frame = result_of(workers=[run], unwritten=[stored()], without=[made()]).kv_visibility()
    assert set(frame["platform"]) == {"workers"}
    assert len(frame) == 100
    assert frame["share"].iloc[[0, -1]].tolist() == [0.01, 1.0]
    assert set(frame.loc[frame["share"] < 0.495, "time_ms"]) == {0.0}
    assert set(frame.loc[frame["share"] > 0.505, "time_ms"]) == {3_000.0}


def test_results_without_a_store_have_empty_tables() -> None:
    result = result_of(workers=[made()])
    assert len(result.kv()) == 0
    assert len(result.kv("space")) == 0
    assert len(result.kv_visibility()) == 0
    assert list(result.kv_visibility().columns) == ["platform", "share", "time_ms"]


def test_json_has_a_part_for_stores_in_use_alone() -> None:
    runs = [stored(), stored(replication=1)]
    result = result_of(workers=runs, without=[made(), made(replication=1)])
    platforms = json.loads(result.to_json())["platforms"]
    assert "kv" not in platforms["without"]
    kv = platforms["workers"]["kv"]
    assert kv["reads"] == 300
    assert kv["ratios"]["store"] == 0.3
    exact = binomtest(140, 300).proportion_ci(0.95, method="exact")
    hits = kv["hit_ratio"]
    assert hits["value"] == 0.466667
    assert (hits["low"], hits["high"]) == pytest.approx((exact.low, exact.high), rel=1e-5)
    assert set(kv["read_ms"]) == {"p50", "p90", "p95", "p99", "mean"}
    assert set(kv["staleness_ms"]) == {"p50", "p90", "p95", "p99", "max"}
    assert kv["staleness_ms"]["max"] == 5_500
    assert kv["staleness_ms"]["p50"]["value"] == 0.0
    assert kv["staleness_of_stale_ms"]["p50"]["value"] == pytest.approx(5_000, rel=BUCKET)
    assert kv["miss_ratio"]["value"] == pytest.approx(65 / 150, rel=1e-5)
    assert kv["truncated_ratio"] == 0.6
    assert kv["visibility_ms"] == dict.fromkeys(("p50", "p90", "p99", "p100"))  # unknown: null
    assert kv["operations"]["gets"] == 240
    assert kv["bytes"]["written"] == 160
    assert kv["usd_per_million_requests"] == pytest.approx((120 * 0.5 + 13 * 5.0) / 50)
    assert list(kv["spaces"]) == ["users", "flags"]
    assert kv["spaces"]["users"]["stale_ratio"] == 0.1


def test_requests_name_the_tier_of_their_last_read() -> None:
    sample = np.zeros(len(TIERS) + 1, SAMPLE_DTYPE)
    sample["kv_tier"] = [-1, *range(len(TIERS))]
    run = stored(sample=sample, sample_phases=np.zeros((len(sample), len(PHASES))))
    assert list(result_of(workers=[run]).requests()["kv_tier"]) == ["", *TIERS]


# --- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [stored(), made()], ids=["with a store", "without"])
def test_stores_survive_saving(run: PlatformRun, tmp_path: Path) -> None:
    run.save(tmp_path / "run.run")
    loaded = PlatformRun.load(tmp_path / "run.run")
    for field in fields(PlatformRun):
        one, other = getattr(run, field.name), getattr(loaded, field.name)
        if isinstance(one, SparseHist):
            assert (one.n_rows, one.n_buckets) == (other.n_rows, other.n_buckets)
            one, other = (np.array([h.rows, h.buckets, h.counts]) for h in (one, other))
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert np.array_equal(one, other), field.name
        elif field.name != "by":
            assert one == other, field.name
    assert KvPool([loaded]).is_used == KvPool([run]).is_used
