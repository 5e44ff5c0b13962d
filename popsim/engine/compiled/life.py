"""The events of a request's life, compiled; twin of specification/plane.py.

Each function handles one event or decision and says what follows; ``kernel.advance`` strings them
together, so that each is inlined once.
"""

from __future__ import annotations

import numpy as np

from popsim.engine import draws, recorder
from popsim.engine import layout as lay
from popsim.engine.compiled import connection, draw, instances, pools, stages
from popsim.engine.compiled.constants import NONE, ZERO
from popsim.engine.compiled.jit import helper, prefetch

HOURS_PER_MS = 1.0 / 3_600_000.0
DAYS_PER_HOUR = 1.0 / 24.0


@helper
def next_candidate(st):
    """Move on to the next candidate, or note that there is none before the run's end."""
    run, rules = st.run[0], st.rules[0]
    number = run.next_number + 1
    run.next_number = number
    if rules.arrivals == lay.MESSAGES:
        gap_word, _ = draw.two_words(st, draws.ARRIVAL, number, ZERO)
        run.next_time = run.next_time + draw.quantile(st, lay.T_GAP, gap_word)
        run.next_client = 0  # until it is known whose message it is
    elif rules.arrivals == lay.POISSON:
        gap_word, _ = draw.two_words(st, draws.ARRIVAL, number, ZERO)
        run.next_time = run.next_time + draw.quantile(st, lay.T_GAP, gap_word)
        client_word, _ = draw.two_words(st, draws.USER, number, draws.USER_CLIENT_FUNCTION)
        run.next_client = draw.choose(st.clients, client_word)
        prefetch(st.clients, run.next_client)
        prefetch(st.routes, run.next_client * rules.route_count)
    elif rules.arrivals == lay.PERIODIC:
        probes = st.probe_offset.shape[0]
        turn = number // probes
        probe = number - turn * probes
        run.next_time = st.probe_offset[probe] + np.float64(turn) * rules.period
        run.next_client = st.probe_client[probe]
    elif number < st.trace.shape[0]:
        run.next_time = st.trace[number].time
        run.next_client = st.trace[number].client
    else:
        run.next_time = np.inf
    if run.next_time >= rules.duration:
        run.arrivals_done = 1


@helper
def is_accepted(st, number, client, time):
    """Thin a Poisson candidate with the profile and surge that hold at its time (rule 10)."""
    if st.rules[0].arrivals != lay.POISSON:
        return True
    _, word = draw.two_words(st, draws.ARRIVAL, number, ZERO)
    hours = time * HOURS_PER_MS + st.clients[client].clock_h
    hour = min(np.int64(hours - np.floor(hours * DAYS_PER_HOUR) * 24.0), np.int64(23))
    intensity = st.profile[hour] * st.clients[client].surge
    return draw.uniform(word) * st.rules[0].intensity_bound < intensity


@helper
def begin(st, slot, number, client, time):
    """A request leaves its client: return (when it reaches its ingress, what follows)."""
    st.counters[recorder.C_ARRIVALS] += 1
    st.counters[recorder.C_EVENTS] += 1
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
    for phase in range(lay.PHASE_COUNT):
        st.phases[slot, phase] = 0.0
    if st.rules[0].arrivals == lay.MESSAGES:
        return time, stages.SEND_MESSAGE
    if st.rules[0].function_count > 1:
        _, word = draw.two_words(st, draws.USER, number, draws.USER_CLIENT_FUNCTION)
        request.function = draw.choose(st.functions, word)
    if not connection.route(st, slot):
        return time, stages.FAILED + lay.NO_ROUTE
    pools.expect(st, request.compute, request.function)
    setup = connection.connect(st, slot, time)
    request.setup = setup
    request.stage = stages.S_INGRESS
    return time + (setup + request.rtt * 0.5), stages.SEND


