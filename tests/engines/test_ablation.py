"""Break one rule of docs/background/semantics.md at a time in the SimPy engine: the comparison must notice.

A rule whose breach nothing notices is either not needed or not tested. Each breach is what a sensible programmer might
have written instead.
"""

from __future__ import annotations

from functools import lru_cache
from heapq import heappush
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import simpy
from breaches_books import BOOK_BREACHES
from breaches_kv import KV_BREACHES
from breaches_objects import OBJECT_BREACHES
from generate import Case, case
from run_case import differences, run_compiled, run_specification

from popsim.engine import draws
from popsim.engine.compiled.plane import CompiledPlane
from popsim.engine.control import Control, Nested
from popsim.engine.draws import COUNT_BITS
from popsim.engine.layout import (
    ALWAYS_POOLED,
    FETCH,
    IDLE_LAW,
    NO_ROUTE,
    OK,
    ORDINARY,
    P_NETWORK,
    SITE_DOWN,
    T_IDLE,
)
from popsim.engine.recorder import C_EVENTS, Books
from popsim.engine.specification import plane as plane_module
from popsim.engine.specification.connection import Connections, is_open
from popsim.engine.specification.instances import Instances
from popsim.engine.specification.plane import SpecificationPlane
from popsim.engine.specification.state import NEVER

CASES = 240


def with_instances(kind: type[Instances]) -> type[SpecificationPlane]:
    class Plane(SpecificationPlane):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.instances = kind(self.rules, self.lookups, self.recorder)

    return Plane


def with_connections(kind: type[Connections]) -> type[SpecificationPlane]:
    class Plane(SpecificationPlane):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.connections = kind(self.inputs, self.lookups, self.sites)

    return Plane


class InsertionOrder(SpecificationPlane):
    """Rule 1: SimPy's own order at equal times."""

    def pause(self, request: Any, time: float, rank: int) -> Any:
        event = simpy.Event(self.env)
        event._ok, event._value = True, None
        heappush(self.env._queue, (time, 1 << 60, next(self.env._eid), event))  # type: ignore[misc]
        yield event
        self.recorder.count(C_EVENTS)


class EnterIsOrdinary(SpecificationPlane):
    """Rule 1: arrivals at a site are not ranked after departures."""

    def pause(self, request: Any, time: float, rank: int) -> Any:
        yield from super().pause(request, time, ORDINARY)


class Timeout(SpecificationPlane):
    """Rule 6: now + (t - now)."""

    def pause(self, request: Any, time: float, rank: int) -> Any:
        now = self.env.now
        yield from super().pause(request, now + (time - now), rank)


class NoEventForNothing(SpecificationPlane):
    """Rule 4: a step of no length happens at once."""

    def pause(self, request: Any, time: float, rank: int) -> Any:
        if time > self.env.now:
            yield from super().pause(request, time, rank)


class OtherSum(Connections):
    """Rule 6: (dns + connect) + tls."""

    def connect(self, request: Any, time: float) -> float:
        setup = super().connect(request, time)
        dns, connect, tls = request.phases[0], request.phases[1], request.phases[2]
        return (dns + connect) + tls if setup else setup


class PhaseIsDelay(SpecificationPlane):
    """Rule 7: a phase is the delay rather than the difference of event times."""

    def respond(self, request: Any) -> None:
        now = self.env.now
        back = (request.rtt_upstream * 0.5 + request.rtt * 0.5) + request.slow_start
        request.phases[P_NETWORK] += back
        self.end(request, (now + back) - request.start, OK)


class CountedExpiry(Instances):
    """Rule 8: an idle expiry's address is a counter."""

    released = 0

    def _retire(self, request: Any, instance: Any, pool: Any, site: Any, time: float) -> None:
        super()._retire(request, instance, pool, site, time)
        self.released += 1
        if self.rules.idle_kind == IDLE_LAW:
            draw = self.lookups.draw(T_IDLE, draws.IDLE, self.released, 0)
            instance.expiry = time + draw


class OnePiece(SpecificationPlane):
    """Rule 9: a cell in which a law jumps or bends has one piece, its first."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        lookups = self.lookups

        def first_piece(code: int, probability: float) -> float:
            piece = lookups.pieces[code >> COUNT_BITS]
            return float(piece.low + (probability - piece.start) * piece.slope)

        lookups._piece = first_piece  # type: ignore[method-assign]


class LevelPieces(SpecificationPlane):
    """Rule 9: a piece has one value."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lookups.pieces = [piece._replace(slope=0.0) for piece in self.lookups.pieces]


