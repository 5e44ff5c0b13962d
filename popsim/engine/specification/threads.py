"""Objects at home: the thread, the gates, the memory, and what ends them.

An object runs one thing at a time; while a call waits for something elsewhere, others may begin. Nothing leaves before
what was written before is confirmed.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from popsim.engine import draws
from popsim.engine.arrays import Row, rows
from popsim.engine.layout import (
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
    EXECUTE,
    GATE,
    O_ACTIVATIONS,
    O_BROADCASTS,
    O_GETS,
    O_MOVES,
    O_PUTS,
    O_RESTARTS,
    O_TRANSACTIONS,
    OPEN,
    QUEUE,
    SHORTEST_WAIT_MS,
    STORAGE,
)
from popsim.engine.specification.actors import FOREVER, NEVER, Actor, Call, Job
from popsim.engine.specification.clock import at, trigger_at
from popsim.engine.specification.homes import Homes
from popsim.engine.specification.lookups import Lookups
from popsim.engine.specification.object_recorder import ObjectRecorder

Life = Generator[simpy.Event, Any, None]
Outcome = Generator[simpy.Event, Any, int]


class Threads:
    """What objects do where they live."""

    def __init__(
        self,
        env: simpy.Environment,
        inputs: Inputs,
        lookups: Lookups,
        homes: Homes,
        recorder: ObjectRecorder,
        plane: Any,
    ) -> None:
        self.env, self.lookups, self.plane = env, lookups, plane
        self.homes, self.recorder = homes, recorder
        self.rules = inputs.objects.scalars
        self.classes = rows(inputs.objects.classes)
        self.calls: Any = None  # these three come later
        self.sessions: Any = None
        self.alarms: Any = None

    # --- the thread -------------------------------------------------------------------------------------------

    def get(self, call: Call, limit: int) -> Outcome:
        """Take an object's thread, wait for it, or be refused (rule 41)."""
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

    def hand_over(self, actor: Actor) -> None:
        """Give the thread to the first who waits, at this same time (rule 41)."""
        if not actor.waiting:
            actor.is_busy = False
            return
        heir = actor.waiting.popleft()
        self.wake(heir, WAKE)

    def wake(self, call: Call, rank: int) -> None:
        """Wake a call that waits, at this same time."""
        assert call.wake is not None
        task = call.task
        rank = task.rank if isinstance(task, Job) else rank
        trigger_at(call.wake, self.env.now, rank, task.number)

    def begin(self, call: Call) -> Outcome:
        """Open the object if it is not in memory (rule 43)."""
        actor, now = call.actor, self.env.now
        actor.calls += 1
        if actor.calls == 1:
            self.recorder.lived(actor, now)
            actor.ready = max(now, actor.available)
            if actor.deadline <= now:
                drawn = self.lookups.draw(
                    self.rules.activation_table, draws.ACTIVATION, call.task.entity, call.turn
                )
                actor.ready = actor.ready + drawn
                self.recorder.count(call.task, actor.object_class, O_ACTIVATIONS)
            actor.active_since, actor.idle_since = now, FOREVER
        if actor.ready > now:
            yield from self.pause(call.task, actor.ready)
            call.parts[OPEN] += self.env.now - now
            if call.generation != actor.generation:
                return OBJECT_LOST
        if call.is_new:
            self.recorder.spawned(call)
        return OK

    def execute(self, call: Call, pc: int) -> Outcome:
        """Run the object's program (rules 43 to 46)."""
        actor, task = call.actor, call.task
        task.compute, task.turn = self.homes.host_sites[call.host], call.turn
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
            if not self.commit(call, pc):
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
            outcome = yield from self.get(call, -1)
            has_thread = True
        if call.generation == actor.generation:
            self._end(call, has_thread=has_thread)
        return outcome

    def _give_up_thread(self, actor: Actor) -> None:
        if self.rules.is_serial:
            self.hand_over(actor)

    def _on_thread(self, call: Call, pc: int, step: Row) -> Outcome:
        """Do something that nothing else of the object runs beside."""
        now, actor = self.env.now, call.actor
        place = draws.position(call.turn, pc)
        drawn = self.lookups.draw(step.table, draws.STEP, call.task.entity, place)
        yield from self.pause(call.task, now + drawn)
        call.parts[EXECUTE if step.kind == CPU else STORAGE] += self.env.now - now
        if call.generation != actor.generation:
            return OBJECT_LOST
        if step.kind == STORAGE_GET:
            self.recorder.count(call.task, actor.object_class, O_GETS)
        elif step.kind == TRANSACTION:
            self.recorder.count(call.task, actor.object_class, O_TRANSACTIONS)
            call.is_dirty = True
        return OK

    def _at_once(self, call: Call, pc: int, step: Row) -> int:
        """Do what takes no time and is no event."""
        actor, task = call.actor, call.task
        if step.kind == STORAGE_PUT:
            self.recorder.count(task, actor.object_class, O_PUTS)
            call.is_dirty = True
        elif step.kind == SET_ALARM:
            place = draws.position(call.turn, pc)
            after = self.lookups.draw(step.table, draws.STEP, task.entity, place)
            self.alarms.set(actor, self.env.now + max(after, SHORTEST_WAIT_MS))
        else:
            if not self.commit(call, pc):
                return OBJECT_UNAVAILABLE
            self.recorder.count(task, actor.object_class, O_BROADCASTS)
            self.sessions.tell(call, actor, pc, max(self.env.now, self.gate(call)))
        return OK

    def _wait(self, call: Call, pc: int, step: Row) -> Outcome:
        """Wait for something elsewhere, once nothing unconfirmed could leak (rule 44)."""
        actor, task = call.actor, call.task
        gate = self.gate(call)
        if step.kind != SLEEP and gate > self.env.now:
            before = self.env.now
            yield from self.pause(task, gate)
            call.parts[GATE] += self.env.now - before
            if call.generation != actor.generation:
                return OBJECT_LOST
        before = self.env.now
        if step.kind == OBJECT_CALL:
            outcome = yield from self.calls.call(task, pc, step, call.level + 1)
        else:
            outcome = yield from self.plane.run(task, pc, step)
        call.parts[AWAIT] += self.env.now - before
        return OBJECT_LOST if call.generation != actor.generation else outcome

    # --- the gates --------------------------------------------------------------------------------------------

    def commit(self, call: Call, pc: int) -> bool:
        """Send what was written to the followers; False if too few are up (rule 45)."""
        if not call.is_dirty:
            return True
        call.is_dirty = False
        actor, now = call.actor, self.env.now
        place = draws.position(call.turn, pc) << draws.DETAIL_BITS
        wait = self.homes.confirmation(call.task.entity, call.host, place)
        if wait == FOREVER:
            self.restart(actor)
            return False
        actor.version += 1
        if actor.commits:
            actor.commits[actor.version % self.rules.history] = now
        self.recorder.committed(call)
        if self.rules.is_serial:
            actor.gate = max(actor.gate, now + wait)
        else:
            call.gate = max(call.gate, now + wait)
        return True

    def gate(self, call: Call) -> float:
        """Return when all that was written is confirmed."""
        return call.actor.gate if self.rules.is_serial else call.gate

    # --- the end ----------------------------------------------------------------------------------------------

    def _end(self, call: Call, *, has_thread: bool) -> None:
        """A call is done at the object: it may rest, or move (rules 46 to 48)."""
        actor, now = call.actor, self.env.now
        if actor.replica == 0:
            call.version = actor.version
        actor.calls -= 1
        actor.leaves = max(actor.leaves, now, self.gate(call))
        if actor.calls == 0:
            actor.idle_since = actor.leaves
            actor.deadline = self._deadline(call)
            if not actor.waiting and (has_thread or not actor.is_busy):
                self._move(call)
        if has_thread and self.rules.is_serial:
            self.hand_over(actor)

    def _deadline(self, call: Call) -> float:
        """Return when an idle object leaves the memory, if nothing comes (rule 43)."""
        actor = call.actor
        if self.classes[actor.object_class].hibernates:
            return actor.idle_since + self.rules.hibernate_after
        if actor.members:
            return FOREVER
        table, entity = self.rules.evict_table, call.task.entity
        return actor.idle_since + self.lookups.draw(table, draws.STORED, entity, call.turn)

    def _move(self, call: Call) -> None:
        actor, now = call.actor, self.env.now
        if not 0 < self.rules.votes <= actor.votes or not self.homes.is_up(actor.candidate):
            return
        entity = call.task.entity
        drawn = self.lookups.draw(self.rules.move_table, draws.MOVE, entity, call.turn)
        self.recorder.lived(actor, now)
        actor.lost_from, actor.home, actor.votes = actor.home, actor.candidate, 0
        actor.available = now + drawn
        actor.deadline, actor.idle_since, actor.active_since = NEVER, FOREVER, FOREVER
        self.recorder.count(call.task, actor.object_class, O_MOVES)

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
            self.wake(waiter, DEAD)
        actor.waiting.clear()
        self.recorder.lived(actor, now)
        actor.is_busy, actor.calls, actor.votes = False, 0, 0
        actor.deadline, actor.leaves = NEVER, NEVER
        actor.idle_since, actor.active_since = FOREVER, FOREVER
        self.sessions.cut(actor)

    def close(self, actor: Actor) -> None:
        """Count the time of what is still in memory when the run ends, and where it lives."""
        self.recorder.lived(actor, FOREVER)
        self.recorder.lives(actor)

    def pause(self, task: Any, time: float) -> Life:
        """Wait for a request's or job's next event."""
        yield at(self.env, time, task.rank, task.number)
        self.plane.count_event()
