"""Breaches of the rules 38 to 54, of objects; see test_ablation.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from popsim.engine.layout import ALARM, OK, STORAGE_PUT
from popsim.engine.object_layout import O_PAYLOAD_BYTES
from popsim.engine.specification import sessions as sessions_module
from popsim.engine.specification.actors import FOREVER, NEVER, Job
from popsim.engine.specification.plane import SpecificationPlane


class ObjectBreach(SpecificationPlane):
    """Replace parts of the objects, if the run has any; subclasses say which."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.calls is not None:
            self.break_it(self.calls, self.calls.threads, self.sessions)

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        raise NotImplementedError


class SameInEachCall(ObjectBreach):
    """Rule 8: a step draws what it drew when the request ran it before, in another call."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        visit = calls.visit
        calls.visit = lambda task, actor, site, level, turn, *more: visit(
            task, actor, site, level, turn if isinstance(task, Job) else 0, *more
        )


class SameByLevel(ObjectBreach):
    """Rule 8: what a call makes an object do is drawn by how deep the call lies in others."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        visit = calls.visit
        calls.visit = lambda task, actor, site, level, turn, *more: visit(
            task, actor, site, level, turn if isinstance(task, Job) else level, *more
        )


class SameAfterEachCut(ObjectBreach):
    """Rule 8: a session that is cut again waits as long as the last time."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        cut = sessions._cut

        def forgetful(actor: Any, number: int) -> None:
            if actor.members[number].since != FOREVER:
                actor.members[number].attempts = 0
            cut(actor, number)

        sessions._cut = forgetful


class SameInEachAlarm(ObjectBreach):
    """Rule 8: each of an object's alarms draws the same."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        begin = threads.begin

        def first(call: Any) -> Any:
            if isinstance(call.task, Job) and call.task.rank == ALARM:
                call.turn = 0
            return begin(call)

        threads.begin = first


class HomeByTheRequest(ObjectBreach):
    """Rule 39: who asks first is not the object's matter but the latest caller's: each loss draws the same home."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        place = calls.homes.place

        def same(task: Any, actor: Any, site: int, now: float) -> bool:
            generation, actor.generation = actor.generation, 0
            found = place(task, actor, site, now)
            actor.generation = generation
            return bool(found)

        calls.homes.place = same


class NobodyTakesOver(ObjectBreach):
    """Rule 39: a host that is down has no substitute."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        calls.homes._substitute = lambda host: -1


class NobodyIsNeeded(ObjectBreach):
    """Rule 39: a new home knows what the lost one had, be its followers up or not."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        calls.homes.restorable_since = lambda host: NEVER


class FollowersAlone(ObjectBreach):
    """Rule 39: that the lost home is up again does not help."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        homes = calls.homes
        restorable_since, sites = homes.restorable_since, homes.host_sites

        def without_home(host: int) -> float:
            site = homes.sites[sites[host]]
            since, site.up_since = site.up_since, FOREVER
            found = float(restorable_since(host))
            site.up_since = since
            return found

        homes.restorable_since = without_home


class TakeoverSinceTheLoss(ObjectBreach):
    """Rule 39: a takeover has been going on since the loss, even if nobody could have begun it."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        homes = calls.homes
        restorable_since = homes.restorable_since
        homes.restorable_since = lambda host: NEVER if restorable_since(host) < FOREVER else FOREVER


class LostWithTheNewHome(ObjectBreach):
    """Rule 39: a home that is lost before it has taken over had what its followers should confirm."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        fail_site = calls.fail_site

        def at_once(index: int) -> None:
            for actor in calls.actors.values():
                is_here = actor.home >= 0 and calls.homes.host_sites[actor.home] == index
                if is_here and actor.replica == 0:
                    actor.available = NEVER
            fail_site(index)

        calls.fail_site = at_once


