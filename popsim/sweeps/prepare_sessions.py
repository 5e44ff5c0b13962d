"""Check that claims about sessions and replicas are about something: participants, messages, broadcasts, copies."""

from __future__ import annotations

from popsim.claims.object_metric import ObjectMetric
from popsim.claims.read_objects import NO_MESSAGES
from popsim.scenario.calls import reachable
from popsim.scenario.steps import nested
from popsim.scenario.text import quoted
from popsim.scenario.workload import WorkloadSpec

OF_PARTICIPANTS = ("ack", "visible", "reconnect", "missed_ratio")
OF_REPLICAS = ("staleness", "stale_ratio", "replica_reads", "stale", "truncated")
Told = tuple[str, str | None]  # message, hint


def no_session(workload: WorkloadSpec, metric: ObjectMetric) -> Told | None:
    """Return why a metric of sessions has nothing that it is about, or None."""
    kinds, chosen = workload.objects, metric.object_class
    classes = list(kinds) if chosen is None else [chosen]
    connected = [name for name in classes if kinds[name].participants is not None]
    whom = "objects" if chosen is None else f"objects of class {quoted(chosen)}"
    if not connected:
        hint = "give the class participants, such as {count: 5, spread: country}"
        return f"{metric.name} is about participants, and {whom} have none", hint
    sent = workload.arrivals.messages
    if metric.name == "ack" or metric.message is not None:
        if sent is None:
            return f"{metric.name} is about messages, and participants send none", NO_MESSAGES
        if chosen not in (None, sent.object_class):
            message = f"participants of {quoted(chosen)} send no messages, those of {quoted(sent.object_class)} do"
            return message, None
    if metric.name in ("visible", "missed_ratio"):
        return _not_seen(workload, metric, connected)
    return None


def _not_seen(workload: WorkloadSpec, metric: ObjectMetric, classes: list[str]) -> Told | None:
    """Return why nobody can see what the metric is about, or None."""
    sent = workload.arrivals.messages
    hint = "a broadcast: {} step shows it to the other participants"
    if metric.message is not None and sent is not None:
        if _broadcasts(workload, sent.object_class, metric.message):
            return None
        what = f"the handler {quoted(metric.message)} of {quoted(sent.object_class)} does not broadcast"
        return f"{what}, so that nobody sees it", hint
    if any(
        name in classes and _broadcasts(workload, name, own) for name, own in reachable(workload)
    ):
        return None
    return f"no handler of {' or '.join(classes)} that runs broadcasts anything", hint


def _broadcasts(workload: WorkloadSpec, object_class: str, handler: str) -> bool:
    if object_class not in workload.objects:
        return True  # an unknown class, told elsewhere, may do anything
    steps = workload.objects[object_class].handlers.get(handler, ())
    return any(step.broadcast is not None for _, step in nested((), steps))
