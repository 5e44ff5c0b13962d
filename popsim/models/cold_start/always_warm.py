"""Servers that are always there: the bound that no start-up optimisation can beat."""

from __future__ import annotations

from pydantic import Field

from popsim.models.cold_start.rules import NO_TIME, UNBOUNDED, ColdStartModel, PoolRules
from popsim.models.registry import register
from popsim.scenario.fields import MAX_WAITING


@register("cold_start", "always_warm")
class AlwaysWarm(ColdStartModel):
    """Instances without start-up time that never leave.

    With ``max_requests`` this is a queue of that many servers: ``queue_limit: -1`` waits (M/M/c),
    ``queue_limit: 0`` is answered 429 (Erlang's loss system).
    """

    concurrency: int = Field(default=UNBOUNDED, ge=1, le=UNBOUNDED)
    """Requests in one instance at once; 2^31 = any number."""
    cpu_serial: bool = False
    """Requests in one instance share one thread."""
    max_requests: int = Field(default=0, ge=0, le=MAX_WAITING)
    """Requests at once per function and site; 0 = no limit."""
    queue_limit: int = Field(default=-1, ge=-1, le=MAX_WAITING)
    """How many may wait beyond ``max_requests``: 0 = none (answered 429), -1 = all."""

    def rules(self, memory_bytes: int) -> PoolRules:
        """Return rules without any start-up."""
        return PoolRules(
            placement=NO_TIME,
            code_fetch=NO_TIME,
            init=NO_TIME,
            idle=None,
            concurrency=self.concurrency,
            cpu_serial=self.cpu_serial,
            instance_bytes=memory_bytes,
            max_requests=self.max_requests,
            queue_limit=self.queue_limit,
        )
