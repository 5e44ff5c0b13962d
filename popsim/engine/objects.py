"""Turn a scenario's classes of objects into the arrays that both engines run on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from popsim.engine import object_layout as obl
from popsim.engine.arrays import Floats, Ints, Records, records
from popsim.engine.handler import Program
from popsim.engine.object_layout import ObjectInputs, ObjectScalars
from popsim.engine.object_places import ObjectPlaces
from popsim.engine.tables import alias_table
from popsim.models.object_placement.contract import (
    NO_TIME,
    AskedPlacement,
    KnowingPlacement,
    TablePlacement,
    likelihood_table,
)
from popsim.scenario.laws import Law
from popsim.scenario.workload import ObjectClassSpec, WorkloadSpec
from popsim.world.clients import Clients

UNREACHABLE = 1e12  # ms


def object_inputs(
    workload: WorkloadSpec,
    places: ObjectPlaces | None,
    program: Program,
    clients: Clients,
    first_space: int,
    first_table: int,
) -> tuple[ObjectInputs, list[Law]]:
    """Return the objects' inputs and their laws, whose tables begin at ``first_table``.

    ``first_space`` is the key space whose keys are the numbers of the first class.
    """
    if places is None or program.depth == 0:
        return ObjectInputs(), []
    scalars, laws = _scalars(workload, places, first_table)
    choices, width = _home_choices(places)
    return (
        ObjectInputs(
            scalars=scalars,
            classes=_classes(workload, program, first_space, hibernate=places.spec.hibernates),
            spreads=_spreads(workload),
            host_sites=places.host_rows,
            rtt=_finite(places.rtt).reshape(-1),
            distance_km=places.distance_km.reshape(-1),
            site_regions=places.regions,
            nearest_host=places.nearest,
            home_choices=choices,
            choices=width,
            followers=_followers(places, scalars.followers),
            substitutes=_substitutes(places),
            replica_hosts=places.replicas,
            member_cells=_member_cells(workload, clients),
            messages=_messages(workload, program),
            depth=program.depth,
            class_names=tuple(workload.objects),
            message_names=workload.messages,
            host_names=places.hosts.ids,
        ),
        laws,
    )


def _scalars(
    workload: WorkloadSpec, places: ObjectPlaces, first_table: int
) -> tuple[ObjectScalars, list[Law]]:
    spec, model = places.spec, places.model
    moves = model.moves()
    laws = {
        "activation_table": spec.activation,
        "commit_table": spec.commit,
        "evict_table": spec.evict_after,
        "takeover_table": spec.takeover,
        "move_table": moves.duration if moves is not None else NO_TIME,
        "reconnect_table": spec.reconnect,
        "lag_table": model.replica_lag(),
    }
    tables = {name: first_table + row for row, name in enumerate(laws)}
    messages = workload.arrivals.messages
    mode = obl.BY_TABLE
    if isinstance(model, KnowingPlacement):
        mode = obl.KNOWN
    elif isinstance(model, AskedPlacement):
        mode = obl.ASKED
    names = list(workload.objects)
    scalars = ObjectScalars(
        mode=mode,
        is_serial=spec.single_threaded,
        hibernate_after=spec.hibernate_after,
        queue_limit=-1 if spec.queue_limit is None else spec.queue_limit,
        quorum=max(spec.quorum, 1),
        followers=max(spec.followers, 1),
        votes=0 if moves is None else moves.votes,
        message_class=-1 if messages is None else names.index(messages.object_class),
        **tables,
    )
    return scalars, list(laws.values())


def _classes(
    workload: WorkloadSpec, program: Program, first_space: int, *, hibernate: bool
) -> Records:
    rows = records(obl.CLASS_DTYPE, len(workload.objects))
    for row, (name, kind) in enumerate(workload.objects.items()):
        rows[row].space = first_space + row
        rows[row].alarm_entry = program.entries.get((name, "alarm"), -1)
        rows[row].connect_entry = program.entries.get((name, "connect"), program.end)
        rows[row].participants = _participants(kind)
        rows[row].hibernates = kind.hibernates and hibernate
        rows[row].first_spread = row * len(obl.SPREADS)
    return rows


def _participants(kind: ObjectClassSpec) -> int:
    return 0 if kind.participants is None else kind.participants.count


def _spreads(workload: WorkloadSpec) -> Records:
    """Return how likely each spread is, [class * SPREADS]."""
    rows = records(obl.SPREAD_DTYPE, len(workload.objects) * len(obl.SPREADS))
    for row, kind in enumerate(workload.objects.values()):
        own = slice(row * len(obl.SPREADS), (row + 1) * len(obl.SPREADS))
        rows.spread[own] = np.arange(len(obl.SPREADS))
        weights = {} if kind.participants is None else dict(kind.participants.spread)
        shares = np.array([weights.get(spread, 0.0) for spread in obl.SPREADS])  # type: ignore[call-overload]
        rows.cumulative[own] = _cumulative(shares if shares.sum() > 0.0 else np.ones(len(shares)))
    return rows


def _cumulative(weights: Floats) -> Floats:
    """Return cumulative shares that reach 1 where the last weight above 0 is."""
    shares = np.cumsum(weights) / weights.sum()
    shares[np.flatnonzero(weights)[-1] :] = 1.0
    return np.asarray(shares)


def _home_choices(places: ObjectPlaces) -> tuple[Records, int]:
    """Return the placement's table, [S * W] with as many choices as a site has at most, and W."""
    sites = len(places.rtt)
    if not isinstance(places.model, TablePlacement):
        rows = records(obl.HOME_CHOICE_DTYPE, sites)
        rows.cumulative, rows.host = 1.0, places.nearest
        return rows, 1
    table = likelihood_table(places.model, places.geography)
    width = int((table > 0.0).sum(axis=1).max())
    order = np.argsort(-table, axis=1, kind="stable")[:, :width]
    rows = records(obl.HOME_CHOICE_DTYPE, sites * width)
    shares = np.take_along_axis(table, order, axis=1)
    rows.cumulative = np.concatenate([_cumulative(row) for row in shares])
    rows.host = places.allowed[order].reshape(-1)
    return rows, width


