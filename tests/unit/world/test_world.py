from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from scipy.special import stdtrit

import popsim.world.distances as module
from popsim import InputError
from popsim.scenario.bundled import bundled_folder, bundled_names
from popsim.scenario.parts import OriginSpec, Where
from popsim.scenario.schema import AccessMix
from popsim.world.access import access_laws
from popsim.world.clients import load_clients
from popsim.world.distances import distances
from popsim.world.geo import countries, great_circle_km
from popsim.world.jitter import measured_jitter
from popsim.world.latency import LatencyGraph
from popsim.world.origins import locate_origin
from popsim.world.residuals import _student, residual_rtt
from popsim.world.sites import load_sites

NOWHERE = Where()


def rtt(graph: LatencyGraph, sources: object, destinations: object) -> np.ndarray:
    a, b = sources, destinations
    return graph.rtt_ms(a.lat, a.lon, a.countries, b.lat, b.lon, b.countries)  # type: ignore[attr-defined]


# --- distances -------------------------------------------------------------------------------------


def test_great_circle_of_known_pairs() -> None:
    """London Heathrow to New York JFK is 5,540 km; pole to pole half the circumference."""
    assert great_circle_km(51.4775, -0.4614, 40.6398, -73.7789) == pytest.approx(5_540, abs=5)
    assert great_circle_km(90, 0, -90, 0) == pytest.approx(np.pi * 6_371)
    assert great_circle_km(1.0, 2.0, 1.0, 2.0) == 0.0


# --- files -----------------------------------------------------------------------------------------


def test_counts_that_are_published() -> None:
    cloudflare = load_sites("cloudflare")
    assert len(cloudflare) == 340
    assert len(cloudflare.select(role="object_host")) == 32
    assert len(cloudflare.select(role="china")) == 30
    assert len(cloudflare.select(exclude=Where(country=("CN",)))) == 310
    assert len(load_sites("cloudflare-2018")) == 155
    assert len(load_sites("aws").select(role="rec")) == 13
    assert len(load_sites("vercel").select(role="region")) == 20
    assert len(load_sites("vercel").select(role="pop")) == 126


@pytest.mark.parametrize("kind", ["sites", "clients"])
def test_every_bundled_table_loads_and_names_its_source(kind: str) -> None:
    for name in bundled_names(f"topologies/{kind}"):
        load_sites(name) if kind == "sites" else load_clients(name)
        text = (bundled_folder(f"topologies/{kind}") / f"{name}.csv").read_text(encoding="utf-8")
        comments = [line for line in text.splitlines() if line.startswith("#")]
        assert any("http" in line or "ASSUMPTION" in line or "as in" in line for line in comments)


def test_users_to_the_nearest_pop_keep_their_distances() -> None:
    """p50/p90/p99 = 88/419/960 km for 34,003 cities; the 3,000 cells must stay within 5 %."""
    users, pops = load_clients("world-users"), load_sites("cloudflare")
    km = great_circle_km(users.lat[:, None], users.lon[:, None], pops.lat, pops.lon).min(axis=1)
    order = np.argsort(km)
    share = np.cumsum(users.weight[order])
    found = [km[order][np.searchsorted(share, p)] for p in (0.5, 0.9, 0.99)]
    assert found == pytest.approx([88.0, 419.0, 960.0], rel=0.05)


def test_users_by_country_are_kept() -> None:
    users = load_clients("world-users")
    total = sum(country.internet_users for country in countries().values())
    for code in ("CN", "IN", "US", "NO"):
        share = users.weight[np.array(users.countries) == code].sum()
        assert share == pytest.approx(countries()[code].internet_users / total, rel=0.02)
    assert users.weight.sum() == pytest.approx(1.0)


def test_probes_of_2018() -> None:
    probes = load_clients("probes-2018")
    in_china = np.array(probes.countries) == "CN"
    assert in_china.mean() == pytest.approx(0.016, abs=0.002)
    assert set(probes.select(Where(country=("AU",))).cities) == {
        "Sydney", "Melbourne", "Brisbane", "Perth",
    }  # fmt: skip


