"""Near the first caller, then wherever most calls come from.

ASSUMPTION: no vendor does it. Durable Objects "do not currently change locations after they are created",
"dynamic relocation of existing Durable Objects is planned"
(https://developers.cloudflare.com/durable-objects/reference/data-location/, 2026).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from popsim.models.object_placement.contract import Floats, Geography, Moves, TablePlacement
from popsim.models.object_placement.tables import nearest_table
from popsim.models.registry import register
from popsim.scenario.fields import LawField
from popsim.scenario.laws import parse_law

HALF_A_SECOND = parse_law("500ms")


@register("object_placement", "follow_users")
class FollowUsers(TablePlacement):
    """The nearest host at first; then the one that leads by ``votes`` calls, which takes ``duration``.

    ASSUMPTION: 100 calls, so that a handful of visitors moves nothing; 500 ms, during which it answers no calls.
    """

    votes: Annotated[int, Field(ge=1, le=1_000_000_000)] = 100
    """By how many calls another host must lead before an object moves there."""
    duration: LawField = HALF_A_SECOND
    """For how long a moving object answers no calls."""

    def likelihood(self, geography: Geography) -> Floats:
        """Return 1 for the nearest host of each site, [S, H]."""
        return nearest_table(geography.rtt)

    def moves(self) -> Moves:
        """Return when and how long."""
        return Moves(self.votes, self.duration)
