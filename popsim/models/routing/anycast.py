"""Anycast: the network, not the client, picks the site, and it is not always the nearest.

Defaults from M. Calder et al., "Analyzing the Performance of an Anycast CDN", IMC 2015
(https://doi.org/10.1145/2815675.2815717): 55 % of clients reach their nearest site, 75 % one at
most 400 km further away, 90 % at most 1,375 km; and from T. Koch et al., "Anycast in Context",
SIGCOMM 2021 (https://doi.org/10.1145/3452296.3472891): more than half at the closest site. Rounded
in between to 60 / 82 / 94 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from popsim.models.registry import register
from popsim.models.routing.table import (
    MAX_CANDIDATES,
    NO_SITE,
    Floats,
    Ints,
    RoutingModel,
    RoutingTable,
)
from popsim.scenario.fields import DurationMs, Share
from popsim.world.addressing import mix, name_words, uniforms

if TYPE_CHECKING:
    from popsim.world.clients import Clients
    from popsim.world.sites import Sites

NEAR_KM = 400.0  # Calder et al. 2015, as above
FAR_KM = 1_400.0  # the same, 1,375 km rounded
# Sites kept per client and band; the nearest and stand-bys make it MAX_CANDIDATES. Many in the outer bands: what a city's
# slowest requests see is then a distribution over many far sites, not the luck of one draw.
SLOTS = (4, 6, 10)
NOT_IN_BAND = 1e9


@register("routing", "anycast")
class Anycast(RoutingModel):
    """Spread clients over their nearest site and sites further away, in published shares.

    The nearest site is the one at the least great-circle distance, closed borders aside: a site
    whose RTT is more than ``border_detour`` above the client's lowest is not taken for the nearest.
    What does not go there is split by the three weights, evenly over up to four, six and ten
    sites of each band, drawn for each client. A band in which a client has no site (Perth has none
    within 1,400 km) gives its share to the nearest site. After a failure traffic moves to the site
    with the next higher RTT.
    """

    nearest: Share = 0.60
    """Share of a client's requests at its nearest site."""
    within_400_km: float = Field(default=22.0, ge=0)
    """Weight, among the rest, of sites up to 400 km beyond the nearest."""
    from_400_to_1400_km: float = Field(default=12.0, ge=0)
    """Weight, among the rest, of sites 400 to 1,400 km beyond the nearest."""
    further: float = Field(default=6.0, ge=0)
    """Weight, among the rest, of sites more than 1,400 km beyond the nearest."""
    # ASSUMPTION: the sites of a band are equally likely (no source tells them apart), and misrouted traffic
    # stays within 5,000 km beyond the nearest site, where it can.
    furthest_km: float = Field(default=5_000.0, gt=FAR_KM)
    """Where possible, nothing goes further than this beyond the nearest site; km."""
    # ASSUMPTION: 30 ms; Koch et al. find that 70 % of users see an inflation below that.
    border_detour: DurationMs = 30.0
    """A site this much slower than the client's fastest is not taken for the nearest."""
    per: Literal["request", "client"] = "request"
    """Draw the site for each request (a cell stands for many networks), or once for each client."""

    @model_validator(mode="after")
    def _weights_suffice(self) -> Anycast:
        if self.nearest < 1.0 and self.within_400_km + self.from_400_to_1400_km + self.further <= 0:
            raise ValueError("one of within_400_km, from_400_to_1400_km, further must exceed 0")
        return self

    def candidates(
        self, rtt_ms: Floats, km: Floats, clients: Clients, sites: Sites, seed: int
    ) -> RoutingTable:
        """Draw each client's sites per band, in order of RTT after the nearest."""
        nearest = self._nearest(rtt_ms, km)
        chance = uniforms(
            mix(
                name_words(clients.ids, seed, "anycast-client")[:, None],
                name_words(sites.ids, seed, "anycast-site")[None, :],
            )
        )
        site, share = self._spread(rtt_ms, km, nearest, chance)
        site, share = _in_failover_order(site, share, rtt_ms)
        if self.per == "client":
            position = uniforms(name_words(clients.ids, seed, "anycast-pin"))
            site, share = _pinned(site, share, position)
        return RoutingTable(site=site, share=share)

    def _nearest(self, rtt_ms: Floats, km: Floats) -> Ints:
        lowest = rtt_ms.min(axis=1, keepdims=True)
        eligible = np.isfinite(rtt_ms) & (rtt_ms <= lowest + self.border_detour)
        return np.asarray(np.where(eligible, km, np.inf).argmin(axis=1), dtype=np.int64)

    def _spread(
        self, rtt_ms: Floats, km: Floats, nearest: Ints, chance: Floats
    ) -> tuple[Ints, Floats]:
        """Return candidates and shares: nearest, the bands' sites, stand-bys; -1 where none."""
        extra = km - np.take_along_axis(km, nearest[:, None], axis=1)
        open_ = np.isfinite(rtt_ms)
        np.put_along_axis(open_, nearest[:, None], False, axis=1)
        ranks = (
            np.where(open_ & (extra <= NEAR_KM), chance, NOT_IN_BAND),
            np.where(open_ & (extra > NEAR_KM) & (extra <= FAR_KM), chance, NOT_IN_BAND),
            np.where(
                open_ & (extra > FAR_KM), np.maximum(chance, extra - self.furthest_km), NOT_IN_BAND
            ),
        )
        weights = np.array([self.within_400_km, self.from_400_to_1400_km, self.further])
        shares = weights / max(weights.sum(), 1e-300) * (1.0 - self.nearest)
        reachable = np.isfinite(np.take_along_axis(rtt_ms, nearest[:, None], axis=1))
        site = [np.where(reachable, nearest[:, None], NO_SITE)]
        share = [np.ones((len(nearest), 1))]
        for rank, slots, band_share in zip(ranks, SLOTS, shares, strict=True):
            chosen, found = _lowest(rank, slots)
            count = found.sum(axis=1, keepdims=True)
            site.append(np.where(found, chosen, NO_SITE))
            share.append(np.where(found, band_share / np.maximum(count, 1), 0.0))
            still_open = np.take_along_axis(open_, chosen, axis=1) & ~found
            np.put_along_axis(open_, chosen, still_open, axis=1)
        standby, found = _lowest(np.where(open_, rtt_ms, NOT_IN_BAND), MAX_CANDIDATES)
        site.append(np.where(found, standby, NO_SITE))
        share.append(np.zeros(standby.shape))
        all_shares = np.concatenate(share, axis=1)
        all_shares[:, 0] = 1.0 - all_shares[:, 1:].sum(axis=1)
        return np.concatenate(site, axis=1), all_shares


