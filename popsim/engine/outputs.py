"""What one run - one platform, one replication - yields: histograms, sums, counters, a sample.

All counts and sums are integers, so runs merge exactly and in any order. Latencies are counted in buckets
of 128 per octave from 2**-7 ms to 2**42 ms, so that no quantile is further off than 0.8 %.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popsim.engine.archive import archived, unarchived
from popsim.engine.sums import Sums, in_words, of_words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BUCKETS_PER_OCTAVE = 128
COARSE_PER_OCTAVE = 16  # for groups with thousands of rows
FIRST_OCTAVE = -7  # bucket 0 begins at 2**-7 ms and also holds whatever is smaller
OCTAVES = 49  # the last bucket begins at LONGEST_MS; a run that counts something there is refused
BUCKETS = OCTAVES * BUCKETS_PER_OCTAVE
COARSE = OCTAVES * COARSE_PER_OCTAVE
COARSE_SHIFT = 3  # a bucket's coarse one is its number >> 3
FIRST_BUCKET = (1023 + FIRST_OCTAVE) * BUCKETS_PER_OCTAVE
MANTISSA_SHIFT = 45  # keeps the exponent and 7 bits of the mantissa

PHASES = (
    "dns",
    "connect",
    "tls",
    "network",
    "front_door",
    "queue",
    "cold_start",
    "execute",
    "kv",
    "object",
    "fetch",
    "sleep",
)
REASONS = (
    "no_route",
    "site_down",
    "throttled",
    "killed",
    "kv_unavailable",
    "kv_limited",
    "object_lost",
    "object_overloaded",
    "object_unavailable",
    "disconnected",
)
COLD_PHASES = ("placement", "code_fetch", "init")
MOSTLY_ZERO = ("latency", "phase_hist", "phase_sum_ns")  # of a run: four buckets in five
TEMPORARY = ".popsim-"  # begins the names of files that are being written
TIMELINE_COLUMNS = ("requests", "failed", "cold", "latency_us")


def bucket_index(ms: Floats | float) -> Ints:
    """Return the bucket of each duration in ms, the shape of ``ms``."""
    bits = np.ascontiguousarray(ms, dtype=np.float64).view(np.int64)
    return np.asarray(np.clip((bits >> MANTISSA_SHIFT) - FIRST_BUCKET, 0, BUCKETS - 1))


def bucket_edges(bucket: Ints | int, *, buckets: int = BUCKETS) -> tuple[Floats, Floats]:
    """Return the lower and upper edge of each bucket in ms; ``buckets`` is BUCKETS or COARSE."""
    per_octave = BUCKETS_PER_OCTAVE * buckets // BUCKETS
    index = np.asarray(bucket, dtype=np.int64)
    octave, within = index // per_octave + FIRST_OCTAVE, index % per_octave
    scale = np.exp2(octave.astype(np.float64))
    low, high = 1.0 + within / per_octave, 1.0 + (within + 1) / per_octave
    return np.where(index == 0, 0.0, scale * low), np.asarray(scale * high)


def bucket_value(bucket: Ints | int, *, buckets: int = BUCKETS) -> Floats:
    """Return the middle of each bucket in ms; ``buckets`` is BUCKETS or COARSE."""
    low, high = bucket_edges(bucket, buckets=buckets)
    return np.asarray((low + high) / 2.0)


@dataclass(frozen=True, eq=False)
class SparseHist:
    """Histograms of many groups: row ``rows[k]`` counts ``counts[k]`` values in bucket ``buckets[k]``.

    Entries are sorted by (row, bucket) and unique.
    """

    rows: NDArray[np.int32]
    buckets: NDArray[np.int32]
    counts: Ints
    n_rows: int
    n_buckets: int

    @classmethod
    def from_dense(cls, dense: Ints) -> SparseHist:
        """Keep what is not zero of ``dense[row, bucket]``."""
        rows, buckets = np.nonzero(dense)
        counts = dense[rows, buckets].astype(np.int64)
        return cls(rows.astype(np.int32), buckets.astype(np.int32), counts, *dense.shape)

    def dense_row(self, row: int) -> Ints:
        """Return one group's histogram, shape (n_buckets,)."""
        return self.rows_merged([row])

    def rows_merged(self, rows: Iterable[int]) -> Ints:
        """Return the sum of some groups' histograms, shape (n_buckets,)."""
        chosen = np.isin(self.rows, np.fromiter(rows, dtype=np.int64))
        weights = self.counts[chosen]
        dense = np.zeros(self.n_buckets, np.int64)
        np.add.at(dense, self.buckets[chosen], weights)
        return dense

    def row_counts(self) -> Ints:
        """Return how many values each row holds, shape (n_rows,)."""
        totals = np.zeros(self.n_rows, np.int64)
        np.add.at(totals, self.rows, self.counts)
        return totals

    @classmethod
    def merged(cls, parts: Sequence[SparseHist]) -> SparseHist:
        """Return the sum of some histograms.

        Raises:
            ValueError: two have different shapes.
        """
        first = parts[0]
        for other in parts[1:]:
            if (first.n_rows, first.n_buckets) != (other.n_rows, other.n_buckets):
                raise ValueError(
                    f"cannot merge histograms of shape {first.n_rows} x {first.n_buckets} "
                    f"and {other.n_rows} x {other.n_buckets}"
                )
        if len(parts) == 1:
            return first
        rows, buckets, counts = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("rows", "buckets", "counts")
        )
        return cls._summed(rows, buckets, counts, first.n_rows, first.n_buckets)

    def regrouped(self, group: Ints, n_groups: int) -> SparseHist:
        """Return the histograms of groups of rows; ``group`` has each row's."""
        rows = np.asarray(group, np.int32)[self.rows]
        return self._summed(rows, self.buckets, self.counts, n_groups, self.n_buckets)

    @classmethod
    def _summed(
        cls,
        rows: NDArray[np.int32],
        buckets: NDArray[np.int32],
        counts: Ints,
        n_rows: int,
        n_buckets: int,
    ) -> SparseHist:
        """Sort entries and add up those of the same row and bucket."""
        flat = rows.astype(np.int64) * n_buckets + buckets
        order = flat.argsort(kind="stable")  # fast on stretches that are in order
        flat = flat[order]
        first = np.flatnonzero(np.diff(flat, prepend=-1))
        sums = np.add.reduceat(counts[order], first) if len(first) else counts
        flat = flat[first]
        rows, buckets = (part.astype(np.int32) for part in np.divmod(flat, n_buckets))
        return cls(rows, buckets, sums, n_rows, n_buckets)