class MovedIsLost(ObjectBreach):
    """Rule 40: a call that finds the object gone is not passed on."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        move = threads._move

        def gone(call: Any) -> None:
            home = call.actor.home
            move(call)
            if call.actor.home != home:
                call.actor.generation += 1
                call.generation += 1

        threads._move = gone


class CarriesItOnce(ObjectBreach):
    """Rule 40: what a request has sent to an object is there, and not sent again."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        count, sent = calls.recorder.count, set()

        def once(task: Any, object_class: int, column: int, amount: int = 1) -> None:
            if column == O_PAYLOAD_BYTES:
                amount = 0 if (task.number, object_class) in sent else amount
                sent.add((task.number, object_class))
            count(task, object_class, column, amount)

        calls.recorder.count = once


class LastCallFirst(ObjectBreach):
    """Rule 41: who came last gets the thread."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        hand_over = threads.hand_over

        def reversed_order(actor: Any) -> None:
            actor.waiting.reverse()
            hand_over(actor)
            actor.waiting.reverse()

        threads.hand_over = reversed_order


class RefusesWhoIsInside(ObjectBreach):
    """Rule 42: the queue's limit holds for calls that have begun, too."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        get = threads.get
        threads.get = lambda call, limit: get(call, threads.rules.queue_limit)


class AsleepAfterTheInstant(ObjectBreach):
    """Rule 43: an object is still in memory at the instant of its deadline."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        begin = threads.begin

        def late(call: Any) -> Any:
            if call.actor.deadline == threads.env.now:
                call.actor.deadline = np.nextafter(threads.env.now, np.inf)
            return begin(call)

        threads.begin = late


class RestsAtTheGate(ObjectBreach):
    """Rule 43: an object is idle while an answer of its own waits at the gate."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        end, gate = threads._end, threads.gate

        def early(call: Any, *, has_thread: bool) -> None:
            threads.gate = lambda call: NEVER
            end(call, has_thread=has_thread)
            threads.gate = gate

        threads._end = early


class EvictedUnderItsParticipants(ObjectBreach):
    """Rule 43: connections that are no reason to stay in memory."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        deadline = threads._deadline

        def evicted(call: Any) -> float:
            members, call.actor.members = call.actor.members, []
            found = float(deadline(call))
            call.actor.members = members
            return found

        threads._deadline = evicted


class LeavesAtOnce(ObjectBreach):
    """Rule 44: what goes elsewhere does not wait for the gate."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        wait, gate = threads._wait, threads.gate

        def open_gate(call: Any, pc: int, step: Any) -> Any:
            threads.gate = lambda call: -np.inf
            generator = wait(call, pc, step)
            first = next(generator)
            threads.gate = gate
            result = yield first
            try:
                while True:
                    result = yield generator.send(result)
            except StopIteration as end:
                return end.value

        threads._wait = open_gate


class EachPutIsACommit(ObjectBreach):
    """Rule 45: writes of one stretch are not put together."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        at_once = threads._at_once

        def committed(call: Any, pc: int, step: Any) -> int:
            outcome = at_once(call, pc, step)
            if step.kind == STORAGE_PUT:
                threads.commit(call, pc)
            return int(outcome)

        threads._at_once = committed


class AllMustConfirm(ObjectBreach):
    """Rule 45: the slowest follower counts, not the quorum."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        homes = calls.homes
        confirmation = homes.confirmation

        def slowest(entity: int, host: int, place: int) -> float:
            quorum, times = homes.rules.quorum, []
            for rank in range(quorum, homes.rules.followers + 1):
                object.__setattr__(homes.rules, "quorum", rank)
                times.append(confirmation(entity, host, place))
            object.__setattr__(homes.rules, "quorum", quorum)
            finite = [time for time in times if np.isfinite(time)]
            return max(finite) if finite else np.inf

        homes.confirmation = slowest


class ThreadUntilTheGate(ObjectBreach):
    """Rule 46: an object does nothing else until its writes are confirmed."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        begin = threads.begin

        def held(call: Any) -> Any:
            call.actor.available = max(call.actor.available, call.actor.gate)
            return begin(call)

        threads.begin = held


class EveryAlarmRings(ObjectBreach):
    """Rule 47: a new alarm does not take the place of the one before."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        ring = threads.alarms._ring

        def rings(job: Any, actor: Any) -> Any:
            yield from threads.pause(job, job.start)
            before, actor.alarm_turn = actor.alarm_turn, job.turn
            generator = ring(job, actor)
            next(generator)  # it has waited already
            try:
                event = generator.send(None)
                actor.alarm_turn = before
                while True:
                    event = generator.send((yield event))
            except StopIteration:
                actor.alarm_turn = max(actor.alarm_turn, before)

        threads.alarms._ring = rings


