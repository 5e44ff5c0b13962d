"""The compiled data plane as Python sees it: advance, verbs, growth."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from time import perf_counter

import numpy as np

from popsim.engine.arrays import Floats, Records, records
from popsim.engine.compiled import (
    caches,
    calendar,
    draw,
    kernel,
    kv_state,
    kv_write,
    object_state,
    pools,
    verbs,
)
from popsim.engine.compiled.days import LONGEST_WINDOW, WINDOW, better_days_per_ms
from popsim.engine.compiled.jit import ASKED_FROM_KERNELS, IS_COMPILED, Boxed
from popsim.engine.compiled.pool_state import pool_places
from popsim.engine.compiled.state import State, initial_state
from popsim.engine.cosimulation import Tell
from popsim.engine.kv_books import KvBooks
from popsim.engine.layout import Growth, Inputs
from popsim.engine.object_books import ObjectBooks
from popsim.engine.recorder import Books
from popsim.engine.selections import SelectionBooks

POOLS_ROOM = 3  # places in the table of pools for each that is in use, at least
WALK = 8  # instances and slots that are walked for each place of the new table, at most
TURN_S = 0.2  # for one call of the kernel, about
TELL_S = 0.2  # between two reports on how far the run is
FEW_EVENTS, MOST_EVENTS = 1_000, 1 << 40
COPIES_ROOM = 3  # places in the table of copies for each living one, at least

Ask = Callable[[int, int, int, float], int]  # (object, class, site, ms) -> host


class CompiledPlane:
    """The same requests as the specification's, run by a compiled event loop."""

    def __init__(
        self, inputs: Inputs, growth: Growth | None = None, ask: Ask | None = None
    ) -> None:
        self.inputs, self.growth = inputs, growth or Growth()
        self.state = initial_state(inputs, self.growth)
        self.error: BaseException | None = None  # of what Python was asked
        self.tallied: dict[tuple[int, int], int] | None = None
        if ask is not None:
            self._answer = ASKED_FROM_KERNELS(partial(self._ask, ask))
            address = ctypes.cast(self._answer, ctypes.c_void_p).value
            self.state.object_run[0].ask_address = address
        self.tell: Tell | None = None
        self._most, self._told = FEW_EVENTS, 0.0
        self.chunks: list[tuple[Records, Floats]] = []  # filled pages of the sample
        self.advance(-np.inf)  # finds the first arrival

    @property
    def state(self) -> State:
        """All arrays of the run."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        self.boxed = Boxed(state) if IS_COMPILED else state

    @property
    def is_drained(self) -> bool:
        """Tell whether no request is in flight and none will come."""
        run = self.state.run[0]
        return bool(run.next_number >= 0 and run.arrivals_done and run.in_flight == 0)

    def advance(self, until: float) -> None:
        """Run every event before ``until`` (ms), or until no request is left (rule 5)."""
        with _quiet():
            while True:
                reason = self._turn(until)
                if self.error is not None:
                    raise self.error
                if reason == kernel.SPENT:
                    continue
                if reason == kernel.LOOK_AT_DAYS:
                    self._look_at_days()
                elif reason == kernel.NEED_SLOTS:
                    self._grow_slots()
                elif reason == kernel.NEED_INSTANCES:
                    self._make_room_for_instances()
                elif reason == kernel.NEED_POOLS:
                    self._make_room_for_pools()
                elif reason == kernel.NEED_SAMPLE:
                    self._turn_page()
                elif reason == kernel.NEED_COPIES:
                    self._rebuild_copies()
                elif reason == kernel.NEED_FETCHING:
                    self._rehash("fetching")
                elif reason == kernel.NEED_WRITTEN:
                    self._rehash("written")
                elif reason == kernel.NEED_VERSIONS:
                    self._grow("versions")
                elif reason == kernel.NEED_ACTORS:
                    self._grow("actors", *self._with_replicas("commits"))
                elif reason == kernel.NEED_MEMBERS:
                    self._grow("members")
                elif reason == kernel.NEED_INDEX:
                    self._rehash_index()
                elif reason == kernel.NEED_TALLY:
                    self._read_tally()
                else:
                    return

    def _turn(self, until: float) -> int:
        """Let the kernel run for a moment: while it does, Python hears no signal and no thread."""
        began = perf_counter()
        reason = int(kernel.advance(self.boxed, np.float64(until), np.int64(self._most)))
        ended = perf_counter()
        if ended - began > TURN_S:
            self._most = max(1, self._most // 2)
        elif reason == kernel.SPENT and ended - began < TURN_S / 2:
            self._most = min(2 * self._most, MOST_EVENTS)
        if self.tell is not None and ended - self._told > TELL_S:
            self._told = ended
            self.tell(self.now)
        return reason

    @property
    def now(self) -> float:
        """The time in ms of the latest event."""
        return float(self.state.run[0].now)

    def _look_at_days(self) -> None:
        """Make the calendar's days longer or shorter if that is faster."""
        run = self.state.run[0]
        better = better_days_per_ms(run)
        window = min(2 * int(run.window), LONGEST_WINDOW)
        if better != run.days_per_ms:
            calendar.set_days(self.boxed, np.float64(better))
            window = WINDOW
        run.taken, run.walked, run.skipped, run.pushed_far = 0, 0, 0, 0
        run.window = max(window, int(run.slot_top))

    def _make_room_for_instances(self) -> None:
        """Forget instances that have expired; double the room unless that frees half of it."""
        pools.drop_expired(self.boxed, np.float64(self.now))
        if 2 * int(np.count_nonzero(self.state.instances.site >= 0)) > len(self.state.instances):
            self._grow("instances")

    def _make_room_for_pools(self) -> None:
        """Forget pools that nothing is in; take as much room as the others need, and as much again."""
        pools.drop_expired(self.boxed, np.float64(self.now))
        old = self.state.pools
        needed = POOLS_ROOM * (int(pools.pools_in_use(self.boxed)) + 1)
        needed = max(needed, (len(self.state.instances) + len(self.state.slots)) // WALK)
        length = 1 << needed.bit_length()
        places = pool_places(self.inputs, length, self.growth)
        self.state = self.state._replace(pools=records(old.dtype, length))
        self.state.run[0].pool_shift, self.state.run[0].pool_room = places
        pools.move_pools(self.boxed, old)

    def _ask(self, ask: Ask, number: int, object_class: int, site: int, time: float) -> int:
        """Answer a kernel; an error waits until the kernel is left."""
        try:
            return ask(number, object_class, site, time)
        except BaseException as error:  # even an interrupt cannot pass through compiled code
            self.error = self.error or error
            return -1

    def start_tally(self) -> None:
        """Count who calls which object, in ``tallied``: {(number, site): calls}."""
        self.tallied = {}
        self.state.object_run[0].tallies = 1
        self.state = self.state._replace(tally=np.zeros(object_state.TALLY_PAGE, np.int64))

    def _read_tally(self) -> None:
        assert self.tallied is not None
        count = int(self.state.object_run[0].tallied_count)
        pairs, calls = np.unique(self.state.tally[:count], return_counts=True)
        for pair, more in zip(pairs.tolist(), calls.tolist(), strict=True):
            key = (pair >> 16, pair & 0xFFFF)
            self.tallied[key] = self.tallied.get(key, 0) + more
        self.state.object_run[0].tallied_count = 0

    def _grow_slots(self) -> None:
        calls = ("calls", "parts") if self.inputs.objects.is_used else ()
        self._grow("slots", "phases", "heap", "parcels", *calls)

    def _with_replicas(self, name: str) -> tuple[str, ...]:
        return (name,) if len(self.state.replica_hosts) > 0 else ()

    def _grow(self, *names: str) -> None:
        """Double arrays of the state; new instance records are marked free."""
        arrays = {}
        for name in names:
            old = getattr(self.state, name)
            new = np.zeros((2 * old.shape[0], *old.shape[1:]), old.dtype)
            new[: old.shape[0]] = old
            if name == "instances":
                new["site"][old.shape[0] :] = -1
            arrays[name] = new.view(np.recarray) if isinstance(old, np.recarray) else new
        self.state = self.state._replace(**arrays)

    def _rebuild_copies(self) -> None:
        """Forget dead copies; take as much room as the living ones need, and as much again."""
        state = self.state
        old_tags, old, old_order = state.tags, state.copies, state.order
        most = 2 * self.inputs.kv.widest_get + 2
        needed = (int(caches.count_living(self.boxed)) + most) * COPIES_ROOM
        length = 1 << int(needed - 1).bit_length()
        self.state = state._replace(
            tags=np.zeros(length, np.int64),
            copies=kv_state.aligned_records(kv_state.COPY_DTYPE, length),
            order=records(kv_state.ORDER_DTYPE, length if len(old_order) > 1 else 1),
        )
        state.kv_run[0].copy_shift = kv_state.shift_of(length)
        caches.rebuild(self.boxed, old_tags, old, old_order)

    def _rehash(self, name: str) -> None:
        """Double one of the smaller tables."""
        old = getattr(self.state, name)
        self.state = self.state._replace(**{name: records(old.dtype, 2 * len(old))})
        self.state.kv_run[0][f"{name}_shift"] -= 1
        if name == "fetching":
            caches.rehash_fetching(self.boxed, old)
        else:
            caches.rehash_written(self.boxed, old)

    def _rehash_index(self) -> None:
        """Double the index of objects."""
        old = self.state.object_index
        self.state = self.state._replace(object_index=records(old.dtype, 2 * len(old)))
        self.state.object_run[0].index_shift -= 1
        verbs.rehash_index(self.boxed, old)

    def _turn_page(self) -> None:
        state = self.state
        count = int(state.run[0].sampled)
        self.chunks.append((state.sample[:count].copy(), state.sample_phases[:count].copy()))
        state.run[0].sampled = 0

    def fail_site(self, index: int, time: float) -> None:
        """Lose all that runs at a site; requests waiting there die now (rule 21)."""
        self._make_room_for_sessions()
        with _quiet():
            verbs.fail_site(self.boxed, np.int64(index), np.float64(time))

    def restart_class(self, index: int, time: float) -> None:
        """Restart every object of a class at ``time`` = now."""
        if not self.inputs.objects.is_used:
            return
        self._make_room_for_sessions()
        with _quiet():
            verbs.restart_class(self.boxed, np.int64(index), np.float64(time))

    def _make_room_for_sessions(self) -> None:
        """Make room for all sessions that there are: so many may connect again at most."""
        needed = int(self.state.object_run[0].member_count)
        while len(self.state.slots) - int(self.state.run[0].slot_top) < needed:
            self._grow_slots()

    def restore_site(self, index: int, time: float) -> None:
        """Let a site serve again at ``time`` = now, with nothing running."""
        sites = self.state.sites
        if not sites.up[index]:
            sites.up[index], sites.up_since[index] = 1, time

    def set_store(self, index: int, *, is_up: bool) -> None:
        """Let a central store answer, or not."""
        self.state.stores.up[index] = int(is_up)

    def write(self, key: int, store: int, entity: int, time: float, *, is_absent: bool) -> None:
        """Write a key at a store at ``time`` = now."""
        state = self.state
        if 5 * (int(state.kv_run[0].written_count) + 1) > 3 * len(state.written):
            self._rehash("written")
        if int(state.kv_run[0].version_top) >= len(state.versions):
            self._grow("versions")
        numbers = (np.int64(n) for n in (key, store, entity, is_absent))
        key_, store_, entity_, absent_ = numbers
        with _quiet():
            kv_write.write_now(self.boxed, key_, np.float64(time), store_, entity_, absent_)

    def set_withdrawn(self, index: int, withdrawn: bool) -> None:
        """Announce a site to the routing, or withdraw it."""
        self.state.sites.withdrawn[index] = int(withdrawn)

    def set_surge(self, factors: Floats) -> None:
        """Multiply the arrival rate of each client, shape (C,), from now on."""
        self.state.clients.surge[:] = factors

    def close(self) -> Books:
        """Return what was recorded."""
        with _quiet():
            verbs.count_remaining(self.boxed)
        self._turn_page()
        if self.tallied is not None:
            self._read_tally()
        state = self.state
        books = Books(
            counters=state.counters,
            durations=state.durations,
            histogram=state.histogram,
            coarse=state.coarse,
            phase_sum_ns=state.phase_sum_ns,
            timeline=state.timeline,
            failures=state.failures,
            kv=KvBooks(
                histogram=state.kv_histogram,
                by_space=state.kv_by_space,
                by_site=state.kv_by_site,
                watched=state.kv_watched,
                seen=state.kv_seen,
                stale_max=state.kv_stale_max,
            ),
            objects=ObjectBooks(
                histogram=state.object_histogram,
                by_message=state.object_by_message,
                by_class=state.object_by_class,
                by_host=state.object_by_host,
                created=state.object_created,
                spawn_ns=state.object_spawn_ns,
            ),
            selected=SelectionBooks(
                histogram=state.selected_histogram,
                phase_sum_ns=state.selected_phase_sum_ns,
                counts=state.selected_counts,
            ),
        )
        books.set_sample(
            np.concatenate([chunk for chunk, _ in self.chunks]).view(np.ndarray),
            np.concatenate([phases for _, phases in self.chunks]),
        )
        return books


def _quiet() -> AbstractContextManager[object]:
    """Silence numpy's overflow warnings: uncompiled, the generator's products wrap around."""
    return nullcontext() if IS_COMPILED else np.errstate(over="ignore")


def words(key: int, stream: int, entity: int, index: int) -> tuple[int, int]:
    """Answer one address, compiled: what popsim.engine.draws.words answers in plain Python."""
    with _quiet():
        first, second = draw.words(
            np.uint64(key), np.uint64(stream), np.uint64(entity), np.uint64(index)
        )
    return int(first), int(second)


def warmup() -> None:
    """Compile everything, or load it from the cache on disk."""
    from popsim.engine.example import tiny_inputs

    words(0, 0, 0, 0)
    plane = CompiledPlane(tiny_inputs(), Growth(pools=2, pools_apart=0))
    plane.advance(np.inf)
    plane._make_room_for_pools()
    plane.fail_site(0, 0.0)
    plane.close()
