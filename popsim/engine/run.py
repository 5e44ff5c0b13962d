"""One run: build the inputs, let the two planes run together, hand out what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import simpy

from popsim.engine import draws, recorder
from popsim.engine.build import Built, Shared, built
from popsim.engine.control import (
    Control,
    ControlProcess,
    Process,
    restart,
    surge,
    writes,
)
from popsim.engine.cosimulation import DataPlane, cosimulate
from popsim.engine.draws import WordSource
from popsim.engine.kv_books import KvBooks
from popsim.engine.layout import TIMELINE_BINS, Inputs
from popsim.engine.object_books import ObjectBooks
from popsim.engine.outages import Watch, outage, store_outage
from popsim.engine.outputs import PlatformRun, SparseHist
from popsim.engine.recorder import Books, FailureRows, HistogramRows
from popsim.engine.rehearsal import Ask, asking, needs_rehearsal, with_known_homes
from popsim.engine.selections import SelectionBooks
from popsim.engine.sums import exact
from popsim.engine.tables import QuantileTable, quantile, quantile_table
from popsim.scenario.errors import RunError
from popsim.scenario.schema import EventSpec, Scenario


def is_compiled_engine_available() -> bool:
    """Tell whether numba is installed and can be imported."""
    return _numba_problem() is None


def _numba_problem() -> str | None:
    """Say why numba cannot be used and what helps; None if it can."""
    if find_spec("numba") is None:
        return "which is not installed: install numba"
    try:
        import_module("numba")  # by name: only the compiled engine may need it
    except (ImportError, OSError) as error:  # it does not fit numpy or Python, or lacks a library
        return f"which cannot be imported ({error}): install one that fits"
    return None


def needs_compiling() -> bool:
    """Tell whether the first compiled run on this machine has to compile the kernel (up to a minute)."""
    if not is_compiled_engine_available():
        return False
    from popsim.engine.compiled.jit import is_cached

    return not is_cached()


def warmup() -> None:
    """Compile the kernel, so that the next run need not.

    Raises:
        RunError: numba is not installed, or cannot be imported.
    """
    _need_numba()
    from popsim.engine.compiled.plane import warmup as compile_kernel

    compile_kernel()


def _need_numba() -> None:
    problem = _numba_problem()
    if problem is not None:
        raise RunError(
            f"the compiled engine needs numba, {problem}, or engine='simpy' "
            "(the same result, more than 100 times slower)"
        )


def simulate(
    scenario: Scenario,
    platform: str,
    replication: int,
    engine: str | None = None,
    processes: Sequence[ControlProcess] = (),
    tell: Callable[[float], None] | None = None,
    shared: Shared | None = None,
) -> PlatformRun:
    """Run one replication of one platform.

    ``engine`` overrides the scenario's; ``processes`` are control processes besides the scenario's events; ``tell`` hears
    now and then which share of the simulated time is over; ``shared`` is what replications of the platform have in common,
    so that it need not be read again.

    Raises:
        InputError: the scenario names something that does not exist.
        RunError: the compiled engine is asked for and numba is not installed, or cannot be imported.
    """
    engine = engine or scenario.engine
    one = built(shared or Shared.of(scenario, platform), replication)
    env = simpy.Environment()
    telling = Telling(tell, scenario.duration, 2 if needs_rehearsal(one) else 1)
    one = with_known_homes(one, lambda env, inputs: telling.next(data_plane(env, inputs, engine)))
    ask = asking(one.objects, one.inputs.objects.class_names)
    plane = telling.next(data_plane(env, one.inputs, engine, ask))
    clients = len(one.clients.ids)
    kv = one.inputs.kv
    ranges = zip(kv.spaces.first.tolist(), kv.spaces["count"].tolist(), strict=True)
    key_spaces = dict(zip(kv.space_names, ranges, strict=False))
    control = Control(
        env, plane, one.sites.ids, clients, one.surge_bound, kv.store_names, key_spaces,
        one.inputs.objects.class_names,
    )  # fmt: skip
    watches = {site: Watch() for site in one.sites.ids} if scenario.events else {}
    for number, event in enumerate(scenario.events):
        for process in _event_processes(control, scenario, platform, one, number, event, watches):
            env.process(process)
    for start in processes:
        env.process(start(control))
    books = cosimulate(env, plane)
    return _platform_run(platform, replication, engine, one, books, control)


class Telling:
    """Tell which share of a run is over, which takes one pass over its simulated time or, with a rehearsal, two."""

    def __init__(
        self, tell: Callable[[float], None] | None, duration_ms: float, passes: int
    ) -> None:
        self.tell, self.duration_ms, self.passes = tell, duration_ms, passes
        self.done = 0  # passes

    def next(self, plane: DataPlane) -> DataPlane:
        """Watch the plane of the next pass."""
        if self.tell is not None:
            plane.tell = partial(self._tell, self.tell, self.done)
        self.done += 1
        return plane

    def _tell(self, tell: Callable[[float], None], before: int, now_ms: float) -> None:
        tell((before + min(now_ms / self.duration_ms, 1.0)) / self.passes)


def data_plane(
    env: simpy.Environment, inputs: Inputs, engine: str, ask: Ask | None = None
) -> DataPlane:
    """Make the data plane of an engine, ``compiled`` or ``simpy``; ``ask`` answers where new objects live."""
    if engine == "compiled":
        _need_numba()
        from popsim.engine.compiled.plane import CompiledPlane

        return CompiledPlane(inputs, ask=ask)
    from popsim.engine.specification.plane import SpecificationPlane

    return SpecificationPlane(env, inputs, word_source(), ask)


@cache
def word_source() -> WordSource:
    """Return the fastest generator there is for the specification: compiled, else plain Python."""
    if not is_compiled_engine_available():
        return draws.words
    from popsim.engine.compiled.plane import words

    return words


def _event_processes(
    control: Control,
    scenario: Scenario,
    platform: str,
    built: Built,
    number: int,
    event: EventSpec,
    watches: dict[str, Watch],
) -> list[Process]:
    if event.surge is not None:
        chosen = set(built.clients.select(event.surge.where).ids)
        mask = np.array([client in chosen for client in built.clients.ids])
        return [surge(control, mask, event.surge.factor, event.at, event.lasting)]
    if event.write is not None:
        write = event.write
        process = writes(
            control, write.keys, write.rank, event.at, write.every, scenario.duration,
            delete=write.delete,
        )  # fmt: skip
        return [process] if built.inputs.kv.is_used else []
    if event.restart is not None:
        if event.restart.object_class not in control.object_classes:
            return []
        return [restart(control, event.restart.object_class, event.at)]
    fail = event.fail
    if fail is None or (fail.platforms and platform not in fail.platforms):
        return []
    if fail.stores:
        known = [store for store in fail.stores if store in control.stores]
        return [store_outage(control, store, event.at, event.lasting) for store in known]
    return _site_outages(control, scenario, built, number, event, watches)


def _site_outages(
    control: Control,
    scenario: Scenario,
    built: Built,
    number: int,
    event: EventSpec,
    watches: dict[str, Watch],
) -> list[Process]:
    fail = event.fail
    assert fail is not None
    sites = list(fail.sites or ())
    if fail.busiest:
        order = np.argsort(-built.site_share, kind="stable")[: fail.busiest]
        sites += [built.sites.ids[index] for index in order]
    known = set(built.sites.ids)
    convergence = quantile_table(scenario.network.convergence)
    key = built.inputs.key
    return [
        outage(
            control,
            site,
            event.at,
            event.lasting,
            _convergence(convergence, key, number, place),
            watches[site],
        )
        for place, site in enumerate(sites)
        if site in known
    ]


def _convergence(table: QuantileTable, key: int, event: int, place: int) -> tuple[float, float]:
    """Draw how long routing takes to notice a site's failure, and its return."""
    words = draws.words(key, draws.CONVERGENCE, event, place)
    noticed, welcomed = (quantile(table, word) for word in words)
    return noticed, welcomed