HEADER = "id,city,country,lat,lon,roles\n"


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("", None, "is empty"),
        (HEADER, None, "the table is empty"),
        ("# comment\nid,city,country,lat,lon\nA,B,DE,1,2\n", 2, "'roles' is missing"),
        (HEADER + "A,X,DE,91,2,pop\n", 2, "lat must lie within -90 and 90, got 91"),
        (
            HEADER + "A,X,DE,1,2,pop\nA,Y,DE,1,2,pop\n",
            3,
            "the id 'A' is there twice (first in line 2)",
        ),
        (HEADER + "A,X,Germany,1,2,pop\n", 2, "unknown country 'Germany' (did you mean 'DE'?"),
        (HEADER + "A,X,DE,one,2,pop\n", 2, "lat must be a number, got 'one'"),
        (HEADER + "A,X,DE,nan,2,pop\n", 2, "lat must be a number, got 'nan'"),
        (HEADER + "A,X,DE,1,2\n", 2, "expected 6 values, got 5"),
        (HEADER + ",X,DE,1,2,pop\n", 2, "id is empty"),
    ],
)
def test_bad_topologies_are_refused_with_their_line(
    tmp_path: Path, content: str, line: int | None, message: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_sites(str(path))
    problem = caught.value.problems[0]
    assert problem.line == line
    assert message in str(problem)


def test_all_mistakes_of_a_topology_are_reported() -> None:
    path = Path(__file__).parent / "two_mistakes.csv"
    with pytest.raises(InputError) as caught:
        load_sites(str(path))
    assert [problem.line for problem in caught.value.problems] == [3, 4]


def test_unknown_names_are_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match="did you mean 'cloudflare'"):
        load_sites("clodflare")
    with pytest.raises(InputError, match="no site is a 'popp'"):
        load_sites("cloudflare").select(role="popp")
    with pytest.raises(InputError, match="there is no site 'us-east-9'"):
        load_sites("aws").select(ids=["us-east-9"])
    with pytest.raises(InputError, match="unknown country 'UK'"):
        load_clients("cities").select(Where(country=("UK",)))
    with pytest.raises(InputError, match="no client is left"):
        load_clients("cities").select(Where(country=("LI",)))


# --- the latency graph -----------------------------------------------------------------------------

SPOTS = [  # RTT in ms, public Internet and cloud backbones, of the reference fit
    ("LHR", "EWR", 76, 81), ("LHR", "FRA", 19, 17), ("LHR", "SIN", 259, 168), ("LHR", "NRT", 214, 225),
    ("EWR", "LAX", 67, 62), ("EWR", "GRU", 170, 162), ("LAX", "NRT", 122, 109), ("SIN", "NRT", 115, 73),
    ("SIN", "SYD", 142, 94), ("JNB", "LHR", 198, 159),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "public", "backbone"), SPOTS)
def test_spot_values_of_the_reference_fit(a: str, b: str, public: float, backbone: float) -> None:
    assert LatencyGraph("public").node_rtt_ms(a, b) == pytest.approx(public, abs=0.6)
    assert LatencyGraph("backbone").node_rtt_ms(a, b) == pytest.approx(backbone, abs=0.6)


def test_rtt_is_symmetric_and_above_light() -> None:
    sites = load_sites("cloudflare")
    matrix = rtt(LatencyGraph(), sites, sites)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12)
    km = great_circle_km(sites.lat[:, None], sites.lon[:, None], sites.lat, sites.lon)
    assert np.all(matrix >= 1.05 * 0.01 * km - 1e-9)
    assert np.all(np.isfinite(matrix))


def test_short_range() -> None:
    """0.5 ms within a city, 2 ms + 2.5 x 0.01 ms/km up to 500 km."""
    here = load_sites("cloudflare").select(ids=["FRA"])
    near = load_sites("cloudflare").select(ids=["FRA", "AMS", "BRU"])
    km = great_circle_km(here.lat[:, None], here.lon[:, None], near.lat, near.lon)
    assert km.max() < 500
    expected = np.where(km == 0.0, 0.5, 2.0 + 0.025 * km)
    np.testing.assert_allclose(rtt(LatencyGraph(), here, near), expected, rtol=1e-12)


def test_networkx_finds_the_same_paths() -> None:
    graph = LatencyGraph()
    km = nx.shortest_path_length(graph.graph, "LHR", "SIN", weight="weight_km")
    assert graph.node_rtt_ms("LHR", "SIN") == pytest.approx(graph._parameters["a"] + 0.01 * km)
    assert graph.graph.nodes["LHR"]["city"] == "London"


def test_links_and_nodes_can_be_cut() -> None:
    ends = load_sites("cloudflare").select(ids=["LHR", "SIN"])
    whole = rtt(LatencyGraph(), ends, ends)[0, 1]
    graph = LatencyGraph()
    kinds = [ends for ends, link in graph.links.items() if link.kind == "EA"]
    assert rtt(LatencyGraph("public", removed_links=kinds), ends, ends)[0, 1] > whole * 1.05
    without = LatencyGraph("public", removed_sites=["SIN"])
    assert "SIN" not in without.nodes
    assert "SIN" not in without.graph
    assert rtt(without, ends, ends)[0, 1] >= whole
    assert rtt(LatencyGraph(), ends, ends)[0, 1] == whole  # the shared graph is untouched
    with pytest.raises(InputError, match="no link LHR - SIN"):
        LatencyGraph("public", removed_links=[("LHR", "SIN")])
    with pytest.raises(InputError, match="no node 'XXX'"):
        LatencyGraph("public", removed_sites=["XXX"])


