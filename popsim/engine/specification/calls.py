"""Calls of objects: to the home, and back.

Read ``visit`` from top to bottom: it is the life of a call.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from popsim.engine import draws
from popsim.engine.arrays import Row
from popsim.engine.layout import (
    OBJECT_LOST,
    OBJECT_OVERLOADED,
    OBJECT_UNAVAILABLE,
    OK,
    P_OBJECT,
    Inputs,
)
from popsim.engine.object_layout import (
    AWAIT,
    BACK,
    GATE,
    O_FAILED,
    O_LOST,
    O_OVERLOADED,
    O_PAYLOAD_BYTES,
    O_UNAVAILABLE,
    TO_HOME,
)
from popsim.engine.specification.actors import NEVER, Actor, Call, Job
from popsim.engine.specification.homes import new_call
from popsim.engine.specification.keys import Keys
from popsim.engine.specification.threads import Threads

Life = Generator[simpy.Event, Any, None]
Outcome = Generator[simpy.Event, Any, int]
ERRORS = {
    OBJECT_LOST: O_LOST,
    OBJECT_OVERLOADED: O_OVERLOADED,
    OBJECT_UNAVAILABLE: O_UNAVAILABLE,
}


class Calls:
    """The objects of a run, and calls on their way."""

    def __init__(self, inputs: Inputs, threads: Threads, keys: Keys) -> None:
        self.env, self.threads, self.keys = threads.env, threads, keys
        self.plane, self.homes, self.recorder = threads.plane, threads.homes, threads.recorder
        self.rules, self.classes = threads.rules, threads.classes
        self.base = int(inputs.kv.spaces[self.classes[0].space].first)
        self.actors: dict[tuple[int, int], Actor] = {}
        threads.calls = self

    def find(self, number: int, object_class: int, replica: int = 0) -> Actor:
        """Return an object, or a replica of one, new if nobody has called it yet."""
        if (number, replica) not in self.actors:
            actor = Actor(number, object_class, replica)
            self.actors[number, replica] = actor
            if replica > 0:
                actor.home = self.homes.replica_hosts[replica - 1]
                self.recorder.exists(object_class, self.env.now)
            else:
                if self.homes.replica_hosts:
                    actor.commits = [NEVER] * self.rules.history
                self.threads.sessions.begin(actor)
        return self.actors[number, replica]

    def call(self, request: Any, pc: int, step: Row, level: int) -> Outcome:
        """Call an object from where the request is, and wait for the answer (rule 38)."""
        site, before = request.compute, list(request.phases)
        caller, turn = request.turn, request.calls
        request.calls += 1
        began = self.env.now
        number = request.addressee
        if number < 0 or step.object_class != self.rules.message_class:
            space = self.classes[step.object_class].space
            number = self.keys.of(request.number, request.client, space, 0)
        self.plane.tally(number, site)
        actor = self._target(request, self.find(number, step.object_class), site, step)
        if actor.home < 0:
            yield from self.threads.pause(request, began)
            outcome = OBJECT_UNAVAILABLE
            self.recorder.count(request, step.object_class, O_UNAVAILABLE)
        else:
            place = draws.position(caller, pc)
            sent = self.threads.lookups.draw(step.table, draws.STEP, request.entity, place)
            self.recorder.count(request, step.object_class, O_PAYLOAD_BYTES, int(sent + 0.5))
            outcome = yield from self.visit(request, actor, site, level, turn, step.entry)
        request.compute, request.turn = site, caller
        if level == 0:
            request.phases[:] = before
            request.phases[P_OBJECT] += self.env.now - began
        return outcome

    def _target(self, task: Any, actor: Actor, site: int, step: Row) -> Actor:
        """Return who answers: the object at its home, or a replica that is nearer; home -1 if nobody can."""
        replica = self.homes.nearest_replica(site) if step.only_reads else 0
        is_known = actor.home >= 0 or actor.lost_from >= 0
        if actor.home < 0 and (replica == 0 or not is_known):
            is_new = actor.lost_from < 0
            task.makes = self.homes.place(task, actor, site, self.env.now) and is_new
        if replica == 0:
            return actor
        host = self.homes.replica_hosts[replica - 1]
        nearest = self.homes.distance(site, host)
        if actor.home >= 0 and self.homes.distance(site, actor.home) <= nearest:
            return actor
        return self.find(actor.number, actor.object_class, replica)

    def visit(
        self, task: Any, actor: Actor, site: int, level: int, turn: int, entry: int,
        out: float = 0.0, home: float = 0.0,
    ) -> Outcome:  # fmt: skip
        """Travel to an actor, run a program there, and travel back; ``out`` and ``home`` ms are more of the way."""
        call = new_call(self.homes, self.env.now, task, actor, site, level, turn)
        call.is_new, task.makes = task.makes and actor.replica == 0, False
        yield from self.threads.pause(task, call.began + (out + call.rtt * 0.5))
        outcome = yield from self._deliver(call)
        if outcome == OK:
            outcome = yield from self.threads.begin(call)
            if outcome == OK:
                outcome = yield from self.threads.execute(call, entry)
                call.is_answer = call.generation == actor.generation
        if not call.is_answer:  # an error of the runtime
            yield from self.threads.pause(task, self.env.now + (call.rtt * 0.5 + home))
        else:
            leave = max(self.env.now, self.threads.gate(call))
            call.parts[GATE] += leave - self.env.now
            yield from self.threads.pause(task, leave + (call.rtt * 0.5 + home))
            call.parts[BACK] += self.env.now - leave
        if not isinstance(task, Job):
            self._record(call, outcome)
        return outcome

    def _record(self, call: Call, outcome: int) -> None:
        actor, task = call.actor, call.task
        if outcome != OK:
            column = O_FAILED if call.is_answer else ERRORS[outcome]
            self.recorder.count(task, actor.object_class, column)
            return
        task.object, task.object_version = actor.number, call.version
        if actor.replica == 0:
            task.bookmark = (actor.number, call.version)
        self.recorder.answered(call, self.env.now)

    def _deliver(self, call: Call) -> Outcome:
        """Arrive, follow the object if it has moved, and get its thread (rules 40 to 42)."""
        actor, task = call.actor, call.task
        while call.generation == actor.generation and call.host != actor.home:
            old_site = self.homes.host_sites[call.host]
            call.host = actor.home
            on = self.homes.distance(old_site, call.host)
            call.rtt = self.homes.distance(call.site, call.host)
            yield from self.threads.pause(task, self.env.now + on * 0.5)
        call.parts[TO_HOME] += self.env.now - call.mark
        if call.generation != actor.generation:
            return OBJECT_LOST
        if actor.replica > 0:
            yield from self._catch_up(call)
            if call.generation != actor.generation:
                return OBJECT_LOST
        elif not isinstance(task, Job):
            self._vote(actor, self.homes.nearest[call.site])
        return (yield from self.threads.get(call, self.rules.queue_limit))

    def _vote(self, actor: Actor, host: int) -> None:
        """Count a call for the host that would be nearest to its caller (rule 48)."""
        if host == actor.home:
            actor.votes = max(actor.votes - 1, 0)
        elif host == actor.candidate:
            actor.votes += 1
        elif actor.votes == 0:
            actor.candidate, actor.votes = host, 1
        else:
            actor.votes -= 1

    def _catch_up(self, call: Call) -> Life:
        """Wait until a replica has what this very request wrote before, and read what it has (rule 49)."""
        replica = call.actor
        primary = self.actors[replica.number, 0]
        number, version = call.task.bookmark
        newest = self.homes.visible(primary, replica, self.env.now)
        if number == replica.number and newest < version:
            before = self.env.now
            seen = max(before, self.homes.arrival(primary, replica, version))
            yield from self.threads.pause(call.task, seen)
            call.parts[AWAIT] += self.env.now - before
            if call.generation != replica.generation:
                return
            newest = max(self.homes.visible(primary, replica, self.env.now), version)
        call.version = newest
        history, stale = self.rules.history, NEVER
        if newest < primary.version:
            oldest = max(newest, primary.version - history) + 1
            stale = self.env.now - primary.commits[oldest % history]
        is_truncated = 0 < newest <= primary.version - history
        self.recorder.replica_read(call, stale, is_truncated=is_truncated)

    # --- failure ----------------------------------------------------------------------------------------------

    def fail_site(self, index: int) -> None:
        """Lose every object whose home is a site (rule 50)."""
        for actor in list(self.actors.values()):
            if actor.home >= 0 and self.homes.host_sites[actor.home] == index:
                self.threads.lose(actor)
                if actor.replica == 0:
                    if actor.available <= self.env.now:  # else the one before still has it
                        actor.lost_from = actor.home
                    actor.home, actor.available = -1, self.env.now

    def restart_class(self, object_class: int) -> None:
        """Restart every object of a class, as a deployment does."""
        for actor in list(self.actors.values()):
            if actor.object_class == object_class and actor.home >= 0:
                self.threads.restart(actor)

    def close(self) -> None:
        """Count the time of what is still in memory when the run ends."""
        for actor in self.actors.values():
            self.threads.close(actor)
