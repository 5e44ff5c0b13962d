"""Instances: acquire, start, reuse, release, expire, evict. One mechanism serves every runtime."""

from __future__ import annotations

from popsim.engine import draws
from popsim.engine.layout import (
    IDLE_CONSTANT,
    IDLE_DESTROY,
    IDLE_LAW,
    P_COLD_START,
    P_QUEUE,
    T_CODE_FETCH,
    T_IDLE,
    T_INIT,
    T_PLACEMENT,
    Rules,
)
from popsim.engine.recorder import (
    C_EVICTIONS,
    C_STARTS,
    D_BUSY_US,
    D_CODE_FETCH_NS,
    D_IDLE_US,
    D_INIT_NS,
    D_PLACEMENT_NS,
    Recorder,
    nanoseconds,
)
from popsim.engine.specification.lookups import Lookups
from popsim.engine.specification.state import Instance, Pool, Request, Site


class Instances:
    """What a site does with its instances."""

    def __init__(self, rules: Rules, lookups: Lookups, recorder: Recorder) -> None:
        self.rules = rules
        self.lookups = lookups
        self.recorder = recorder

    def bind(self, request: Request, site: Site, time: float) -> None:
        """Give a request an instance: partly used, else idle (newest first), else a new one."""
        self._sweep(site, time)
        pool = site.pools.setdefault(request.function, Pool())
        if pool.partly_used:
            instance = next(reversed(pool.partly_used))
        else:
            instance = self._idle(pool, site, time) or self._start(request, site, time)
            instance.busy_since = time
        instance.active += 1
        if instance.active == self.rules.concurrency:
            pool.partly_used.pop(instance, None)
        elif instance.active == 1:
            pool.partly_used[instance] = None
        request.instance = instance

    def release(self, request: Request, site: Site, time: float) -> Request | None:
        """Take a request out of its instance; return the waiter who inherits its place, if any."""
        instance = request.instance
        assert instance is not None
        pool = site.pools[request.function]
        instance.active -= 1
        if instance.active == 0:
            pool.partly_used.pop(instance, None)
            self.recorder.instance_time(D_BUSY_US, instance.busy_since, time)
            self._retire(request, instance, pool, site, time)
        elif instance.active == self.rules.concurrency - 1:
            pool.partly_used[instance] = None
        if pool.waiting:
            return pool.waiting.popleft()
        pool.active -= 1
        return None

    def run_cpu(self, request: Request, duration: float, time: float) -> tuple[float, float]:
        """Return (start, finish) of a CPU step, and record what it waited for (rules 7, 15)."""
        instance = request.instance
        assert instance is not None
        serial = self.rules.cpu_serial
        start = max(time, instance.busy if serial else instance.ready)
        finish = start + duration
        if serial:
            instance.busy = finish
        cold = max(0.0, min(start, instance.ready) - time)
        request.phases[P_COLD_START] += cold
        request.phases[P_QUEUE] += (start - time) - cold
        return start, finish

    def destroy_all(self, site: Site, time: float) -> None:
        """Lose every instance of a failed site."""
        for instance in site.instances:
            if instance.active > 0:
                self.recorder.instance_time(D_BUSY_US, instance.busy_since, time)
            else:
                self._count_idle(instance, time)
        site.instances.clear()
        site.least_recent.clear()
        site.pools.clear()

    def count_remaining(self, site: Site) -> None:
        """Count the idle time of what is still there when the run ends."""
        for instance in site.instances:
            self._count_idle(instance, float("inf"))

    def _idle(self, pool: Pool, site: Site, time: float) -> Instance | None:
        while pool.idle:
            instance, _ = pool.idle.popitem()
            self._count_idle(instance, time)
            site.least_recent.pop(instance, None)
            if instance.expiry > time:
                return instance
            self._forget(instance, site)
        return None

    def _start(self, request: Request, site: Site, time: float) -> Instance:
        rules = self.rules
        if rules.most_instances > 0:
            while len(site.instances) >= rules.most_instances and site.least_recent:
                victim = next(iter(site.least_recent))
                self._drop(victim, site, time)
                self.recorder.count(C_EVICTIONS)
        visible = 0.0
        if rules.has_cold_start:
            visible = max(0.0, self._start_up(request) - request.hidden)
        instance = Instance(request.function, ready=time + visible, busy=time + visible)
        site.instances[instance] = None
        request.cold = rules.has_cold_start
        if request.start >= rules.warmup:
            self.recorder.count(C_STARTS)
        return instance

    def _start_up(self, request: Request) -> float:
        """Return placement + code fetch + init in ms; the entity is who caused the start (rule 8)."""
        lookups, recorder = self.lookups, self.recorder
        placement_word, fetch_word = lookups.words(draws.START, request.number, 0)
        init_word, _ = lookups.words(draws.START, request.number, 1)
        placement = lookups.table(T_PLACEMENT, placement_word)
        code_fetch = lookups.table(T_CODE_FETCH, fetch_word)
        init = lookups.table(T_INIT, init_word)
        if request.start >= self.rules.warmup:
            recorder.add(D_PLACEMENT_NS, nanoseconds(placement))
            recorder.add(D_CODE_FETCH_NS, nanoseconds(code_fetch))
            recorder.add(D_INIT_NS, nanoseconds(init))
        return (placement + code_fetch) + init

    def _retire(
        self, request: Request, instance: Instance, pool: Pool, site: Site, time: float
    ) -> None:
        rules = self.rules
        if rules.idle_kind == IDLE_DESTROY:
            self._forget(instance, site)
            return
        instance.idle_since = time
        if rules.idle_kind == IDLE_CONSTANT:
            instance.expiry = time + rules.idle_constant
            if rules.keeps_idle_in_order:
                site.least_recent[instance] = None
        elif rules.idle_kind == IDLE_LAW:
            instance.expiry = time + self.lookups.draw(T_IDLE, draws.IDLE, request.number, 0)
        else:
            instance.expiry = float("inf")
        pool.idle[instance] = None

    def _sweep(self, site: Site, time: float) -> None:
        """Drop expired instances of any function, least recently used first (rule 13)."""
        while site.least_recent:
            instance = next(iter(site.least_recent))
            if instance.expiry > time:
                return
            self._drop(instance, site, time)

    def _drop(self, instance: Instance, site: Site, time: float) -> None:
        del site.least_recent[instance]
        del site.pools[instance.function].idle[instance]
        self._count_idle(instance, time)
        self._forget(instance, site)

    def _forget(self, instance: Instance, site: Site) -> None:
        del site.instances[instance]

    def _count_idle(self, instance: Instance, time: float) -> None:
        end = min(time, instance.expiry)
        self.recorder.instance_time(D_IDLE_US, instance.idle_since, end)
