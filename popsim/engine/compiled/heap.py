"""A 4-ary heap of (time, key, slot) in a flat record array."""

from __future__ import annotations

from popsim.engine.compiled.constants import ZERO
from popsim.engine.compiled.jit import helper


@helper
def push(st, time, key, slot):
    """Add an event; the caller guarantees room."""
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


@helper
def remove_first(st):
    """Drop the first event."""
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