def _platform_run(
    platform: str,
    replication: int,
    engine: str,
    built: Built,
    books: Books,
    control: Control,
) -> PlatformRun:
    inputs, rows, counters = built.inputs, HistogramRows.of(built.inputs), books.counters
    histogram, clients = books.histogram, len(inputs.clients)
    durations = exact(books.durations)[0]
    return PlatformRun(
        platform=platform,
        replication=replication,
        engine=engine,
        requests=int(counters[recorder.C_REQUESTS]),
        failed=counters[recorder.C_NO_ROUTE : recorder.C_DISCONNECTED + 1].copy(),
        latency=histogram[0].copy(),
        by=_groups(histogram, rows),
        cells=SparseHist.from_dense(books.coarse[:clients]),
        phase_hist=histogram[rows.phase : rows.without_setup].copy(),
        without_setup=histogram[rows.without_setup].copy(),
        first_byte=histogram[rows.first_byte].copy(),
        phase_sum_ns=exact(books.phase_sum_ns),
        latency_sum_ns=int(durations[recorder.D_LATENCY_NS]),
        cold_starts=int(counters[recorder.C_COLD]),
        starts=int(counters[recorder.C_STARTS]),
        evictions=int(counters[recorder.C_EVICTIONS]),
        cold_phase_sum_ns=durations[recorder.D_PLACEMENT_NS : recorder.D_INIT_NS + 1],
        busy_us=int(durations[recorder.D_BUSY_US]),
        idle_us=int(durations[recorder.D_IDLE_US]),
        instance_bytes=inputs.rules.instance_bytes,
        timeline=exact(books.timeline),
        timeline_hist=SparseHist.from_dense(books.coarse[clients:]),
        timeline_bin_ms=inputs.rules.duration / TIMELINE_BINS,
        warmup_ms=inputs.rules.warmup,
        arrivals=int(counters[recorder.C_ARRIVALS]),
        events=int(counters[recorder.C_EVENTS]),
        sample=books.sample,
        sample_phases=books.sample_phases,
        **_failures(books, inputs),
        **_selected(books.selected),
        **_kv_part(books.kv),
        **_objects_part(books.objects),
        labels=_labels(inputs),
        site_positions=np.stack([built.sites.lat, built.sites.lon], axis=1),
        log=control.log,
    )