class SurgeFromTheStart(SpecificationPlane):
    """Rule 10: a surge does not change what was planned."""

    def set_surge(self, factors: Any) -> None:
        pass


class FromTheTop(Connections):
    """Rule 11: a withdrawn site's clients go to the first candidate of all."""

    def pick(self, client: int, position: float) -> tuple[int, float]:
        first = client * self.route_count
        chosen = 0
        while chosen < self.route_count - 1 and position >= self.routes[first + chosen][1]:
            chosen += 1
        for step in [chosen, *range(self.route_count)]:
            site, _, rtt = self.routes[first + step]
            if site >= 0 and not self.sites[site].withdrawn:
                return int(site), float(rtt)
        return -1, 0.0


class DownIsWithdrawn(Connections):
    """Rule 11: a site that is down gets no requests, withdrawn or not."""

    def route(self, request: Any) -> bool:
        found = super().route(request)
        return found and self.sites[request.ingress].up


class ChecksTheWayBack(SpecificationPlane):
    """Rule 12: a response through a site that is down is lost."""

    def respond(self, request: Any) -> None:
        if not self.sites[request.ingress].up:
            self.fail(request, SITE_DOWN)
        else:
            super().respond(request)


class NoSweep(Instances):
    """Rule 13: an expired instance goes when its own function is asked for."""

    def _sweep(self, site: Any, time: float) -> None:
        pass


class EvictsNewest(Instances):
    """Rule 14: eviction takes the most recently used."""

    def _drop(self, instance: Any, site: Any, time: float) -> None:
        if instance.expiry > time:
            instance = next(reversed(site.least_recent))
        super()._drop(instance, site, time)


class StartBesideTheThread(Instances):
    """Rule 15: a start does not occupy the thread."""

    def _start(self, request: Any, site: Any, time: float) -> Any:
        instance = super()._start(request, site, time)
        instance.busy = time
        return instance


class ExpiryAtTheInstant(Instances):
    """Rules 13 and 16: an instance is still there at the instant of its expiry."""

    def _idle(self, pool: Any, site: Any, time: float) -> Any:
        while pool.idle:
            instance, _ = pool.idle.popitem()
            self._count_idle(instance, time)
            site.least_recent.pop(instance, None)
            if instance.expiry >= time:
                return instance
            self._forget(instance, site)
        return None

    def _sweep(self, site: Any, time: float) -> None:
        while site.least_recent:
            instance = next(iter(site.least_recent))
            if instance.expiry >= time:
                return
            self._drop(instance, site, time)


class OldestIdle(Instances):
    """Rule 16: the instance that has been idle longest serves."""

    def _idle(self, pool: Any, site: Any, time: float) -> Any:
        pool.idle = dict(reversed(pool.idle.items()))
        found = super()._idle(pool, site, time)
        pool.idle = dict(reversed(pool.idle.items()))
        return found


class LastWaiter(Instances):
    """Rule 16: the last waiter is served first."""

    def release(self, request: Any, site: Any, time: float) -> Any:
        site.pools[request.function].waiting.reverse()
        heir = super().release(request, site, time)
        if request.function in site.pools:
            site.pools[request.function].waiting.reverse()
        return heir


class HidesAfterReuse(Connections):
    """Rules 17 and 20: a reused connection hides a start, too."""

    def connect(self, request: Any, time: float) -> float:
        setup = super().connect(request, time)
        if setup == 0.0 and self.rules.prewarm_on_tls:
            request.hidden = request.rtt
        return setup


class OpenAtTheInstant(SpecificationPlane):
    """Rule 18: a connection is still open at the instant of its time-out."""

    def forward(self, request: Any) -> Any:
        timeout, used = self.rules.upstream_idle_timeout, self.upstream_used[request.upstream]
        if timeout != ALWAYS_POOLED and self.env.now - used == timeout:
            self.upstream_used[request.upstream] = self.env.now
        yield from super().forward(request)


class UsedWhenAnswered(SpecificationPlane):
    """Rule 18: a connection counts as used when the answer is there."""

    def run(self, request: Any, pc: int, step: Any) -> Any:
        outcome = yield from super().run(request, pc, step)
        if step.kind == FETCH:
            pool = request.compute * self.inputs.origin_count + step.origin
            self.fetch_used[pool] = self.env.now
        return outcome


