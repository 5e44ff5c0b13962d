"""Where a request goes, and DNS, TCP and TLS on the way; twin of specification/connection.py."""

from __future__ import annotations

import numpy as np

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.compiled import ages, draw
from popsim.engine.compiled.constants import NONE, ZERO
from popsim.engine.compiled.jit import helper


@helper
def route(st, slot):
    """Choose ingress and compute site; False if no announced site is left (rule 11)."""
    request = st.slots[slot]
    route_word, network_word = draw.two_words(
        st, draws.USER, request.number, draws.USER_ROUTE_NETWORK
    )
    access_word, jitter_word = draw.two_words(
        st, draws.USER, request.number, draws.USER_ACCESS_JITTER
    )
    network = draw.choose(st.networks, network_word)
    request.network = network
    access = draw.quantile(st, lay.T_ACCESS + network, access_word)
    jitter = draw.quantile(st, lay.T_JITTER, jitter_word)
    request.ingress, base = pick(st, request.client, draw.uniform(route_word))
    if request.ingress < 0:
        return False
    request.rtt = (base + access) + jitter
    count = st.rules[0].upstream_count
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
    count = st.rules[0].route_count
    first = client * count
    preferred = ZERO
    while preferred < count - 1 and position >= st.routes[first + preferred].cumulative:
        preferred += 1
    for step in range(count):
        index = preferred + step
        if index >= count:
            index -= count
        site = st.routes[first + index].site
        if site >= 0 and st.sites[site].withdrawn == 0:
            return site, st.routes[first + index].rtt
    return NONE, 0.0


@helper
def connect(st, slot, time):
    """Return the setup time before the request is sent: dns + (connect + tls) (rule 6)."""
    request, rules = st.slots[slot], st.rules[0]
    reuse_word, resumption_word = draw.two_words(
        st, draws.USER, request.number, draws.USER_REUSE_RESUMPTION
    )
    if draw.uniform(reuse_word) < rules.reuse:
        return 0.0
    dns_word, tls_word = draw.two_words(st, draws.USER, request.number, draws.USER_DNS_TLS)
    dns = 0.0
    if rules.dns == lay.DNS_TTL:
        dns = resolve(st, request.client, time, dns_word)
    through = request.rtt + request.rtt_upstream
    rtt_tcp = through if rules.tcp_at_compute != 0 else request.rtt
    rtt_tls = through if rules.tls_at_compute != 0 else request.rtt
    connect_ms = np.float64(rules.connect_round_trips) * rtt_tcp
    trips, packets = rules.tls_full_round_trips, lay.T_FULL_LOSS
    if draw.uniform(resumption_word) < rules.resumption:
        trips, packets = rules.tls_resumed_round_trips, lay.T_RESUMED_LOSS
    tls = np.float64(trips) * rtt_tls
    if trips > 0:
        tls = tls + draw.quantile(st, lay.T_TLS_TIME, tls_word)
    if rules.loss != 0:
        connect_word, loss_word = draw.two_words(st, draws.USER, request.number, draws.USER_LOSS)
        if rules.connect_round_trips > 0:
            connect_ms = connect_ms + draw.quantile(st, lay.T_CONNECT_LOSS, connect_word)
        tls = tls + draw.quantile(st, packets, loss_word)
    request.slow_start = np.float64(rules.slow_start_round_trips) * rtt_tcp
    if rules.prewarm_on_tls != 0:
        request.hidden = tls
    st.phases[slot, lay.P_DNS] = dns
    st.phases[slot, lay.P_CONNECT] = connect_ms
    st.phases[slot, lay.P_TLS] = tls
    return dns + (connect_ms + tls)


@helper
def resolve(st, client, time, word):
    """Ask the resolver of a client; a query that waits for another's answer gets it then."""
    resolver = st.clients[client]
    if time < resolver.dns_expiry:
        hit = draw.quantile(st, lay.T_DNS_HIT, word)
        return hit + max(0.0, resolver.dns_ready - time)
    miss = draw.quantile(st, lay.T_DNS_MISS, word)
    resolver.dns_ready = time + miss
    ttl, since = st.rules[0].dns_ttl, resolver.dns_ready
    if since < ttl:
        since = ages.begun(draw.two_words(st, draws.RESOLVER_PHASE, client, ZERO), since, ttl)
    resolver.dns_expiry = since + ttl
    return miss
