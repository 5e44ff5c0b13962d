"""Sessions of an object's participants: who they are, what they send and see, and how they connect again."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from popsim.engine import draws
from popsim.engine import object_books as ob
from popsim.engine.arrays import rows
from popsim.engine.layout import OK, RECONNECT, T_ACCESS, T_JITTER, Inputs
from popsim.engine.object_layout import (
    O_CUT,
    O_DELIVERED,
    O_MISSED,
    O_RECONNECT_FAILURES,
    O_RECONNECTED,
    SHORTEST_WAIT_MS,
)
from popsim.engine.specification.actors import FOREVER, NEVER, Actor, Call, Job, Member
from popsim.engine.specification.calls import Calls
from popsim.engine.specification.clock import at
from popsim.engine.specification.connection import Connections
from popsim.engine.specification.state import Request

Life = Generator[simpy.Event, Any, None]
MEMBER_KEYS = 1 << draws.MEMBER_BITS
HEARD_SHIFT = 16  # of what lies behind a position: a participant
MOST_DOUBLINGS = 6


class Sessions:
    """The participants of all objects, with the lines that they use."""

    def __init__(self, inputs: Inputs, calls: Calls, connections: Connections) -> None:
        objects = inputs.objects
        self.calls, self.connections = calls, connections
        self.env, self.lookups, self.recorder = calls.env, calls.threads.lookups, calls.recorder
        self.homes, self.rules = calls.homes, calls.rules
        self.warmup = inputs.rules.warmup
        self.spreads = rows(objects.spreads)
        self.cells = rows(objects.member_cells)
        self.clients = len(inputs.clients)
        self.messages = rows(objects.messages)
        calls.threads.sessions = self

    # --- who they are ---------------------------------------------------------------------------------------

    def begin(self, actor: Actor) -> None:
        """Connect the participants of a new object: all of them, from its first use on (rule 51)."""
        kind = self.calls.classes[actor.object_class]
        if kind.participants == 0:
            return
        kind_word, anchor_word = self.lookups.words(draws.MEMBER, actor.number, 0)
        row = kind.first_spread
        while not draws.uniform(kind_word) < self.spreads[row].cumulative:
            row += 1
        actor.spread = self.spreads[row].spread
        anchor = self.lookups.client(anchor_word)
        for number in range(kind.participants):
            actor.members.append(self._member(actor, number, anchor))

    def _member(self, actor: Actor, number: int, anchor: int) -> Member:
        index = (1 + number) << 1
        cell_word, network_word = self.lookups.words(draws.MEMBER, actor.number, index)
        route_word, _ = self.lookups.words(draws.MEMBER, actor.number, index + 1)
        client = anchor
        if number > 0:
            base = actor.spread * self.clients
            group = self.cells[base + anchor]
            first, position = base + group.first, draws.uniform(cell_word) * group.width
            cell = int(position)
            if not position - cell < self.cells[first + cell].threshold:
                cell = self.cells[first + cell].alias
            client = self.cells[first + cell].client
        network = self.lookups.network(network_word)
        member = Member(client, network, draws.uniform(route_word), -1, 0.0, NEVER)
        self._route(member)
        if member.ingress < 0:
            member.since = FOREVER  # nobody can reach it
        return member

    def _route(self, member: Member) -> bool:
        """Find a participant's ingress; False if there is none or it is down."""
        member.ingress, member.path = self.connections.pick(member.client, member.position)
        return member.ingress >= 0 and self.connections.sites[member.ingress].up

    def _line(self, entity: int, position: int, number: int, member: Member) -> float:
        """Draw a participant's RTT to its ingress."""
        index = position << HEARD_SHIFT | number
        access_word, jitter_word = self.lookups.words(draws.HEARD, entity, index)
        access = self.lookups.table(T_ACCESS + member.network, access_word)
        return (member.path + access) + self.lookups.table(T_JITTER, jitter_word)

    # --- what they send and see -------------------------------------------------------------------------------

    def send(self, request: Request) -> bool:
        """Let a participant send a message over its session; False if it is not connected (rule 52)."""
        object_class = self.rules.message_class
        space = self.calls.classes[object_class].space
        request.addressee = self.calls.keys.of(request.number, 0, space, 0)
        actor = self.calls.find(request.addressee, object_class)
        member_word, kind_word = self.lookups.words(draws.MESSAGE, request.number, 0)
        request.member = int(draws.uniform(member_word) * len(actor.members))
        row = 0
        while not draws.uniform(kind_word) < self.messages[row].cumulative:
            row += 1
        request.message, request.entry = row, self.messages[row].entry
        member = actor.members[request.member]
        request.client, request.network = member.client, member.network
        if member.since > request.start:
            return False
        access_word, jitter_word = self.lookups.words(
            draws.USER, request.number, draws.USER_ACCESS_JITTER
        )
        access = self.lookups.table(T_ACCESS + member.network, access_word)
        jitter = self.lookups.table(T_JITTER, jitter_word)
        request.rtt = (member.path + access) + jitter
        request.ingress = request.compute = member.ingress
        return True

    def tell(self, call: Call, actor: Actor, pc: int, leave: float) -> None:
        """Send a message to all other participants: arithmetic, no events (rule 53)."""
        task = call.task
        if not self.recorder.is_measured(task):
            return
        sender = task.member if getattr(task, "addressee", -1) == actor.number else -1
        for number, member in enumerate(actor.members):
            if number == sender:
                continue
            if member.since > leave:
                self.recorder.count(task, actor.object_class, O_MISSED)
                continue
            rtt = self._line(task.entity, draws.position(call.turn, pc), number, member)
            way = self.homes.distance(member.ingress, call.host) * 0.5 + rtt * 0.5
            self.recorder.count(task, actor.object_class, O_DELIVERED)
            seen = (leave + way) - task.start
            if sender >= 0:
                self.recorder.message(task.message, ob.SEEN + actor.spread, seen)
            else:
                self.recorder.value(actor.object_class, ob.VISIBLE + actor.spread, seen)

    def acknowledge(self, request: Request, total: float) -> None:
        """Record that a message was answered."""
        if self.recorder.is_measured(request):
            actor = self.calls.actors[request.addressee, 0]
            self.recorder.message(request.message, ob.ACKNOWLEDGED + actor.spread, total)

    # --- being cut, and connecting again ------------------------------------------------------------------------

    def cut(self, actor: Actor) -> None:
        """Cut the sessions of an object; each participant connects again after a while (rule 54)."""
        for number in range(len(actor.members)):
            self._cut(actor, number)

    def cut_at(self, site: int) -> None:
        """Cut the sessions that go through a site."""
        for actor in self.calls.actors.values():
            for number, member in enumerate(actor.members):
                if member.ingress == site:
                    self._cut(actor, number)

    def _cut(self, actor: Actor, number: int) -> None:
        member = actor.members[number]
        if member.since == FOREVER:
            return  # it is connecting already
        member.since = FOREVER
        self.recorder.count_at(self.env.now, actor.object_class, O_CUT)
        self.env.process(self._reconnect(actor, number, self.env.now))

    def _reconnect(self, actor: Actor, number: int, cut: float) -> Life:
        attempt, connected = 0, False
        member = actor.members[number]
        key = (actor.number - self.calls.base) * MEMBER_KEYS + number
        entity = draws.CONNECT_ENTITY + (actor.number << draws.MEMBER_BITS) + number
        while not connected:
            turn, member.attempts = member.attempts, member.attempts + 1
            index = (number << 32) | turn
            wait = self.lookups.draw(self.rules.reconnect_table, draws.CONNECT, actor.number, index)
            if attempt > 0:
                wait = max(wait, SHORTEST_WAIT_MS) * 2.0 ** min(attempt, MOST_DOUBLINGS)
            job = Job(RECONNECT, key, entity, turn, cut, member.client)
            yield at(self.env, self.env.now + wait, RECONNECT, key)
            self.calls.plane.count_event()
            connected = yield from self._try(job, actor, member)
            if not connected:
                self.recorder.count(job, actor.object_class, O_RECONNECT_FAILURES)
            attempt += 1
        member.since = self.env.now
        self.recorder.count(job, actor.object_class, O_RECONNECTED)
        if self.recorder.is_measured(job):
            self.recorder.value(actor.object_class, ob.RECONNECT, self.env.now - cut)

    def _try(self, job: Job, actor: Actor, member: Member) -> Generator[simpy.Event, Any, bool]:
        """Shake hands with the ingress (two round trips) and ask the object; tell whether that worked."""
        if not self._route(member):
            return False
        site = self.connections.sites[member.ingress]
        epoch = site.epoch
        if actor.home < 0 and not self.homes.place(job, actor, member.ingress, self.env.now):
            return False
        rtt = self._line(job.entity, draws.position(job.turn, 0), 0, member)
        entry = self.calls.classes[actor.object_class].connect_entry
        outcome = yield from self.calls.visit(
            job, actor, member.ingress, 0, job.turn, entry, rtt * 2.0 + rtt * 0.5, rtt * 0.5
        )
        return outcome == OK and site.epoch == epoch