class TtlFromTheQuery(Connections):
    """Rule 19: an answer's life begins with the query."""

    def _resolve(self, client: int, time: float, word: int) -> float:
        asked = time >= self.dns_expiry[client]
        delay = super()._resolve(client, time, word)
        if asked and time >= self.rules.dns_ttl:
            self.dns_expiry[client] = time + self.rules.dns_ttl
        return delay


class FirstAnswersAreNew(Connections):
    """Rule 19: the first answers live as long as any other, so that all resolvers go in step for ever."""

    def _expiry(self, client: int, ready: float) -> float:
        return ready + self.rules.dns_ttl


class EveryQueryAsks(Connections):
    """Rule 19: a query does not wait for the answer that is under way."""

    def _resolve(self, client: int, time: float, word: int) -> float:
        if self.dns_ready[client] > time:
            self.dns_expiry[client] = NEVER
        return super()._resolve(client, time, word)


def with_ends(chosen: Any) -> type[SpecificationPlane]:
    """Let only some ends of a connection, (ingress, compute site) or the fetching site, close it when they fail."""

    class Plane(SpecificationPlane):
        def forward(self, request: Any) -> Any:
            yield from begin(super().forward(request))

        def run(self, request: Any, pc: int, step: Any) -> Any:
            return (yield from begin(super().run(request, pc, step)))

    def begin(generator: Any) -> Any:
        with patch.object(plane_module, "is_open", of_ends):  # asked before the first event
            event = next(generator)
        yield event
        return (yield from generator)

    def of_ends(used: float, now: float, idle_timeout: float, *ends: Any) -> bool:
        return is_open(used, now, idle_timeout, *chosen(ends))

    return Plane


class UpIsEnough(SpecificationPlane):
    """Rule 22: whoever finds the site up again goes on, with a slot that it no longer has."""

    def fail_site(self, index: int, time: float) -> None:
        super().fail_site(index, time)
        self.sites[index].epoch -= 1

    def release(self, request: Any, site: Any) -> None:
        if request.instance in site.instances:
            super().release(request, site)


class FirstRunEndsIt(SpecificationPlane):
    """Rule 24: a failing ingress ends what it had sent elsewhere."""

    def respond(self, request: Any) -> None:
        if not self.sites[request.ingress].up:
            self.end(request, 0.0, NO_ROUTE)
        else:
            super().respond(request)


class WarmUpByEnd(SpecificationPlane):
    """Rule 25: a request counts if it ends after the warm-up."""

    def end(self, request: Any, total: float, outcome: int) -> None:
        start = request.start
        if start < self.rules.warmup <= start + total:
            request.start = self.rules.warmup
        super().end(request, total, outcome)


BREACHES: dict[str, type[SpecificationPlane]] = {
    "1 insertion order": InsertionOrder,
    "1 enter is ordinary": EnterIsOrdinary,
    "4 no event for nothing": NoEventForNothing,
    "6 timeout": Timeout,
    "6 other sum": with_connections(OtherSum),
    "7 phase is delay": PhaseIsDelay,
    "8 counted expiry": with_instances(CountedExpiry),
    "9 one piece": OnePiece,
    "9 level pieces": LevelPieces,
    "10 surge from the start": SurgeFromTheStart,
    "11 from the top": with_connections(FromTheTop),
    "11 down is withdrawn": with_connections(DownIsWithdrawn),
    "12 checks the way back": ChecksTheWayBack,
    "13 no sweep": with_instances(NoSweep),
    "14 evicts newest": with_instances(EvictsNewest),
    "15 start beside the thread": with_instances(StartBesideTheThread),
    "13, 16 expiry at the instant": with_instances(ExpiryAtTheInstant),
    "16 oldest idle": with_instances(OldestIdle),
    "16 last waiter": with_instances(LastWaiter),
    "17, 20 hides after reuse": with_connections(HidesAfterReuse),
    "18 open at the instant": OpenAtTheInstant,
    "18 used when answered": UsedWhenAnswered,
    "19 ttl from the query": with_connections(TtlFromTheQuery),
    "19 first answers are new": with_connections(FirstAnswersAreNew),
    "19 every query asks": with_connections(EveryQueryAsks),
    "21 pools survive": with_ends(lambda ends: ()),
    "21 pools to a failed site survive": with_ends(lambda ends: ends[:1]),
    "21 pools of a failed ingress survive": with_ends(lambda ends: ends[-1:]),
    "22 up is enough": UpIsEnough,
    "24 ingress ends it": FirstRunEndsIt,
    "25 warm-up by end": WarmUpByEnd,
    **KV_BREACHES,
    **OBJECT_BREACHES,
    **BOOK_BREACHES,
}


