"""What comes next: a calendar of days, each with the slots whose events fall on it, and a heap for what lies further ahead.

Events come in the order of (time, key), rule 1; keys are unique, so that the order does not depend on how they are kept. A slot waits for one event
at most (rule 2): it is its own node of a list. After R. Brown, "Calendar queues: a fast O(1) priority queue implementation" (CACM 31(10), 1988),
with these differences: today's events are in order, those of later days are not; what lies beyond the last day, and what would have to walk
too far along today's, goes into a heap, which is asked each time, so that no event costs more than a heap's; and how long a day
is changes how fast this is, never what comes next.

Days follow from times by one multiplication, which is monotone: what falls on a later day is later. So today's first or the heap's comes next.
"""

from __future__ import annotations

import numpy as np

from popsim.engine.compiled.constants import NONE, ZERO
from popsim.engine.compiled.jit import entry, helper, rare_helper

FURTHEST_MS = 1e12  # what is later falls on the same day
LONGEST_WALK = 16  # along today's events; a heap is cheaper than more


@helper
def day_of(st, time):
    """Return the day that a time falls on."""
    return np.int64(min(max(time, 0.0), FURTHEST_MS) * st.run[0].days_per_ms)


@helper
def is_before(st, slot, time, key):
    """Tell whether a slot's event comes before (time, key)."""
    item = st.slots[slot]
    return item.at < time or (item.at == time and item.key < key)


@helper
def push(st, time, key, slot):
    """Let a slot wait for an event; it waits for no other."""
    item, run = st.slots[slot], st.run[0]
    item.at = time
    item.key = key
    day = day_of(st, time)
    if day <= run.today:
        insert_today(st, slot, time, key)
    elif day - run.today < st.days.shape[0]:
        place = day & (st.days.shape[0] - 1)
        item.later = st.days[place]
        st.days[place] = slot
        run.on_days += 1
    else:
        run.pushed_far += 1
        push_far(st, time, key, slot)


@rare_helper
def insert_today(st, slot, time, key):
    """Put a slot among today's, which are in order; or into the heap, if that is a long way."""
    run = st.run[0]
    before, following = NONE, run.first
    for _ in range(LONGEST_WALK):
        if following < 0 or not is_before(st, following, time, key):
            st.slots[slot].later = following
            if before < 0:
                run.first = slot
            else:
                st.slots[before].later = slot
            return
        before, following = following, st.slots[following].later
        run.walked += 1
    push_far(st, time, key, slot)


@helper
def next_slot(st, limit):
    """Return the slot whose event comes first; if that is later than ``limit`` ms, -1 or any that is later, too.

    The calendar moves on no further than that: what was pushed then would fall on days gone by.
    """
    run = st.run[0]
    if run.first < 0:
        move_on(st, min(limit, st.heap[0].time) if run.heap_size > 0 else limit)
    first = run.first
    if run.heap_size > 0 and (
        first < 0 or not is_before(st, first, st.heap[0].time, st.heap[0].key)
    ):
        return st.heap[0].slot
    return first


@helper
def move_on(st, limit):
    """Let the next day with events be today, or that of ``limit`` if it comes first."""
    run, mask = st.run[0], st.days.shape[0] - 1
    last, today = day_of(st, limit), run.today
    if run.on_days == 0:
        if limit < FURTHEST_MS:
            run.today = max(today, last)
        return
    began = today
    while today < last and st.days[today & mask] < 0:
        today += 1
    run.today = today
    run.skipped += today - began
    slot = np.int64(st.days[today & mask])
    st.days[today & mask] = NONE
    while slot >= 0:
        item = st.slots[slot]
        following = item.later
        if run.first < 0:
            item.later = NONE
            run.first = slot
        else:
            insert_today(st, slot, item.at, item.key)
        run.on_days -= 1
        slot = following


@helper
def remove(st, slot):
    """Drop the event that ``next_slot`` has found."""
    run = st.run[0]
    run.taken += 1
    if slot == run.first:
        run.first = st.slots[slot].later
    else:
        remove_first_far(st)


@entry
def set_days(st, days_per_ms):
    """Make days shorter or longer, from now on."""
    run, chain = st.run[0], st.run[0].first
    for place in range(st.days.shape[0]):
        slot = np.int64(st.days[place])
        while slot >= 0:
            following = st.slots[slot].later
            st.slots[slot].later = chain
            chain, slot = slot, following
        st.days[place] = NONE
    run.first, run.on_days = NONE, ZERO
    run.days_per_ms = days_per_ms
    run.today = day_of(st, run.now)
    while chain >= 0:
        following = st.slots[chain].later
        push(st, st.slots[chain].at, st.slots[chain].key, chain)
        chain = following


# --- what lies further ahead: a 4-ary heap in a flat array --------------------------------------------------------


@rare_helper
def push_far(st, time, key, slot):
    """Add an event to the heap; the caller guarantees room."""
    heap = st.heap
    hole = st.run[0].heap_size
    st.run[0].heap_size = hole + 1
    while hole > 0:
        parent = (hole - 1) >> 2
        above = heap[parent].time
        if above < time or (above == time and heap[parent].key < key):
            break
        heap[hole].time = above
        heap[hole].key = heap[parent].key
        heap[hole].slot = heap[parent].slot
        hole = parent
    heap[hole].time = time
    heap[hole].key = key
    heap[hole].slot = slot


@rare_helper
def remove_first_far(st):
    """Drop the first event of the heap."""
    heap = st.heap
    count = st.run[0].heap_size - 1
    st.run[0].heap_size = count
    if count == 0:
        return
    time, key, slot = heap[count].time, heap[count].key, heap[count].slot
    hole = ZERO
    while True:
        child = 4 * hole + 1
        if child >= count:
            break
        best, best_time, best_key = child, heap[child].time, heap[child].key
        for other in range(child + 1, min(child + 4, count)):
            other_time = heap[other].time
            if other_time < best_time or (other_time == best_time and heap[other].key < best_key):
                best, best_time, best_key = other, other_time, heap[other].key
        if time < best_time or (time == best_time and key < best_key):
            break
        heap[hole].time = best_time
        heap[hole].key = best_key
        heap[hole].slot = heap[best].slot
        hole = best
    heap[hole].time = time
    heap[hole].key = key
    heap[hole].slot = slot
