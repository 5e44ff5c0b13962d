"""Breaches of the rules 28 to 37, of programs and key-value stores; see test_ablation.py."""

from __future__ import annotations

from copy import copy as shallow_copy
from dataclasses import replace
from typing import Any

import numpy as np

from popsim.engine import draws
from popsim.engine.layout import JUMP, KV_LIMITED, KV_UNAVAILABLE, ORDINARY, REFRESH
from popsim.engine.specification.plane import SpecificationPlane


class KeyValueBreach(SpecificationPlane):
    """Replace parts of the key-value store; subclasses say which."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.break_it(self.kv)

    def break_it(self, kv: Any) -> None:
        raise NotImplementedError


class BranchIsAnEvent(SpecificationPlane):
    """Rule 28: a jump is an event of its own."""

    def run(self, request: Any, pc: int, step: Any) -> Any:
        if pc > 0 and self.steps[pc - 1].kind == JUMP:
            yield from self.pause(request, self.env.now, ORDINARY)
        return (yield from super().run(request, pc, step))


class FailureKeepsItsPlace(SpecificationPlane):
    """Rule 28: a request whose step failed does not leave its instance."""

    def release(self, request: Any, site: Any) -> None:
        if not getattr(request, "gives_up", False):
            super().release(request, site)

    def run_kv(self, request: Any, pc: int, step: Any) -> Any:
        outcome = yield from super().run_kv(request, pc, step)
        request.gives_up = outcome in (KV_UNAVAILABLE, KV_LIMITED) and not step.is_tolerant
        return outcome


class AnotherKeyEachStep(KeyValueBreach):
    """Rule 29: each step draws a key of its own."""

    def break_it(self, kv: Any) -> None:
        of, turn = kv.keys.of, iter(range(10**9))

        def another(request: int, client: int, space: int, place: int) -> int:
            place += 3 * (next(turn) % 2)
            return int(of(request, client, space, place))

        kv.keys.of = another


class LooksUpAtDeparture(KeyValueBreach):
    """Rule 30: the store's answer is what it has when the answer arrives."""

    def break_it(self, kv: Any) -> None:
        keep_at_site = kv.keep_at_site

        def late(read: Any) -> None:
            for place, found in enumerate(read.found):
                versions = kv.versions.of(read.keys[place])
                if found is not None and versions:
                    found.version = versions[-1].number
            keep_at_site(read)

        kv.keep_at_site = late


class ExpiresAfterTheInstant(KeyValueBreach):
    """Rule 30: a copy still serves at the instant of its expiry."""

    def break_it(self, kv: Any) -> None:
        find = kv.caches.find

        def inclusive(cache: int, node: int, key: int, time: float, epoch: int, ttl: float) -> Any:
            copy = kv.caches.copies[cache].get(key)
            if copy is not None and copy.expiry == time:
                copy.expiry = np.nextafter(time, np.inf)
            return find(cache, node, key, time, epoch, np.nextafter(ttl, np.inf))

        kv.caches.find = inclusive


class SurvivesTheSite(KeyValueBreach):
    """Rule 30: copies survive the failure of their site."""

    def break_it(self, kv: Any) -> None:
        find = kv.caches.find

        def anyway(cache: int, node: int, key: int, time: float, epoch: int, ttl: float) -> Any:
            copy = kv.caches.copies[cache].get(key)
            if copy is not None:
                copy.epoch = epoch
            return find(cache, node, key, time, epoch, ttl)

        kv.caches.find = anyway


class CopiesAreNewAtTheStart(KeyValueBreach):
    """Rule 30: the first copy of a key lives as long as any other, so that all caches go in step for ever."""

    def break_it(self, kv: Any) -> None:
        kv.caches.since = lambda cache, key, time, cycle: time


class CachesAreNeverEmptyAtTheStart(KeyValueBreach):
    """Rule 30: what is kept before u · C ends then, as if every cache had had a copy of every key."""

    def break_it(self, kv: Any) -> None:
        def since(cache: int, key: int, time: float, cycle: float) -> float:
            word, _ = kv.caches.lookups.words(draws.CACHE_PHASE, key, cache)
            renewal = draws.uniform(word) * cycle
            return renewal - cycle if time < renewal else time

        kv.caches.since = since


