"""Calls of objects: to the home, through its thread and gates, and back.

Read ``visit`` from top to bottom: it is the life of a call. An object runs one thing at a time; while a call waits for
something elsewhere, others may begin. Nothing leaves before what was written before is confirmed.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from popsim.engine import draws
from popsim.engine.layout import (
    ALARM,
    BROADCAST,
    CPU,
    DEAD,
    END,
    KV_GET,
    KV_TRACE,
    OBJECT_CALL,
    OBJECT_LOST,
    OBJECT_OVERLOADED,
    OBJECT_UNAVAILABLE,
    OK,
    P_OBJECT,
    SET_ALARM,
    SLEEP,
    STORAGE_GET,
    STORAGE_PUT,
    TRANSACTION,
    WAKE,
    Inputs,
)
from popsim.engine.object_layout import (
    AWAIT,
    BACK,
    EXECUTE,
    GATE,
    HISTORY,
    O_ACTIVATIONS,
    O_ALARMS,
    O_BROADCASTS,
    O_FAILED,
    O_GETS,
    O_LOST,
    O_MOVES,
    O_OVERLOADED,
    O_PUTS,
    O_RESTARTS,
    O_TRANSACTIONS,
    O_UNAVAILABLE,
    OPEN,
    QUEUE,
    STORAGE,
    TO_HOME,
)
from popsim.engine.specification.actors import FOREVER, NEVER, Actor, Call, Job
from popsim.engine.specification.clock import at, trigger_at
from popsim.engine.specification.homes import Homes
from popsim.engine.specification.keys import Keys
from popsim.engine.specification.lookups import Lookups
from popsim.engine.specification.object_recorder import ObjectRecorder
from popsim.engine.specification.state import Step

Life = Generator[simpy.Event, Any, None]
Outcome = Generator[simpy.Event, Any, int]
ERRORS = {
    OBJECT_LOST: O_LOST,
    OBJECT_OVERLOADED: O_OVERLOADED,
    OBJECT_UNAVAILABLE: O_UNAVAILABLE,
}


class Calls:
    """The objects of a run, and what calls do with them."""

    def __init__(
        self,
        env: simpy.Environment,
        inputs: Inputs,
        lookups: Lookups,
        homes: Homes,
        keys: Keys,
        recorder: ObjectRecorder,
        plane: Any,
    ) -> None:
        self.env, self.inputs, self.lookups, self.plane = env, inputs, lookups, plane
        self.homes, self.keys, self.recorder = homes, keys, recorder
        self.rules = inputs.objects.scalars
        self.classes = inputs.objects.classes.tolist()
        self.base = int(inputs.kv.spaces[self.classes[0][0]].first)
        self.actors: dict[tuple[int, int], Actor] = {}
        self.sessions: Any = None  # sets itself

    # --- calling ------------------------------------------------------------------------------------------

    def find(self, number: int, object_class: int, replica: int = 0) -> Actor:
        """Return an object, or a replica of one, new if nobody has called it yet."""
        if (number, replica) not in self.actors:
            actor = Actor(number, object_class, replica)
            self.actors[number, replica] = actor
            if replica > 0:
                actor.home = self.homes.replica_hosts[replica - 1]
            else:
                self.sessions.begin(actor)
        return self.actors[number, replica]

    def call(self, request: Any, pc: int, step: Step, level: int) -> Outcome:
        """Call an object from where the request is, and wait for the answer (rule 38)."""
        site, before = request.compute, list(request.phases)
        began = self.env.now
        number = request.addressee
        if number < 0 or step.object_class != self.rules.message_class:
            space = self.classes[step.object_class][0]
            number = self.keys.of(request.number, request.client, space, 0)
        self.plane.tally(number, site)
        actor = self._target(request, self.find(number, step.object_class), site, step)
        if actor.home < 0:
            yield from self._pause(request, began)
            outcome = OBJECT_UNAVAILABLE
            self.recorder.count(request, step.object_class, O_UNAVAILABLE)
        else:
            outcome = yield from self.visit(request, actor, site, level, step.entry)
        request.compute = site
        if level == 0:
            request.phases[:] = before
            request.phases[P_OBJECT] += self.env.now - began
        return outcome

    def _target(self, task: Any, actor: Actor, site: int, step: Step) -> Actor:
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
        self, task: Any, actor: Actor, site: int, level: int, entry: int,
        out: float = 0.0, home: float = 0.0,
    ) -> Outcome:  # fmt: skip
        """Travel to an actor, run a program there, and travel back; ``out`` and ``home`` ms are more of the way."""
        call = self._call(task, actor, site, level)
        call.is_new, task.makes = task.makes and actor.replica == 0, False
        yield from self._pause(task, call.began + (out + call.rtt * 0.5))
        outcome = yield from self._deliver(call)
        if outcome == OK:
            outcome = yield from self._begin(call)
            if outcome == OK:
                outcome = yield from self._execute(call, entry)
                call.is_answer = call.generation == actor.generation
        if not call.is_answer:  # an error of the runtime
            yield from self._pause(task, self.env.now + (call.rtt * 0.5 + home))
        else:
            leave = max(self.env.now, self._gate(call))
            call.parts[GATE] += leave - self.env.now
            yield from self._pause(task, leave + (call.rtt * 0.5 + home))
            call.parts[BACK] += self.env.now - leave
        if not isinstance(task, Job):
            self._record(call, outcome)
        return outcome

    def _call(self, task: Any, actor: Actor, site: int, level: int) -> Call:
        rtt = self.homes.distance(site, actor.home)
        now = self.env.now
        return Call(task, actor, level, site, actor.home, actor.generation, now, rtt, mark=now)

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

    # --- at the home ----------------------------------------------------------------------------------------

    def _deliver(self, call: Call) -> Outcome:
        """Arrive, follow the object if it has moved, and get its thread (rules 40 to 42)."""
        actor, task = call.actor, call.task
        while call.generation == actor.generation and call.host != actor.home:
            old_site = self.homes.host_sites[call.host]
            call.host = actor.home
            on = self.homes.distance(old_site, call.host)
            call.rtt = self.homes.distance(call.site, call.host)
            yield from self._pause(task, self.env.now + on * 0.5)
        call.parts[TO_HOME] += self.env.now - call.mark
        if call.generation != actor.generation:
            return OBJECT_LOST
        if actor.replica > 0:
            yield from self._catch_up(call)
            if call.generation != actor.generation:
                return OBJECT_LOST
        elif not isinstance(task, Job):
            self._vote(actor, self.homes.nearest[call.site])
        return (yield from self._get_thread(call, self.rules.queue_limit))

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
            yield from self._pause(call.task, seen)
            call.parts[AWAIT] += self.env.now - before
            if call.generation != replica.generation:
                return
            newest = max(self.homes.visible(primary, replica, self.env.now), version)
        call.version = newest
        oldest = max(newest + 1, primary.version - HISTORY + 1)
        stale = self.env.now - primary.commits[oldest % HISTORY]
        self.recorder.replica_read(call, stale if newest < primary.version else NEVER)

    def _get_thread(self, call: Call, limit: int) -> Outcome:
        actor = call.actor
        if not self.rules.is_serial:
            return OK
        if not actor.is_busy:
            actor.is_busy = True
            return OK
        if 0 <= limit <= len(actor.waiting):
            return OBJECT_OVERLOADED
        before = self.env.now
        call.wake = self.env.event()
        actor.waiting.append(call)
        yield call.wake
        self.plane.count_event()
        call.parts[QUEUE] += self.env.now - before
        if call.killed or call.generation != actor.generation:
            return OBJECT_LOST
        return OK

    def _hand_over(self, actor: Actor) -> None:
        """Give the thread to the first who waits, at this same time (rule 41)."""
        if not actor.waiting:
            actor.is_busy = False
            return
        heir = actor.waiting.popleft()
        self._wake(heir, WAKE)

    def _wake(self, call: Call, rank: int) -> None:
        assert call.wake is not None
        task = call.task
        rank = task.rank if isinstance(task, Job) else rank
        trigger_at(call.wake, self.env.now, rank, task.number)

    def _begin(self, call: Call) -> Outcome:
        """Open the object if it is not in memory (rule 43)."""
        actor, now = call.actor, self.env.now
        actor.calls += 1
        if actor.calls == 1:
            self.recorder.idle(actor, now)
            actor.ready = max(now, actor.available)
            if actor.deadline <= now:
                drawn = self.lookups.draw(
                    self.rules.activation_table, draws.ACTIVATION, call.task.entity, call.level
                )
                actor.ready = actor.ready + drawn
                self.recorder.count(call.task, actor.object_class, O_ACTIVATIONS)
            actor.active_since = now
        if actor.ready > now:
            yield from self._pause(call.task, actor.ready)
            call.parts[OPEN] += self.env.now - now
            if call.generation != actor.generation:
                return OBJECT_LOST
        if call.is_new:
            self.recorder.spawned(call)
        return OK

    def _execute(self, call: Call, pc: int) -> Outcome:
        """Run the object's program (rules 43 to 46)."""
        actor, task = call.actor, call.task
        task.compute = self.homes.host_sites[call.host]
        has_thread, outcome = True, OK
        while outcome == OK:
            pc = self.plane.branch(task, pc)
            step = self.plane.steps[pc]
            if step.kind in (STORAGE_PUT, SET_ALARM, BROADCAST):
                outcome = self._at_once(call, pc, step)
                pc += 1
                continue
            if step.kind in (CPU, STORAGE_GET, TRANSACTION):
                outcome = yield from self._on_thread(call, pc, step)
                pc += 1
                continue
            if not self._commit(call, pc):
                outcome = OBJECT_UNAVAILABLE
                break
            if step.kind == END:
                break
            self._give_up_thread(actor)
            has_thread = False
            outcome = yield from self._wait(call, pc, step)
            is_lost = call.generation != actor.generation
            if is_lost or (outcome != OK and not step.is_tolerant):
                break
            jumps = step.kind in (KV_GET, KV_TRACE) and not task.is_absent
            pc = step.target if jumps else pc + 1
            outcome = yield from self._get_thread(call, -1)
            has_thread = True
        if call.generation == actor.generation:
            self._end(call, has_thread=has_thread)
        return outcome

    def _give_up_thread(self, actor: Actor) -> None:
        if self.rules.is_serial:
            self._hand_over(actor)

    def _on_thread(self, call: Call, pc: int, step: Step) -> Outcome:
        """Do something that nothing else of the object runs beside."""
        now, actor = self.env.now, call.actor
        drawn = self.lookups.draw(step.table, draws.STEP, call.task.entity, pc)
        yield from self._pause(call.task, now + drawn)
        call.parts[EXECUTE if step.kind == CPU else STORAGE] += self.env.now - now
        if call.generation != actor.generation:
            return OBJECT_LOST
        if step.kind == STORAGE_GET:
            self.recorder.count(call.task, actor.object_class, O_GETS)
        elif step.kind == TRANSACTION:
            self.recorder.count(call.task, actor.object_class, O_TRANSACTIONS)
            call.is_dirty = True
        return OK

    def _at_once(self, call: Call, pc: int, step: Step) -> int:
        """Do what takes no time and is no event."""
        actor, task = call.actor, call.task
        if step.kind == STORAGE_PUT:
            self.recorder.count(task, actor.object_class, O_PUTS)
            call.is_dirty = True
        elif step.kind == SET_ALARM:
            after = self.lookups.draw(step.table, draws.STEP, task.entity, pc)
            self.set_alarm(actor, self.env.now + after)
        else:
            if not self._commit(call, pc):
                return OBJECT_UNAVAILABLE
            self.recorder.count(task, actor.object_class, O_BROADCASTS)
            self.sessions.tell(call, actor, pc, max(self.env.now, self._gate(call)))
        return OK

    def _wait(self, call: Call, pc: int, step: Step) -> Outcome:
        """Wait for something elsewhere, once nothing unconfirmed could leak (rule 44)."""
        actor, task = call.actor, call.task
        gate = self._gate(call)
        if step.kind != SLEEP and gate > self.env.now:
            before = self.env.now
            yield from self._pause(task, gate)
            call.parts[GATE] += self.env.now - before
            if call.generation != actor.generation:
                return OBJECT_LOST
        before = self.env.now
        if step.kind == OBJECT_CALL:
            outcome = yield from self.call(task, pc, step, call.level + 1)
        else:
            outcome = yield from self.plane.run(task, pc, step)
        call.parts[AWAIT] += self.env.now - before
        return OBJECT_LOST if call.generation != actor.generation else outcome

    def _commit(self, call: Call, pc: int) -> bool:
        """Send what was written to the followers; False if too few are up (rule 45)."""
        if not call.is_dirty:
            return True
        call.is_dirty = False
        actor, now = call.actor, self.env.now
        place = (pc << 20) | (call.level << 16)
        wait = self.homes.confirmation(call.task.entity, call.host, place)
        if wait == FOREVER:
            self.restart(actor)
            return False
        actor.version += 1
        actor.commits[actor.version % HISTORY] = now
        self.recorder.committed(call)
        if self.rules.is_serial:
            actor.gate = max(actor.gate, now + wait)
        else:
            call.gate = max(call.gate, now + wait)
        return True

    def _gate(self, call: Call) -> float:
        return call.actor.gate if self.rules.is_serial else call.gate

    def _end(self, call: Call, *, has_thread: bool) -> None:
        """A call is done at the object: it may rest, or move (rules 46 to 48)."""
        actor, now = call.actor, self.env.now
        if actor.replica == 0:
            call.version = actor.version
        actor.calls -= 1
        if actor.calls == 0:
            self.recorder.active(actor, now)
            actor.idle_since = now
            actor.deadline = now + self.rules.hibernate_after
            if not self.classes[actor.object_class][4]:
                table = self.rules.evict_table
                entity, level = call.task.entity, call.level
                actor.deadline = now + self.lookups.draw(table, draws.STORED, entity, level)
            if not actor.waiting and (has_thread or not actor.is_busy):
                self._move(call)
        if has_thread and self.rules.is_serial:
            self._hand_over(actor)

    def _move(self, call: Call) -> None:
        actor, now = call.actor, self.env.now
        if not 0 < self.rules.votes <= actor.votes or not self.homes.is_up(actor.candidate):
            return
        index = (1 << 32) | call.level
        drawn = self.lookups.draw(self.rules.move_table, draws.TAKEOVER, call.task.entity, index)
        actor.home, actor.votes = actor.candidate, 0
        actor.available = now + drawn
        actor.deadline, actor.idle_since = NEVER, FOREVER
        self.recorder.count(call.task, actor.object_class, O_MOVES)

    # --- alarms ---------------------------------------------------------------------------------------------

    def set_alarm(self, actor: Actor, time: float) -> None:
        """Let an object's alarm go off at a time, instead of any other (rule 47)."""
        actor.alarm_turn += 1
        entity = (
            draws.ALARM_ENTITY + (actor.number << draws.TURN_BITS) + (actor.alarm_turn & 0xFFFFF)
        )
        client = actor.members[0].client if actor.members else 0
        job = Job(ALARM, (actor.number - self.base) << 1, entity, time, client)
        self.env.process(self._alarm(job, actor, actor.alarm_turn))

    def _alarm(self, job: Job, actor: Actor, turn: int) -> Life:
        yield from self._pause(job, job.start)
        if actor.alarm_turn != turn:
            return  # another took its place
        job.number += 1  # it does not ring any more, it runs
        if actor.alarm_runs:
            actor.alarm_is_late = True
            return
        actor.alarm_runs = True
        outcome = OBJECT_LOST
        while outcome == OBJECT_LOST:
            outcome = yield from self._alarm_run(job, actor)
        actor.alarm_runs = False
        if actor.alarm_is_late:
            actor.alarm_is_late = False
            self.set_alarm(actor, self.env.now)

    def _alarm_run(self, job: Job, actor: Actor) -> Outcome:
        host = actor.home if actor.home >= 0 else actor.lost_from
        site = self.homes.host_sites[host]
        if actor.home < 0 and not self.homes.place(job, actor, site, self.env.now):
            return OBJECT_UNAVAILABLE
        call = self._call(job, actor, self.homes.host_sites[actor.home], 0)
        outcome = yield from self._get_thread(call, -1)
        if outcome == OK:
            outcome = yield from self._begin(call)
        if outcome == OK:
            outcome = yield from self._execute(call, self.classes[actor.object_class][1])
        if outcome == OK:
            self.recorder.count(job, actor.object_class, O_ALARMS)
        return outcome

    # --- failure --------------------------------------------------------------------------------------------

    def fail_site(self, index: int) -> None:
        """Lose every object whose home is a site (rule 50)."""
        for actor in list(self.actors.values()):
            if actor.home >= 0 and self.homes.host_sites[actor.home] == index:
                self.lose(actor)
                if actor.replica == 0:
                    actor.lost_from, actor.home = actor.home, -1
                    actor.available = self.env.now

    def restart_class(self, object_class: int) -> None:
        """Restart every object of a class, as a deployment does."""
        for actor in list(self.actors.values()):
            if actor.object_class == object_class and actor.home >= 0:
                self.restart(actor)

    def restart(self, actor: Actor) -> None:
        """End all that runs in an object; it opens anew where it is."""
        self.lose(actor)
        self.recorder.count_at(self.env.now, actor.object_class, O_RESTARTS)

    def lose(self, actor: Actor) -> None:
        """End all that runs in an object: calls find out at their next event there, who waits dies now."""
        now = self.env.now
        actor.generation += 1
        for waiter in actor.waiting:
            waiter.killed = True
            self._wake(waiter, DEAD)
        actor.waiting.clear()
        if actor.calls > 0:
            self.recorder.active(actor, now)
        else:
            self.recorder.idle(actor, now)
        actor.is_busy, actor.calls, actor.votes = False, 0, 0
        actor.gate, actor.deadline, actor.idle_since = NEVER, NEVER, FOREVER
        self.sessions.cut(actor)

    # --- the clock ------------------------------------------------------------------------------------------

    def _pause(self, task: Any, time: float) -> Life:
        yield at(self.env, time, task.rank, task.number)
        self.plane.count_event()

    def close(self) -> None:
        """Count the time of what is still in memory when the run ends."""
        for actor in self.actors.values():
            if actor.calls > 0:
                self.recorder.active(actor, FOREVER)
            else:
                self.recorder.idle(actor, FOREVER)