# Mistakes that few runs show: where to begin to look. `python tests/engines/test_ablation.py` finds these numbers.
SHOWS_LATE = {
    "6 timeout": 426,
    "6 other sum": 34,
    "14 evicts newest": 14,
    "15 start beside the thread": 15,
    "18 open at the instant": 15,
    "21 pools survive": 15,
    "21 pools to a failed site survive": 15,
    "21 pools of a failed ingress survive": 328,
    "30 expires after the instant": 13,
    "30 survives the site": 36,
    "30 copies are new at the start": 15,
    "30 caches are never empty at the start": 89,
    "30 older than asked": 13,
    "30 first read decides": 13,
    "31 push makes younger": 13,
    "32 remembers all": 15,
    "33 first in, first out": 19,
    "34 joins the dead": 184,
    "35 refresh comes first": 13,
    "37 copies outlive news": 13,
    "39 nobody is needed": 12,
    "39 takeover since the loss": 12,
    "39 lost with the new home": 165,
    "40 moved is lost": 12,
    "42 refuses who is inside": 21,
    "45 all must confirm": 21,
    "47 lost alarms vanish": 14,
    "47 equally patient": 14,
    "47 retries replace": 60,
    "48 only votes for": 17,
    "49 replica knows at once": 17,
    "49 forgotten is missing": 88,
    "49 forgets its writes": 17,
    "50 forgets the gate": 19,
    "53 sender is told": 21,
    "54 never below its law": 12,
}
LATE = 12


@lru_cache(maxsize=32)  # most breaches are noticed within as many
def right(seed: int) -> tuple[Case, Books]:
    """Return a generated run, and what the compiled engine yields."""
    generated = case(seed)
    return generated, run_compiled(generated)


@pytest.mark.parametrize("name", BREACHES)
def test_a_broken_rule_is_noticed(name: str) -> None:
    if shown_by(name, SHOWS_LATE.get(name, 0), CASES) is None:
        pytest.fail(f"{CASES} generated runs did not notice that rule {name!r} was broken")


def shown_by(name: str, first: int, cases: int) -> int | None:
    """Return the first generated run that shows a breach; None if none does."""
    for seed in range(first, first + cases):
        generated, true = right(seed)
        if differences(run_specification(generated, BREACHES[name]), true):
            return seed
    return None


class FirstEndEndsAll(Nested):
    """Rule 23: of what has begun several times, the first end ends all."""

    def end(self, index: int) -> tuple[bool, str]:
        self._open[index] = min(self._open[index], 1)
        return super().end(index)


@pytest.mark.parametrize("what", ["_failures", "_withdrawals", "_stops"])
def test_ends_that_end_all_are_noticed(what: str) -> None:
    """Rule 23, which both engines leave to the control plane: that of one of them is broken."""

    class OfOne(Control):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            getattr(self, what).__class__ = FirstEndEndsAll

    for seed in range(CASES):
        generated, true = right(seed)
        if differences(run_specification(generated, control_class=OfOne), true):
            return
    pytest.fail(f"{CASES} generated runs did not notice that one end ended all of {what}")


def test_rule_5_breach_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 5: the compiled plane runs events at the control event's own time before it."""
    advance = CompiledPlane.advance

    def too_far(self: CompiledPlane, until: float) -> None:
        advance(self, float(np.nextafter(until, np.inf)))

    expected = {seed: run_compiled(case(seed)) for seed in range(1, 60, 2)}
    monkeypatch.setattr(CompiledPlane, "advance", too_far)
    assert any(differences(run_compiled(case(seed)), books) for seed, books in expected.items())


def find_late() -> None:
    """Print which generated run shows each breach that the first ones do not."""
    for name in BREACHES:
        seed = shown_by(name, 0, 10 * CASES)
        if seed is None or seed >= LATE:
            print(f'    "{name}": {seed},', flush=True)  # noqa: T201


if __name__ == "__main__":
    find_late()