def test_residuals_are_persistent_symmetric_clipped_and_heavy_tailed() -> None:
    sites = load_sites("cloudflare")
    pairs = distances(LatencyGraph(), sites, sites)
    base, one = pairs.rtt_ms, residual_rtt(1, pairs, sites, sites, backbone=False)
    assert np.array_equal(one, residual_rtt(1, pairs, sites, sites, backbone=False))
    np.testing.assert_allclose(one, one.T)
    few = sites.select(ids=["LHR", "SIN"])
    part = residual_rtt(1, distances(LatencyGraph(), few, few), few, few, backbone=False)
    row, column = sites.index("LHR"), sites.index("SIN")
    assert part[0, 1] == one[row, column]
    other = residual_rtt(2, pairs, sites, sites, backbone=False)
    assert (one != other).mean() > 0.9
    km = great_circle_km(sites.lat[:, None], sites.lon[:, None], sites.lat, sites.lon)
    logs = np.log(one / base)[(km > 2_000) & (km < 6_000)]
    assert logs.min() >= -0.5 - 1e-9
    assert logs.max() <= 1.0 + 1e-9
    # Student's t(3) times 0.16: half of the values lie within 0.7649 scales
    assert np.median(np.abs(logs)) == pytest.approx(0.7649 * 0.16, rel=0.05)


def test_student_s_quantiles_are_scipy_s() -> None:
    uniform = np.concatenate(
        [np.linspace(0.0, 1.0, 100_001)[:-1], [2.0**-53, 1e-9, 1 / 64, 63 / 64, 1 - 1e-9]]
    )
    expected = stdtrit(3.0, np.clip(uniform, 2.0**-53, 1.0 - 2.0**-53))
    np.testing.assert_allclose(_student(uniform), expected, rtol=1e-5, atol=1e-5)


def test_distances_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_remembered", {})
    monkeypatch.setattr(module, "MOST_PAIRS", 100)
    graph, sites = module.latency_graph("public", (), ()), load_sites("aws")
    small, other, large = (sites.select(ids=sites.ids[a:b]) for a, b in ((0, 8), (8, 15), (0, 12)))
    first = distances(graph, small, small)
    assert distances(graph, sites.select(ids=small.ids), small) is first
    assert distances(graph, other, other) is not first  # 64 + 49 pairs are over 100
    again = distances(graph, small, small)
    assert again is not first
    np.testing.assert_array_equal(again.rtt_ms, first.rtt_ms)
    assert distances(graph, large, large) is not distances(graph, large, large)
    assert sum(each.km.size for each in module._remembered.values()) <= 100
    assert not first.rtt_ms.flags.writeable


# --- the last mile ---------------------------------------------------------------------------------


def test_access_mixes() -> None:
    names, weights, laws = access_laws(AccessMix(mix={"fibre": 3.0, "4g": 1.0}, wifi=0.5))
    assert names == ["fibre", "fibre+wifi", "4g"]
    assert weights == pytest.approx([0.375, 0.375, 0.25])
    assert laws[1].mean() == pytest.approx(laws[0].mean() + 6.0)
    for mix in ("home", "mobile", "world", "datacenter"):
        assert sum(access_laws(mix)[1]) == pytest.approx(1.0)
    with pytest.raises(InputError, match="did you mean 'fibre'"):
        access_laws("fiber")
    with pytest.raises(InputError, match="no access network 'isdn'"):
        access_laws(AccessMix(mix={"isdn": 1.0}))


def test_jitter_quantiles_are_the_published_ones() -> None:
    """Within a pair the deviation has p50/p90 of 0.6/3.5 ms, as ln N(-0.19, 1.04): 0.83/3.1; spikes beyond."""
    law = measured_jitter()
    lower = law.quantile_lower(np.array([0.5]))[0]
    upper = law.quantile_upper(np.array([0.1, 0.005]))
    assert 0.5 < lower < 1.0
    assert 2.8 < upper[0] < 3.8
    assert 12.0 < upper[1] < 25.0


def test_origins() -> None:
    place = locate_origin("db", OriginSpec(region="eu-west-1"))
    assert (place.country, place.city) == ("IE", "Dublin")
    assert locate_origin("db", OriginSpec(city="Sydney")).country == "AU"
    assert locate_origin("db", OriginSpec(lat=48.1, lon=11.6)).country == "DE"
    with pytest.raises(InputError, match="did you mean 'eu-west-1'"):
        locate_origin("db", OriginSpec(region="eu-wst-1"))
    with pytest.raises(InputError, match="there is no city 'Atlantis'"):
        locate_origin("db", OriginSpec(city="Atlantis"))
