"""What a platform's key-value store did, over its replications: where reads were answered, how old, how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from popsim.engine import kv_layout as kvl
from popsim.engine.kv_books import SEEN_FIRST, SERVED_UNTIL, STALE_LAST, KvRows
from popsim.engine.kv_layout import TIERS
from popsim.engine.outputs import Floats, Ints, PlatformRun, SparseHist
from popsim.engine.sums import Sums, total, total_of_runs
from popsim.models.kv_replication.contract import Prices
from popsim.results.intervals import Extreme, Mean, Measure, Percentile, Share, Spread
from popsim.results.means import histogram_mean
from popsim.results.statistics import mean_of, quantile

SITE_TIERS = ("memory", "edge")  # a hit is what the site itself answers
MISS_TIERS = ("region", "store")
# Ratios of keys read besides each tier's: what is counted, and of what it is a share
RATIOS: dict[str, tuple[tuple[int, ...], str | tuple[int, ...]]] = {
    "hit_ratio": (tuple(map(TIERS.index, SITE_TIERS)), "reads"),
    "miss_ratio": (tuple(map(TIERS.index, MISS_TIERS)), "reads"),
    "region_share_of_misses": ((TIERS.index("region"),), tuple(map(TIERS.index, MISS_TIERS))),
    "absent_ratio": ((kvl.K_ABSENT,), "reads"),
    "stale_ratio": ((kvl.K_STALE,), "answered"),
    "own_stale_ratio": ((kvl.K_OWN_STALE,), "answered"),
    "truncated_ratio": ((kvl.K_TRUNCATED,), (kvl.K_STALE,)),
}
OPERATIONS = {
    "gets": kvl.K_GETS,
    "puts": kvl.K_PUTS,
    "deletes": kvl.K_DELETES,
    "lists": kvl.K_LISTS,
    "writes_limited": kvl.K_LIMITED,
    "writes_failed": kvl.K_WRITES_FAILED,
    "edge_refreshes": kvl.K_EDGE_REFRESHES,
    "region_refreshes": kvl.K_REGION_REFRESHES,
    "refreshes_at_store": kvl.K_REFRESH_STORE_READS,
}
BYTES = {
    "memory": kvl.K_BYTES_MEMORY,
    "edge": kvl.K_BYTES_EDGE,
    "coalesced": kvl.K_BYTES_COALESCED,
    "region": kvl.K_BYTES_REGION,
    "store": kvl.K_BYTES_STORE,
    "written": kvl.K_BYTES_WRITTEN,
}
VISIBILITY_SHARES = (0.5, 0.9, 0.99, 1.0)


class KvPool:
    """The key-value store of some runs of one platform; of one key space, if ``space`` names it."""

    def __init__(self, runs: Sequence[PlatformRun], space: str | None = None) -> None:
        self.runs, self.space = tuple(runs), space
        labels = self.runs[0].labels
        self.spaces = tuple(labels.get("space", ()))
        self.countries = labels["country"]
        self.rows = KvRows.of(len(self.spaces), len(self.countries))

    @property
    def is_used(self) -> bool:
        """Tell whether the platform's handler asks a store at all."""
        return len(self.runs[0].kv_by_space) > 0

    @cached_property
    def columns(self) -> Sums:
        """What was counted, [KV_COLUMNS]."""
        by_space = total_of_runs(run.kv_by_space for run in self.runs)
        if self.space is None:
            return np.asarray(total(by_space, axis=0))
        return np.asarray(by_space[self.spaces.index(self.space)])

    @cached_property
    def histograms(self) -> SparseHist:
        """Latencies and staleness of all runs, rows as in KvRows."""
        return SparseHist.merged([run.kv_histogram for run in self.runs])

    # --- where reads are answered -----------------------------------------------------------------------

    @property
    def reads(self) -> int:
        """Keys that were read, or could not be."""
        return int(self.columns[: len(TIERS)].sum())

    def counted(self, name: str) -> tuple[int, int]:
        """Return a ratio's keys, and those that they are a share of, by its name; a tier's, or one of RATIOS."""
        if name in RATIOS:
            columns, of = RATIOS[name]
        else:
            columns, of = (TIERS.index(name.removesuffix("_ratio")),), "reads"
        tries = (
            sum(int(self.columns[each]) for each in of)
            if isinstance(of, tuple)
            else getattr(self, of)
        )
        return sum(int(self.columns[each]) for each in columns), tries

    def ratio(self, tier: str) -> float:
        """Return the share of keys read that a tier answered, or that ``failed``."""
        return _ratio(*self.counted(tier))

    @property
    def hit_ratio(self) -> float:
        """Share of keys read that the site itself answered, from memory or its cache."""
        return _ratio(*self.counted("hit_ratio"))

    @property
    def miss_ratio(self) -> float:
        """Share of keys read that a site went for: those that the regional tier or a store answered.

        Hits, misses, those that waited for another's read, and failed ones add up to 1.
        """
        return _ratio(*self.counted("miss_ratio"))

    @property
    def region_share_of_misses(self) -> float:
        """Share of what sites missed and did not wait for that the regional tier answered."""
        return _ratio(*self.counted("region_share_of_misses"))

    @property
    def absent_ratio(self) -> float:
        """Share of keys read that had no value."""
        return _ratio(*self.counted("absent_ratio"))

    # --- latency ----------------------------------------------------------------------------------------

    def latency(self, tier: str | None = None, countries: Sequence[str] | None = None) -> Ints:
        """Return the histogram of read operations; tier, key space and place exclude each other."""
        rows = self.rows
        if tier is not None:
            chosen = [rows.tier + TIERS.index(tier)]
        elif countries is not None:
            chosen = [rows.country + self.countries.index(country) for country in countries]
        elif self.space is not None:
            chosen = [rows.space + self.spaces.index(self.space)]
        else:
            chosen = list(range(rows.tier, rows.tier + len(TIERS)))
        return self.histograms.rows_merged(chosen)

    def read_p(
        self, percent: float, tier: str | None = None, countries: Sequence[str] | None = None
    ) -> float:
        """Return a percentile of how long answered reads took, in ms; nan without any."""
        return quantile(self.latency(tier, countries), percent / 100.0)

    def read_mean(self, tier: str | None = None, countries: Sequence[str] | None = None) -> float:
        """Return the mean of how long answered reads took, in ms, within 0.4 %."""
        return mean_of(self.latency(tier, countries))

    def write_p(self, percent: float) -> float:
        """Return a percentile of how long writes took, in ms, of all key spaces; nan without any."""
        return quantile(self.writes, percent / 100.0)

    @cached_property
    def writes(self) -> Ints:
        """Histogram of how long writes took, of all key spaces."""
        return self.histograms.dense_row(self.rows.write)

    @property
    def write_mean(self) -> float:
        """Mean of how long writes took, in ms, of all key spaces."""
        return mean_of(self.writes)

    # --- staleness --------------------------------------------------------------------------------------

    @property
    def stale_ratio(self) -> float:
        """Share of keys read in a version that had been superseded when the read began."""
        return _ratio(*self.counted("stale_ratio"))

    @property
    def own_stale_ratio(self) -> float:
        """Share of keys read without a write that the very site had made and seen confirmed."""
        return _ratio(*self.counted("own_stale_ratio"))

    @property
    def answered(self) -> int:
        """Keys read and answered."""
        return self.reads - int(self.columns[TIERS.index("failed")])

    @cached_property
    def stale(self) -> Ints:
        """Histogram of the stale reads' staleness."""
        chosen = range(len(self.spaces))
        if self.space is not None:
            chosen = range(self.spaces.index(self.space), self.spaces.index(self.space) + 1)
        return self.histograms.rows_merged([self.rows.stale + row for row in chosen])

    def staleness_p(self, percent: float) -> float:
        """Return a percentile of staleness over all answered reads in ms; 0 for those that were fresh."""
        if self.answered == 0:
            return float("nan")
        stale = int(self.stale.sum())
        rank = percent / 100.0 * self.answered - (self.answered - stale)
        return quantile(self.stale, rank / stale) if rank > 0.0 else 0.0

    def stale_p(self, percent: float) -> float:
        """Return a percentile of staleness over the stale reads alone, in ms; nan if all were fresh."""
        return quantile(self.stale, percent / 100.0)

    @property
    def staleness_max(self) -> float:
        """The stalest answer, in ms."""
        most = np.max([run.kv_stale_max_ms for run in self.runs], axis=0)
        return float(most.max() if self.space is None else most[self.spaces.index(self.space)])

    @property
    def truncated_ratio(self) -> float:
        """Share of stale reads whose staleness is only known to be at least so long."""
        return _ratio(*self.counted("truncated_ratio"))

    def visibility(self, share: float) -> float:
        """Return how long until a share of sites see a write, in ms; the mean over followed writes, nan without any.

        For all of them it is the longest time, which is an extreme, and no mean of extremes. :meth:`site_times` says what
        a site's time is, and which sites count.
        """
        times = [quantiles for run in self.runs for quantiles in self.site_times(run)]
        if not times:
            return float("nan")
        if share >= 1.0:
            return float(max(each.max() for each in times))
        return float(np.mean([np.quantile(each, share, method="inverted_cdf") for each in times]))

    def site_times(self, run: PlatformRun) -> list[Floats]:
        """Return, for each followed write of a run, how long each site kept an older version, in ms.

        A copy is served until it expires or its site is told, whether somebody asks or not. A read that saw the write before
        then ended it; a later answer with an older version prolonged it. A site of a platform with caches that had no copy at
        the write, and gave no older answer after it, has nothing to get rid of, and does not count; nor does one without
        caches that did not read the key.
        """
        found = []
        for (commit, key), seen in zip(run.kv_watched, run.kv_seen, strict=True):
            first, last, until = (seen[:, each] for each in (SEEN_FIRST, STALE_LAST, SERVED_UNTIL))
            had_it = (until >= 0.0) | (last >= 0.0)
            knows = had_it if (until >= 0.0).any() else (first >= 0.0) | (last >= 0.0)
            if key >= 0 and knows.any():
                ended = np.maximum(last, np.minimum(until, np.where(first >= 0.0, first, np.inf)))
                found.append(np.maximum(ended[knows] - commit, 0.0))
        return found

    # --- what it costs ----------------------------------------------------------------------------------

    def operations(self) -> dict[str, int]:
        """Return operations by kind; a bulk read is one."""
        return {name: int(self.columns[column]) for name, column in OPERATIONS.items()}

    def bytes(self) -> dict[str, int]:
        """Return bytes of keys and values read at each tier, and written."""
        return {name: int(self.columns[column]) for name, column in BYTES.items()}

    def cost_usd_per_million_requests(self, prices: Prices | None) -> float:
        """Return what the store's operations of a million requests sent cost by a price list; nan if there is none.

        A read of a key is rounded up to ``read_unit``, a write to ``write_unit``; each replica's write may be billed.
        """
        if prices is None:
            return float("nan")
        requests = sum(run.requests for run in self.runs)
        count = self.operations()
        reads = self._column(kvl.K_READ_UNITS) if prices.read_unit else count["gets"]
        usd = reads * prices.read + count["lists"] * prices.list
        copies = len(self.runs[0].labels["store"]) if prices.per_replica else 1
        if prices.write_unit:
            usd += copies * self._column(kvl.K_WRITE_UNITS) * prices.write
        else:
            usd += copies * (count["puts"] * prices.write + count["deletes"] * prices.delete)
        return _ratio(
            usd, requests
        )  # USD per million operations, per request = per million requests

    # --- with their errors ------------------------------------------------------------------------------

    def share(self, name: str) -> Share:
        """Return a ratio by its name, as ``counted`` has it."""
        return Share(*zip(*(each.counted(name) for each in self.each), strict=True))

    def read_percentile(
        self, percent: float, tier: str | None = None, countries: Sequence[str] | None = None
    ) -> Percentile:
        """Return a percentile of how long answered reads took."""
        return Percentile([each.latency(tier, countries) for each in self.each], percent)

    def write_percentile(self, percent: float) -> Percentile:
        """Return a percentile of how long writes took."""
        return Percentile([each.writes for each in self.each], percent)

    def staleness_percentile(self, percent: float) -> Percentile:
        """Return a percentile of staleness over all answered reads; 0 for those that were fresh."""
        fresh = [each.answered - int(each.stale.sum()) for each in self.each]
        return Percentile([each.stale for each in self.each], percent, fresh)

    def stale_percentile(self, percent: float) -> Percentile:
        """Return a percentile of staleness over the stale reads alone."""
        return Percentile([each.stale for each in self.each], percent)

    def mean(self, histogram: Callable[[KvPool], Ints]) -> Mean:
        """Return the mean of a histogram."""
        return histogram_mean([histogram(each) for each in self.each])

    @property
    def stalest(self) -> Extreme:
        """The stalest answer."""
        return Extreme(self.staleness_max, is_max=True, replications=len(self.runs))

    def visible(self, share: float) -> Measure:
        """Return how long until a share of sites see a write; the longest time for all of them."""
        value = self.visibility(share)
        if share >= 1.0:
            return Extreme(value, is_max=True, replications=len(self.runs))
        return Spread(value, [each.visibility(share) for each in self.each])

    def _column(self, column: int) -> int:
        return int(self.columns[column])

    @cached_property
    def each(self) -> tuple[KvPool, ...]:
        """One per run."""
        return tuple(KvPool([run], self.space) for run in self.runs)


def _ratio(total: float, count: float) -> float:
    return total / count if count else float("nan")