class LostAlarmsVanish(ObjectBreach):
    """Rule 47: an alarm whose run fails is not tried again."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        threads.alarms._try_again = lambda job, actor: None


class EquallyPatient(ObjectBreach):
    """Rule 47: a failed alarm is tried again after the same time each time."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        alarms = threads.alarms
        set_again = alarms.set

        def sooner(actor: Any, time: float, tries: int = 0) -> None:
            if tries > 0:
                time = threads.env.now + threads.rules.alarm_retry
            set_again(actor, time, tries)

        alarms.set = sooner


class RetriesReplace(ObjectBreach):
    """Rule 47: a failed alarm takes the place of one that was set while it ran."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        run = threads.alarms._run

        def undone(job: Any, actor: Any) -> Any:
            turn = actor.alarm_turn
            outcome = yield from run(job, actor)
            if outcome != OK:
                actor.alarm_turn = turn
            return outcome

        threads.alarms._run = undone


class OnlyVotesFor(ObjectBreach):
    """Rule 48: calls from near the home don't count against a move."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        vote = calls._vote

        def biased(actor: Any, host: int) -> None:
            if host != actor.home:
                vote(actor, host)

        calls._vote = biased


class ReplicaKnowsAtOnce(ObjectBreach):
    """Rule 49: a replica has a commit when the primary has it."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        calls.homes.visible = lambda primary, replica, now: primary.version


class ForgottenIsMissing(ObjectBreach):
    """Rule 49: a version that is not remembered any more is not there."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        homes = calls.homes
        visible = homes.visible

        def nothing_old(primary: Any, replica: Any, now: float) -> int:
            newest = int(visible(primary, replica, now))
            return newest if newest > primary.version - homes.rules.history else 0

        homes.visible = nothing_old


class ForgetsItsWrites(ObjectBreach):
    """Rule 49: a request may read less than it wrote."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        catch_up = calls._catch_up

        def forgetful(call: Any) -> Any:
            call.task.bookmark = (-1, 0)
            return catch_up(call)

        calls._catch_up = forgetful


class GoesOnAfterTheLoss(ObjectBreach):
    """Rule 50: a call goes on that ran in an object when it was lost."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        on_thread = threads._on_thread

        def unmoved(call: Any, pc: int, step: Any) -> Any:
            outcome = yield from on_thread(call, pc, step)
            if call.generation != call.actor.generation:
                call.generation, call.actor.calls = call.actor.generation, call.actor.calls + 1
                return 0
            return outcome

        threads._on_thread = unmoved


class ForgetsTheGate(ObjectBreach):
    """Rule 50: the gate of an object that was lost or restarted is open."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        lose = threads.lose

        def opened(actor: Any) -> None:
            lose(actor)
            actor.gate = NEVER

        threads.lose = opened


class OtherParticipants(ObjectBreach):
    """Rule 51: participants are drawn again for each run of calls: the second lives where the first does."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        member = sessions._member
        sessions._member = lambda actor, number, anchor: member(actor, 0, anchor)


class SendsWithoutASession(ObjectBreach):
    """Rule 52: a participant who was cut sends all the same."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        send = sessions.send

        def anyway(request: Any) -> bool:
            members = [member for actor in calls.actors.values() for member in actor.members]
            since = [member.since for member in members]
            for member in members:
                member.since = -np.inf
            is_sent = bool(send(request))
            for member, before in zip(members, since, strict=True):
                member.since = before
            return is_sent

        sessions.send = anyway


class SenderIsTold(ObjectBreach):
    """Rule 53: who sends a message gets it, too."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        tell = sessions.tell

        def all_of_them(call: Any, actor: Any, pc: int, leave: float) -> None:
            member = getattr(call.task, "member", -1)
            call.task.member = -1
            tell(call, actor, pc, leave)
            call.task.member = member

        sessions.tell = all_of_them