def _followers(places: ObjectPlaces, count: int) -> Records:
    """Return each host's followers, the nearest other sites, nearest first; within the jurisdiction, if there is one."""
    hosts = len(places.hosts)
    rows = records(obl.FOLLOWER_DTYPE, hosts * count)
    rows["site"] = -1
    for host in range(hosts):
        own = places.host_rows[host]
        if places.spec.followers == 0:
            rows["site"][host] = own  # its own storage confirms
            continue
        rtt = places.follower_rtt[host]
        order = [site for site in np.argsort(rtt, kind="stable") if site != own]
        chosen = [site for site in order if np.isfinite(rtt[site])][:count]
        for place, site in enumerate(chosen):
            rows["site"][host * count + place] = site
            rows["rtt"][host * count + place] = rtt[site]
    return rows


def _substitutes(places: ObjectPlaces) -> Ints:
    """Return which hosts take over from each, nearest first, [H * H].

    They are those that the model uses; if it uses no other, all that it lets objects live on.
    """
    hosts = len(places.hosts)
    rtt = _finite(places.rtt[places.host_rows])  # [host, host]
    may_take_over = places.may_take_over[places.host_rows]
    rows = np.full((hosts, hosts), -1, dtype=np.int64)
    for host in range(hosts):
        nearest = np.argsort(rtt[host], kind="stable")
        order = [other for other in nearest if other != host and may_take_over[other]]
        allowed = [other for other in order if other in places.allowed]
        rows[host, : len(allowed or order)] = allowed or order
    return rows.reshape(-1)


def _messages(workload: WorkloadSpec, program: Program) -> Records:
    messages = workload.arrivals.messages
    if messages is None:
        return records(obl.MESSAGE_DTYPE, 1)
    rows = records(obl.MESSAGE_DTYPE, len(messages.rates))
    rows.cumulative = _cumulative(np.array(list(messages.rates.values())))
    rows.entry = [program.messages[kind] for kind in messages.rates]
    return rows


def message_rate_per_s(workload: WorkloadSpec) -> float:
    """Return how many messages all participants send, per second; 0 if there are no sessions, or an unknown class's."""
    messages = workload.arrivals.messages
    if messages is None or messages.object_class not in workload.objects:
        return 0.0
    kind = workload.objects[messages.object_class]
    return sum(messages.rates.values()) * _participants(kind) * kind.count


def _member_cells(workload: WorkloadSpec, clients: Clients) -> Records:
    """Return alias tables over the clients of each client's city, country, continent and world."""
    if not any(_participants(kind) for kind in workload.objects.values()):
        return records(obl.MEMBER_CELL_DTYPE, 1)
    count = len(clients.ids)
    groups: list[Any] = [clients.ids, clients.countries, clients.continents, ("",) * count]
    rows = records(obl.MEMBER_CELL_DTYPE, len(obl.SPREADS) * count)
    for spread, group in enumerate(groups):
        _, group_of = np.unique(np.array(group), return_inverse=True)
        order = np.argsort(group_of, kind="stable")
        edges = np.searchsorted(group_of[order], np.arange(group_of.max() + 2))
        own = slice(spread * count, (spread + 1) * count)
        rows.client[own] = order
        rows.first[own], rows.width[own] = edges[group_of], np.diff(edges)[group_of]
        for first, end in pairwise(edges.tolist()):
            cells = slice(spread * count + first, spread * count + end)
            weights = clients.weight[order[first:end]]
            if weights.sum() == 0.0:
                weights = np.ones(end - first)  # nobody is drawn who lives there
            rows.threshold[cells], rows.alias[cells] = alias_table(weights)
    return rows


def _finite(rtt: Floats) -> Floats:
    return np.where(np.isfinite(rtt), rtt, UNREACHABLE)
