"""What lost packets of handshakes cost: TCP (RFC 6298), TLS over it, QUIC (RFC 9002)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import popsim
from popsim import InputError
from popsim.engine.build import build
from popsim.engine.handshakes import loss_laws, time_lost
from popsim.engine.run import simulate
from popsim.scenario.schema import Scenario
from popsim.scenario.workload import ConnectionSpec

FIRST_PROBE_MS = 333 + 4 * 333 / 2  # RFC 9002, 6.2.1 and 6.2.2: smoothed RTT + 4 * half of that


def laws(**keys: Any) -> list[Any]:
    return [*loss_laws(ConnectionSpec.model_validate({"loss": 0.02, **keys}))]


def share(law: Any, ms: float) -> float:
    at = np.array([ms])
    return float(law.cdf(at)[0] - law.cdf_before(at)[0])


@pytest.mark.parametrize(
    ("keys", "packets"),
    [
        ({"tls": "none"}, (2, 0, 0)),
        ({"tls": "1.2"}, (2, 6, 2)),
        ({"tls": "1.3"}, (2, 4, 2)),
        ({"tls": "1.3", "zero_rtt": True}, (2, 4, 2)),
        ({"protocol": "h3"}, (0, 4, 2)),
        ({"protocol": "h3", "zero_rtt": True}, (0, 4, 2)),
    ],
)
def test_every_packet_of_a_handshake_can_be_lost(
    keys: dict[str, Any], packets: tuple[int, ...]
) -> None:
    for law, count in zip(laws(**keys), packets, strict=True):
        assert share(law, 0.0) == pytest.approx(0.98**count, abs=1e-12)


def test_the_first_time_out_is_a_second_of_tcp_and_quic() -> None:
    connect, over_tcp, _ = laws()
    _, quic, resumed = laws(protocol="h3")
    assert sorted(connect.marks())[1:3] == [1_000.0, 2_000.0]  # either packet; both
    assert sorted(over_tcp.marks())[1] == 200.0
    for law in (quic, resumed):
        assert sorted(law.marks())[1] == FIRST_PROBE_MS
    assert share(resumed, FIRST_PROBE_MS) == pytest.approx(2 * 0.02 * 0.98**2, abs=1e-12)
    assert share(resumed, 3 * FIRST_PROBE_MS) == pytest.approx(2 * 0.02**2 * 0.98**2, abs=1e-12)


def test_a_flight_waits_for_the_last_of_its_packets() -> None:
    law, loss = time_lost([3], 100, 0.1), 0.1
    assert share(law, 0.0) == pytest.approx((1 - loss) ** 3, abs=1e-12)
    assert share(law, 100.0) == pytest.approx((1 - loss**2) ** 3 - (1 - loss) ** 3, abs=1e-12)


def test_flights_add_up() -> None:
    """A packet's mean is T * p / (1 - 2 p), the sum of a geometric series, but for losses beyond the seventh."""
    one = 1_000 * 0.02 / (1 - 0.04)
    assert laws()[0].mean() == pytest.approx(2 * one, rel=1e-6)
    assert laws(protocol="h3")[2].mean() == pytest.approx(2 * one * 0.999, rel=1e-6)


def scenario(folder: Any, **connection: Any) -> Scenario:
    (folder / "client.csv").write_text(
        "id,city,country,lat,lon,utc_offset_h,weight\nc,C,DE,50,8,1,1\n"
    )
    (folder / "site.csv").write_text("id,city,country,lat,lon,roles\ns,S,DE,50,8,pop\n")
    return popsim.load(
        {
            "name": "handshakes", "duration": "200s", "engine": "simpy",
            "clients": {"topology": str(folder / "client.csv"), "network": "datacenter"},
            "network": {"residual": False, "jitter": "none"},
            "workload": {
                "arrivals": {"rate": "20/s"}, "connection": {"reuse": "never", "loss": "10%", **connection},
                "handler": [{"cpu": "1ms"}],
            },
            "platforms": {"p": {
                "topology": str(folder / "site.csv"), "ingress": {"routing": "nearest"}, "runtime": "always_warm",
            }},
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("connection", "phase", "packets"),
    [
        ({"tls": "1.3"}, "connect", 2),
        ({"tls": "1.2"}, "tls", 6),
        ({"protocol": "h3"}, "tls", 4),
        ({"protocol": "h3", "resumption": "100%", "zero_rtt": True}, "tls", 2),
        ({"resumption": "100%"}, "tls", 2),
    ],
)
def test_runs_lose_as_many(
    tmp_path: Any, connection: dict[str, Any], phase: str, packets: int
) -> None:
    run = simulate(scenario(tmp_path, **connection), "p", 0)
    waited = run.sample_phases[:, popsim.engine.outputs.PHASES.index(phase)] > 150.0
    expected = 1 - 0.9**packets
    error = np.sqrt(expected * (1 - expected) / len(waited))
    assert error < 0.01
    assert abs(waited.mean() - expected) < 4 * error


def test_without_loss_there_is_nothing_to_draw(tmp_path: Any) -> None:
    built = build(scenario(tmp_path, loss=0), "p", 0)
    assert not built.inputs.rules.loss


def test_quic_has_one_end(tmp_path: Any) -> None:
    base = scenario(tmp_path, protocol="h3")
    for ends in ({"tls": "compute"}, {"tcp": "compute"}):
        with pytest.raises(InputError, match="h3 TCP and TLS are one handshake"):
            popsim.load(base, platforms={"p": {"termination": ends}})
    same = {"tcp": "compute", "tls": "compute"}
    assert popsim.load(base, platforms={"p": {"termination": same}}).platforms["p"].termination.tcp
