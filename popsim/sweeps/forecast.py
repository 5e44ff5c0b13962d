"""Say before a run how many requests it has, how long it takes and how much memory, and refuse what cannot end.

The constants are measured (on the machine of benchmarks/README.md, each run of one core, at its slower end); tests hold the
forecast against runs, within a factor of three.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from popsim.engine.limits import expected_requests, largest_surge
from popsim.engine.network import select_sites
from popsim.engine.outputs import BUCKETS, COARSE, PHASES
from popsim.models.arrivals import hourly_profile
from popsim.scenario.document import Key
from popsim.scenario.errors import dotted
from popsim.scenario.laws import Law
from popsim.scenario.schema import Scenario
from popsim.scenario.steps import StepSpec
from popsim.sweeps.machine import available_bytes
from popsim.world.clients import load_clients

LONG_S = 600.0  # from here on the forecast is told
MOST_S = 2 * 86_400.0  # a run that takes longer is taken for a mistake
MUCH = 0.5  # of the memory: from here on the forecast is told
TOO_MUCH = 2.0  # times the memory: from here on it is refused, for the forecast is not exact

# Seconds of one core, compiled
START_S = 2.0  # imports, tables of laws, the latency graph
PATH_S = 1.5e-6  # per client, site and platform
FUNCTION_S = 1.2e-6  # per function: its place in the alias table
RUN_S = 0.04  # to build, keep and merge a run
CANDIDATE_S = 0.1e-6  # an arrival that is thinned out
REQUEST_S = 0.6e-6
FUNCTIONS_S = 0.4e-6  # more, with many functions: their pools are not in the processor's cache
IN_FLIGHT_S = 4e-6  # more, for one that stays long: its place is made, and is in no cache
STEP_S = 0.1e-6
KV_S = 2e-6  # a key that is read or written
CALL_S = 2.5e-6  # a call of an object
SEEN_S = 0.015e-6  # a participant who sees a broadcast
VERB_S = 20e-6  # something that the control plane does: Python
OUTAGE_S = 60e-6  # of a site: it begins, is noticed, ends, and that is noticed
SURGE_S = 4e-6  # for each that may hold at the same time, when one begins or ends
SIMPY = 190.0  # times as long on the other engine

# Bytes
PROCESS = 240e6  # Python, numpy, numba and the compiled engine
WORKER = 120e6  # what a worker does not share with its parent
PATH = 60.0  # per client, site: distances, round trips, residuals
CLIENT = 3_000.0  # per client: routes, and cells that nobody fills
HISTOGRAM = 8.0 * BUCKETS
FUNCTION = 120.0  # per function: alias table and its building
IN_FLIGHT = 900.0  # per request under way
POOL = 450.0  # per pool in use, with its instance
COPY = 200.0  # per cached copy of a key
OBJECT = 900.0  # per object that somebody has called
PARTICIPANT = 120.0
ROW = 300.0  # of a trace
OUTAGE = 1_500.0  # of a site
FEW, ENTRY = (
    30e3,
    16.0,
)  # of a run that is kept for the result: the least, and per bucket that is not empty
LIVES_MS = 600e3  # ASSUMPTION: an idle instance or copy lives for ten minutes, about
ANSWER_MS = 1_000.0  # ASSUMPTION: a request takes about a second, besides its steps


@dataclass(frozen=True)
class Forecast:
    """What a scenario will take, all runs together: about, and rather too much than too little."""

    requests: float
    seconds: float  # on all cores that it may use
    size: float  # bytes, at the peak
    slow: Key  # the key that says most about how long it takes
    large: Key  # and about how much memory

    @property
    def text(self) -> str:
        """Say it in words."""
        return f"about {_count(self.requests)} requests, {_time(self.seconds)}, {_size(self.size)} of memory"

    def is_worth_telling(self) -> bool:
        """Tell whether somebody should know before it begins."""
        available = available_bytes()
        return self.seconds > LONG_S or (available is not None and self.size > MUCH * available)

    def problem(self) -> tuple[Key, str, str] | None:
        """Return the key, what is wrong and what helps if the run cannot end; None if it can."""
        available = available_bytes()
        helps = "change {}, or go on with --force (in Python: force=True)"
        if not self.seconds <= MOST_S:
            what = f"this would take {self.text}; more than two days are taken for a mistake"
            return self.slow, what, helps.format(f"{dotted(self.slow)} or duration")
        if available is not None and not self.size <= TOO_MUCH * available:
            what = f"this would take {self.text}; {_size(available)} are free"
            return self.large, what, helps.format(dotted(self.large))
        return None


def forecast(scenario: Scenario, workers: int, engine: str | None = None) -> Forecast:
    """Foretell what a scenario that is right will take."""
    return _Forecast(scenario, workers, engine or scenario.engine).made()


class _Forecast:
    """What goes into a forecast; times and sizes by the key that causes them."""

    def __init__(self, scenario: Scenario, workers: int, engine: str) -> None:
        self.scenario, self.workload = scenario, scenario.workload
        self.workers = workers
        self.slower = SIMPY if engine == "simpy" else 1.0
        self.clients = len(
            load_clients(scenario.clients.topology).select(scenario.clients.where).ids
        )
        objects = self.workload.uses_objects
        self.sites = {
            name: len(select_sites(spec, with_hosts=objects)[0].ids)
            for name, spec in scenario.platforms.items()
        }
        self.runs = scenario.replications
        if scenario.precision is not None:
            self.runs = max(self.runs, scenario.max_replications)
        self.requests, self.candidates, self.source = self._arrivals()
        self.cost = _Cost(scenario)

    def made(self) -> Forecast:
        """Put it together."""
        runs = self.runs * len(self.sites)
        at_once = min(self.workers, runs)
        at_start, each = self._seconds_at_start(), self._seconds_of_run()
        turns = math.ceil(runs / at_once)
        is_long = sum(each.values()) * len(self.sites) > LONG_S
        sizes = {key: size * at_once for key, size in self._size_of_run().items()}
        sizes[("replications",)] = runs * self._size_of_result()
        return Forecast(
            requests=self.requests * runs,
            seconds=sum(at_start.values()) + sum(each.values()) * turns,
            size=PROCESS + (at_once * WORKER if at_once > 1 else 0.0) + sum(sizes.values()),
            slow=_largest(at_start | each if is_long else at_start | {("replications",): LONG_S}),
            large=_largest(sizes),
        )

    def _arrivals(self) -> tuple[float, float, Key]:
        """Return requests and candidates of a run, and the key that says how many."""
        arrivals = self.workload.arrivals
        count = expected_requests(self.scenario, self.clients)
        ways = ("rate", "every", "trace", "messages")
        way = next(name for name in ways if getattr(arrivals, name) is not None)
        path: Key = ("workload", "arrivals", way)
        if arrivals.rate is None:
            return count, count, path
        profile = hourly_profile(arrivals.by_local_hour)
        bound = largest_surge(self.scenario) * float(profile.max() / profile.mean())
        return count * self._surged(), count * bound, path

    def _surged(self) -> float:
        """Return by how much surges multiply all requests, at most."""
        share, duration = 1.0, self.scenario.duration
        for event in self.scenario.events:
            if event.surge is not None and event.surge.factor > 1.0:
                left = max(0.0, duration - event.at)
                lasting = left if event.lasting is None else min(left, event.lasting)
                share += (event.surge.factor - 1.0) * lasting / duration
        return min(share, largest_surge(self.scenario))

    def _seconds_at_start(self) -> dict[Key, float]:
        pairs = self.clients * sum(self.sites.values())
        each = self.runs if self.scenario.network.residual == "redrawn" else 1
        return {(): START_S, ("clients", "topology"): pairs * PATH_S * each}

    def _seconds_of_run(self) -> dict[Key, float]:
        functions = self.workload.functions.count
        request = REQUEST_S + self.cost.seconds + (FUNCTIONS_S if functions > 1 else 0.0)
        thinned = max(0.0, self.candidates - self.requests)
        key = self.source
        if self.candidates > 3.0 * self.requests:
            key = ("events",)
        found = {
            key: (self.requests * request + thinned * CANDIDATE_S) * self.slower
            + self._in_flight() * IN_FLIGHT_S,
            ("replications",): RUN_S,
            ("workload", "functions", "count"): functions * FUNCTION_S,
        }
        surges = sum(event.surge is not None for event in self.scenario.events)
        found[("events",)] = (
            found.get(("events",), 0.0) + self._outages() * OUTAGE_S + surges**2 * SURGE_S
        )
        for number, event in enumerate(self.scenario.events):
            if event.write is not None and event.write.every is not None:
                left = max(0.0, self.scenario.duration - event.at)
                found["events", number, "write", "every"] = left / event.write.every * VERB_S
        for name in self.workload.objects:
            if again := self.cost.alarm_every_ms(name):
                alarms = self._called(name) * self.scenario.duration / again
                seconds = alarms * (CALL_S + self.cost.of_handler(name, "alarm")) * self.slower
                found["workload", "objects", name, "handlers", "alarm"] = seconds
        return found

    def _outages(self) -> int:
        """Return how many outages of sites a run has, at most."""
        most = max(self.sites.values())
        failing = [event.fail for event in self.scenario.events if event.fail is not None]
        return sum(len(fail.sites or ()) + min(fail.busiest or 0, most) for fail in failing)

    def _in_flight(self) -> float:
        per_ms = self.requests / self.scenario.duration
        return min(self.requests, per_ms * (ANSWER_MS + self.cost.ms))

    def _called(self, name: str) -> float:
        """Return how many objects of a class somebody calls, at most."""
        return min(self.requests, float(self.workload.objects[name].count))

    def _size_of_run(self) -> dict[Key, float]:
        workload, sites = self.workload, max(self.sites.values())
        per_ms = self.requests / self.scenario.duration
        alive = min(self.requests, per_ms * LIVES_MS)
        groups = 300 + sites + 600 * (workload.uses_kv + workload.uses_objects)
        clients = self.clients * (COARSE * 8.0 + CLIENT + sites * PATH)
        sizes: dict[Key, float] = {
            ("clients", "topology"): clients + groups * HISTOGRAM,
            self.source: self._in_flight() * IN_FLIGHT,
            ("events",): self._outages() * OUTAGE,
        }
        functions: Key = ("workload", "functions", "count")
        pools = min(alive, float(sites * workload.functions.count))
        sizes[functions] = workload.functions.count * FUNCTION + pools * POOL
        for name, space in workload.keys.items():
            copies = min(self.requests * 2.0 * self.cost.keys, 2.0 * space.count * sites)
            sizes["workload", "keys", name, "count"] = copies * COPY
        for name, kind in workload.objects.items():
            members = 0 if kind.participants is None else kind.participants.count
            each = OBJECT + members * PARTICIPANT
            sizes["workload", "objects", name, "count"] = self._called(name) * each
        if workload.arrivals.trace is not None:
            sizes["workload", "arrivals", "trace"] = self.requests * ROW
        return sizes

    def _size_of_result(self) -> float:
        """Return the size of a run that is kept for the result: what is not empty of its histograms."""
        groups = 5.0 + 2.0 * len(PHASES)
        buckets = min(self.requests * groups, 40.0 * (self.clients + 600) + 400.0 * groups)
        return FEW + buckets * ENTRY


class _Cost:
    """What a request's program takes, every branch of it: seconds of computing, simulated ms, keys."""

    def __init__(self, scenario: Scenario) -> None:
        self.classes = scenario.workload.objects
        self.seconds = self.ms = self.keys = 0.0
        messages = scenario.workload.arrivals.messages
        if messages is None:
            self.seconds, self.ms, self.keys = self._of(scenario.workload.handler, None, 0)
        else:
            name = messages.object_class
            each = [self._of_handler(name, kind, 0) for kind in messages.rates]
            self.seconds, self.ms, self.keys = (max(part) for part in zip(*each, strict=True))
            self.seconds += CALL_S

    def of_handler(self, name: str, handler: str) -> float:
        """Return the seconds that a call of an object's handler takes."""
        return self._of_handler(name, handler, 0)[0]

    def alarm_every_ms(self, name: str) -> float | None:
        """Return after how long a class's alarms come again, if they do for ever."""
        laws = [
            step.alarm.after for step in self.classes[name].handlers.get("alarm", ()) if step.alarm
        ]
        return max(1.0, min(_ms(law) for law in laws)) if laws else None

    def _of_handler(self, name: str, handler: str, depth: int) -> tuple[float, float, float]:
        kind = self.classes.get(name)
        if kind is None or handler not in kind.handlers or depth > 8:
            return 0.0, 0.0, 0.0
        return self._of(kind.handlers[handler], name, depth + 1)

    def _of(
        self, steps: Iterable[StepSpec], name: str | None, depth: int
    ) -> tuple[float, float, float]:
        seconds = ms = keys = 0.0
        for step in steps:
            inner: list[tuple[float, float, float]] = []
            seconds += STEP_S
            if step.cpu is not None or step.sleep is not None:
                ms += _ms(step.cpu or step.sleep)
            if step.kv is not None:
                count = 1 if step.kv_get is None else step.kv_get.count
                seconds, keys = seconds + count * KV_S, keys + count
            for part in (step.kv_get, step.kv_trace):
                if part is not None:
                    inner.append(self._of(part.on_miss, name, depth))
            if step.choose is not None:
                ways = [self._of(branch.steps, name, depth) for branch in step.choose]
                inner.append(tuple(max(part) for part in zip(*ways, strict=True)))
            if step.object_call is not None:
                seconds += CALL_S
                call = step.object_call
                inner.append(self._of_handler(call.object_class, call.handler, depth))
            if step.broadcast is not None and name is not None:
                who = self.classes[name].participants
                seconds += SEEN_S * (0 if who is None else who.count)
            for more in inner:
                seconds, ms, keys = seconds + more[0], ms + more[1], keys + more[2]
        return seconds, ms, keys


def _ms(law: Law | None) -> float:
    mean = 0.0 if law is None else law.mean()
    return mean if math.isfinite(mean) else 1e6


def _largest(parts: Mapping[Key, float]) -> Key:
    return max(parts, key=lambda key: parts[key])


def _count(number: float) -> str:
    return f"{number:,.0f}" if number < 1e7 else f"{number:.2g}"


def _time(seconds: float) -> str:
    for name, length in (
        ("years", 31_557_600.0),
        ("days", 86_400.0),
        ("h", 3_600.0),
        ("min", 60.0),
    ):
        if seconds >= 2.0 * length:
            return f"{seconds / length:.2g} {name}"
    return f"{seconds:.2g} s"


def _size(size: float) -> str:
    if 1e11 <= size < 1e16:
        return f"{size / 1e9:,.0f} GB"
    return f"{size / 1e9:.2g} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
