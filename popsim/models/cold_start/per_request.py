"""WebAssembly: a fresh instance for each request, gone with it.

Fastly Compute instantiates a module in 35.4 microseconds and makes a new instance for each request
https://www.fastly.com/blog/how-compute-edge-is-tackling-the-most-frustrating-aspects-of-serverless
(2020).
"""

from __future__ import annotations

from pydantic import Field

from popsim.models.cold_start.rules import NO_TIME, ColdStartModel, PoolRules, constant
from popsim.models.registry import register
from popsim.scenario.fields import MAX_WAITING, LawField


@register("cold_start", "per_request")
class PerRequest(ColdStartModel):
    """One instance per request; every request pays ``init``, which is short."""

    placement: LawField = NO_TIME
    """First part of a cold start: finding a machine."""
    code_fetch: LawField = NO_TIME
    """Second part of a cold start: the code's way there."""
    init: LawField
    """Third part of a cold start: the runtime and the code's own start."""
    max_requests: int = Field(default=0, ge=0, le=MAX_WAITING)
    """Requests at once per function and site; 0 = no limit."""
    queue_limit: int = Field(default=0, ge=-1, le=MAX_WAITING)
    """How many may wait beyond ``max_requests``: 0 = none (answered 429), -1 = all."""

    def rules(self, memory_bytes: int) -> PoolRules:
        """Return rules where an instance ends with its request."""
        return PoolRules(
            placement=self.placement,
            code_fetch=self.code_fetch,
            init=self.init,
            idle=constant(0.0),
            concurrency=1,
            instance_bytes=memory_bytes,
            max_requests=self.max_requests,
            queue_limit=self.queue_limit,
        )