@helper
def at_ingress(st, slot, time):
    """A request reaches its ingress: return (when it reaches compute, what follows)."""
    request = st.slots[slot]
    st.phases[slot, lay.P_NETWORK] += (time - request.start) - request.setup
    if st.sites[request.ingress].up == 0:
        return time, stages.FAILED + lay.SITE_DOWN
    if request.member >= 0:
        request.epoch = st.sites[request.ingress].epoch
        return time, stages.RUN
    if request.compute == request.ingress and st.rules[0].front_door == 0:
        return time, at_compute(st, slot)
    front = 0.0
    if st.rules[0].front_door != 0:
        front = draw.quantile(
            st, lay.T_FRONT_DOOR, draw.two_words(st, draws.FRONT_DOOR, request.number, ZERO)[0]
        )
    trips = ZERO
    if st.rules[0].upstream_round_trips > 0:
        link = st.upstreams[request.upstream]
        timeout = st.rules[0].upstream_idle_timeout
        is_open = time - link.used < timeout and outlived(st, request.ingress, link.used)
        is_open = is_open and outlived(st, request.compute, link.used)
        if not (timeout == np.inf or is_open):
            trips = st.rules[0].upstream_round_trips
        link.used = time
    delay = (front + np.float64(trips) * request.rtt_upstream) + request.rtt_upstream * 0.5
    request.setup = front
    request.mark = time
    request.stage = stages.S_COMPUTE
    return time + delay, stages.SEND


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
        return stages.FAILED + lay.SITE_DOWN
    request.epoch = site.epoch
    return stages.ACQUIRE


@helper
def after_front_door(st, slot, time):
    """A request arrives at its compute site from its ingress."""
    request = st.slots[slot]
    front = request.setup
    st.phases[slot, lay.P_FRONT_DOOR] += front
    st.phases[slot, lay.P_NETWORK] += (time - request.mark) - front
    return at_compute(st, slot)


@helper
def acquire(st, slot, time):
    """Take a place under the limit, wait for one, or be refused (rule 16)."""
    request = st.slots[slot]
    request.pool = pools.pool_of(st, request.compute, request.function)
    pool = st.pools[request.pool]
    limit = st.rules[0].max_requests
    if limit == 0 or pool.active < limit:
        pool.active += 1
        return stages.BIND
    queue_limit = st.rules[0].queue_limit
    if queue_limit >= 0 and pool.waiting >= queue_limit:
        return stages.FAILED + lay.THROTTLED
    request.mark = time
    request.stage = stages.S_GRANTED
    request.next = NONE
    if pool.wait_tail >= 0:
        st.slots[pool.wait_tail].next = slot
    else:
        pool.wait_head = slot
    pool.wait_tail = slot
    pool.waiting += 1
    return stages.NOTHING


@helper
def after_wait(st, slot, time):
    """A waiter was granted a place, or died with its site."""
    request = st.slots[slot]
    st.phases[slot, lay.P_QUEUE] += time - request.mark
    return stages.FAILED + lay.KILLED if request.stage == stages.S_DEAD else stages.BIND


@helper
def after_step(st, slot):
    """A step of the handler is over."""
    request = st.slots[slot]
    request.pc += 1
    if request.depth > 0:
        request.failed = ZERO
        return stages.RESUME
    if st.sites[request.compute].epoch != request.epoch:
        return stages.FAILED + lay.KILLED  # it releases nothing there (rule 22)
    return stages.RUN


@helper
def branch(st, slot):
    """Follow jumps and choices, which take no time, to the next step (rule 28)."""
    request = st.slots[slot]
    while True:
        step = st.steps[request.pc]
        if step.kind == lay.JUMP:
            request.pc = step.target
        elif step.kind == lay.CHOOSE:
            drawn = draw.uniform(
                draw.two_words(st, draws.STEP, request.entity, draw.position_of(request))[0]
            )
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
    request.stage = stages.S_STEP
    word = draw.two_words(st, draws.STEP, request.entity, draw.position_of(request))[0]
    duration = draw.quantile(st, step.table, word)
    if step.kind == lay.CPU:
        started, finished = instances.run_cpu(st, slot, duration, time)
        st.phases[slot, lay.P_EXECUTE] += finished - started
        return finished
    if step.kind == lay.SLEEP:
        finished = time + duration
        if request.depth == 0:
            st.phases[slot, lay.P_SLEEP] += finished - time
        return finished
    link = st.fetches[request.compute * st.rules[0].origin_count + step.origin]
    trips = step.round_trips
    is_open = time - link.used < step.idle_timeout and outlived(st, request.compute, link.used)
    if not (step.idle_timeout == np.inf or is_open):
        trips = trips + step.handshakes
    link.used = time
    finished = time + (np.float64(trips) * link.rtt + duration)
    if request.depth == 0:
        st.phases[slot, lay.P_FETCH] += finished - time
    return finished


@helper
def respond(st, slot, time):
    """Send the response; return the total latency (rule 12)."""
    request = st.slots[slot]
    back = (request.rtt_upstream * 0.5 + request.rtt * 0.5) + request.slow_start
    arrival = time + back
    st.phases[slot, lay.P_NETWORK] += arrival - time
    return arrival - request.start
