"""The contract of placement models: tables, homes, replicas, errors; and a user's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.sparse import csr_array

from popsim.engine.build import build
from popsim.models import registry
from popsim.models.object_placement import (
    Ask,
    AskedPlacement,
    Callers,
    FirstRequest,
    Geography,
    KnowingPlacement,
    PlacementModel,
    TablePlacement,
)
from popsim.models.object_placement.contract import homes_table, likelihood_table
from popsim.models.object_placement.regions import NEIGHBOURS, PARTS, in_region, regions_of
from popsim.models.object_placement.tables import slot_table
from popsim.models.registry import names, register, resolve
from popsim.scenario.errors import InputError
from popsim.sweeps import load
from popsim.sweeps.store import run_key
from popsim.world.geo import great_circle_km
from popsim.world.latency import LatencyGraph
from popsim.world.sites import Sites, load_sites

Floats = NDArray[np.float64]
HINTS = ("wnam", "enam", "sam", "weur", "eeur", "apac", "apac-ne", "apac-se", "oc", "afr", "me")
TABLES: dict[str, dict[str, Any]] = {
    "first_request": {},
    "location_hint": {"hint": "weur"},
    "jurisdiction": {"jurisdiction": "eu"},
    "nearest_host": {},
    "hub": {"host": "IAD"},
    "random": {},
    "follow_users": {},
    "read_replicas": {},
}
KNOWING = ("centroid", "latency_optimal")


def of(model: PlacementModel, platform: Sites | None = None) -> Geography:
    """Return the geography that a model is asked about, with the backbone's RTT and no residuals."""
    sites = platform or load_sites("cloudflare")
    every = sites.select(role="object_host")
    hosts = every.select(ids=model.allowed_hosts(every))
    rtt = LatencyGraph("backbone").rtt_ms(
        sites.lat, sites.lon, sites.countries, hosts.lat, hosts.lon, hosts.countries
    )
    geography = Geography(sites, hosts, rtt)
    rtt[geography.host_rows, np.arange(len(hosts))] = 0.0
    return geography


def made(name: str, **parameters: Any) -> Any:
    return resolve("object_placement", {"model": name, **TABLES.get(name, {}), **parameters})


def shares(name: str, site: str, **parameters: Any) -> dict[str, float]:
    """Return the hosts that a site's objects can get, and how likely."""
    model = made(name, **parameters)
    geography = of(model)
    row = likelihood_table(model, geography)[geography.sites.index(site)]
    return {host: share for host, share in zip(geography.hosts.ids, row, strict=True) if share}


def problems(model: PlacementModel, role: str = "object_host") -> list[tuple[Any, str, str | None]]:
    with pytest.raises(InputError) as caught:
        model.allowed_hosts(load_sites("cloudflare").select(role=role))
    return [(problem.path, problem.message, problem.hint) for problem in caught.value.problems]


# --- tables --------------------------------------------------------------------------------------------


def test_these_are_all() -> None:
    assert set(names("object_placement")) == {*TABLES, *KNOWING}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_tables_and_quick(name: str) -> None:
    model = made(name)
    assert isinstance(model, TablePlacement)
    geography = of(model)
    start = time.perf_counter()
    table = likelihood_table(model, geography)
    assert (
        time.perf_counter() - start < 0.5
    )  # milliseconds; a loop over sites and hosts takes seconds
    assert table.shape == (len(geography.sites), len(geography.hosts))
    np.testing.assert_allclose(table.sum(axis=1), 1.0)
    assert (model.moves() is None) == (name != "follow_users")
    assert bool(len(model.replicas(geography))) == (name == "read_replicas")


@pytest.mark.parametrize("name", ["nearest_host", "follow_users", "read_replicas", "jurisdiction"])
def test_the_nearest_gets_all(name: str) -> None:
    geography = of(made(name))
    table = likelihood_table(made(name), geography)
    chosen = table.argmax(axis=1)
    assert (table[np.arange(len(chosen)), chosen] == 1.0).all()
    rtt = geography.rtt[np.arange(len(chosen)), chosen]
    np.testing.assert_array_equal(rtt, geography.rtt.min(axis=1))


def test_of_equally_near_hosts_the_first_gets_all() -> None:
    geography = of(made("nearest_host"))
    equal = Geography(geography.sites, geography.hosts, np.full_like(geography.rtt, 7.0))
    assert (likelihood_table(made("nearest_host"), equal)[:, 0] == 1.0).all()


