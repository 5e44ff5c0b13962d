"""The data plane as one SimPy process per request: the executable specification.

Read ``request`` from top to bottom: it is the life of a request. The compiled engine must give every
request the same result, bit for bit; docs/background/semantics.md has the rules, cited here by number.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.arrays import Floats, Row, rows
from popsim.engine.cosimulation import Tell
from popsim.engine.draws import WordSource
from popsim.engine.layout import Inputs
from popsim.engine.recorder import C_ARRIVALS, C_EVENTS, Books, Recorder
from popsim.engine.specification.alarms import Alarms
from popsim.engine.specification.arrivals import candidates, is_accepted
from popsim.engine.specification.calls import Calls
from popsim.engine.specification.clock import at, trigger_at
from popsim.engine.specification.connection import Connections, is_open
from popsim.engine.specification.homes import Ask, Homes
from popsim.engine.specification.instances import Instances
from popsim.engine.specification.kv import KeyValue
from popsim.engine.specification.kv_recorder import KvRecorder
from popsim.engine.specification.kv_write import Writes
from popsim.engine.specification.lookups import Lookups
from popsim.engine.specification.object_recorder import ObjectRecorder
from popsim.engine.specification.sessions import Sessions
from popsim.engine.specification.state import NEVER, Pool, Request, Site
from popsim.engine.specification.threads import Threads

STEPS_PER_REPORT = 5_000
Life = Generator[simpy.Event, Any, None]


class SpecificationPlane:
    """Requests as SimPy processes in the environment that also runs the control plane."""

    def __init__(
        self,
        env: simpy.Environment,
        inputs: Inputs,
        word_source: WordSource = draws.words,
        ask: Ask | None = None,
    ) -> None:
        self.env = env
        self.inputs = inputs
        self.rules = inputs.rules
        self.steps = rows(inputs.steps)
        self.branches = rows(inputs.branches)
        self.lookups = Lookups(inputs, word_source)
        self.recorder = Recorder(inputs)
        self.sites = [Site() for _ in range(inputs.site_count)]
        self.instances = Instances(self.rules, self.lookups, self.recorder)
        self.connections = Connections(inputs, self.lookups, self.sites)
        kv_recorder = KvRecorder(inputs, self.recorder.books.kv)
        self.kv = KeyValue(env, inputs, self.lookups, self.sites, kv_recorder, self.count_event)
        kv_recorder.versions, kv_recorder.caches = self.kv.versions, self.kv.caches
        self.kv_writes = Writes(self.kv)
        self.calls: Calls | None = None
        self.sessions: Sessions | None = None
        self.tallied: dict[tuple[int, int], int] | None = None  # calls by (object, site)
        if inputs.objects.is_used:
            recorder = ObjectRecorder(inputs, self.recorder.books.objects)
            homes = Homes(inputs, self.lookups, self.sites, recorder, ask)
            threads = Threads(env, inputs, self.lookups, homes, recorder, self)
            self.calls = Calls(inputs, threads, self.kv.keys)
            Alarms(threads, self.calls.base)
            self.sessions = Sessions(inputs, self.calls, self.connections)
        self.surge: Floats = np.ones(len(inputs.clients))
        self.upstream_used = [NEVER] * len(inputs.upstreams)
        self.fetch_used = [NEVER] * len(inputs.origin_rtt)
        self.origin_rtt: list[float] = inputs.origin_rtt.tolist()
        self.tell: Tell | None = None
        self.steps_made = 0
        self.in_flight = 0
        self.arrivals_done = False
        env.process(self.arrivals())

    # --- the clock --------------------------------------------------------------------------------------

    def advance(self, until: float) -> None:
        """Run every event before ``until`` (ms), or until no request is left (rule 5)."""
        while self.env.peek() < until and not self.is_drained:
            self.env.step()
            self.steps_made += 1
            if self.tell is not None and self.steps_made % STEPS_PER_REPORT == 0:
                self.tell(self.env.now)

    @property
    def is_drained(self) -> bool:
        """Tell whether no request is in flight and none will come."""
        return self.arrivals_done and self.in_flight == 0

    # --- the life of a request ---------------------------------------------------------------------------

    def arrivals(self) -> Life:
        """Start a process for each accepted candidate, at its time."""
        for time, number, client in candidates(self.inputs, self.lookups):
            yield at(self.env, time, lay.NEW, number)
            if is_accepted(self.inputs, self.lookups, self.surge, time, number, client):
                self.in_flight += 1
                self.recorder.count(C_ARRIVALS)
                self.env.process(self.request(Request(number, time, client)))
        self.arrivals_done = True

    def request(self, request: Request) -> Life:
        """From the client to the ingress, through the platform, and back."""
        start = request.start
        self.recorder.count(C_EVENTS)
        if self.rules.arrivals == lay.MESSAGES:
            return (yield from self.message(request))
        if self.inputs.rules.function_count > 1:
            _, word = self.lookups.words(draws.USER, request.number, draws.USER_CLIENT_FUNCTION)
            request.function = self.lookups.function(word)
        if not self.connections.route(request):
            return self.end(request, 0.0, lay.NO_ROUTE)
        setup = self.connections.connect(request, start)
        delay = setup + request.rtt * 0.5
        yield from self.pause(request, start + delay, lay.ENTER)
        request.phases[lay.P_NETWORK] += (self.env.now - start) - setup
        ingress = self.sites[request.ingress]
        if not ingress.up:
            return self.fail(request, lay.SITE_DOWN)
        if request.compute != request.ingress or self.rules.front_door:
            yield from self.forward(request)
        site = self.sites[request.compute]
        if not site.up:
            return self.fail(request, lay.SITE_DOWN)
        epoch = site.epoch
        granted = yield from self.acquire(request, site)
        if not granted:
            return self.fail(request, lay.KILLED if request.killed else lay.THROTTLED)
        yield from self.handle(request, site, epoch, 0)

    def message(self, request: Request) -> Life:
        """From a participant over its session to the object and back; no instance is needed (rule 52)."""
        assert self.sessions is not None
        if not self.sessions.send(request):
            return self.end(request, 0.0, lay.DISCONNECTED)
        yield from self.pause(request, request.start + request.rtt * 0.5, lay.ENTER)
        request.phases[lay.P_NETWORK] += self.env.now - request.start
        site = self.sites[request.ingress]
        if not site.up:
            return self.fail(request, lay.SITE_DOWN)
        yield from self.handle(request, site, site.epoch, request.entry)

    def handle(self, request: Request, site: Site, epoch: int, pc: int) -> Life:
        """Run the handler's program, and answer."""
        pc = self.branch(request, pc)
        while self.steps[pc].kind != lay.END:
            step = self.steps[pc]
            outcome = yield from self.run(request, pc, step)
            if site.epoch != epoch:
                return self.fail(request, lay.KILLED)  # it releases nothing there (rule 22)
            if outcome != lay.OK and not step.is_tolerant:
                self.release(request, site)
                return self.fail(request, outcome)
            jumps = step.kind in (lay.KV_GET, lay.KV_TRACE) and not request.is_absent
            pc = self.branch(request, step.target if jumps else pc + 1)
        self.release(request, site)
        self.respond(request)

    def pause(self, request: Request, time: float, rank: int) -> Life:
        """Wait for this request's next event."""
        yield at(self.env, time, rank, request.number)
        self.count_event()

    def count_event(self) -> None:
        """Count an event."""
        self.recorder.count(C_EVENTS)

    def branch(self, request: Request, pc: int) -> int:
        """Follow jumps and choices, which take no time, to the next step (rule 28)."""
        while self.steps[pc].kind in (lay.CHOOSE, lay.JUMP):
            step = self.steps[pc]
            if step.kind == lay.JUMP:
                pc = step.target
                continue
            place = draws.position(request.turn, pc)
            word, _ = self.lookups.words(draws.STEP, request.entity, place)
            kind = int(self.inputs.clients[request.client].kind)
            row = step.target + kind * step.count
            while not draws.uniform(word) < self.branches[row].cumulative:
                row += 1
            pc = self.branches[row].target
        return pc

    def forward(self, request: Request) -> Life:
        """From the ingress through the front door to the compute site (rules 6, 18)."""
        rules, now = self.rules, self.env.now
        front = 0.0
        if rules.front_door:
            front = self.lookups.draw(lay.T_FRONT_DOOR, draws.FRONT_DOOR, request.number, 0)
        round_trips = 0
        if rules.upstream_round_trips > 0:
            used, idle_timeout = self.upstream_used[request.upstream], rules.upstream_idle_timeout
            ends = (self.sites[request.ingress], self.sites[request.compute])
            if not is_open(used, now, idle_timeout, *ends):
                round_trips = rules.upstream_round_trips
            self.upstream_used[request.upstream] = now
        delay = (front + round_trips * request.rtt_upstream) + request.rtt_upstream * 0.5
        yield from self.pause(request, now + delay, lay.ENTER)
        request.phases[lay.P_FRONT_DOOR] += front
        request.phases[lay.P_NETWORK] += (self.env.now - now) - front

    def acquire(self, request: Request, site: Site) -> Generator[simpy.Event, Any, bool]:
        """Get an instance, at once or after a wait; False if throttled or killed (rule 16)."""
        rules = self.rules
        pool = site.pools.setdefault(request.function, Pool())
        if rules.max_requests > 0 and pool.active >= rules.max_requests:
            if 0 <= rules.queue_limit <= len(pool.waiting):
                return False
            request.mark = self.env.now
            request.wake = self.env.event()
            pool.waiting.append(request)
            yield request.wake
            self.recorder.count(C_EVENTS)
            request.phases[lay.P_QUEUE] += self.env.now - request.mark
            if request.killed:
                return False
        else:
            pool.active += 1
        self.instances.bind(request, site, self.env.now)
        return True

    def run(self, request: Request, pc: int, step: Row) -> Generator[simpy.Event, Any, int]:
        """Run one step of the handler; return its outcome."""
        if step.kind == lay.OBJECT_CALL:
            assert self.calls is not None
            return (yield from self.calls.call(request, pc, step, 0))
        if step.kind >= lay.KV_GET:
            return (yield from self.run_kv(request, pc, step))
        now, round_trips, idle_timeout = self.env.now, step.round_trips, step.idle_timeout
        place = draws.position(request.turn, pc)
        duration = self.lookups.draw(step.table, draws.STEP, request.entity, place)
        if step.kind == lay.CPU:
            start, finish = self.instances.run_cpu(request, duration, now)
            request.phases[lay.P_EXECUTE] += finish - start
        elif step.kind == lay.SLEEP:
            finish = now + duration
            request.phases[lay.P_SLEEP] += finish - now
        else:
            pool = request.compute * self.inputs.origin_count + step.origin
            rtt = self.origin_rtt[pool]
            site = self.sites[request.compute]
            if not is_open(self.fetch_used[pool], now, idle_timeout, site):
                round_trips = round_trips + step.handshakes
            self.fetch_used[pool] = now
            finish = now + (round_trips * rtt + duration)
            request.phases[lay.P_FETCH] += finish - now
        yield from self.pause(request, finish, request.rank)
        return lay.OK

    def run_kv(self, request: Request, pc: int, step: Row) -> Generator[simpy.Event, Any, int]:
        """Run a step that asks the key-value store."""
        key = self.kv.keys.of(request.number, request.client, step.space, 0)
        kind, ttl = step.kind, float("inf")
        if kind == lay.KV_TRACE:
            row = self.inputs.trace[request.number]
            kind, ttl = int(row.kind), float(row.expiry)
        elif step.expiry_row >= 0:
            country = int(self.inputs.clients[request.client].country)
            row_start = step.expiry_row * self.inputs.country_count
            ttl = float(self.inputs.kv.expiries[row_start + country])
        request.is_absent = kind == lay.KV_GET  # until the read knows better
        if kind == lay.KV_LIST:
            return (yield from self.kv_writes.listing(request, pc, step))
        if kind == lay.KV_GET:
            keys = [key] + [
                self.kv.keys.of(request.number, request.client, step.space, place)
                for place in range(1, step.count)
            ]
            return (yield from self.kv.get(request, pc, step, keys))
        is_absent = kind == lay.KV_DELETE
        return (yield from self.kv_writes.put(request, pc, step, key, ttl, is_absent=is_absent))

    def release(self, request: Request, site: Site) -> None:
        """Leave the instance and wake the first waiter at this same time (rule 16)."""
        if request.instance is None:
            return  # a message needs none
        heir = self.instances.release(request, site, self.env.now)
        if heir is not None:
            assert heir.wake is not None
            trigger_at(heir.wake, self.env.now, lay.WAKE, heir.number)

    def respond(self, request: Request) -> None:
        """Send the response; nothing on its way back is checked (rule 12)."""
        now = self.env.now
        back = (request.rtt_upstream * 0.5 + request.rtt * 0.5) + request.slow_start
        arrival = now + back
        request.phases[lay.P_NETWORK] += arrival - now
        self.end(request, arrival - request.start, lay.OK)

    def fail(self, request: Request, outcome: int) -> None:
        """End a request where it is."""
        self.end(request, self.env.now - request.start, outcome)

    def end(self, request: Request, total: float, outcome: int) -> None:
        """Record a request and forget it."""
        self.in_flight -= 1
        if request.member >= 0 and outcome == lay.OK and self.sessions is not None:
            self.sessions.acknowledge(request, total)
        threshold = self.rules.sample_threshold
        sampled = threshold >= 1.0
        if not sampled:
            word, _ = self.lookups.words(draws.SAMPLE, request.number, 0)
            sampled = draws.uniform(word) < threshold
        self.recorder.finish(request, total, outcome, sampled=sampled)

    # --- verbs of the control plane ------------------------------------------------------------------------

    def fail_site(self, index: int, time: float) -> None:
        """Lose all that runs at a site; requests waiting there die now (rule 21)."""
        site = self.sites[index]
        site.up = False
        site.epoch += 1
        for pool in site.pools.values():
            for waiter in pool.waiting:
                waiter.killed = True
                assert waiter.wake is not None
                trigger_at(waiter.wake, time, lay.DEAD, waiter.number)
        if self.calls is not None and self.sessions is not None:
            self.calls.fail_site(index)
            self.sessions.cut_at(index)
        self.instances.destroy_all(site, time)

    def restore_site(self, index: int, time: float) -> None:
        """Let a site serve again at ``time`` = now, with nothing running."""
        site = self.sites[index]
        if not site.up:
            site.up, site.up_since = True, time

    def restart_class(self, index: int, time: float) -> None:
        """Restart every object of a class at ``time`` = now."""
        if self.calls is not None:
            self.calls.restart_class(index)

    def start_tally(self) -> None:
        """Count calls in ``tallied`` from now on."""
        self.tallied = {}

    def tally(self, number: int, site: int) -> None:
        """Count who calls an object, in a rehearsal."""
        if self.tallied is not None:
            self.tallied[number, site] = self.tallied.get((number, site), 0) + 1

    def set_store(self, index: int, *, is_up: bool) -> None:
        """Let a central store answer, or not."""
        self.kv.stores.is_up[index] = is_up

    def write(self, key: int, store: int, entity: int, time: float, *, is_absent: bool) -> None:
        """Write a key at a store at ``time`` = now."""
        self.kv_writes.write_now(key, store, entity, time, is_absent=is_absent)

    def set_withdrawn(self, index: int, withdrawn: bool) -> None:
        """Announce a site to the routing, or withdraw it."""
        self.sites[index].withdrawn = withdrawn

    def set_surge(self, factors: Floats) -> None:
        """Multiply the arrival rate of each client, shape (C,), from now on."""
        self.surge = factors.copy()

    def close(self) -> Books:
        """Return what was recorded."""
        for site in self.sites:
            self.instances.count_remaining(site)
        if self.calls is not None:
            self.calls.close()
        return self.recorder.close()
