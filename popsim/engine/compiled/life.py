"""The events of a request's life, compiled; twin of specification/plane.py.

Each function handles one event or decision and says what follows; ``kernel.advance`` strings them
together, so that each is inlined once.
"""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.connection import connect, route
from popsim.engine.compiled.draw import (
    ARRIVAL,
    FRONT_DOOR,
    STEP,
    USER,
    choose,
    position_of,
    quantile,
    two_words,
    uniform,
)
from popsim.engine.compiled.instances import run_cpu
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.pools import pool_of
from popsim.engine.compiled.stages import (
    ACQUIRE,
    BIND,
    FAILED,
    NOTHING,
    RESUME,
    RUN,
    S_COMPUTE,
    S_DEAD,
    S_GRANTED,
    S_INGRESS,
    S_STEP,
    SEND,
    SEND_MESSAGE,
)
from popsim.engine.compiled.state import (
    F_DURATION,
    F_INTENSITY_BOUND,
    F_NEXT_TIME,
    F_PERIOD,
    F_UPSTREAM_TIMEOUT,
    I_ARRIVAL_KIND,
    I_DONE,
    I_FRONT_DOOR,
    I_FUNCTIONS,
    I_NEXT_CLIENT,
    I_NEXT_NUMBER,
    I_ORIGINS,
    I_QUEUE_LIMIT,
    I_REQUEST_LIMIT,
    I_UPSTREAM_TRIPS,
)
from popsim.engine.layout import (
    CHOOSE,
    CPU,
    JUMP,
    KILLED,
    MESSAGES,
    NO_ROUTE,
    P_EXECUTE,
    P_FETCH,
    P_FRONT_DOOR,
    P_NETWORK,
    P_QUEUE,
    P_SLEEP,
    PERIODIC,
    PHASE_COUNT,
    POISSON,
    SITE_DOWN,
    SLEEP,
    T_FRONT_DOOR,
    T_GAP,
    THROTTLED,
)
from popsim.engine.recorder import C_ARRIVALS, C_EVENTS

GAP, FRONT = np.int64(T_GAP), np.int64(T_FRONT_DOOR)
CLIENT_FUNCTION = np.int64(draws.USER_CLIENT_FUNCTION)
ZERO, NONE = np.int64(0), np.int64(-1)
HOURS_PER_MS = 1.0 / 3_600_000.0
DAYS_PER_HOUR = 1.0 / 24.0


@helper
def next_candidate(st):
    """Move on to the next candidate, or note that there is none before the run's end."""
    integers, floats = st.integers, st.floats
    number = integers[I_NEXT_NUMBER] + 1
    integers[I_NEXT_NUMBER] = number
    if integers[I_ARRIVAL_KIND] == MESSAGES:
        gap_word, _ = two_words(st, ARRIVAL, number, ZERO)
        floats[F_NEXT_TIME] = floats[F_NEXT_TIME] + quantile(st, GAP, gap_word)
        integers[I_NEXT_CLIENT] = 0  # until it is known whose message it is
    elif integers[I_ARRIVAL_KIND] == POISSON:
        gap_word, _ = two_words(st, ARRIVAL, number, ZERO)
        floats[F_NEXT_TIME] = floats[F_NEXT_TIME] + quantile(st, GAP, gap_word)
        client_word, _ = two_words(st, USER, number, CLIENT_FUNCTION)
        integers[I_NEXT_CLIENT] = choose(st.clients, client_word)
    elif integers[I_ARRIVAL_KIND] == PERIODIC:
        probes = st.probe_offset.shape[0]
        turn = number // probes
        probe = number - turn * probes
        floats[F_NEXT_TIME] = st.probe_offset[probe] + np.float64(turn) * floats[F_PERIOD]
        integers[I_NEXT_CLIENT] = st.probe_client[probe]
    elif number < st.trace.shape[0]:
        floats[F_NEXT_TIME] = st.trace[number].time
        integers[I_NEXT_CLIENT] = st.trace[number].client
    else:
        floats[F_NEXT_TIME] = np.inf
    if floats[F_NEXT_TIME] >= floats[F_DURATION]:
        integers[I_DONE] = 1


