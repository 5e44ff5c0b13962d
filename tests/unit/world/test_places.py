"""Names of cities, and unions of places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

import popsim
from popsim import InputError
from popsim.scenario.bundled import bundled_names
from popsim.scenario.parts import OriginSpec, Where
from popsim.world.aliases import all_cities, known_as, plain
from popsim.world.clients import load_clients
from popsim.world.origins import locate_origin
from popsim.world.places import matching
from popsim.world.sites import load_sites

USERS = load_clients("world-users")


def cities(where: Where, places: object = USERS) -> set[tuple[str, str]]:
    rows = np.flatnonzero(matching(places, where))  # type: ignore[arg-type]
    return {(places.cities[row], places.countries[row]) for row in rows}  # type: ignore[attr-defined]


def suggestion(name: str, places: object) -> str:
    """Return the hint about a name; nothing if it is known."""
    try:
        matching(places, Where(city=(name,)))  # type: ignore[arg-type]
    except InputError as error:
        return error.problems[0].hint or ""
    return ""


@pytest.mark.parametrize(
    ("name", "city"),
    [
        ("Bombay", ("Mumbai", "IN")),
        ("Cologne", ("Köln", "DE")),
        ("Bangalore", ("Bengaluru", "IN")),
        ("Saigon", ("Ho Chi Minh City", "VN")),
        ("Sao Paulo", ("São Paulo", "BR")),
        ("kiev", ("Kyiv", "UA")),
        ("New York", ("New York City", "US")),
    ],
)
def test_other_names_are_their_city(name: str, city: tuple[str, str]) -> None:
    assert cities(Where(city=(name,))) == {city}
    assert cities(Where(any=(Where(city=(name,)),))) == {city}


def test_a_name_of_one_topology_is_known_in_the_others() -> None:
    """The same place is Bengaluru among users and Bangalore among points of presence."""
    edge = load_sites("cloudflare")
    for name in ("Bengaluru", "Bangalore"):
        assert cities(Where(city=(name,)), edge) == {("Bangalore", "IN")}


def test_names_as_written_come_first() -> None:
    """San Jose, US, is not San José, CR, although it is without the accent; Birmingham stays both."""
    assert ("San José", "CR") not in cities(Where(city=("San Jose",)))
    assert cities(Where(city=("San José",))) == {("San José", "CR")}
    assert {country for _, country in cities(Where(city=("Birmingham",)))} == {"GB", "US"}


def test_a_name_of_several_cities_is_refused_unless_a_country_tells_them_apart() -> None:
    with pytest.raises(InputError, match=r"several cities here \(expected one of .*\(CR\), .*\(US\)|\(US\), .*\(CR\)"):  # fmt: skip
        matching(USERS, Where(city=("san jose",)))
    assert cities(Where(city=("san jose",), country=("CR",))) == {("San José", "CR")}


@pytest.mark.parametrize("topology", ["cities", "world-users"])
@pytest.mark.parametrize(
    ("name", "wrong"),
    [("Bombai", "Bumba"), ("Colognia", "Bologna"), ("Bangalor", "Bangor"), ("Bangor", "Bangalore"),
     ("Pekin", "Pekan"), ("Boston Spa", "Poston"), ("Tripolis", "Triplicane")],
)  # fmt: skip
def test_no_suggestion_crosses_a_continent(topology: str, name: str, wrong: str) -> None:
    places = load_clients(topology)
    assert wrong not in suggestion(name, places)


def test_what_is_suggested() -> None:
    def hint(name: str, topology: str = "world-users") -> str | None:
        with pytest.raises(InputError) as caught:
            matching(load_clients(topology), Where(city=(name,)))
        return caught.value.problems[0].hint

    assert hint("Pari") == "did you mean 'Paris' (FR)?"  # in which language it is a name, too
    assert hint("Sydny", "cities") == "did you mean 'Sydney' (AU)?"
    assert hint("Cologne", "cities") == "it is known as Köln (DE)"
    assert hint("Atlantis-under-the-sea") is None


def test_every_suggestion_stays_on_the_continent_of_the_name() -> None:
    """Each city of the world's users is looked for among 53 cities: what is suggested lies on its continent."""
    few = load_clients("cities")
    for row in range(0, len(USERS), 7):
        assert "did you mean" not in suggestion(USERS.cities[row], few), USERS.cities[row]


def test_aliases_are_unambiguous_among_users() -> None:
    """No alias of the table names two cities of one topology, so that none of them is ever refused."""
    for city in all_cities():
        for name in city.names:
            same = {(other.name, other.country) for other in known_as(name)}
            assert (city.name, city.country) in same
    assert plain("Łódź-Ørestad") == "lodz orestad"


def test_origins_take_other_names_too() -> None:
    assert locate_origin("db", OriginSpec(city="Bombay")).country == "IN"
    assert locate_origin("db", OriginSpec(city="Cologne", country="DE")).city == "Köln"
    with pytest.raises(InputError, match="there is no city 'Kolkatta'"):
        locate_origin("db", OriginSpec(city="Kolkatta", country="US"))


