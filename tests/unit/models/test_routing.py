from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from popsim.models.routing import MAX_CANDIDATES, Anycast, Fixed, Latency, Nearest, RoutingModel
from popsim.scenario.parts import Where
from popsim.world.clients import Clients, load_clients
from popsim.world.distances import distances, latency_graph
from popsim.world.geo import great_circle_km
from popsim.world.sites import Sites, load_sites

Floats = NDArray[np.float64]
World = tuple[Clients, Sites, Floats, Floats]

MODELS: list[RoutingModel] = [
    Anycast(),
    Anycast(per="client"),
    Anycast(nearest=1.0),
    Fixed(),
    Latency(),
    Nearest(),
]


def make_sites(lat: Floats, lon: Floats) -> Sites:
    count = len(lat)
    return Sites(
        ids=tuple(f"S{number:03d}" for number in range(count)),
        cities=tuple(f"Site {number}" for number in range(count)),
        countries=("US",) * count,
        continents=("NA",) * count,
        lat=np.asarray(lat, dtype=np.float64),
        lon=np.asarray(lon, dtype=np.float64),
        roles=(frozenset({"pop"}),) * count,
    )


def make_clients(lat: Floats, lon: Floats) -> Clients:
    count = len(lat)
    return Clients(
        ids=tuple(f"c{number:04d}" for number in range(count)),
        cities=tuple(f"City {number}" for number in range(count)),
        countries=("US",) * count,
        continents=("NA",) * count,
        lat=np.asarray(lat, dtype=np.float64),
        lon=np.asarray(lon, dtype=np.float64),
        weight=np.full(count, 1.0 / count),
        utc_offset_h=np.zeros(count),
    )


def distances_km(clients: Clients, sites: Sites) -> Floats:
    return np.asarray(
        great_circle_km(clients.lat[:, None], clients.lon[:, None], sites.lat, sites.lon)
    )


def straight_rtt_ms(km: Floats) -> Floats:
    """RTT of light in fibre without detours, 0.01 ms per km, and 1 ms."""
    return np.asarray(1.0 + 0.01 * km)


def random_places(count: int, seed: int) -> tuple[Floats, Floats]:
    """Places spread evenly over the inhabited latitudes."""
    generator = np.random.default_rng(seed)
    return generator.uniform(-45.0, 60.0, count), generator.uniform(-180.0, 180.0, count)