@helper
def is_accepted(st, number, client, time):
    """Thin a Poisson candidate with the profile and surge that hold at its time (rule 10)."""
    if st.integers[I_ARRIVAL_KIND] != POISSON:
        return True
    _, word = two_words(st, ARRIVAL, number, ZERO)
    hours = time * HOURS_PER_MS + st.clients[client].clock_h
    hour = min(np.int64(hours - np.floor(hours * DAYS_PER_HOUR) * 24.0), np.int64(23))
    intensity = st.profile[hour] * st.clients[client].surge
    return uniform(word) * st.floats[F_INTENSITY_BOUND] < intensity


@helper
def begin(st, slot, number, client, time):
    """A request leaves its client: return (when it reaches its ingress, what follows)."""
    st.integers[C_ARRIVALS] += 1
    st.integers[C_EVENTS] += 1
    request = st.slots[slot]
    request.number = number
    request.start = time
    request.client = client
    request.function = ZERO
    request.ingress = NONE
    request.compute = NONE
    request.cold = ZERO
    request.rtt_upstream = 0.0
    request.slow_start = 0.0
    request.hidden = 0.0
    request.job = ZERO
    request.kv_tier, request.kv_version = NONE, ZERO
    request.kv_age, request.kv_stale = 0.0, 0.0
    request.object, request.object_version = NONE, ZERO
    request.entity, request.depth = number, ZERO
    request.calls, request.turn = ZERO, ZERO
    request.is_placed, request.makes = ZERO, ZERO
    request.seen_object, request.seen_version = NONE, ZERO
    request.addressee, request.member = NONE, NONE
    for phase in range(PHASE_COUNT):
        st.phases[slot, phase] = 0.0
    if st.integers[I_ARRIVAL_KIND] == MESSAGES:
        return time, SEND_MESSAGE
    if st.integers[I_FUNCTIONS] > 1:
        _, word = two_words(st, USER, number, CLIENT_FUNCTION)
        request.function = choose(st.functions, word)
    if not route(st, slot):
        return time, FAILED + NO_ROUTE
    setup = connect(st, slot, time)
    request.setup = setup
    request.stage = S_INGRESS
    return time + (setup + request.rtt * 0.5), SEND


@helper
def at_ingress(st, slot, time):
    """A request reaches its ingress: return (when it reaches compute, what follows)."""
    request = st.slots[slot]
    st.phases[slot, P_NETWORK] += (time - request.start) - request.setup
    if st.sites[request.ingress].up == 0:
        return time, FAILED + SITE_DOWN
    if request.member >= 0:
        request.epoch = st.sites[request.ingress].epoch
        return time, RUN
    if request.compute == request.ingress and st.integers[I_FRONT_DOOR] == 0:
        return time, at_compute(st, slot)
    front = 0.0
    if st.integers[I_FRONT_DOOR] != 0:
        front = quantile(st, FRONT, two_words(st, FRONT_DOOR, request.number, ZERO)[0])
    trips = ZERO
    if st.integers[I_UPSTREAM_TRIPS] > 0:
        link = st.upstreams[request.upstream]
        timeout = st.floats[F_UPSTREAM_TIMEOUT]
        is_open = time - link.used < timeout and outlived(st, request.ingress, link.used)
        is_open = is_open and outlived(st, request.compute, link.used)
        if not (timeout == np.inf or is_open):
            trips = st.integers[I_UPSTREAM_TRIPS]
        link.used = time
    delay = (front + np.float64(trips) * request.rtt_upstream) + request.rtt_upstream * 0.5
    request.setup = front
    request.mark = time
    request.stage = S_COMPUTE
    return time + delay, SEND


@helper
def outlived(st, index, time):
    """Tell whether a site is up and has not failed since a time: what was open then is open still (rule 21)."""
    site = st.sites[index]
    return site.up != 0 and time >= site.up_since