def test_random_knows_no_place() -> None:
    assert set(shares("random", "FRA").values()) == {1.0 / 32.0}


@pytest.mark.parametrize("site", ["IAD", "SYD", "GRU"])
def test_a_hub_is_everybodys(site: str) -> None:
    assert shares("hub", site, host="SIN") == {"SIN": 1.0}
    assert shares("read_replicas", site, primary="SIN") == {"SIN": 1.0}


# --- first_request -------------------------------------------------------------------------------------


def test_slots_are_filled_from_the_nearest_and_no_further_than_they_last() -> None:
    rtt = np.array([[0.0, 10.0, 12.0, 15.0, 30.0]])
    capacity = np.array([2.0, 2.0, 2.0, 2.0, 2.0])
    taken = slot_table(rtt, capacity, slots=5, reach=20.0, pull=0.0)
    np.testing.assert_allclose(taken, [[2.0, 2.0 * 0.75, 1.0 * 0.7, 0.0, 0.0]])
    few = slot_table(rtt, capacity, slots=5, reach=11.0, pull=0.0)  # only two are in reach
    np.testing.assert_allclose(few, [[2.0, 2.0 * (1.0 - 5.0 / 11.0), 0.0, 0.0, 0.0]])


def test_capacity_pulls() -> None:
    rtt, capacity = np.array([[4.0, 6.0]]), np.array([1.0, 3.0])
    near, large = slot_table(rtt, capacity, slots=3, reach=16.0, pull=0.0)[0]
    assert (near, large) == (1.0, pytest.approx(2.0 * 0.9375))
    near, large = slot_table(rtt, capacity, slots=3, reach=16.0, pull=4.0)[0]
    assert (near, large) == (0.0, pytest.approx(3.0 * 0.9375))


def test_slots_with_nothing_in_reach_or_a_reach_of_zero() -> None:
    rtt = np.array([[np.inf, np.inf], [3.0, 9.0]])
    taken = slot_table(rtt, np.array([2.0, 2.0]), slots=3, reach=0.0, pull=4.0)
    np.testing.assert_array_equal(taken, [[2.0, 1.0], [2.0, 0.0]])


def test_vectorised_slots_are_those_of_a_loop() -> None:
    random = np.random.default_rng(4)
    rtt = random.uniform(0.0, 60.0, (40, 9))
    capacity = random.integers(1, 4, 9).astype(np.float64)
    table = slot_table(rtt, capacity, slots=5, reach=25.0, pull=4.0)
    for site in range(40):
        left, near = 5.0, rtt[site].min()
        expected = np.zeros(9)
        for host in sorted(range(9), key=lambda h: (rtt[site, h] - 4.0 * capacity[h], h)):
            if rtt[site, host] - near <= 25.0:
                taken = min(left, capacity[host])
                left -= taken
                expected[host] = taken * (1.0 - 0.5 * (rtt[site, host] - near) / 25.0)
        np.testing.assert_allclose(table[site], expected, atol=1e-12)


# Which hosts are likeliest, at https://where.durableobjects.live, 2025-12
@pytest.mark.parametrize(
    ("site", "likeliest"),
    [
        ("SJC", "SJC"),
        ("ORD", "ORD"),
        ("LHR", "LHR"),
        ("DAC", "SIN"),
        ("ARN", "ARN"),
        ("GRU", "MIA"),
    ],
)
def test_objects_live_near_their_first_caller(site: str, likeliest: str) -> None:
    share = shares("first_request", site)
    assert max(share, key=lambda host: share[host]) == likeliest


def test_objects_of_one_place_spread_over_hosts_nearby() -> None:
    assert set(shares("first_request", "FRA")) > {"FRA", "AMS"}
    assert set(shares("first_request", "CHC")) == {"AKL"}  # nothing else is in reach
    assert set(shares("first_request", "FRA", reach="0ms")) == {"FRA"}


def test_a_scenarios_own_capacities_must_name_hosts() -> None:
    assert len(FirstRequest().allowed_hosts(load_sites("aws"))) == len(load_sites("aws"))
    ((path, message, hint),) = problems(made("first_request", unusual={"FRA": 3, "FRX": 1}))
    assert path == ("unusual", "FRX")
    assert "'FRX'" in message
    assert hint == "did you mean 'FRA'?"
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        made("first_request", host_slots=0)


