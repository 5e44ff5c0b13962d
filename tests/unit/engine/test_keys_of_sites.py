"""Each key that selects sites does what its sentence says, and nothing else.

One platform uses every such key; each case changes one of them, and names what may differ: where clients enter, where code
runs, where objects can live, who follows each of these, who takes over from it, where read replicas, stores and regional
tiers are. The table is that of docs/reference/scenario.md, "Keys that select sites".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import popsim
from popsim.engine.build import Built, build
from popsim.engine.network import Ground, lay_paths
from popsim.scenario.errors import InputError
from popsim.scenario.merge import merged
from popsim.scenario.schema import Scenario

ENTER, RUN, HOSTS = "where clients enter", "where code runs", "hosts"
FOLLOW, TAKE_OVER, REPLICAS = "followers", "who takes over", "read replicas"
STORES, TIERS = "stores", "regional tiers"

PLATFORM: dict[str, Any] = {
    "topology": "cloudflare",
    "ingress": {"role": "pop", "routing": "nearest"},
    "compute": {"at": "nearest", "role": "object_host"},
    "runtime": "always_warm",
    "kv": {
        "model": "pull",
        "stores": {"virginia": {"region": "us-east-1"}},
        "regional_tiers": ["IAD", "FRA"],
    },
    "objects": {
        "placement": {"model": "read_replicas"},
        "hosts": {"role": "object_host"},
        "followers": 5,
        "quorum": 3,
    },
}
TABLE = {"model": "global_table", "replicas": ["IAD", "FRA", "AKL"]}

CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "ingress.sites": ({"ingress": {"sites": ["AMS", "JNB"]}}, {ENTER}),
    "ingress.where": ({"ingress": {"where": {"continent": "SA"}}}, {ENTER}),
    "ingress.exclude": ({"ingress": {"exclude": {"continent": ["NA", "EU"]}}}, {ENTER}),
    "ingress.role": ({"ingress": {"role": "object_host"}}, {ENTER}),
    "compute.sites": ({"compute": {"sites": ["LHR", "SIN"]}}, {RUN}),
    "compute.role": ({"compute": {"role": "pop"}}, {RUN}),
    "regions": ({"regions": ["LHR", "SIN"]}, {RUN}),
    "objects.hosts": (
        {"objects": {"hosts": {"sites": ["IAD", "FRA", "SIN"]}}},
        {HOSTS, TAKE_OVER, REPLICAS},
    ),
    "objects.followers": ({"objects": {"followers": 4}}, {FOLLOW}),
    "objects.follower_sites": (
        {"objects": {"follower_sites": {"role": "object_host", "exclude": {"country": "US"}}}},
        {FOLLOW, REPLICAS},
    ),
    "jurisdiction": (
        {"objects": {"placement": {"model": "jurisdiction", "jurisdiction": "eu"}}},
        {HOSTS, FOLLOW, TAKE_OVER, REPLICAS},
    ),
    "kv.stores": ({"kv": {"stores": {"tokyo": {"lat": 35.7, "lon": 139.7}}}}, {STORES}),
    "kv.regional_tiers": ({"kv": {"regional_tiers": ["SYD", "GRU", "AKL"]}}, {TIERS}),
    "kv.replicas": ({"kv": TABLE}, {STORES, TIERS}),
}


def scenario(platform: dict[str, Any], **more: Any) -> Scenario:
    return popsim.load(
        {
            "name": "sites",
            "duration": "1min",
            "clients": {"topology": "cities"},
            "network": {"residual": False},
            "workload": {
                "arrivals": {"rate": "10/s"},
                "keys": {"k": {}},
                "objects": {"thing": {"handlers": {"write": [{"storage.put": {}}]}}},
                "handler": [
                    {"kv.get": {"keys": "k"}},
                    {"object.call": {"class": "thing", "handler": "write"}},
                ],
            },
            "platforms": {"p": platform},
            **more,
        }
    )


def where_things_are(platform: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what keys may change, by the ids of sites."""
    one = scenario(platform, **more)
    built = build(one, "p", 0)
    paths = lay_paths(Ground.of(one, one.platforms["p"]), one.seed)
    assert paths.kv is not None and built.objects is not None
    objects, ids = built.inputs.objects, built.sites.ids
    hosts = built.objects.geography.hosts.ids
    return {
        ENTER: set(
            np.array(ids)[np.unique(built.inputs.routes.site[built.inputs.routes.site >= 0])]
        ),
        RUN: running(built),
        HOSTS: hosts,
        FOLLOW: {host: followers(built, host) for host in hosts},
        TAKE_OVER: set(substitutes(built)),
        REPLICAS: [objects.host_names[row] for row in objects.replica_hosts],
        STORES: paths.kv.geography.stores.ids,
        TIERS: paths.kv.geography.tiers.ids,
    }