@dataclass(frozen=True, eq=False)
class PlatformRun:
    """One replication of one platform. Requests that began during warm-up are not counted."""

    platform: str
    replication: int
    engine: str
    requests: int  # answered and failed
    failed: Ints  # [REASONS]
    latency: Ints  # [BUCKETS], answered requests
    by: dict[str, SparseHist]  # "country", "site" (ingress), "network"; rows as in ``labels``
    cells: SparseHist  # [client, COARSE]
    phase_hist: Ints  # [PHASES, BUCKETS], values > 0 only
    without_setup: Ints  # [BUCKETS], the same requests without DNS, connect and TLS
    first_byte: Ints  # [BUCKETS], the same until the first byte of the response
    phase_sum_ns: Sums  # [BUCKETS, PHASES], row = bucket of the request's total
    latency_sum_ns: int
    cold_starts: int  # answered requests that waited for, or hid, a start
    starts: int  # instances started
    evictions: int
    cold_phase_sum_ns: Sums  # [COLD_PHASES], over starts
    busy_us: int  # instance time with requests inside, between warm-up and end
    idle_us: int
    instance_bytes: int  # what one instance holds
    timeline: Sums  # [bin, TIMELINE_COLUMNS]
    timeline_hist: SparseHist  # [bin, COARSE]
    timeline_bin_ms: float
    warmup_ms: float
    arrivals: int  # including warm-up
    events: int
    sample: NDArray[np.void]  # fields of recorder.SAMPLE_DTYPE, by request number
    sample_phases: Floats  # [request, PHASES], ms
    failures_over_time: SparseHist  # [bin * countries + country, REASONS]
    failures_by_client: SparseHist  # [client, REASONS]
    failures_by_site: SparseHist  # [site of ingress, or one more: none, REASONS]
    failures_by_network: SparseHist  # [network, REASONS]
    selected_hist: SparseHist  # rows as in selections.py; selections as in ``labels``
    selected_phase_sum_ns: Sums  # [selection * BUCKETS + bucket of the total, PHASES]
    selected_counts: Sums  # [selection, selections.SELECTED_COLUMNS]
    kv_histogram: SparseHist  # rows as in kv_books.KvRows; no rows if there is no key-value store
    kv_by_space: Sums  # [key space, kv_layout.KV_COLUMNS]
    kv_by_site: Sums  # [site, kv_layout.KV_COLUMNS]
    kv_watched: Floats  # [write, 2]: ms of its commit, key; key -1 = none
    kv_seen: Floats  # [write, site, 3]: when each site saw it; columns as in kv_books
    kv_stale_max_ms: Floats  # [key space]
    objects_histogram: SparseHist  # rows as in object_books; no rows if there are no objects
    objects_by_message: SparseHist  # kinds of messages; rows as in object_books
    objects_by_class: Sums  # [class, object_layout.OBJECT_COLUMNS]
    objects_by_host: Sums  # [host, object_layout.HOST_COLUMNS]
    objects_created: Ints  # [site that asked first, host]
    objects_spawn_ns: Sums  # [site that asked first], over the objects created
    labels: dict[str, tuple[str, ...]]  # rows of ``by``, and of all else by what its rows are
    site_positions: Floats  # [site, 2] latitude, longitude
    log: list[tuple[float, str, str]]  # (ms, verb, detail) of the control plane

    def packed(self, like: PlatformRun | None = None) -> PlatformRun:
        """Return the same run in little memory: arrays that are mostly zeros unfold when somebody looks.

        Names and places of rows are shared with ``like``, another run of the platform.
        """
        run, folded = object.__new__(PlatformRun), {}
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in MOSTLY_ZERO:
            array = values.pop(name)
            places = np.flatnonzero(array).astype(np.int32)
            folded[name] = (array.shape, places, array.reshape(-1)[places])
        if like is not None and like.labels == self.labels:
            values |= {"labels": like.labels, "site_positions": like.site_positions}
        run.__dict__.update(values, _folded=folded)
        return run

    def __getattr__(self, name: str) -> Any:
        """Unfold an array of a packed run."""
        folded = self.__dict__.get("_folded", {})
        if name not in folded:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        shape, places, values = folded[name]
        array = np.zeros(shape, values.dtype)
        array.reshape(-1)[places] = values
        return array

    @property
    def measured_ms(self) -> float:
        """Simulated time after the warm-up, in ms."""
        return self.timeline_bin_ms * len(self.timeline) - self.warmup_ms

    def save(self, path: Path, key: str | None = None) -> None:
        """Write to ``path`` at once or not at all, with the key that names what determines the run.

        Raises:
            OSError: the file cannot be written; nothing is left behind.
        """
        arrays: dict[str, Any] = {}
        scalars: dict[str, Any] = {"by": list(self.by), "labels": self.labels, "log": self.log}
        scalars["key"] = key
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray) and value.dtype == object:
                arrays[f"{field.name}.words"] = in_words(value)
            elif isinstance(value, np.ndarray):
                arrays[field.name] = value
            elif isinstance(value, SparseHist):
                arrays |= _hist_arrays(field.name, value)
            elif field.name not in scalars:
                scalars[field.name] = value
        for name, hist in self.by.items():
            arrays |= _hist_arrays(f"by.{name}", hist)
        arrays["scalars"] = np.frombuffer(json.dumps(scalars).encode(), dtype=np.uint8)
        write_atomically(path, archived(arrays))

    @classmethod
    def load(cls, path: Path, key: str | None = None) -> PlatformRun:
        """Read what :meth:`save` wrote; with ``key``, only the run of that key.

        Raises:
            OSError, ValueError, KeyError: the file is missing or damaged, or holds another run.
        """
        arrays = unarchived(path.read_bytes())
        scalars = json.loads(bytes(arrays["scalars"]))
        found = scalars.pop("key")
        if key is not None and found != key:
            raise ValueError(f"{path} holds another run, {found}")
        values: dict[str, Any] = dict(scalars)
        values["by"] = {name: _read_hist(arrays, f"by.{name}") for name in scalars["by"]}
        values["labels"] = {name: tuple(rows) for name, rows in scalars["labels"].items()}
        values["log"] = [(float(t), str(verb), str(what)) for t, verb, what in scalars["log"]]
        for field in fields(cls):
            if f"{field.name}.shape" in arrays:
                values[field.name] = _read_hist(arrays, field.name)
            elif f"{field.name}.words" in arrays:
                values[field.name] = of_words(arrays[f"{field.name}.words"])
            elif field.name in arrays:
                values[field.name] = arrays[field.name]
        return cls(**values)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file at once or not at all.

    Raises:
        OSError: it cannot be written; the error names ``path``, and nothing is left behind.
    """
    write_all_atomically({path: content})


def write_all_atomically(contents: Mapping[Path, bytes]) -> None:
    """Write files through temporary ones beside them: all of them, or, if one does not fit, none.

    Raises:
        OSError: one cannot be written; the error names it, nothing is left behind, and what was there is as it was.
    """
    staged: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
            staged[path] = Path(temporary)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            staged[path].chmod(0o644)
        for path, ready in staged.items():
            ready.replace(path)
    except BaseException as error:
        for ready in staged.values():
            ready.unlink(missing_ok=True)
        if isinstance(error, OSError):  # of the temporary file, or of no file at all
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def _hist_arrays(name: str, hist: SparseHist) -> dict[str, Any]:
    return {
        f"{name}.rows": hist.rows,
        f"{name}.buckets": hist.buckets,
        f"{name}.counts": hist.counts,
        f"{name}.shape": np.array([hist.n_rows, hist.n_buckets]),
    }


def _read_hist(arrays: Mapping[str, NDArray[Any]], name: str) -> SparseHist:
    rows, buckets = (int(n) for n in arrays[f"{name}.shape"])
    return SparseHist(
        arrays[f"{name}.rows"],
        arrays[f"{name}.buckets"],
        arrays[f"{name}.counts"],
        rows,
        buckets,
    )
