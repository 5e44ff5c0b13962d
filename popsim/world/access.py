"""Access networks: the last mile of clients, as a mix of kinds of line."""

from __future__ import annotations

from functools import cache
from typing import Any

from popsim.scenario.bundled import bundled_folder
from popsim.scenario.document import load_yaml
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.schema import AccessMix
from popsim.scenario.text import quoted
from popsim.scenario.units import format_duration, parse_duration

FIXED_LINES = ("fibre", "cable", "dsl", "satellite")
"""Lines that end in a Wi-Fi router; a phone's or a data centre's do not."""


def access_laws(network: str | AccessMix) -> tuple[list[str], list[float], list[Law]]:
    """Return names, weights (sum 1) and laws (RTT in ms) of the access networks of a mix.

    Fixed lines appear twice where there is Wi-Fi: with it and without.

    Raises:
        InputError: an unknown network or mix.

    >>> access_laws("mobile")[:2]
    (['4g', '5g'], [0.45, 0.55])
    """
    if isinstance(network, str):
        known = [*mix_names(), *network_names()]
        if network not in known:
            message = f"there is no access network {quoted(network)}"
            raise InputError([Problem(None, None, None, (), message, did_you_mean(network, known))])
        named = _file()["mixes"].get(network, {"mix": {network: 1.0}})
        network = AccessMix.model_validate(named)
    problems = [
        Problem(
            None,
            None,
            None,
            ("mix", name),
            f"there is no access network {quoted(name)}",
            _hint(name),
        )
        for name in network.mix
        if name not in network_names()
    ]
    if problems:
        raise InputError(problems)
    return _rows(network)


def _rows(network: AccessMix) -> tuple[list[str], list[float], list[Law]]:
    names, weights, laws = [], [], []
    total = sum(network.mix.values())
    wifi_ms = parse_duration(_file()["wifi"])
    for name, weight in network.mix.items():
        law = parse_law(_file()["networks"][name])
        wifi = network.wifi if name in FIXED_LINES else 0.0
        if wifi < 1.0:
            names.append(name)
            weights.append(weight / total * (1.0 - wifi))
            laws.append(law)
        if wifi > 0.0:
            names.append(f"{name}+wifi")
            weights.append(weight / total * wifi)
            by = format_duration(wifi_ms)
            laws.append(parse_law({"shifted": {"by": by, "law": law.to_yaml()}}))
    return names, weights, laws


def network_names() -> list[str]:
    """Return the names of access networks."""
    return list(_file()["networks"])


def mix_names() -> list[str]:
    """Return the names of mixes of access networks."""
    return list(_file()["mixes"])


def _hint(name: str) -> str | None:
    return did_you_mean(name, network_names())


@cache
def _file() -> dict[str, Any]:
    data: dict[str, Any] = load_yaml(bundled_folder("topologies") / "access_networks.yaml").data
    return data