# --- regions, hints, jurisdictions ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("site", "region"),
    [
        ("SEA", "wnam"), ("DEN", "wnam"), ("DFW", "enam"), ("EWR", "enam"), ("GRU", "sam"), ("LHR", "weur"),
        ("VIE", "weur"), ("WAW", "eeur"), ("NRT", "apac-ne"), ("HKG", "apac-ne"), ("SIN", "apac-se"),
        ("BOM", "apac-se"), ("SYD", "oc"), ("JNB", "afr"), ("DXB", "me"), ("IST", "me"),
    ],
)  # fmt: skip
def test_regions_of_sites(site: str, region: str) -> None:
    sites = load_sites("cloudflare").select(ids=[site])
    assert regions_of(sites).tolist() == [region]
    for other in HINTS:
        inside = other == region or region in PARTS.get(other, ())
        assert in_region(sites, other).tolist() == [inside]


def test_every_hint_has_neighbours_that_are_hints() -> None:
    assert set(NEIGHBOURS) == set(HINTS)
    assert {name for others in NEIGHBOURS.values() for name in others} <= set(HINTS)


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("site", ["FRA", "JNB", "SYD"])
def test_a_hinted_object_lives_in_the_region_or_next_to_it(hint: str, site: str) -> None:
    lands = {"sam": "enam", "afr": "weur", "me": "weur"}.get(hint, hint)
    hosts = load_sites("cloudflare").select(ids=shares("location_hint", site, hint=hint))
    assert in_region(hosts, lands).all()


def test_a_hinted_object_is_near_its_caller_within_the_region() -> None:
    assert "SEA" in shares("location_hint", "YVR", hint="wnam")
    assert set(shares("location_hint", "FRA", hint="oc")) <= {"SYD", "MEL", "BNE", "AKL"}
    at_home = shares("location_hint", "FRA", hint="weur")
    assert max(at_home, key=lambda host: at_home[host]) == "FRA"


def test_a_hint_on_a_platform_far_away_is_only_a_hint() -> None:
    american = load_sites("cloudflare").select(ids=["LAX", "IAD", "EWR", "MIA"])
    model = made("location_hint", hint="weur")
    geography = of(model, american)
    table = likelihood_table(model, geography)
    np.testing.assert_array_equal(table, likelihood_table(made("first_request"), geography))


def test_an_unknown_hint_lists_the_eleven() -> None:
    with pytest.raises(ValidationError) as caught:
        made("location_hint", hint="mars")
    for hint in HINTS:
        assert f"'{hint}'" in str(caught.value)


def test_jurisdictions_bind() -> None:
    hosts = load_sites("cloudflare").select(role="object_host")
    country = dict(zip(hosts.ids, hosts.countries, strict=True))
    european = {country[host] for host in made("jurisdiction").allowed_hosts(hosts)}
    assert {"DE", "FR", "PL"} <= european
    assert european.isdisjoint({"GB", "CH", "US"})
    for name in ("us", "fedramp"):
        allowed = made("jurisdiction", jurisdiction=name).allowed_hosts(hosts)
        assert {country[host] for host in allowed} == {"US"}
    assert shares("jurisdiction", "SYD", jurisdiction="us").keys() <= {"LAX", "SJC", "SEA"}


def test_nobody_outside_a_jurisdiction_takes_over() -> None:
    """A hub's objects go to another host if it fails, those of a jurisdiction's only host to none."""
    found = {}
    for model in ({"model": "jurisdiction", "jurisdiction": "eu"}, {"model": "hub", "host": "FRA"}):
        scenario = load("document_editor", platforms={"workers": {"objects": {"placement": model, "hosts": {"sites": ["FRA", "IAD"]}}}})  # fmt: skip
        objects = build(scenario, "workers", 0).inputs.objects
        substitutes = objects.substitutes.reshape(2, 2)
        found[model["model"]] = substitutes[objects.host_names.index("FRA")].tolist()
    assert found == {"jurisdiction": [-1, -1], "hub": [1, -1]}


def test_runs_of_placements_from_elsewhere_are_not_kept() -> None:
    @register("object_placement", "test-first-host")
    class FirstHost(AskedPlacement):
        def home(self, ask: Ask, geography: Geography) -> int:
            return 0

    own = {"objects": {"placement": {"model": "test-first-host"}}}
    assert run_key(load("document_editor"), "workers", 0, "compiled") is not None
    theirs = load("document_editor", platforms={"workers": own})
    assert run_key(theirs, "workers", 0, "compiled") is None
    del registry._models["object_placement"]["test-first-host"]