def _failures(books: Books, inputs: Inputs) -> dict[str, Any]:
    """Return how many requests failed, by group and reason, which take the place of buckets."""
    rows = FailureRows.of(inputs)
    ends = {
        "failures_over_time": (0, rows.client),
        "failures_by_client": (rows.client, rows.site),
        "failures_by_site": (rows.site, rows.network),
        "failures_by_network": (rows.network, rows.count),
    }
    return {name: SparseHist.from_dense(books.failures[a:b]) for name, (a, b) in ends.items()}


def _selected(books: SelectionBooks) -> dict[str, Any]:
    return {
        "selected_hist": SparseHist.from_dense(books.histogram),
        "selected_phase_sum_ns": exact(books.phase_sum_ns),
        "selected_counts": exact(books.counts),
    }


def _kv_part(books: KvBooks) -> dict[str, Any]:
    return {
        "kv_histogram": SparseHist.from_dense(books.histogram),
        "kv_by_space": exact(books.by_space),
        "kv_by_site": exact(books.by_site),
        "kv_watched": books.watched,
        "kv_seen": books.seen,
        "kv_stale_max_ms": books.stale_max,
    }


def _objects_part(books: ObjectBooks) -> dict[str, Any]:
    return {
        "objects_histogram": SparseHist.from_dense(books.histogram),
        "objects_by_message": SparseHist.from_dense(books.by_message),
        "objects_by_class": exact(books.by_class),
        "objects_by_host": exact(books.by_host),
        "objects_created": books.created,
        "objects_spawn_ns": exact(books.spawn_ns)[:, 0],
    }


def _labels(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    """Return the names of all rows that a run's arrays have."""
    objects = inputs.objects
    hibernates = objects.classes["hibernates"]  # one row more if there are no classes
    message_class = objects.scalars.message_class
    return inputs.labels | {
        "space": inputs.kv.space_names,
        "store": inputs.kv.store_names,
        "object_class": objects.class_names,
        "object_class_that_stays": tuple(
            name for row, name in enumerate(objects.class_names) if not hibernates[row]
        ),
        "message": objects.message_names,
        "message_class": objects.class_names[message_class : message_class + 1],  # -1 = none
        "host": objects.host_names,
    }


def _groups(histogram: np.ndarray, rows: HistogramRows) -> dict[str, SparseHist]:
    """Return the groups' histograms, which are stretches of one array."""
    ends = {
        "country": (rows.country, rows.site),
        "site": (rows.site, rows.network),
        "network": (rows.network, rows.phase),
    }
    return {name: SparseHist.from_dense(histogram[a:b]) for name, (a, b) in ends.items()}
