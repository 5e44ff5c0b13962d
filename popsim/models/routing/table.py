"""The answer of every routing model: per client, its candidate sites and their shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from popsim.models.answers import Answer
from popsim.models.registry import Model

if TYPE_CHECKING:
    from popsim.world.clients import Clients
    from popsim.world.sites import Sites

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_CANDIDATES = 24
STAND_BYS = 8  # sites in the list of a client that has one alone, that included
NO_SITE = -1
SUM_ROUNDING = 1e-6  # of shares that add up to 1


@dataclass(frozen=True, eq=False)
class RoutingTable:
    """Where requests go. Shapes [client, candidate]; at most ``MAX_CANDIDATES`` candidates.

    ``site`` holds row numbers of the Sites asked about, or -1 for none; the first column is the
    preferred site, and the order is the order of failover. ``share`` is the probability of each
    candidate when all are up; rows sum to 1.
    """

    site: Ints
    share: Floats


class RoutingModel(Model, ABC):
    """How clients reach sites."""

    answers: ClassVar[Mapping[str, Answer]] = {"candidates": Answer(RoutingTable)}

    @abstractmethod
    def candidates(
        self, rtt_ms: Floats, km: Floats, clients: Clients, sites: Sites, seed: int
    ) -> RoutingTable:
        """Return candidate sites and shares of every client.

        ``rtt_ms[client, site]`` is the round trip without access network (inf = unreachable),
        ``km[client, site]`` the great-circle distance. The answer depends on nothing but the
        arguments.
        """


def check_table(table: RoutingTable, clients: int, sites: int) -> RoutingTable:
    """Return a model's table as arrays; raises ValueError for one that is none."""
    site, share = np.asarray(table.site), np.asarray(table.share)
    wanted = f"{clients} x 1 to {MAX_CANDIDATES}"
    fits = site.ndim == 2 and len(site) == clients and 0 < site.shape[1] <= MAX_CANDIDATES
    if not fits or site.dtype.kind not in "iu" or site.min() < NO_SITE or site.max() >= sites:
        raise ValueError(
            f"candidates() must return sites, {wanted} whole numbers from -1 to {sites - 1}, "
            f"got {site.dtype} of shape {site.shape}"
        )
    if share.shape != site.shape or share.dtype.kind not in "iuf" or not (share >= 0.0).all():
        raise ValueError(
            f"candidates() must return shares, {wanted} numbers that are not negative, "
            f"got {share.dtype} of shape {share.shape}"
        )
    if np.abs(share.sum(axis=1) - 1.0).max() > SUM_ROUNDING:
        raise ValueError("candidates() must return shares that add up to 1 for each client")
    return RoutingTable(site.astype(np.int64), share.astype(np.float64))


def ranked(cost: Floats, reachable: NDArray[np.bool_]) -> RoutingTable:
    """Send every client to its cheapest reachable site, the next cheapest standing by.

    ``cost[client, site]`` in any unit; equal costs keep the order of the sites.
    """
    masked = np.where(reachable, cost, np.inf)
    count = min(STAND_BYS, cost.shape[1])
    order = np.argsort(masked, axis=1, kind="stable")[:, :count].astype(np.int64)
    found = np.isfinite(np.take_along_axis(masked, order, axis=1))
    share = np.zeros(order.shape)
    share[:, 0] = 1.0
    return RoutingTable(site=np.where(found, order, NO_SITE), share=share)
