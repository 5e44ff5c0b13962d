"""Where objects live: who decides it, what happens when a home is lost, who confirms a write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from popsim.engine import draws
from popsim.engine.arrays import rows
from popsim.engine.layout import Inputs
from popsim.engine.object_layout import (
    ASKED,
    BY_TABLE,
    O_FAILOVERS,
)
from popsim.engine.specification.actors import FOREVER, Actor, Call
from popsim.engine.specification.lookups import Lookups
from popsim.engine.specification.object_recorder import ObjectRecorder
from popsim.engine.specification.state import Site

Ask = Callable[[int, int, int, float], int]  # (object, class, site, ms) -> host


class Homes:
    """The hosts of a platform and the rules of placement."""

    def __init__(
        self,
        inputs: Inputs,
        lookups: Lookups,
        sites: list[Site],
        recorder: ObjectRecorder,
        ask: Ask | None,
    ) -> None:
        objects = inputs.objects
        self.lookups, self.sites, self.recorder, self.ask = lookups, sites, recorder, ask
        self.rules = objects.scalars
        self.host_sites: list[int] = objects.host_sites.tolist()
        self.rtt: list[float] = objects.rtt.tolist()
        self.nearest: list[int] = objects.nearest_host.tolist()
        self.choices, self.width = rows(objects.home_choices), objects.choices
        known = zip(objects.known_numbers.tolist(), objects.known_homes.tolist(), strict=True)
        self.known: dict[int, int] = dict(known)
        self.followers = rows(objects.followers)
        self.substitutes: list[int] = objects.substitutes.tolist()
        self.replica_hosts: list[int] = objects.replica_hosts.tolist()

    def distance(self, site: int, host: int) -> float:
        """Return the RTT in ms between a site and a host."""
        return self.rtt[site * len(self.host_sites) + host]

    def is_up(self, host: int) -> bool:
        """Tell whether a host's site is up."""
        return self.sites[self.host_sites[host]].up

    def place(self, task: Any, actor: Actor, site: int, now: float) -> bool:
        """Give an actor a home, asked for from a site; False if no host can be it (rule 39)."""
        is_lost, since = actor.lost_from >= 0, actor.available
        if is_lost:
            since = max(since, self.restorable_since(actor.lost_from))
            if since == FOREVER:
                return False
        host = self._wanted(actor, site, now)
        if not self.is_up(host):
            host = self._substitute(host)
        if host < 0:
            return False
        if is_lost:
            takeover = self.rules.takeover_table
            wait = self.lookups.draw(takeover, draws.TAKEOVER, actor.number, actor.generation)
            actor.available = since + wait
            self.recorder.count(task, actor.object_class, O_FAILOVERS)
        else:
            self.recorder.created(actor.object_class, site, host, now)
        actor.home = host
        return True

    def restorable_since(self, host: int) -> float:
        """Return since when what a host had confirmed can be had again, in ms; inf if it cannot yet (rule 39).

        It takes a quorum of the host's followers, or the host itself.
        """
        first, quorum, home = host * self.rules.followers, self.rules.quorum, self.host_sites[host]
        followers = [self.followers[first + row].site for row in range(self.rules.followers)]
        living = [self.sites[one] for one in followers if one >= 0 and self.sites[one].up]
        times = sorted(site.up_since for site in living)
        agreed = times[quorum - 1] if len(times) >= quorum else FOREVER
        return min(agreed, self.sites[home].up_since) if self.sites[home].up else agreed

    def _wanted(self, actor: Actor, site: int, now: float) -> int:
        if self.rules.mode == BY_TABLE:
            word, _ = self.lookups.words(draws.PLACE, actor.number, actor.generation)
            row = site * self.width
            while not draws.uniform(word) < self.choices[row].cumulative:
                row += 1
            return int(self.choices[row].host)
        if self.rules.mode == ASKED:
            assert self.ask is not None
            return self.ask(actor.number, actor.object_class, site, now)
        return self.known.get(actor.number, self.nearest[site])

    def _substitute(self, host: int) -> int:
        hosts = len(self.host_sites)
        for other in self.substitutes[host * hosts : (host + 1) * hosts]:
            if other >= 0 and self.is_up(other):
                return other
        return -1

    def confirmation(self, entity: int, host: int, place: int) -> float:
        """Return how long until a quorum of followers has a write, in ms; inf if too few are up (rule 45)."""
        first, times = host * self.rules.followers, []
        for row in range(self.rules.followers):
            follower = self.followers[first + row]
            if follower.site < 0 or not self.sites[follower.site].up:
                continue
            index = place + row
            drawn = self.lookups.draw(self.rules.commit_table, draws.CONFIRM, entity, index)
            times.append(follower.rtt + drawn)
        return sorted(times)[self.rules.quorum - 1] if len(times) >= self.rules.quorum else FOREVER

    # --- replicas -------------------------------------------------------------------------------------------

    def nearest_replica(self, site: int) -> int:
        """Return which replica is nearest to a site and up, from 1; 0 if there is none."""
        best, best_rtt = 0, FOREVER
        for row, host in enumerate(self.replica_hosts):
            if self.is_up(host) and self.distance(site, host) < best_rtt:
                best, best_rtt = row + 1, self.distance(site, host)
        return best

    def arrival(self, primary: Actor, replica: Actor, version: int) -> float:
        """Return when a replica has a version of its primary, in ms (rule 49)."""
        home = primary.home if primary.home >= 0 else primary.lost_from
        way = self.distance(self.host_sites[replica.home], home) * 0.5
        index = (version << 6) | replica.replica
        lag = self.lookups.draw(self.rules.lag_table, draws.LAG, primary.number, index)
        return primary.commits[version % self.rules.history] + (way + lag)

    def visible(self, primary: Actor, replica: Actor, now: float) -> int:
        """Return the newest version of its primary that a replica has; what is forgotten counts as there."""
        forgotten = max(primary.version - self.rules.history, 0)
        for version in range(primary.version, forgotten, -1):
            if self.arrival(primary, replica, version) <= now:
                return version
        return forgotten


def new_call(
    homes: Homes, now: float, task: Any, actor: Actor, site: int, level: int, turn: int
) -> Call:
    """Return a call that sets out from a site now."""
    rtt = homes.distance(site, actor.home)
    return Call(task, actor, level, turn, site, actor.home, actor.generation, now, rtt, mark=now)