class OlderThanAsked(KeyValueBreach):
    """Rule 30: a copy serves as long as the read that brought it says, whatever the read that finds it says."""

    def break_it(self, kv: Any) -> None:
        find = kv.caches.find

        def any_age(cache: int, node: int, key: int, time: float, epoch: int, ttl: float) -> Any:
            return find(cache, node, key, time, epoch, np.inf)

        kv.caches.find = any_age


class FirstReadDecides(KeyValueBreach):
    """Rule 30: a read that finds a copy does not change how long it lives."""

    def break_it(self, kv: Any) -> None:
        kv._give_life = lambda copy, ttl: None


class AgeIsNotHandedOn(KeyValueBreach):
    """Rule 30: what comes from a regional tier is new at the site, whether the tier hears of writes or not."""

    def break_it(self, kv: Any) -> None:
        kv._vouches = lambda read: True


class JoinsWhatMayBeOlder(KeyValueBreach):
    """Rule 34: a read waits for one whose TTL is longer, although a regional tier may answer that with an old copy."""

    def break_it(self, kv: Any) -> None:
        set_out = kv.caches.set_out
        kv.caches.set_out = lambda cache, key, epoch, ttl: set_out(cache, key, epoch, 0.0)


class PushMakesYounger(KeyValueBreach):
    """Rule 31: a value that is sent lengthens the copy's life."""

    def break_it(self, kv: Any) -> None:
        find = kv.caches.find

        def younger(cache: int, node: int, key: int, time: float, epoch: int, ttl: float) -> Any:
            before = kv.caches.copies[cache].get(key)
            number = before.version if before is not None else -1
            copy = find(cache, node, key, time, epoch, ttl)
            if copy is not None and copy.version != number:
                copy.since += 10.0
                copy.expiry = min(copy.expiry + 10.0, copy.until)
            return copy

        kv.caches.find = younger


class NewsIsInstant(KeyValueBreach):
    """Rule 31: who is told knows at once."""

    def break_it(self, kv: Any) -> None:
        kv.versions._has_arrived = lambda version, node, table, time: True


class VersionByAnswer(KeyValueBreach):
    """Rule 32: a version counts from when its site learns that it is done."""

    def break_it(self, kv: Any) -> None:
        at_store = kv.versions.at_store

        def late(key: int, store: int, time: float) -> Any:
            version = at_store(key, store, time)
            return None if version is not None and version.acked > time else version

        kv.versions.at_store = late


class RemembersAll(KeyValueBreach):
    """Rule 32: no version is ever forgotten."""

    def break_it(self, kv: Any) -> None:
        kv.versions.rules = replace(kv.versions.rules, horizon=float("inf"))


class OlderOverwrites(KeyValueBreach):
    """Rule 33: whatever arrives last is kept."""

    def break_it(self, kv: Any) -> None:
        keep = kv.caches.keep

        def over(cache: int, key: int, *rest: Any) -> None:
            copy = kv.caches.copies[cache].get(key)
            if copy is not None:
                copy.version = -1
            keep(cache, key, *rest)

        kv.caches.keep = over


class FirstInFirstOut(KeyValueBreach):
    """Rule 33: a hit does not make a copy recently used."""

    def break_it(self, kv: Any) -> None:
        find = kv.caches.find

        def unmoved(cache: int, node: int, key: int, time: float, epoch: int, ttl: float) -> Any:
            order = list(kv.caches.copies[cache])
            copy = find(cache, node, key, time, epoch, ttl)
            copies = kv.caches.copies[cache]
            kv.caches.copies[cache] = {each: copies[each] for each in order}
            return copy

        kv.caches.find = unmoved


class EveryMissFetches(KeyValueBreach):
    """Rule 34: misses do not wait for each other."""

    def break_it(self, kv: Any) -> None:
        kv.caches.under_way = lambda cache, key, epoch: None


class JoinsTheDead(KeyValueBreach):
    """Rule 34: a read joins one that set out before its site failed."""

    def break_it(self, kv: Any) -> None:
        kv.caches.under_way = lambda cache, key, epoch: kv.caches.fetching.get((cache, key))