class ToldBeforeTheGate(ObjectBreach):
    """Rule 53: others see what is not confirmed yet."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        tell = sessions.tell
        sessions.tell = lambda call, actor, pc, leave: tell(call, actor, pc, threads.env.now)


class AllMessagesAreOneKind(ObjectBreach):
    """Rule 53: what is seen is counted without regard to what kind of message it was."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        send = sessions.send

        def nameless(request: Any) -> bool:
            is_sent = bool(send(request))
            request.message = 0
            return is_sent

        sessions.send = nameless


class NeverMorePatient(ObjectBreach):
    """Rule 54: who cannot connect tries again as soon as before."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        reconnect = sessions._reconnect

        def impatient(actor: Any, number: int, cut: float) -> Any:
            generator = reconnect(actor, number, cut)
            result = None
            while True:
                most, sessions_module.MOST_DOUBLINGS = sessions_module.MOST_DOUBLINGS, 0
                try:
                    event = generator.send(result)
                except StopIteration:
                    return
                finally:
                    sessions_module.MOST_DOUBLINGS = most
                result = yield event

        sessions._reconnect = impatient


class NeverBelowItsLaw(ObjectBreach):
    """Rule 54: a session that may try again at once does."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        reconnect = sessions._reconnect

        def at_once(actor: Any, number: int, cut: float) -> Any:
            generator, result = reconnect(actor, number, cut), None
            while True:
                shortest, sessions_module.SHORTEST_WAIT_MS = sessions_module.SHORTEST_WAIT_MS, 0.01
                try:
                    event = generator.send(result)
                except StopIteration:
                    return
                finally:
                    sessions_module.SHORTEST_WAIT_MS = shortest
                result = yield event

        sessions._reconnect = at_once


class SessionsSurviveTheSite(ObjectBreach):
    """Rule 54: sessions do not notice that their ingress fails."""

    def break_it(self, calls: Any, threads: Any, sessions: Any) -> None:
        sessions.cut_at = lambda site: None


OBJECT_BREACHES: dict[str, type[SpecificationPlane]] = {
    "8 same in each call": SameInEachCall,
    "8 same by level": SameByLevel,
    "8 same after each cut": SameAfterEachCut,
    "8 same in each alarm": SameInEachAlarm,
    "39 same home again": HomeByTheRequest,
    "39 nobody takes over": NobodyTakesOver,
    "39 nobody is needed": NobodyIsNeeded,
    "39 followers alone": FollowersAlone,
    "39 takeover since the loss": TakeoverSinceTheLoss,
    "39 lost with the new home": LostWithTheNewHome,
    "40 moved is lost": MovedIsLost,
    "40 carries it once": CarriesItOnce,
    "41 last call first": LastCallFirst,
    "42 refuses who is inside": RefusesWhoIsInside,
    "43 asleep after the instant": AsleepAfterTheInstant,
    "43 rests at the gate": RestsAtTheGate,
    "43 evicted under its participants": EvictedUnderItsParticipants,
    "44 leaves at once": LeavesAtOnce,
    "45 each put is a commit": EachPutIsACommit,
    "45 all must confirm": AllMustConfirm,
    "46 thread until the gate": ThreadUntilTheGate,
    "47 every alarm rings": EveryAlarmRings,
    "47 lost alarms vanish": LostAlarmsVanish,
    "47 equally patient": EquallyPatient,
    "47 retries replace": RetriesReplace,
    "48 only votes for": OnlyVotesFor,
    "49 replica knows at once": ReplicaKnowsAtOnce,
    "49 forgotten is missing": ForgottenIsMissing,
    "49 forgets its writes": ForgetsItsWrites,
    "50 goes on after the loss": GoesOnAfterTheLoss,
    "50 forgets the gate": ForgetsTheGate,
    "51 other participants": OtherParticipants,
    "52 sends without a session": SendsWithoutASession,
    "53 sender is told": SenderIsTold,
    "53 told before the gate": ToldBeforeTheGate,
    "53 all messages are one kind": AllMessagesAreOneKind,
    "54 never more patient": NeverMorePatient,
    "54 never below its law": NeverBelowItsLaw,
    "54 sessions survive the site": SessionsSurviveTheSite,
}