def _lowest(rank: Floats, count: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the columns of the lowest ranks per row, and which of them are in the band."""
    count = min(count, rank.shape[1])
    columns = np.argpartition(rank, count - 1, axis=1)[:, :count].astype(np.int64)
    return columns, np.take_along_axis(rank, columns, axis=1) < NOT_IN_BAND


def _in_failover_order(site: Ints, share: Floats, rtt_ms: Floats) -> tuple[Ints, Floats]:
    """Keep those in use and the best stand-bys, by RTT after the first; missing ones go last."""
    for idle_is_worse in (True, False):
        rtt = np.take_along_axis(rtt_ms, np.maximum(site, 0), axis=1)
        if idle_is_worse:
            rtt = np.where(share > 0.0, -1.0, rtt)
        rtt = np.where(site == NO_SITE, np.inf, rtt)
        rtt[:, 0] = -np.inf
        order = np.argsort(rtt, axis=1, kind="stable")[:, :MAX_CANDIDATES]
        site = np.take_along_axis(site, order, axis=1)
        share = np.take_along_axis(share, order, axis=1)
    return site, share


def _pinned(site: Ints, share: Floats, position: Floats) -> tuple[Ints, Floats]:
    """Give each client one site, first in its list, by its position in [0, 1) among the shares."""
    chosen = (position[:, None] >= np.cumsum(share, axis=1)[:, :-1]).sum(axis=1)
    columns = np.broadcast_to(np.arange(site.shape[1]), site.shape)
    order = np.argsort(columns != chosen[:, None], axis=1, kind="stable")
    pinned = np.zeros_like(share)
    pinned[:, 0] = 1.0
    return np.take_along_axis(site, order, axis=1), pinned
