"""What happens before a request leaves its client: where it goes, and DNS, TCP and TLS on the way."""

from __future__ import annotations

from popsim.engine import draws
from popsim.engine.arrays import rows
from popsim.engine.layout import (
    ALWAYS_POOLED,
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
    Inputs,
)
from popsim.engine.specification.lookups import Lookups
from popsim.engine.specification.state import NEVER, Request, Site


class Connections:
    """Routing tables and resolver caches of one run."""

    def __init__(self, inputs: Inputs, lookups: Lookups, sites: list[Site]) -> None:
        self.rules = inputs.rules
        self.lookups = lookups
        self.sites = sites
        self.route_count = inputs.route_count
        self.upstream_count = inputs.upstream_count
        self.routes = rows(inputs.routes)
        self.upstreams = rows(inputs.upstreams)
        self.dns_ready = [NEVER] * len(inputs.clients)
        self.dns_expiry = [NEVER] * len(inputs.clients)

    def route(self, request: Request) -> bool:
        """Choose ingress and compute site; False if no announced site is left (rule 11)."""
        words = self.lookups.words
        route_word, network_word = words(draws.USER, request.number, draws.USER_ROUTE_NETWORK)
        access_word, jitter_word = words(draws.USER, request.number, draws.USER_ACCESS_JITTER)
        request.network = self.lookups.network(network_word)
        access = self.lookups.table(T_ACCESS + request.network, access_word)
        jitter = self.lookups.table(T_JITTER, jitter_word)
        request.ingress, base = self.pick(request.client, draws.uniform(route_word))
        if request.ingress < 0:
            return False
        request.rtt = (base + access) + jitter
        for candidate in range(self.upstream_count):
            index = request.ingress * self.upstream_count + candidate
            link = self.upstreams[index]
            if link.site >= 0 and not self.sites[link.site].withdrawn:
                request.compute, request.upstream, request.rtt_upstream = link.site, index, link.rtt
                return True
        return False

    def pick(self, client: int, position: float) -> tuple[int, float]:
        """Return the ingress that a client uses, passing over withdrawn ones, and its RTT; -1 if none is left."""
        first = client * self.route_count
        preferred = 0
        routes = self.routes[first : first + self.route_count]
        while preferred < len(routes) - 1 and position >= routes[preferred].cumulative:
            preferred += 1
        for route in routes[preferred:] + routes[:preferred]:
            if route.site >= 0 and not self.sites[route.site].withdrawn:
                return int(route.site), float(route.rtt)
        return -1, 0.0

    def connect(self, request: Request, time: float) -> float:
        """Return the setup time in ms before the request is sent: dns + (connect + tls) (rule 6)."""
        rules = self.rules
        reuse_word, resumption_word = self.lookups.words(
            draws.USER, request.number, draws.USER_REUSE_RESUMPTION
        )
        if draws.uniform(reuse_word) < rules.reuse:
            return 0.0
        dns_word, tls_word = self.lookups.words(draws.USER, request.number, draws.USER_DNS_TLS)
        dns = self._resolve(request.client, time, dns_word) if rules.dns == DNS_TTL else 0.0
        through = request.rtt + request.rtt_upstream
        rtt_tcp = through if rules.tcp_at_compute else request.rtt
        rtt_tls = through if rules.tls_at_compute else request.rtt
        connect = rules.connect_round_trips * rtt_tcp
        resumed = draws.uniform(resumption_word) < rules.resumption
        round_trips = rules.tls_resumed_round_trips if resumed else rules.tls_full_round_trips
        tls = round_trips * rtt_tls
        if round_trips > 0:
            tls = tls + self.lookups.table(T_TLS_TIME, tls_word)
        if rules.loss:
            connect_word, loss_word = self.lookups.words(
                draws.USER, request.number, draws.USER_LOSS
            )
            if rules.connect_round_trips > 0:
                connect = connect + self.lookups.table(T_CONNECT_LOSS, connect_word)
            packets = T_RESUMED_LOSS if resumed else T_FULL_LOSS
            tls = tls + self.lookups.table(packets, loss_word)
        request.slow_start = rules.slow_start_round_trips * rtt_tcp
        request.hidden = tls if rules.prewarm_on_tls else 0.0
        request.phases[P_DNS] = dns
        request.phases[P_CONNECT] = connect
        request.phases[P_TLS] = tls
        return dns + (connect + tls)

    def _resolve(self, client: int, time: float, word: int) -> float:
        """Ask the resolver of a client; a query that waits for another's answer gets it then (rule 19)."""
        if time < self.dns_expiry[client]:
            hit = self.lookups.table(T_DNS_HIT, word)
            return hit + max(0.0, self.dns_ready[client] - time)
        miss = self.lookups.table(T_DNS_MISS, word)
        self.dns_ready[client] = time + miss
        self.dns_expiry[client] = self._expiry(client, self.dns_ready[client])
        return miss

    def _expiry(self, client: int, ready: float) -> float:
        """Return when an answer expires; the first one is as old as a random one would be (rule 19)."""
        ttl = self.rules.dns_ttl
        return self.lookups.since(draws.RESOLVER_PHASE, client, 0, ready, ttl) + ttl


def is_open(used: float, now: float, idle_timeout: float, *ends: Site) -> bool:
    """Tell whether a pool of connections that was last used at a time has an open one (rules 18, 21)."""
    if idle_timeout == ALWAYS_POOLED:
        return True
    return now - used < idle_timeout and all(end.up and used >= end.up_since for end in ends)
