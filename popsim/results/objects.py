"""What a platform's objects did, over its replications: how long calls took and why, where homes are, what broke."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from popsim.engine import object_books as ob
from popsim.engine import object_layout as obl
from popsim.engine.object_layout import PARTS, SPREADS
from popsim.engine.outputs import Ints, PlatformRun, SparseHist, bucket_edges
from popsim.engine.sums import Sums, in_units, total, total_of_runs
from popsim.results.object_counts import ANY_ERROR, COUNTS, ERRORS
from popsim.results.statistics import mean_of, mean_with_zeros, quantile, quantile_with_zeros
from popsim.scenario.objects import ObjectPrices
from popsim.scenario.text import quoted

FREE_OBJECTS = ObjectPrices()  # the price list of a platform that has none
BYTES_PER_GB = 1e9
OTHER = "(other)"  # what no participant's message caused: an alarm, a request


class ObjectPool:
    """The objects of some runs of one platform; of one class, if ``object_class`` names it.

    Ratios, percentiles and means are nan where there is nothing that they are of. Counts are over all runs.
    """

    def __init__(self, runs: Sequence[PlatformRun], object_class: str | None = None) -> None:
        self.runs, self.object_class = tuple(runs), object_class
        labels = self.runs[0].labels
        self.classes: tuple[str, ...] = tuple(labels.get("object_class", ()))
        self.hosts: tuple[str, ...] = tuple(labels.get("host", ()))
        sends = object_class is None or object_class in labels.get("message_class", ())
        self.messages: tuple[str, ...] = tuple(labels.get("message", ()) if sends else ())

    @property
    def is_used(self) -> bool:
        """Tell whether the platform's handler calls objects at all."""
        return len(self.runs[0].objects_by_class) > 0

    @cached_property
    def _class_rows(self) -> range:
        if self.object_class is None:
            return range(len(self.classes))
        row = self.classes.index(self.object_class)
        return range(row, row + 1)

    @cached_property
    def columns(self) -> Sums:
        """What was counted, [OBJECT_COLUMNS]."""
        by_class = total_of_runs(run.objects_by_class for run in self.runs)
        return np.asarray(total(by_class[list(self._class_rows)], axis=0))

    @cached_property
    def histograms(self) -> SparseHist:
        """Times and distances of all runs, rows as in ``engine.object_books``."""
        return SparseHist.merged([run.objects_histogram for run in self.runs])

    def histogram(self, *rows: int) -> Ints:
        """Return the sum of some rows of ``engine.object_books``, shape (BUCKETS,)."""
        return self.histograms.rows_merged(
            ob.ROWS_PER_CLASS * each + row for each in self._class_rows for row in rows
        )

    @cached_property
    def _by_message(self) -> SparseHist:
        return SparseHist.merged([run.objects_by_message for run in self.runs])

    def _of_messages(self, rows: Sequence[int], message: str | None) -> Ints:
        """Return the sum of some rows of a kind of message, or of all kinds; nothing of OTHER."""
        kinds = self.messages if message is None else (message,)
        if message is not None and message not in (*self.messages, OTHER):
            known = ", ".join(self.messages) or "none"
            raise ValueError(f"unknown message {quoted(message)}; known: {known}")
        places = [self.messages.index(kind) for kind in kinds if kind != OTHER]
        return self._by_message.rows_merged(
            ob.ROWS_PER_MESSAGE * place + row for place in places for row in rows
        )

    # --- calls ------------------------------------------------------------------------------------------

    def count(self, name: str) -> int:
        """Return a count by its name in COUNTS."""
        return int(self.columns[COUNTS[name]])

    @property
    def calls(self) -> int:
        """Calls that were answered, those from other objects included."""
        return self.count("calls")

    @property
    def attempts(self) -> int:
        """Calls that were answered or failed."""
        return self.calls + sum(map(self.count, ERRORS))

    def counted(self, name: str) -> tuple[int, int]:
        """Return a ratio's calls or messages, and those that they are a share of, by its name: one of RATIOS."""
        count = self.count
        if name == "in_region_ratio":
            return int(self.columns[obl.O_IN_REGION]), self.calls
        if name == "stale_ratio":
            return count("stale"), count("replica_reads")
        if name == "truncated_ratio":
            return count("truncated"), count("replica_reads")
        if name == "missed_ratio":
            return count("missed"), count("missed") + count("delivered")
        if name == ANY_ERROR:
            return self.attempts - self.calls, self.attempts
        return count(name.removesuffix("_ratio")), self.attempts

    def error_ratio(self, name: str) -> float:
        """Return the share of all calls that were ``lost``, ``overloaded``, ``unavailable`` or ``failed``."""
        return _ratio(*self.counted(name))

    @property
    def in_region_ratio(self) -> float:
        """Share of answered calls whose caller is in the home's region."""
        return _ratio(*self.counted("in_region_ratio"))

    @cached_property
    def call(self) -> Ints:
        """Histogram of how long answered calls took, the way there and back included."""
        return self.histogram(ob.CALL)

    def call_p(self, percent: float) -> float:
        """Return a percentile of how long answered calls took, in ms."""
        return quantile(self.call, percent / 100.0)

    @property
    def call_mean(self) -> float:
        """Mean of how long answered calls took, in ms, within 0.4 %."""
        return mean_of(self.call)

    def part_p(self, part: str, percent: float) -> float:
        """Return a percentile of a part over all answered calls, in ms; 0 where it took no time."""
        positive = self.histogram(ob.FIRST_PART + PARTS.index(part))
        return quantile_with_zeros(positive, self.calls, percent)

    def part_mean(self, part: str) -> float:
        """Return the mean of a part over all answered calls, in ms; the parts' means add up to the calls' mean."""
        positive = self.histogram(ob.FIRST_PART + PARTS.index(part))
        return mean_with_zeros(positive, self.calls)

    @cached_property
    def spawn(self) -> Ints:
        """Histogram of how long new objects took to be reached and open, in ms."""
        return self.histogram(ob.SPAWN)

    @cached_property
    def reconnect(self) -> Ints:
        """Histogram of the time from a session's cut to the next session, in ms."""
        return self.histogram(ob.RECONNECT)

    @cached_property
    def distance(self) -> Ints:
        """Histogram of km from the caller's site to the home, of answered calls."""
        return self.histogram(ob.DISTANCE)

    def distance_p(self, percent: float) -> float:
        """Return a percentile of the distance from the caller's site to the home, in km."""
        return quantile(self.distance, percent / 100.0)

    @property
    def distance_mean(self) -> float:
        """Mean distance from the caller's site to the home, in km, within 0.4 %."""
        return mean_of(self.distance)

    def spawn_p(self, percent: float) -> float:
        """Return a percentile of how long new objects took to be reached and open, in ms."""
        return quantile(self.spawn, percent / 100.0)

    @property
    def spawn_mean(self) -> float:
        """Mean of how long new objects took to be reached and open, in ms, within 0.4 %."""
        return mean_of(self.spawn)

    # --- participants and replicas ------------------------------------------------------------------------

    def acknowledged(self, spread: str | None = None, message: str | None = None) -> Ints:
        """Return the histogram of ms from a message to its answer: of a spread or all, of a kind of message or all.

        Raises:
            ValueError: participants send no such message.
        """
        return self._of_messages(_spread_rows(ob.ACKNOWLEDGED, spread), message)

    def visible(self, spread: str | None = None, message: str | None = None) -> Ints:
        """Return the histogram of ms until another participant has a message, likewise.

        Kind OTHER: from the start of what else led to a broadcast, such as an alarm.
        """
        seen = self._of_messages(_spread_rows(ob.SEEN, spread), message)
        if message not in (None, OTHER):
            return seen
        return seen + self.histogram(*_spread_rows(ob.VISIBLE, spread))

    def ack_p(self, percent: float, spread: str | None = None, message: str | None = None) -> float:
        """Return a percentile of the time from a message to its answer, in ms."""
        return quantile(self.acknowledged(spread, message), percent / 100.0)

    def ack_mean(self, spread: str | None = None, message: str | None = None) -> float:
        """Return the mean time from a message to its answer, in ms."""
        return mean_of(self.acknowledged(spread, message))

    def visible_p(
        self, percent: float, spread: str | None = None, message: str | None = None
    ) -> float:
        """Return a percentile of the time from a message to each other participant, in ms."""
        return quantile(self.visible(spread, message), percent / 100.0)

    def visible_mean(self, spread: str | None = None, message: str | None = None) -> float:
        """Return the mean time from a message to each other participant, in ms."""
        return mean_of(self.visible(spread, message))

    @property
    def missed_ratio(self) -> float:
        """Share of messages to participants who were not connected."""
        return _ratio(*self.counted("missed_ratio"))

    def reconnect_p(self, percent: float) -> float:
        """Return a percentile of the time from a session's cut to the next session, in ms."""
        return quantile(self.reconnect, percent / 100.0)

    @property
    def reconnect_max(self) -> float:
        """The longest time without a session, in ms, up to 0.8 % too long."""
        found = np.flatnonzero(self.reconnect)
        return float(bucket_edges(found[-1])[1]) if len(found) else float("nan")

    @property
    def stale_ratio(self) -> float:
        """Share of replicas' answers without a commit that the object had when the call arrived."""
        return _ratio(*self.counted("stale_ratio"))

    @property
    def truncated_ratio(self) -> float:
        """Share of replicas' answers whose version is only known to be that old, or newer: the history ended there."""
        return _ratio(*self.counted("truncated_ratio"))

    def staleness_p(self, percent: float) -> float:
        """Return a percentile of the age of the oldest commit that replicas' answers lacked, in ms; 0 = fresh."""
        stale = self.histogram(ob.STALENESS)
        return quantile_with_zeros(stale, self.count("replica_reads"), percent)

    # --- where ------------------------------------------------------------------------------------------

    def by_host(self) -> Sums:
        """Return what was counted by host, of all classes, [H, HOST_COLUMNS]."""
        return total_of_runs(run.objects_by_host for run in self.runs)

    def created_by(self) -> Ints:
        """Return how many objects of all classes were made, by the site that asked and by home, [S, H]."""
        return total_of_runs(run.objects_created for run in self.runs)

    def spawn_mean_by_site(self) -> pd.Series[float]:
        """Return the mean ms until new objects were open, of all classes, by the site that asked."""
        spent = in_units(total_of_runs(run.objects_spawn_ns for run in self.runs), 1e6)
        made = self.created_by().sum(axis=1)
        means = np.divide(spent, made, out=np.full(len(made), np.nan), where=made > 0)
        return pd.Series(means, index=pd.Index(self.runs[0].labels["site"], name="site"))

    def homes(self) -> pd.DataFrame:
        """Return where objects of all classes were made: site (that asked), host, objects, share (of the site's).

        Most objects first.
        """
        created = self.created_by()
        sites, hosts = np.nonzero(created)
        objects = created[sites, hosts]
        frame = pd.DataFrame(
            {
                "site": np.array(self.runs[0].labels["site"], dtype=object)[sites],
                "host": np.array(self.hosts, dtype=object)[hosts],
                "objects": objects,
                "share": objects / created.sum(axis=1)[sites],
            }
        )
        return frame.sort_values("objects", ascending=False, kind="stable", ignore_index=True)

    # --- in memory, and what it costs -------------------------------------------------------------------

    @property
    def active_s(self) -> float:
        """Seconds that objects had work in progress or an answer at the output gate, added up."""
        return int(self.columns[obl.O_ACTIVE_US]) / 1e6

    @property
    def idle_s(self) -> float:
        """Seconds that objects were in memory without work, added up."""
        return int(self.columns[obl.O_IDLE_US]) / 1e6

    @property
    def existed_s(self) -> float:
        """Seconds since objects were made, replicas since their first call, added up."""
        return int(self.columns[obl.O_EXISTED_US]) / 1e6

    @property
    def hibernated_s(self) -> float:
        """Seconds that objects were not in memory: hibernated, evicted, lost or moved, added up."""
        return max(self.existed_s - self.active_s - self.idle_s, 0.0)

    @property
    def active_ratio(self) -> float:
        """Share of the time since objects were made that they had work in progress."""
        return _ratio(self.active_s, self.existed_s)

    @property
    def idle_ratio(self) -> float:
        """Share of that time in memory without work."""
        return _ratio(self.idle_s, self.existed_s)

    @property
    def memory_ratio(self) -> float:
        """Share of that time in memory, with work or without."""
        return _ratio(self.active_s + self.idle_s, self.existed_s)

    @property
    def hibernated_ratio(self) -> float:
        """Share of that time not in memory."""
        return _ratio(self.hibernated_s, self.existed_s)

    @property
    def billed_s(self) -> float:
        """Seconds in memory that are paid: with work, and all of those of objects that can't hibernate."""
        return self.active_s + self.billed_idle_s

    @property
    def billed_idle_s(self) -> float:
        """Seconds in memory without work of objects that can't hibernate: these are paid."""
        stays = self.runs[0].labels.get("object_class_that_stays", ())
        rows = [row for row in self._class_rows if self.classes[row] in stays]
        idle_us = [total(run.objects_by_class[rows, obl.O_IDLE_US]) for run in self.runs]
        return float(sum(idle_us) / 1e6)

    def costs(self, prices: ObjectPrices) -> dict[str, float]:
        """Return what a million requests cost in USD by kind: requests, duration, reads, writes.

        Duration is ``billed_s``. Answered calls, alarms and connections made anew are requests; a participant's
        message is ``message_share`` of one.
        """
        messages = min(int(self.acknowledged().sum()), self.calls)  # some calls' errors are ignored
        billed = self.calls - messages * (1.0 - prices.message_share)
        gb = prices.memory / BYTES_PER_GB
        # ASSUMPTION: a transaction reads one row and writes one, an alarm writes one; failed calls cost nothing.
        transactions, alarms = self.count("transactions"), self.count("alarms")
        usd = {
            "requests": (billed + alarms + self.count("reconnected")) * prices.request,
            "duration": self.billed_s * gb * prices.duration,
            "reads": (self.count("gets") + transactions) * prices.read,
            "writes": (self.count("puts") + transactions + alarms) * prices.write,
        }  # USD per million, so a request's are USD per million requests
        requests = sum(run.requests for run in self.runs)
        return {name: _ratio(amount, requests) for name, amount in usd.items()}

    def cost_usd_per_million_requests(self, prices: ObjectPrices) -> float:
        """Return what a million requests cost by a price list."""
        return sum(self.costs(prices).values())

    @cached_property
    def each(self) -> tuple[ObjectPool, ...]:
        """One per run."""
        return tuple(ObjectPool([run], self.object_class) for run in self.runs)


def _spread_rows(first: int, spread: str | None) -> list[int]:
    if spread is not None:
        return [first + SPREADS.index(spread)]
    return [first + row for row in range(len(SPREADS))]


def _ratio(total: float, count: float) -> float:
    return total / count if count else float("nan")
