"""The compiled data plane as Python sees it: advance, verbs, growth."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np

from popsim.engine.compiled import draw, kernel
from popsim.engine.compiled.jit import IS_COMPILED
from popsim.engine.compiled.state import (
    I_DONE,
    I_IN_FLIGHT,
    I_NEXT_NUMBER,
    I_SAMPLED,
    initial_state,
)
from popsim.engine.layout import Floats, Growth, Inputs, Records
from popsim.engine.recorder import COUNTER_COUNT, Books


class CompiledPlane:
    """The same requests as the specification's, run by a compiled event loop."""

    def __init__(self, inputs: Inputs, growth: Growth | None = None) -> None:
        self.state = initial_state(inputs, growth or Growth())
        self.chunks: list[tuple[Records, Floats]] = []  # filled pages of the sample
        self.advance(-np.inf)  # finds the first arrival

    @property
    def is_drained(self) -> bool:
        """Tell whether no request is in flight and none will come."""
        integers = self.state.integers
        return bool(
            integers[I_NEXT_NUMBER] >= 0 and integers[I_DONE] and integers[I_IN_FLIGHT] == 0
        )

    def advance(self, until: float) -> None:
        """Run every event before ``until`` (ms), or until no request is left (rule 5)."""
        with _quiet():
            while True:
                reason = kernel.advance(self.state, np.float64(until))
                if reason == kernel.NEED_SLOTS:
                    self._grow("slots", "phases", "heap")
                elif reason == kernel.NEED_INSTANCES:
                    self._grow("instances")
                elif reason == kernel.NEED_SAMPLE:
                    self._turn_page()
                else:
                    return

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

    def _turn_page(self) -> None:
        state = self.state
        count = int(state.integers[I_SAMPLED])
        self.chunks.append((state.sample[:count].copy(), state.sample_phases[:count].copy()))
        state.integers[I_SAMPLED] = 0

    def fail_site(self, index: int, time: float) -> None:
        """Lose all that runs at a site; requests waiting there die now (rule 21)."""
        with _quiet():
            kernel.fail_site(self.state, np.int64(index), np.float64(time))

    def restore_site(self, index: int) -> None:
        """Let a site serve again, with nothing running."""
        self.state.sites.up[index] = 1

    def set_withdrawn(self, index: int, withdrawn: bool) -> None:
        """Announce a site to the routing, or withdraw it."""
        self.state.sites.withdrawn[index] = int(withdrawn)

    def set_surge(self, factors: Floats) -> None:
        """Multiply the arrival rate of each client, shape (C,), from now on."""
        self.state.clients.surge[:] = factors

    def close(self) -> Books:
        """Return what was recorded."""
        with _quiet():
            kernel.count_remaining(self.state)
        self._turn_page()
        state = self.state
        books = Books(
            counters=state.integers[:COUNTER_COUNT].copy(),
            histogram=state.histogram,
            coarse=state.coarse,
            phase_sum_ns=state.phase_sum_ns,
            timeline=state.timeline,
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
    plane = CompiledPlane(tiny_inputs())
    plane.advance(np.inf)
    plane.fail_site(0, 0.0)
    plane.close()
