"""Containers: like microVMs, with room for several requests in one instance.

Several requests in one instance: Vercel documentation, "Fluid compute"
(https://vercel.com/docs/fluid-compute, 2026-01-29).
"""

from __future__ import annotations

from pydantic import Field

from popsim.models.cold_start.rules import NO_TIME, UNBOUNDED, ColdStartModel, PoolRules
from popsim.models.registry import register
from popsim.scenario.fields import MAX_WAITING, LawField


@register("cold_start", "container")
class Container(ColdStartModel):
    """Containers that take up to ``concurrency`` requests at once and expire when idle for long.

    With ``cpu_serial`` the requests of one instance share one thread, as in a Node process; without
    it each computes as if alone (enough cores for all).
    """

    placement: LawField = NO_TIME
    """First part of a cold start: finding a machine."""
    code_fetch: LawField = NO_TIME
    """Second part of a cold start: the code's way there."""
    init: LawField
    """Third part of a cold start: the runtime and the code's own start."""
    idle: LawField
    """How long an instance without requests stays."""
    concurrency: int = Field(default=1, ge=1, le=UNBOUNDED)
    """Requests in one instance at once."""
    cpu_serial: bool = True
    """Requests in one instance share one thread, as in a Node process."""
    max_requests: int = Field(default=0, ge=0, le=MAX_WAITING)
    """Requests at once per function and site; 0 = no limit."""
    queue_limit: int = Field(default=0, ge=-1, le=MAX_WAITING)
    """How many may wait beyond ``max_requests``: 0 = none (answered 429), -1 = all."""

    def rules(self, memory_bytes: int) -> PoolRules:
        """Return rules where an instance holds all its configured memory."""
        return PoolRules(
            placement=self.placement,
            code_fetch=self.code_fetch,
            init=self.init,
            idle=self.idle,
            concurrency=self.concurrency,
            cpu_serial=self.cpu_serial and self.concurrency > 1,
            instance_bytes=memory_bytes,
            max_requests=self.max_requests,
            queue_limit=self.queue_limit,
        )