# --- unions --------------------------------------------------------------------------------------------


def test_any_is_the_union_and_other_keys_narrow_it() -> None:
    ireland, britain = Where(country=("IE",)), Where(country=("GB",))
    both = matching(USERS, Where(any=(ireland, britain)))
    assert np.array_equal(both, matching(USERS, ireland) | matching(USERS, britain))
    nested = Where(
        any=(Where(continent=("OC",)), Where(any=(ireland, britain))), country=("NZ", "IE")
    )
    assert {country for _, country in cities(nested)} == {"NZ", "IE"}
    assert np.array_equal(
        matching(USERS, Where(any=(both_and(ireland),))), matching(USERS, ireland)
    )


def both_and(where: Where) -> Where:
    return Where(any=(where, where))


def test_mistakes_within_any_have_their_path() -> None:
    where = Where(any=(Where(country=("XX",)), Where(any=(Where(continent=("XY",)),))))
    with pytest.raises(InputError) as caught:
        matching(USERS, where)
    paths = [problem.path for problem in caught.value.problems]
    assert paths == [("any", 0, "country"), ("any", 1, "any", 0, "continent")]


@pytest.mark.parametrize("wrong", [[], [{}], "GB", {"country": "GB"}, [{"contry": "GB"}], [3]])
def test_any_wants_a_list_of_places(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Where.model_validate({"any": wrong})


def test_unions_go_wherever_places_do() -> None:
    """Clients, sites, surges, branches, claims and selectors."""
    isles = {"any": [{"country": "IE"}, {"city": "London"}]}
    scenario = popsim.load(
        {
            "name": "unions",
            "duration": "30s",
            "replications": 1,
            "engine": "simpy",
            "clients": {"topology": "cities", "where": {"any": [{"continent": "EU"}, {"city": "Bombay"}]}},
            "workload": {
                "arrivals": {"rate": "5/s"},
                "handler": [
                    {
                        "choose": [
                            {"weight": 1, "where": isles, "steps": [{"sleep": "5s"}]},
                            {"weight": 1, "where": {"any": [{"country": "IN"}, {"country": "DE"}]}},
                            {"weight": 1e-9},
                        ]
                    }
                ],
            },
            "platforms": {
                "edge": {
                    "preset": "cloudflare-workers",
                    "ingress": {"where": {"any": [{"continent": "EU"}, {"country": "IN"}]},
                                "exclude": {"country": None, "any": [{"country": "CN"}, {"city": "London"}]}},
                }
            },
            "events": [{"at": "0s", "surge": {"factor": 3, "where": isles}}],
            "claims": [
                {"id": "slow", "says": "", "source": "ours", "where": isles, "expect": ["edge.p(50) > 5s"]},
                {"id": "fast", "says": "", "source": "ours",
                 "expect": ["edge{any: [{country: IN}, {any: [{country: DE}]}]}.p(50) < 5s"]},
            ],
        }
    )  # fmt: skip
    result = popsim.run(scenario)
    slow, fast = (verdict.deciding.observed.value for verdict in result.verdicts)
    assert slow > 5_000.0 > fast
    assert {"GB", "IN"} & set(result.by("country")["country"])
    assert not result.by("site")["site"].isin(["LHR"]).any()
    assert popsim.load(scenario.resolved()).id == scenario.id


def test_bundled_cities_are_in_the_table() -> None:
    """Every city of the bundled lists is known by its own name, so that a name is known to be elsewhere."""
    known = {name for city in all_cities() for name in city.names}
    for name in bundled_names("topologies/clients"):
        missing = [city for city in load_clients(name).cities if plain(city) not in known]
        assert len(missing) < 0.02 * len(load_clients(name)), missing


class Walked(tuple[str, ...]):
    """Ids that may be walked through, but are not searched for one name after the other."""

    def __contains__(self, _: object) -> bool:
        raise AssertionError("searched")


def test_many_ids_take_no_longer_each() -> None:
    """Names times ids would be minutes for a table of 65,536 sites and a list of as many."""
    sites, clients = load_sites("cloudflare"), load_clients("cities")
    some = sites.ids[3:7]
    sites, clients = (replace(each, ids=Walked(each.ids)) for each in (sites, clients))
    assert sites.select(ids=some).ids == some
    with pytest.raises(InputError, match="there is no site 'nowhere'"):
        sites.select(ids=["nowhere"])
    assert len(clients.select(Where(id=clients.ids[2:4]))) == 2
    with pytest.raises(InputError, match="there is no id 'nowhere' here"):
        clients.select(Where(id=("nowhere",)))


def test_equal_selections_are_made_once() -> None:
    sites = load_sites("vercel")
    assert sites.select(role="region") is sites.select(role="region")
    assert sites.select(role="region") is not sites.select(role="pop")
    assert sites.select(where=Where(continent=("EU",))) is sites.select(
        where=Where(continent=("EU",))
    )