def test_a_jurisdiction_without_hosts_is_an_error() -> None:
    asian = load_sites("cloudflare").select(ids=["SIN", "NRT", "LAX"])
    with pytest.raises(InputError) as caught:
        made("jurisdiction").allowed_hosts(asian)
    (problem,) = caught.value.problems
    assert problem.path == ("jurisdiction",)
    assert "'eu'" in problem.message
    assert problem.hint == "jurisdictions with hosts: fedramp, us"
    with pytest.raises(ValidationError, match="'eu', 'fedramp' or 'us'"):
        made("jurisdiction", jurisdiction="ch")


def test_a_hub_must_be_a_host() -> None:
    ((path, message, hint),) = problems(made("hub", host="GRU"))  # a site, but no host
    assert path == ("host",)
    assert "'GRU'" in message
    ((_, _, hint),) = problems(made("hub", host="fra"))
    assert hint == "did you mean 'FRA'?"
    with pytest.raises(ValidationError, match="host"):
        resolve("object_placement", "hub")


# --- homes of known callers ----------------------------------------------------------------------------


def random_callers(objects: int, sites: int, seed: int) -> tuple[Callers, Floats]:
    """Return callers, and their calls as a full matrix; each object has a few."""
    random = np.random.default_rng(seed)
    calls = random.integers(1, 30, (objects, sites)) * (random.random((objects, sites)) < 0.02)
    calls[np.arange(objects), random.integers(0, sites, objects)] += 1
    full = calls.astype(np.float64)
    return Callers(np.arange(objects, dtype=np.int64), csr_array(full)), full


def homes(name: str, callers: Callers, geography: Geography) -> NDArray[np.int64]:
    model = made(name)
    assert isinstance(model, KnowingPlacement)
    return homes_table(model, callers, geography)


def test_latency_optimal_is_never_worse_than_any_other_home() -> None:
    geography = of(made("latency_optimal"))
    callers, calls = random_callers(50, len(geography.sites), seed=1)
    chosen = homes("latency_optimal", callers, geography)
    for row, home in enumerate(chosen):
        waits = [float((calls[row] * geography.rtt[:, host]).sum()) for host in range(32)]
        assert waits[home] <= min(waits) * (1.0 + 1e-12)
    assert len(set(chosen.tolist())) > 3


def test_latency_optimal_serves_the_more_calls_if_no_host_can_serve_all() -> None:
    geography = of(made("latency_optimal"))
    european = in_region(geography.hosts, "weur")
    rtt = geography.rtt.copy()
    calls = np.zeros((1, len(geography.sites)))
    for site, number, reachable in (("SYD", 9.0, ~european), ("FRA", 10.0, european)):
        row = geography.sites.index(site)
        calls[0, row] = number
        rtt[row, ~reachable] = np.inf  # the planet is split
    split = Geography(geography.sites, geography.hosts, rtt)
    callers = Callers(np.array([3], dtype=np.int64), csr_array(calls))
    assert geography.hosts.ids[homes("latency_optimal", callers, split)[0]] == "FRA"


def test_the_centroid_is_where_brute_force_finds_it() -> None:
    geography = of(made("centroid"))
    sites, hosts = geography.sites, geography.hosts
    callers, calls = random_callers(50, len(sites), seed=3)
    for row, home in enumerate(homes("centroid", callers, geography)):
        x = y = z = 0.0
        for site in np.flatnonzero(calls[row]):
            lat, lon = np.radians(sites.lat[site]), np.radians(sites.lon[site])
            x += calls[row, site] * np.cos(lat) * np.cos(lon)
            y += calls[row, site] * np.cos(lat) * np.sin(lon)
            z += calls[row, site] * np.sin(lat)
        lat, lon = np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))
        km = great_circle_km(lat, lon, hosts.lat, hosts.lon)
        assert km[home] == pytest.approx(km.min())


def test_the_centroid_crosses_the_date_line() -> None:
    """Callers in Auckland and Honolulu are near each other; a mean of longitudes would be in Africa."""
    geography = of(made("centroid"))
    calls = np.zeros((1, len(geography.sites)))
    calls[0, [geography.sites.index("AKL"), geography.sites.index("HNL")]] = (3.0, 1.0)
    callers = Callers(np.array([7], dtype=np.int64), csr_array(calls))
    assert geography.hosts.ids[homes("centroid", callers, geography)[0]] == "AKL"


