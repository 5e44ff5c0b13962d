"""What one draw decides for all replications, so that no interval of theirs tells how far it may lie from the truth."""

from __future__ import annotations

from popsim.scenario.schema import Scenario


def one_draw_decides(scenario: Scenario) -> tuple[str, ...]:
    """Name what all replications share although it is drawn; nothing, unless the scenario asks for that.

    Whatever is drawn follows from seed and replication. ``residual: fixed`` alone makes it follow from the seed.
    """
    if scenario.network.residual != "fixed":
        return ()
    found = ["the lasting detours between places"]
    if any(spec.ingress.routing["model"] == "anycast" for spec in scenario.platforms.values()):
        found.append("the sites that anycast takes each client to")
    return tuple(found)


def one_draw_reason(scenario: Scenario) -> str | None:
    """Say why no verdict about latencies is certain; None if it may be."""
    found = one_draw_decides(scenario)
    if not found:
        return None
    return f"one draw decides {' and '.join(found)} for all replications (network.residual: fixed)"


def one_draw_note(scenario: Scenario) -> str | None:
    """Return the note about it for readers of a result; None if there is nothing to say."""
    reason = one_draw_reason(scenario)
    if reason is None:
        return None
    return f"{reason}: intervals of latencies tell of this one planet, and another seed has another"