def running(built: Built) -> set[str]:
    """Return the sites where code may run for clients that enter somewhere."""
    inputs = built.inputs
    entered = np.unique(inputs.routes.site[inputs.routes.site >= 0])
    sites = inputs.upstreams.site.reshape(-1, inputs.upstream_count)[entered]
    return {built.sites.ids[row] for row in np.unique(sites[sites >= 0])}


def followers(built: Built, host: str) -> list[tuple[str, float]]:
    """Return the followers of a host and how far they are."""
    objects = built.inputs.objects
    row, count = objects.host_names.index(host), objects.scalars.followers
    chosen = objects.followers[row * count : (row + 1) * count]
    return [(built.sites.ids[one.site], float(one.rtt)) for one in chosen if one.site >= 0]


def substitutes(built: Built) -> set[str]:
    rows = built.inputs.objects.substitutes
    return {built.inputs.objects.host_names[row] for row in np.unique(rows[rows >= 0])}


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    return where_things_are(PLATFORM)


@pytest.mark.parametrize("key", CASES)
def test_a_key_changes_what_it_says_and_nothing_else(key: str, usual: dict[str, Any]) -> None:
    change, may_differ = CASES[key]
    platform = merged(PLATFORM, change)
    if "model" in change.get("kv", {}):
        platform["kv"] = change["kv"]
    if "placement" in change.get("objects", {}):
        platform["objects"]["placement"] = change["objects"]["placement"]
    found = where_things_are(platform)
    if key == "objects.hosts":  # those that are left have the followers that they had
        assert all(usual[FOLLOW][host] == near for host, near in found[FOLLOW].items())
        found[FOLLOW] = usual[FOLLOW]
    if (
        ENTER in may_differ
    ):  # code runs at the sites nearest to where clients enter, among the same ones
        assert found[RUN] <= usual[RUN] | {*usual[HOSTS]}
        found[RUN] = usual[RUN]
    differs = {what for what in usual if found[what] != usual[what]}
    assert differs == may_differ


def test_clients_change_nothing_but_who_comes(usual: dict[str, Any]) -> None:
    some = {"topology": "cities", "where": {"continent": "EU"}}
    found = where_things_are(PLATFORM, clients=some)
    assert found[RUN] <= usual[RUN]
    found[RUN] = usual[RUN]
    assert {what for what in usual if found[what] != usual[what]} == {ENTER}


def test_at_the_ingress_where_clients_enter_is_where_code_runs() -> None:
    """So hosts and replicas that are not named are there, too; what is named stays, as do followers."""
    at_ingress = merged(PLATFORM, {"compute": {"at": "ingress"}})
    del at_ingress["objects"]["hosts"]
    at_ingress["kv"] = {"model": "global_table"}
    found = where_things_are(merged(at_ingress, {"ingress": {"sites": ["FRA", "IAD", "LHR"]}}))
    assert found[RUN] == set(found[HOSTS]) == set(found[STORES]) == {"FRA", "IAD", "LHR"}
    assert len(found[FOLLOW]["FRA"]) == 5
    assert {site for site, _ in found[FOLLOW]["FRA"]}.isdisjoint({"IAD", "LHR"})


def test_replicas_of_a_table_are_where_code_runs_not_where_clients_enter() -> None:
    table = merged(PLATFORM, {"compute": {"sites": ["FRA", "IAD"]}})
    table["kv"] = {"model": "global_table"}
    assert set(where_things_are(table)[STORES]) == {"FRA", "IAD"}


def test_regions_and_sites_of_the_ingress_hold_both() -> None:
    """At the ingress code runs where clients enter: a site must be among both; none left is an error."""
    both = {"topology": "aws", "runtime": "always_warm", "kv": PLATFORM["kv"] | {"regional_tiers": None},
            "objects": {}, "regions": ["us-east-1", "eu-west-1"]}  # fmt: skip
    found = where_things_are({**both, "ingress": {"sites": ["eu-west-1", "sa-east-1"]}})
    assert found[ENTER] == found[RUN] == {"eu-west-1"}
    with pytest.raises(InputError, match="no site of 'aws' is left"):
        scenario({**both, "ingress": {"sites": ["sa-east-1"]}})


def test_unknown_follower_sites_are_named() -> None:
    wrong = {"sites": ["XXX"], "role": "castle", "exclude": {"country": "ZZ"}}
    with pytest.raises(InputError) as error:
        scenario(merged(PLATFORM, {"objects": {"follower_sites": wrong}}))
    text = str(error.value)
    assert "XXX" in text and "castle" in text and "ZZ" in text
