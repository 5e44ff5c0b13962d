"""Alarms: an object wakes itself."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from popsim.engine import draws
from popsim.engine.layout import (
    ALARM,
    OBJECT_UNAVAILABLE,
    OK,
)
from popsim.engine.object_layout import O_ALARM_RETRIES, O_ALARMS, O_ALARMS_LOST
from popsim.engine.specification.actors import Actor, Job
from popsim.engine.specification.homes import new_call
from popsim.engine.specification.threads import Threads

Life = Generator[simpy.Event, Any, None]
Outcome = Generator[simpy.Event, Any, int]


class Alarms:
    """The alarms of all objects: one each, the one that was set last (rule 47)."""

    def __init__(self, threads: Threads, base: int) -> None:
        self.env, self.threads, self.homes = threads.env, threads, threads.homes
        self.recorder, self.base = threads.recorder, base
        threads.alarms = self

    def set(self, actor: Actor, time: float, tries: int = 0) -> None:
        """Let an object's alarm go off at a time, instead of any other (rule 47)."""
        actor.alarm_turn += 1
        entity, turn = draws.ALARM_ENTITY + actor.number, actor.alarm_turn
        client = actor.members[0].client if actor.members else 0
        job = Job(ALARM, (actor.number - self.base) << 1, entity, turn, time, client, tries=tries)
        self.env.process(self._ring(job, actor))

    def _ring(self, job: Job, actor: Actor) -> Life:
        yield from self.threads.pause(job, job.start)
        if actor.alarm_turn != job.turn:
            return  # another took its place
        job.number += 1  # it does not ring any more, it runs
        if actor.alarm_runs:
            actor.alarm_is_late = True
            return
        actor.alarm_runs = True
        outcome = yield from self._run(job, actor)
        actor.alarm_runs = False
        if actor.alarm_is_late:
            actor.alarm_is_late = False
            self.set(actor, self.env.now)
        elif outcome != OK and actor.alarm_turn == job.turn:
            self._try_again(job, actor)

    def _try_again(self, job: Job, actor: Actor) -> None:
        """Set an alarm anew whose run failed, twice as long from now as the last time; not for ever."""
        if job.tries >= self.threads.rules.alarm_retries:
            self.recorder.count(job, actor.object_class, O_ALARMS_LOST)
            return
        self.recorder.count(job, actor.object_class, O_ALARM_RETRIES)
        wait = self.threads.rules.alarm_retry * 2.0**job.tries
        self.set(actor, self.env.now + wait, job.tries + 1)

    def _run(self, job: Job, actor: Actor) -> Outcome:
        host = actor.home if actor.home >= 0 else actor.lost_from
        site = self.homes.host_sites[host]
        if actor.home < 0 and not self.homes.place(job, actor, site, self.env.now):
            return OBJECT_UNAVAILABLE
        site = self.homes.host_sites[actor.home]
        call = new_call(self.homes, self.env.now, job, actor, site, 0, job.turn)
        outcome = yield from self.threads.get(call, -1)
        if outcome == OK:
            outcome = yield from self.threads.begin(call)
        if outcome == OK:
            outcome = yield from self.threads.execute(
                call, self.threads.classes[actor.object_class].alarm_entry
            )
        if outcome == OK:
            self.recorder.count(job, actor.object_class, O_ALARMS)
        return outcome