class RefreshComesFirst(KeyValueBreach):
    """Rule 35: a refresh's events come before a request's at the same time."""

    def break_it(self, kv: Any) -> None:
        pause = kv._pause

        def first(read: Any, time: float) -> Any:
            if read.rank == REFRESH:
                read = shallow_copy(read)
                read.rank = 0
            return pause(read, time)

        kv._pause = first


class RefreshesAgain(KeyValueBreach):
    """Rule 35: a copy that is being refreshed is not marked, and no read under way is looked for."""

    def break_it(self, kv: Any) -> None:
        refresh = kv._refresh
        kv._may_refresh = lambda read, cache, key, epoch: len(read.keys) == 1

        def again(cause: Any, key: int, *, at_edge: bool) -> None:
            refresh(cause, key, at_edge=at_edge)
            for copies in kv.caches.copies:
                if key in copies:
                    copies[key].is_refreshed = False

        kv._refresh = again


class StoreNeverFails(KeyValueBreach):
    """Rule 36: a store that was up when the read set out answers."""

    def break_it(self, kv: Any) -> None:
        to_store = kv._to_store

        def certain(read: Any, node: int, leave: float) -> Any:
            was_up = list(kv.stores.is_up)
            for event in to_store(read, node, leave):
                yield event
                kv.stores.is_up, was_up = was_up, list(kv.stores.is_up)

        kv._to_store = certain


class RaceIsAnOrder(KeyValueBreach):
    """Rule 36: of a race, the nearest store wins."""

    def break_it(self, kv: Any) -> None:
        kv.stores.rules = replace(kv.stores.rules, reads=0, writes=0)


class StaleWhenAnswered(KeyValueBreach):
    """Rule 37: a read is stale if a newer version is there when it ends."""

    def break_it(self, kv: Any) -> None:
        staleness = kv.recorder._staleness

        def at_the_end(read: Any, key: int, found: Any, began: float) -> float:
            return float(staleness(read, key, found, kv.env.now))

        kv.recorder._staleness = at_the_end


class CopiesOutliveNews(KeyValueBreach):
    """Rule 37: what a site is told of a write does not end its copy."""

    def break_it(self, kv: Any) -> None:
        kv.versions.told_at = lambda version, node: float("inf")


class OldCopiesAreNone(KeyValueBreach):
    """Rule 37: a site's copy ends with the last answer that it gave."""

    def break_it(self, kv: Any) -> None:
        kv.recorder._served_until = lambda site, epoch, key, version: -1.0


KV_BREACHES: dict[str, type[SpecificationPlane]] = {
    "28 branch is an event": BranchIsAnEvent,
    "28 failure keeps its place": FailureKeepsItsPlace,
    "29 another key each step": AnotherKeyEachStep,
    "30 looks up at departure": LooksUpAtDeparture,
    "30 expires after the instant": ExpiresAfterTheInstant,
    "30 survives the site": SurvivesTheSite,
    "30 copies are new at the start": CopiesAreNewAtTheStart,
    "30 caches are never empty at the start": CachesAreNeverEmptyAtTheStart,
    "30 older than asked": OlderThanAsked,
    "30 first read decides": FirstReadDecides,
    "30 age is not handed on": AgeIsNotHandedOn,
    "31 push makes younger": PushMakesYounger,
    "31 news is instant": NewsIsInstant,
    "32 version by answer": VersionByAnswer,
    "32 remembers all": RemembersAll,
    "33 older overwrites": OlderOverwrites,
    "33 first in, first out": FirstInFirstOut,
    "34 every miss fetches": EveryMissFetches,
    "34 joins the dead": JoinsTheDead,
    "34 joins what may be older": JoinsWhatMayBeOlder,
    "35 refresh comes first": RefreshComesFirst,
    "35 refreshes again": RefreshesAgain,
    "36 store never fails": StoreNeverFails,
    "36 race is an order": RaceIsAnOrder,
    "37 stale when answered": StaleWhenAnswered,
    "37 copies outlive news": CopiesOutliveNews,
    "37 old copies are none": OldCopiesAreNone,
}
