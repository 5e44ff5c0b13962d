"""MicroVMs: one request at a time in each, kept for a while after the last one.

One environment per concurrent request: AWS Lambda developer guide, "Understanding Lambda function
scaling" (https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html, 2026); newest idle
instance first, as fits the cold start probabilities measured on Lambda best (N. Mahmoudi and
H. Khazaei, SimFaaS, 2021, https://arxiv.org/abs/2102.08904).
"""

from __future__ import annotations

from pydantic import Field

from popsim.models.cold_start.rules import NO_TIME, ColdStartModel, PoolRules
from popsim.models.registry import register
from popsim.scenario.fields import MAX_WAITING, LawField


@register("cold_start", "microvm")
class MicroVM(ColdStartModel):
    """MicroVMs that take one request at a time and expire after an idle time with a law of its own.

    Idle life on AWS Lambda, as measured (https://mikhail.io/serverless/coldstarts/aws/intervals/,
    2021-01, and https://mikhail.io/2019/08/aws-lambda-cold-starts-after-10-minutes/, 2019-08-20):
    25 to 60 min until June 2019, 10 min from August 2019 to 2020, 5 to 7 min in 2021.
    """

    placement: LawField = NO_TIME
    """First part of a cold start: finding a machine."""
    code_fetch: LawField = NO_TIME
    """Second part of a cold start: the code's way there."""
    init: LawField
    """Third part of a cold start: the runtime and the code's own start."""
    idle: LawField
    """How long an instance without requests stays."""
    max_requests: int = Field(default=0, ge=0, le=MAX_WAITING)
    """Requests at once per function and site; 0 = no limit."""
    queue_limit: int = Field(default=0, ge=-1, le=MAX_WAITING)
    """How many may wait beyond ``max_requests``: 0 = none (answered 429), -1 = all."""

    def rules(self, memory_bytes: int) -> PoolRules:
        """Return rules where an instance holds one request and all its configured memory."""
        return PoolRules(
            placement=self.placement,
            code_fetch=self.code_fetch,
            init=self.init,
            idle=self.idle,
            concurrency=1,
            instance_bytes=memory_bytes,
            max_requests=self.max_requests,
            queue_limit=self.queue_limit,
        )
