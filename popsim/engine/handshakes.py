"""Set up a connection: the round trips of TCP, TLS and QUIC, the packets of their handshakes, and what a lost one costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from popsim.engine import layout as lay
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.schema import PlatformSpec
from popsim.scenario.workload import ConnectionSpec, WorkloadSpec

INITIAL_WINDOW_BYTES = 14_600  # ten segments of 1,460 bytes, RFC 6928 (2013)

# Packets per flight, in the order in which they are waited for. An acknowledgement or Finished that travels with the
# request is no flight of its own. ASSUMPTION: a server's certificates take 3 packets (2 to 4: a chain has 2 to 5 kB; QUIC lets
# a server send three times what it has got, 3,600 bytes, RFC 9000, section 8.1); every other message fits one.
CERTIFICATES = 3
TCP_FLIGHTS = (1, 1)  # SYN; SYN-ACK
FULL_FLIGHTS = {
    "none": (),
    "1.2": (1, CERTIFICATES, 1, 1),  # hello; certificates; key exchange; Finished
    "1.3": (1, CERTIFICATES),  # hello; certificates and Finished
}
RESUMED_FLIGHTS = {"none": (), "1.2": (1, 1), "1.3": (1, 1)}  # also with early data

# The time-out of a first packet: TCP's is 1 s (RFC 6298, section 2, 2011). QUIC's probe time-out is 333 ms + 4 * 166.5 ms
# before there is a sample of the round trip (RFC 9002, section 6.2.2, 2021). On an open TCP connection it follows the
# round trips seen; ASSUMPTION: 200 ms, Linux's smallest time-out, which is too short for round trips of that length. All double.
TCP_TIMEOUT_MS, QUIC_TIMEOUT_MS, OPEN_TIMEOUT_MS = 1_000, 999, 200
MOST_LOSSES = 7  # of one packet: 127 time-outs; more count as so many


def connection_rules(workload: WorkloadSpec, spec: PlatformSpec) -> dict[str, Any]:
    """Count the round trips of connecting (RFC 8446 for TLS 1.3, RFC 5246 for 1.2, RFC 9000 for QUIC).

    TCP takes one; a full TLS 1.2 handshake two, resumed one; TLS 1.3 one, resumed one, or none with
    early data. QUIC has TLS 1.3 inside and no round trip of its own.
    """
    connection, termination = workload.connection, spec.termination
    full, resumed = {"none": (0, 0), "1.2": (2, 1), "1.3": (1, 1)}[connection.tls]
    if connection.zero_rtt:
        resumed = 0
    dns = connection.dns
    return {
        "reuse": {"never": 0.0, "always": 1.0}.get(str(connection.reuse), connection.reuse),
        "connect_round_trips": 0 if connection.protocol == "h3" else 1,
        "tls_full_round_trips": full,
        "tls_resumed_round_trips": resumed,
        "resumption": connection.resumption,
        "slow_start_round_trips": slow_start_round_trips(workload.response_size),
        "tcp_at_compute": termination.tcp == "compute",
        "tls_at_compute": termination.tls == "compute",
        "dns": lay.DNS_CACHED if isinstance(dns, str) else lay.DNS_TTL,
        "dns_ttl": 0.0 if isinstance(dns, str) else dns.ttl,
        "loss": connection.loss > 0.0,
    }


def slow_start_round_trips(size_bytes: float) -> int:
    """Return the extra round trips of a response on a new connection: the window doubles each time.

    ASSUMPTION: a reused connection has grown its window already and needs none.
    """
    round_trips, window, sent = 0, INITIAL_WINDOW_BYTES, INITIAL_WINDOW_BYTES
    while sent < size_bytes:
        window *= 2
        sent += window
        round_trips += 1
    return round_trips


def loss_laws(connection: ConnectionSpec) -> tuple[Law, Law, Law]:
    """Return what lost packets add to connecting by TCP, to a full handshake of TLS or QUIC, and to a resumed one."""
    is_quic = connection.protocol == "h3"
    timeout_ms = QUIC_TIMEOUT_MS if is_quic else OPEN_TIMEOUT_MS
    return (
        time_lost(() if is_quic else TCP_FLIGHTS, TCP_TIMEOUT_MS, connection.loss),
        time_lost(FULL_FLIGHTS[connection.tls], timeout_ms, connection.loss),
        time_lost(RESUMED_FLIGHTS[connection.tls], timeout_ms, connection.loss),
    )


def time_lost(flights: Sequence[int], timeout_ms: int, loss: float) -> Law:
    """Return the law of the time-outs of a handshake, each packet being lost with probability ``loss``, each time it is sent.

    A packet lost k times in a row costs timeout * (2**k - 1). Those of a flight are waited for together, flights
    one after the other.
    """
    found = {0: 1.0}  # probability by how many time-outs
    for packets in flights:
        most = [(1.0 - loss ** (k + 1)) ** packets for k in range(MOST_LOSSES)]  # P(k at most)
        shares = [b - a for a, b in zip([0.0, *most], [*most, 1.0], strict=True)]
        sums: dict[int, float] = {}
        for timeouts, share in found.items():
            for k, more in enumerate(shares):
                sums[timeouts + 2**k - 1] = sums.get(timeouts + 2**k - 1, 0.0) + share * more
        found = sums
    values = [f"{timeout_ms * timeouts}ms" for timeouts in found]
    return parse_law({"choices": {"values": values, "weights": list(found.values())}})