@pytest.fixture(scope="module")
def world() -> World:
    clients, sites = make_clients(*random_places(500, 1)), make_sites(*random_places(200, 2))
    km = distances_km(clients, sites)
    return clients, sites, km, straight_rtt_ms(km)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_every_table_is_well_formed(model: RoutingModel, world: World) -> None:
    clients, sites, km, rtt = world
    table = model.candidates(rtt, km, clients, sites, 3)
    assert table.site.dtype == np.int64 and table.share.dtype == np.float64
    assert table.site.shape == table.share.shape == (500, table.site.shape[1])
    assert table.site.shape[1] <= MAX_CANDIDATES
    assert table.site.min() >= -1 and table.site.max() < 200
    np.testing.assert_allclose(table.share.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert np.all(table.share[table.site < 0] == 0.0)
    for row in table.site:
        used = row[row >= 0]
        assert len(set(used)) == len(used)


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_sites_are_enough(model: RoutingModel, count: int) -> None:
    clients, sites = make_clients(*random_places(20, 1)), make_sites(*random_places(count, 2))
    km = distances_km(clients, sites)
    table = model.candidates(straight_rtt_ms(km), km, clients, sites, 3)
    np.testing.assert_allclose(table.share.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert np.all(table.site[:, 0] >= 0)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_unreachable_sites_are_never_candidates(model: RoutingModel, world: World) -> None:
    clients, sites, km, rtt = world
    cut = rtt.copy()
    cut[:, ::2] = np.inf
    cut[7] = np.inf  # a client cut off altogether
    table = model.candidates(cut, km, clients, sites, 3)
    others = np.delete(table.site, 7, axis=0)
    assert np.all(others[others >= 0] % 2 == 1)
    assert np.all(table.site[7] == -1)
    np.testing.assert_allclose(table.share.sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_anycast_spreads_clients_as_published() -> None:
    """Dense sites everywhere, so that each client has sites in each band: 60 / 22 / 12 / 6 %."""
    clients, sites = make_clients(*random_places(300, 1)), make_sites(*random_places(3000, 2))
    km = distances_km(clients, sites)
    table = Anycast().candidates(straight_rtt_ms(km), km, clients, sites, 3)
    extra = np.take_along_axis(km, table.site, axis=1) - km.min(axis=1, keepdims=True)
    in_bands = [
        float(table.share[(extra > low) & (extra <= high)].sum() / 300)
        for low, high in ((-1, 0), (0, 400), (400, 1400), (1400, 6400))
    ]
    assert in_bands == pytest.approx([0.60, 0.22, 0.12, 0.06], abs=0.005)


def test_no_single_draw_decides_what_a_city_s_slowest_requests_see() -> None:
    """Far sites share the far band evenly, and a city's p99 hangs little on which ones were drawn."""
    cities = load_clients("cities")
    delhi = cities.select(Where(city="Delhi"))
    sites = load_sites("cloudflare")
    pairs = distances(latency_graph("public", (), ()), delhi, sites)
    slowest = []
    for seed in range(40):
        table = Anycast(nearest=0.85).candidates(pairs.rtt_ms, pairs.km, delhi, sites, seed)
        extra = pairs.km[0, table.site[0]] - pairs.km.min()
        is_far = (extra > 1_400.0) & (table.share[0] > 0.0)
        assert is_far.sum() == 10
        assert table.share[0][is_far].sum() == pytest.approx(0.15 * 6 / 40)
        assert table.share[0].max(where=is_far, initial=0.0) == pytest.approx(0.15 * 6 / 400)
        rtt = pairs.rtt_ms[0, table.site[0]]
        order = np.argsort(rtt)
        slowest.append(rtt[order][np.searchsorted(np.cumsum(table.share[0][order]), 0.99)])
    # with one far site each, the standard deviation was 60 ms of 162
    assert np.std(slowest) < 0.2 * np.mean(slowest)


def test_anycast_gives_an_empty_band_to_the_nearest_site() -> None:
    """Perth: Adelaide is 2,130 km away, so nothing lies in the two middle bands."""
    clients = make_clients(np.array([-31.95]), np.array([115.86]))
    sites = make_sites(np.array([-31.95, -34.93, -33.87]), np.array([115.86, 138.60, 151.21]))
    km = distances_km(clients, sites)
    table = Anycast().candidates(straight_rtt_ms(km), km, clients, sites, 3)
    shares = dict(zip(table.site[0], table.share[0], strict=True))
    assert shares[0] == pytest.approx(0.94)
    assert shares[1] + shares[2] == pytest.approx(0.06)


def test_anycast_share_at_the_nearest_is_a_parameter(world: World) -> None:
    clients, sites, km, rtt = world
    table = Anycast(nearest=0.9).candidates(rtt, km, clients, sites, 3)
    assert np.all(table.site[:, 0] == km.argmin(axis=1))
    assert table.share[:, 0].min() == pytest.approx(0.9)


def test_anycast_does_not_take_a_site_behind_a_closed_border_for_the_nearest() -> None:
    clients = make_clients(np.array([32.0]), np.array([74.9]))
    sites = make_sites(
        np.array([31.5, 28.6]), np.array([74.3, 77.2])
    )  # over the border, and at home
    km = distances_km(clients, sites)
    rtt = np.array([[120.0, 15.0]])
    assert Anycast().candidates(rtt, km, clients, sites, 3).site[0, 0] == 1


def test_anycast_fails_over_to_the_next_lowest_rtt(world: World) -> None:
    clients, sites, km, rtt = world
    table = Anycast().candidates(rtt, km, clients, sites, 3)
    along = np.take_along_axis(rtt, table.site, axis=1)
    assert np.all(np.diff(along[:, 1:], axis=1) >= 0)
    assert np.mean(along[:, 1] == np.sort(rtt, axis=1)[:, 1]) == pytest.approx(1.0)


def test_anycast_pins_each_client_once_in_the_published_shares() -> None:
    clients, sites = make_clients(*random_places(4000, 1)), make_sites(*random_places(500, 2))
    km = distances_km(clients, sites)
    rtt = straight_rtt_ms(km)
    spread = Anycast().candidates(rtt, km, clients, sites, 3)
    pinned = Anycast(per="client").candidates(rtt, km, clients, sites, 3)
    assert np.all(pinned.share[:, 0] == 1.0)
    at_nearest = float(np.mean(pinned.site[:, 0] == spread.site[:, 0]))
    assert at_nearest == pytest.approx(float(spread.share[:, 0].mean()), abs=0.025)
    assert np.all(np.sort(pinned.site, axis=1) == np.sort(spread.site, axis=1))


def test_anycast_depends_on_seed_and_ids_not_on_order(world: World) -> None:
    clients, sites, km, rtt = world
    first = Anycast(per="client").candidates(rtt, km, clients, sites, 3)
    again = Anycast(per="client").candidates(rtt, km, clients, sites, 3)
    other = Anycast(per="client").candidates(rtt, km, clients, sites, 4)
    assert np.array_equal(first.site, again.site)
    assert not np.array_equal(first.site, other.site)
    half = make_clients(clients.lat[:100], clients.lon[:100])  # the same ids as the first hundred
    alone = Anycast(per="client").candidates(rtt[:100], km[:100], half, sites, 3)
    assert np.array_equal(alone.site, first.site[:100])


def test_anycast_is_quick() -> None:
    clients, sites = make_clients(*random_places(3000, 1)), make_sites(*random_places(340, 2))
    km = distances_km(clients, sites)
    rtt = straight_rtt_ms(km)
    start = time.perf_counter()
    Anycast().candidates(rtt, km, clients, sites, 3)
    assert time.perf_counter() - start < 1.0


def test_anycast_refuses_to_send_the_rest_nowhere() -> None:
    with pytest.raises(ValueError, match="must exceed 0"):
        Anycast(within_400_km=0, from_400_to_1400_km=0, further=0)
    with pytest.raises(ValueError, match="greater than or equal"):
        Anycast(further=-1)


def test_latency_and_nearest_differ_where_the_network_takes_a_detour() -> None:
    clients = make_clients(np.array([0.0]), np.array([0.0]))
    sites = make_sites(np.array([1.0, 5.0]), np.array([0.0, 0.0]))
    km = distances_km(clients, sites)
    rtt = np.array([[90.0, 20.0]])
    assert Nearest().candidates(rtt, km, clients, sites, 1).site.tolist() == [[0, 1]]
    assert Latency().candidates(rtt, km, clients, sites, 1).site.tolist() == [[1, 0]]


def test_fixed_keeps_the_given_order(world: World) -> None:
    clients, sites, km, rtt = world
    table = Fixed(sites=("S005", "S001")).candidates(rtt, km, clients, sites, 1)
    assert np.all(table.site == [5, 1])
    with pytest.raises(ValueError, match="XXX"):
        Fixed(sites=("XXX",)).candidates(rtt, km, clients, sites, 1)
