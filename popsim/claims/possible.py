"""Which parts of the time a scenario rules out: what was never seen is nothing there, and not merely rare."""

from __future__ import annotations

from popsim.claims.expression import AnyMetric, Metric
from popsim.claims.object_metric import ObjectMetric
from popsim.models.cold_start.rules import PoolRules
from popsim.models.registry import resolve
from popsim.scenario.laws import parse_law
from popsim.scenario.schema import Scenario

NOTHING = parse_law("0ms")
# Steps of a handler without which a phase takes no time
STEPS = {"execute": ("cpu",), "fetch": ("fetch",), "sleep": ("sleep",)}
OF_CONNECTIONS = ("dns", "connect", "tls")


def can_take_time(scenario: Scenario, metric: AnyMetric) -> bool:
    """Tell whether what a metric is about may take time in some request; True unless the scenario excludes it."""
    if isinstance(metric, ObjectMetric):
        objects = scenario.platforms[metric.platform].objects
        return metric.name != "gate" or objects is None or objects.followers > 0
    if not isinstance(metric, Metric) or metric.phase is None:
        return True
    workload, phase = scenario.workload, metric.phase
    if phase in OF_CONNECTIONS:
        connection = workload.connection
        is_free = (phase == "dns" and connection.dns == "cached") or (
            phase == "tls" and connection.tls == "none"
        )
        return connection.reuse not in ("always", 1.0) and not is_free
    if phase in STEPS:
        steps = [step for _, step in workload.steps()]
        return any(getattr(step, name) is not None for step in steps for name in STEPS[phase])
    if phase in ("kv", "object"):
        return workload.uses_kv if phase == "kv" else workload.uses_objects
    return _on_platform(scenario, metric.platform, phase)


def _on_platform(scenario: Scenario, platform: str, phase: str) -> bool:
    spec = scenario.platforms[platform]
    if phase == "front_door":
        return bool(spec.front_door != NOTHING)
    if phase == "cold_start":
        return bool(spec.runtime["model"] != "always_warm")
    if phase == "queue":
        rules: PoolRules = resolve("cold_start", spec.runtime).rules(spec.memory)
        waits_for_thread = rules.cpu_serial and rules.concurrency > 1
        waits_for_place = rules.max_requests > 0 and rules.queue_limit != 0
        return waits_for_thread or waits_for_place
    return True