@helper
def at_compute(st, slot):
    """A request is at its compute site."""
    request = st.slots[slot]
    site = st.sites[request.compute]
    if site.up == 0:
        return FAILED + SITE_DOWN
    request.epoch = site.epoch
    return ACQUIRE


@helper
def after_front_door(st, slot, time):
    """A request arrives at its compute site from its ingress."""
    request = st.slots[slot]
    front = request.setup
    st.phases[slot, P_FRONT_DOOR] += front
    st.phases[slot, P_NETWORK] += (time - request.mark) - front
    return at_compute(st, slot)


@helper
def acquire(st, slot, time):
    """Take a place under the limit, wait for one, or be refused (rule 16)."""
    request = st.slots[slot]
    request.pool = pool_of(st, request.compute, request.function)
    pool = st.pools[request.pool]
    limit = st.integers[I_REQUEST_LIMIT]
    if limit == 0 or pool.active < limit:
        pool.active += 1
        return BIND
    queue_limit = st.integers[I_QUEUE_LIMIT]
    if queue_limit >= 0 and pool.waiting >= queue_limit:
        return FAILED + THROTTLED
    request.mark = time
    request.stage = S_GRANTED
    request.next = NONE
    if pool.wait_tail >= 0:
        st.slots[pool.wait_tail].next = slot
    else:
        pool.wait_head = slot
    pool.wait_tail = slot
    pool.waiting += 1
    return NOTHING


@helper
def after_wait(st, slot, time):
    """A waiter was granted a place, or died with its site."""
    request = st.slots[slot]
    st.phases[slot, P_QUEUE] += time - request.mark
    return FAILED + KILLED if request.stage == S_DEAD else BIND


@helper
def after_step(st, slot):
    """A step of the handler is over."""
    request = st.slots[slot]
    request.pc += 1
    if request.depth > 0:
        request.failed = ZERO
        return RESUME
    if st.sites[request.compute].epoch != request.epoch:
        return FAILED + KILLED  # it releases nothing there (rule 22)
    return RUN


@helper
def branch(st, slot):
    """Follow jumps and choices, which take no time, to the next step (rule 28)."""
    request = st.slots[slot]
    while True:
        step = st.steps[request.pc]
        if step.kind == JUMP:
            request.pc = step.target
        elif step.kind == CHOOSE:
            drawn = uniform(two_words(st, STEP, request.entity, position_of(request))[0])
            row = step.target + st.clients[request.client].kind * step.count
            while not drawn < st.branches[row].cumulative:
                row += 1
            request.pc = st.branches[row].target
        else:
            return


@helper
def run_step(st, slot, time):
    """Run the step at the program counter; return when it is over."""
    request = st.slots[slot]
    step = st.steps[request.pc]
    request.stage = S_STEP
    word = two_words(st, STEP, request.entity, position_of(request))[0]
    duration = quantile(st, step.table, word)
    if step.kind == CPU:
        started, finished = run_cpu(st, slot, duration, time)
        st.phases[slot, P_EXECUTE] += finished - started
        return finished
    if step.kind == SLEEP:
        finished = time + duration
        if request.depth == 0:
            st.phases[slot, P_SLEEP] += finished - time
        return finished
    link = st.fetches[request.compute * st.integers[I_ORIGINS] + step.origin]
    trips = step.round_trips
    is_open = time - link.used < step.idle_timeout and outlived(st, request.compute, link.used)
    if not (step.idle_timeout == np.inf or is_open):
        trips = trips + step.handshakes
    link.used = time
    finished = time + (np.float64(trips) * link.rtt + duration)
    if request.depth == 0:
        st.phases[slot, P_FETCH] += finished - time
    return finished


@helper
def respond(st, slot, time):
    """Send the response; return the total latency (rule 12)."""
    request = st.slots[slot]
    back = (request.rtt_upstream * 0.5 + request.rtt * 0.5) + request.slow_start
    arrival = time + back
    st.phases[slot, P_NETWORK] += arrival - time
    return arrival - request.start