@pytest.mark.parametrize("name", KNOWING)
def test_homes_of_many_objects_are_found_at_once(name: str) -> None:
    geography = of(made(name))
    random = np.random.default_rng(5)
    count, sites = 200_000, len(geography.sites)
    calls = csr_array(
        (np.ones(count), (np.arange(count), random.integers(0, sites, count))), (count, sites)
    )
    callers = Callers(np.arange(count, dtype=np.int64), calls)
    start = time.perf_counter()
    chosen = homes(name, callers, geography)
    assert time.perf_counter() - start < 2.0  # 0.1 s; a loop over objects takes many
    alone = homes(name, Callers(callers.numbers[:20], calls[:20]), geography)
    np.testing.assert_array_equal(chosen[:20], alone)


@pytest.mark.parametrize("name", KNOWING)
def test_no_objects_and_no_calls_have_answers_too(name: str) -> None:
    geography = of(made(name))
    for count in (0, 2):
        empty = Callers(np.arange(count, dtype=np.int64), csr_array((count, len(geography.sites))))
        assert homes(name, empty, geography).tolist() == [0] * count


# --- moves and replicas --------------------------------------------------------------------------------


def test_follow_users_says_when_and_how_long() -> None:
    moves = made("follow_users", votes=7, duration="2s").moves()
    assert (moves.votes, moves.duration.mean()) == (7, 2_000.0)
    with pytest.raises(ValidationError, match="votes"):
        made("follow_users", votes=0)


def test_a_replica_in_each_region_at_its_most_central_host() -> None:
    model = made("read_replicas")
    geography = of(model)
    rows = model.replicas(geography)
    assert rows.dtype == np.int64
    assert len(rows) == 6
    for region, row in zip(("wnam", "enam", "weur", "eeur", "apac", "oc"), rows, strict=True):
        inside, hosts = in_region(geography.sites, region), in_region(geography.hosts, region)
        assert hosts[row]
        mean = geography.rtt[inside].mean(axis=0)
        assert mean[row] == mean[hosts].min()


# What D1's replicas took to confirm writes in eastern North America, ms; d1-read-replication-beta, 2025-04-10
@pytest.mark.parametrize(("region", "measured"), [("wnam", 45.0), ("weur", 55.0), ("eeur", 67.0)])
def test_replicas_lag_as_measured(region: str, measured: float) -> None:
    model = made("read_replicas", primary="IAD", regions=region)
    geography = of(model)
    way = geography.rtt[geography.sites.index("IAD"), model.replicas(geography)[0]] / 2.0
    assert way + model.replica_lag().mean() == pytest.approx(measured, rel=0.22)


def test_regions_of_replicas() -> None:
    model = made("read_replicas", regions=["oc", "oc", "weur"])
    assert model.regions == ("oc", "weur")
    assert len(model.replicas(of(model))) == 2
    european = load_sites("cloudflare").select(ids=["FRA", "WAW", "MAD"])
    every = made("read_replicas")
    assert len(every.replicas(of(every, european))) == 2
    with pytest.raises(InputError) as caught:
        model.allowed_hosts(european)
    (problem,) = caught.value.problems
    assert (problem.path, problem.hint) == (("regions", 0), "regions with hosts: weur, eeur")
    with pytest.raises(ValidationError, match="expected some of wnam, enam, weur, eeur, apac, oc"):
        made("read_replicas", regions="afr")
    ((path, _, _),) = problems(made("read_replicas", primary="XXX"))
    assert path == ("primary",)


# --- a user's own --------------------------------------------------------------------------------------


class SouthernMost(TablePlacement):
    """Every object at the southernmost hosts."""

    how_many: int = 1

    def likelihood(self, geography: Geography) -> Floats:
        """Return 1 for the southernmost, [S, H]."""
        table = np.zeros(geography.rtt.shape)
        table[:, np.argsort(geography.hosts.lat)[: self.how_many]] = 1.0
        return table


@pytest.fixture
def own_model() -> Iterator[None]:
    """Register a model of this file; other tests list all there are."""
    register("object_placement", "test-southern")(SouthernMost)
    yield
    del registry._models["object_placement"]["test-southern"]


@pytest.mark.usefixtures("own_model")
def test_a_model_of_ones_own_needs_ten_lines() -> None:
    model = made("test-southern", how_many=2)
    table = likelihood_table(model, geography := of(model))
    assert {geography.hosts.ids[column] for column in np.flatnonzero(table[0])} == {"MEL", "AKL"}
    with pytest.raises(ValidationError, match="how_many"):
        made("test-southern", how_many="many")
    with pytest.raises(ValueError, match="gives AAE no host at all"):
        likelihood_table(made("test-southern", how_many=0), geography)
