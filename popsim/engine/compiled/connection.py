"""Where a request goes, and DNS, TCP and TLS on the way; twin of specification/connection.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine.compiled.draw import USER, choose, quantile, two_words, uniform
from popsim.engine.compiled.jit import helper
from popsim.engine.compiled.state import (
    F_DNS_TTL,
    F_RESUMPTION,
    F_REUSE,
    I_CONNECT_TRIPS,
    I_DNS,
    I_LOSS,
    I_PREWARM,
    I_ROUTES,
    I_SLOW_START_TRIPS,
    I_TCP_AT_COMPUTE,
    I_TLS_AT_COMPUTE,
    I_TLS_RESUMED_TRIPS,
    I_TLS_TRIPS,
    I_UPSTREAMS,
)
from popsim.engine.layout import (
    DNS_TTL,
    P_CONNECT,
    P_DNS,
    P_TLS,
    T_ACCESS,
    T_CONNECT_LOSS,
    T_DNS_HIT,
    T_DNS_MISS,
    T_FULL_LOSS,
    T_JITTER,
    T_RESUMED_LOSS,
    T_TLS_TIME,
)

ROUTE_NETWORK = np.int64(draws.USER_ROUTE_NETWORK)
ACCESS_JITTER = np.int64(draws.USER_ACCESS_JITTER)
REUSE_RESUMPTION = np.int64(draws.USER_REUSE_RESUMPTION)
DNS_TLS = np.int64(draws.USER_DNS_TLS)
LOSS = np.int64(draws.USER_LOSS)
RESOLVER_PHASE, ZERO = np.uint64(draws.RESOLVER_PHASE), np.int64(0)
JITTER, ACCESS = np.int64(T_JITTER), np.int64(T_ACCESS)
HIT, MISS, TLS_TIME = np.int64(T_DNS_HIT), np.int64(T_DNS_MISS), np.int64(T_TLS_TIME)
CONNECT_LOSS, FULL_LOSS = np.int64(T_CONNECT_LOSS), np.int64(T_FULL_LOSS)
RESUMED_LOSS = np.int64(T_RESUMED_LOSS)


@helper
def route(st, slot):
    """Choose ingress and compute site; False if no announced site is left (rule 11)."""
    request = st.slots[slot]
    route_word, network_word = two_words(st, USER, request.number, ROUTE_NETWORK)
    access_word, jitter_word = two_words(st, USER, request.number, ACCESS_JITTER)
    network = choose(st.networks, network_word)
    request.network = network
    access = quantile(st, ACCESS + network, access_word)
    jitter = quantile(st, JITTER, jitter_word)
    request.ingress, base = pick(st, request.client, uniform(route_word))
    if request.ingress < 0:
        return False
    request.rtt = (base + access) + jitter
    count = st.integers[I_UPSTREAMS]
    for candidate in range(count):
        index = request.ingress * count + candidate
        site = st.upstreams[index].site
        if site >= 0 and st.sites[site].withdrawn == 0:
            request.compute = site
            request.upstream = index
            request.rtt_upstream = st.upstreams[index].rtt
            return True
    return False


@helper
def pick(st, client, position):
    """Return the ingress that a client uses, passing over withdrawn ones, and its RTT; -1 if none is left."""
    count = st.integers[I_ROUTES]
    first = client * count
    preferred = np.int64(0)
    while preferred < count - 1 and position >= st.routes[first + preferred].cumulative:
        preferred += 1
    for step in range(count):
        index = preferred + step
        if index >= count:
            index -= count
        site = st.routes[first + index].site
        if site >= 0 and st.sites[site].withdrawn == 0:
            return site, st.routes[first + index].rtt
    return np.int64(-1), 0.0


@helper
def connect(st, slot, time):
    """Return the setup time before the request is sent: dns + (connect + tls) (rule 6)."""
    request, integers = st.slots[slot], st.integers
    reuse_word, resumption_word = two_words(st, USER, request.number, REUSE_RESUMPTION)
    if uniform(reuse_word) < st.floats[F_REUSE]:
        return 0.0
    dns_word, tls_word = two_words(st, USER, request.number, DNS_TLS)
    dns = 0.0
    if integers[I_DNS] == DNS_TTL:
        dns = resolve(st, request.client, time, dns_word)
    through = request.rtt + request.rtt_upstream
    rtt_tcp = through if integers[I_TCP_AT_COMPUTE] != 0 else request.rtt
    rtt_tls = through if integers[I_TLS_AT_COMPUTE] != 0 else request.rtt
    connect_ms = np.float64(integers[I_CONNECT_TRIPS]) * rtt_tcp
    trips, packets = integers[I_TLS_TRIPS], FULL_LOSS
    if uniform(resumption_word) < st.floats[F_RESUMPTION]:
        trips, packets = integers[I_TLS_RESUMED_TRIPS], RESUMED_LOSS
    tls = np.float64(trips) * rtt_tls
    if trips > 0:
        tls = tls + quantile(st, TLS_TIME, tls_word)
    if integers[I_LOSS] != 0:
        connect_word, loss_word = two_words(st, USER, request.number, LOSS)
        if integers[I_CONNECT_TRIPS] > 0:
            connect_ms = connect_ms + quantile(st, CONNECT_LOSS, connect_word)
        tls = tls + quantile(st, packets, loss_word)
    request.slow_start = np.float64(integers[I_SLOW_START_TRIPS]) * rtt_tcp
    if integers[I_PREWARM] != 0:
        request.hidden = tls
    st.phases[slot, P_DNS] = dns
    st.phases[slot, P_CONNECT] = connect_ms
    st.phases[slot, P_TLS] = tls
    return dns + (connect_ms + tls)


@helper
def resolve(st, client, time, word):
    """Ask the resolver of a client; a query that waits for another's answer gets it then."""
    resolver = st.clients[client]
    if time < resolver.dns_expiry:
        hit = quantile(st, HIT, word)
        return hit + max(0.0, resolver.dns_ready - time)
    miss = quantile(st, MISS, word)
    resolver.dns_ready = time + miss
    ttl = st.floats[F_DNS_TTL]
    resolver.dns_expiry = resolver.dns_ready + ttl
    if resolver.dns_ready < ttl:
        first = uniform(two_words(st, RESOLVER_PHASE, client, ZERO)[0]) * ttl
        if resolver.dns_ready < first:
            resolver.dns_expiry = first
    return miss
