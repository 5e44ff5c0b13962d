"""V8 isolates: many requests in one instance, on one thread, in little memory.

Cloudflare starts an isolate in about 5 ms and hides it behind the TLS handshake: the ClientHello
names the Worker, which is loaded while the handshake's round trip is under way
(https://blog.cloudflare.com/eliminating-cold-starts-with-cloudflare-workers, 2020-07). Idle
isolates are evicted least recently used under a memory budget (K. Varda at QCon London 2019,
https://www.infoq.com/presentations/cloudflare-v8).
"""

from __future__ import annotations

from pydantic import Field

from popsim.models.cold_start.rules import NO_TIME, UNBOUNDED, ColdStartModel, PoolRules, constant
from popsim.models.registry import register
from popsim.scenario.fields import LawField, PositiveMs, SizeBytes


@register("cold_start", "isolate")
class Isolate(ColdStartModel):
    """Isolates: any number of requests at once, CPU one after the other.

    ``instance_memory`` is what one isolate takes; the memory configured for a function is its
    limit, not its use. ``site_memory`` is what a site has for isolates, 0 = unlimited.
    """

    placement: LawField = NO_TIME
    """First part of a cold start: finding a machine."""
    code_fetch: LawField = NO_TIME
    """Second part of a cold start: the code's way there."""
    init: LawField
    """Third part of a cold start: the runtime and the code's own start."""
    prewarm_on_tls: bool = True
    """The start hides behind the TLS handshake of the request that causes it."""
    idle: PositiveMs
    """How long an isolate without requests stays, if memory lasts."""
    instance_memory: SizeBytes = 0
    """Memory that one isolate takes."""
    site_memory: SizeBytes = 0
    """Of all isolates of a site; 0 = no limit."""
    concurrency: int = Field(default=UNBOUNDED, ge=1, le=UNBOUNDED)
    """Requests in one instance at once; 2^31 = any number."""

    def rules(self, memory_bytes: int) -> PoolRules:
        """Return rules with the CPU serialised and the idle list bounded by the site's memory."""
        return PoolRules(
            placement=self.placement,
            code_fetch=self.code_fetch,
            init=self.init,
            idle=constant(self.idle),
            concurrency=self.concurrency,
            cpu_serial=True,
            prewarm_on_tls=self.prewarm_on_tls,
            instance_bytes=self.instance_memory,
            memory_budget_bytes=self.site_memory,
        )
