"""The contract of replication models: each one's tables, and a user's own on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

import popsim
from popsim.engine import kv_layout
from popsim.engine.build import build
from popsim.engine.kv import _tier_links
from popsim.engine.kv_places import place_kv
from popsim.models import registry
from popsim.models.kv_replication import (
    NOTHING,
    PURGE,
    VALUE,
    CentralStore,
    Geography,
    KvModel,
    KvRules,
    TieredStore,
    tell,
)
from popsim.models.kv_replication.contract import check_tables, nearest_first
from popsim.models.registry import names, register, resolve
from popsim.world.geo import great_circle_km
from popsim.world.sites import Place, Sites, load_sites

Ints = NDArray[np.int64]
STORES = {"virginia": {"region": "us-east-1"}, "tokyo": {"region": "ap-northeast-1", "read": "2ms", "write": "9ms"}}  # fmt: skip
TIERS = ["us-east-1", "ap-southeast-1"]
TIERED = ("pull", "hybrid", "push_purge", "push_value")
SITES = (
    "us-west-2",
    "eu-west-1",
    "ap-northeast-1",
    "us-east-1",
)  # the topology has an order of its own
MODELS: dict[str, dict[str, Any]] = {
    **{name: {"stores": STORES, "regional_tiers": TIERS} for name in TIERED},
    "strong": {"stores": STORES},
    "global_table": {"replicas": ["eu-west-1", "us-east-1"]},
    "edge_config": {"primary": {"region": "us-east-1"}},
}


def rtt(a: Sites, b: Sites) -> NDArray[np.float64]:
    return np.asarray(great_circle_km(a.lat[:, None], a.lon[:, None], b.lat, b.lon) / 100.0)


def sites() -> Sites:
    return load_sites("aws").select(ids=SITES)


def made(name: str, **over: Any) -> tuple[KvModel, Geography]:
    model = resolve("kv_replication", {"model": name, **MODELS[name], **over})
    return model, place_kv(model, sites(), sites(), load_sites("aws"), rtt).geography


# --- the built-in ones ---------------------------------------------------------------------------------


def test_these_are_all() -> None:
    assert set(names("kv_replication")) == set(MODELS)


def test_constants_are_those_of_the_engines() -> None:
    assert (NOTHING, PURGE, VALUE) == (kv_layout.NOTHING, kv_layout.PURGE, kv_layout.VALUE)


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_tables(name: str) -> None:
    model, geography = made(name)
    check_tables(model, geography)
    assert isinstance(model.rules(), KvRules)


@pytest.mark.parametrize(
    ("name", "edges", "regions"),
    [("pull", NOTHING, NOTHING), ("hybrid", NOTHING, PURGE), ("push_purge", PURGE, PURGE), ("push_value", VALUE, VALUE)],
)  # fmt: skip
def test_who_is_told(name: str, edges: int, regions: int) -> None:
    model, geography = made(name)
    assert model.told(geography).tolist() == [[edges] * 4 + [regions] * 2] * 2
    assert (tell(geography, edges=edges, regions=regions) == model.told(geography)).all()


@pytest.mark.parametrize(
    ("name", "vouches"), [("pull", 0), ("hybrid", 1), ("push_purge", 1), ("push_value", 1)]
)
def test_a_tier_that_hears_of_writes_vouches_for_what_it_has(name: str, vouches: int) -> None:
    kv = {"model": name, "stores": STORES, "regional_tiers": ["eu-west-1"]}
    links = build(popsim.load(scenario(kv)), "it", 0).inputs.kv.tier_links
    assert set(links.vouches.tolist()) == {vouches}


def test_a_tier_that_one_store_does_not_tell_vouches_for_nothing() -> None:
    _, geography = made("hybrid")
    told = np.zeros((2, len(geography.sites.ids) + len(geography.tiers.ids)), dtype=np.int64)
    told[0] = PURGE
    links = _tier_links(np.zeros(len(geography.sites.ids), dtype=np.int64), told, geography)
    assert not links.vouches.any()


@pytest.mark.parametrize("name", ["strong", "global_table", "edge_config"])
def test_nobody_is_told_where_there_are_no_caches(name: str) -> None:
    model, geography = made(name)
    assert not model.told(geography).any()
    assert not model.rules().caches.has_edge
    assert len(geography.tiers) == 0
    assert (model.tier_of(geography) == -1).all()


@pytest.mark.parametrize("name", TIERED)
def test_sites_ask_the_nearest_tier(name: str) -> None:
    model, geography = made(name)
    asked = [geography.tiers.ids[row] for row in model.tier_of(geography)]
    nearest = {"us-west-2": "us-east-1", "eu-west-1": "us-east-1",
               "ap-northeast-1": "ap-southeast-1", "us-east-1": "us-east-1"}  # fmt: skip
    assert dict(zip(geography.sites.ids, asked, strict=True)) == nearest
    alone = resolve("kv_replication", {"model": "pull", "stores": STORES})
    assert (
        alone.tier_of(place_kv(alone, sites(), sites(), load_sites("aws"), rtt).geography) == -1
    ).all()


@pytest.mark.parametrize("name", TIERED)
def test_reads_go_to_the_nearest_store_and_then_the_next(name: str) -> None:
    model, geography = made(name)
    order = model.read_order(geography)
    assert order.shape == (6, 2)
    distances = np.take_along_axis(geography.node_store_rtt, order, axis=1)
    assert (np.diff(distances, axis=1) >= 0).all()
    nodes = (*geography.sites.ids, *geography.tiers.ids)
    first = {node: geography.stores.ids[row[0]] for node, row in zip(nodes, order, strict=True)}
    assert first["ap-northeast-1"] == first["ap-southeast-1"] == "tokyo"
    assert first["eu-west-1"] == first["us-east-1"] == "virginia"


@pytest.mark.parametrize("name", TIERED)
def test_writes_go_where_they_are_sent(name: str) -> None:
    _, geography = made(name)
    primary = [[0, 1]] * 4
    nearest = nearest_first(geography.site_store_rtt).tolist()
    assert made(name)[0].write_order(geography).tolist() == primary
    assert made(name, writes="nearest")[0].write_order(geography).tolist() == nearest != primary
    assert made(name, writes="nearest")[0].rules().writes == "ordered"
    assert made(name, writes="race")[0].rules().writes == "race"
    assert made(name, reads="race")[0].rules().reads == "race"
    assert made(name)[0].rules().reads == "ordered"


def test_strong_reads_and_writes_the_primary_only() -> None:
    model, geography = made("strong")
    assert (
        model.read_order(geography).tolist() == model.write_order(geography).tolist() == [[0]] * 4
    )


def test_replicas_are_sites() -> None:
    model, geography = made("global_table")
    assert geography.stores.ids == ("eu-west-1", "us-east-1")  # as named: the first is the primary
    row = geography.sites.index("us-east-1")
    assert geography.site_store_rtt[row, 1] == 0.0
    assert model.read_order(geography)[row].tolist() == [1, 0]
    assert model.write_order(geography)[row].tolist() == [1, 0]
    everywhere, wide = made("global_table", replicas=None)
    assert wide.stores.ids == wide.sites.ids
    assert everywhere.read_order(wide)[:, 0].tolist() == [0, 1, 2, 3]


def test_every_site_has_an_edge_config_of_its_own() -> None:
    model, geography = made("edge_config", read="1ms", propagation="5s")
    assert geography.stores.ids == ("primary", *geography.sites.ids)
    assert model.read_order(geography).tolist() == [[1], [2], [3], [4]]
    assert model.write_order(geography).tolist() == [[0]] * 4
    assert [geography.site_store_rtt[row, row + 1] for row in range(4)] == [0.0] * 4
    assert model.rules().sync.mean() == 5_000.0


def test_parameters_become_rules() -> None:
    model, _ = made("pull", ttl="45s", region_ttl="2min", minimum_ttl="10s", memory_size="1MB", edge_size="2MB",
                    refresh_after="50%", coalesce=False, write_through=False, write_gap="3s", lag="1s")  # fmt: skip
    rules = model.rules()
    caches = rules.caches
    assert (caches.edge_ttl, caches.region_ttl, caches.memory_ttl) == (45e3, 120e3, 10e3)
    assert (caches.memory_bytes, caches.edge_bytes, caches.region_bytes) == (10**6, 2 * 10**6, 0)
    assert (caches.refresh_after, caches.coalesces, caches.writes_through) == (0.5, False, False)
    assert (rules.write_gap, rules.minimum_ttl, rules.lag.mean()) == (3_000.0, 10_000.0, 1_000.0)
    assert made("pull", ttl="45s")[0].rules().caches.region_ttl == 45e3  # as the edge, if not said


def test_defaults_are_those_of_the_documentation() -> None:
    model = resolve("kv_replication", {"model": "pull", "stores": STORES})
    assert isinstance(model, TieredStore)
    assert (model.reads, model.writes, model.regional_tiers) == ("nearest", "primary", None)
    assert (model.ttl, model.region_ttl, model.minimum_ttl) == (60e3, None, 30e3)
    assert (model.minimum_expiration, model.refresh_after) == (60e3, None)
    assert (model.coalesce, model.write_through, model.write_gap) == (True, True, 1e3)
    assert (model.memory_size, model.memory_ttl) == (0, 10e3)
    assert (model.edge_size, model.region_size) == (0, 0)
    strong = resolve("kv_replication", {"model": "strong", "stores": STORES})
    assert strong.rules() == KvRules()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(popsim.InputError, match="ttl is 10s, under the minimum of 30s"):
        made("pull", ttl="10s")[0].rules()
    with pytest.raises(ValueError, match="hybrid tells the regional tiers"):
        made("hybrid", regional_tiers=None)[0].rules()
    with pytest.raises(popsim.InputError, match=r"replicas.0.: there is no site 'us-est-1'"):
        made("global_table", replicas=["us-est-1"])
    with pytest.raises(popsim.InputError, match=r"stores.b.region: there is no region"):
        made("strong", stores={"a": STORES["tokyo"], "b": {"region": "nowhere"}})
    with pytest.raises(ValueError, match="reads must be ordered or race, got 'fastest'"):
        KvRules(reads="fastest")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="Extra inputs"):
        made("strong", ttl="60s")


# --- a model of one's own ------------------------------------------------------------------------------


class Own(TieredStore):
    """Edges of other continents than the store's are told to drop what was written; Asia asks the last tier."""

    def told(self, geography: Geography) -> Ints:
        """Return PURGE for sites outside North America."""
        answer = tell(geography, edges=NOTHING, regions=VALUE)
        far = [continent != "NA" for continent in geography.sites.continents]
        answer[:, : len(far)][:, far] = PURGE
        return answer

    def tier_of(self, geography: Geography) -> Ints:
        """Return the last tier for Asia, none for North America, else the first."""
        last = len(geography.tiers) - 1
        by_continent = {"AS": last, "NA": -1}
        continents = geography.sites.continents
        return np.array([by_continent.get(continent, 0) for continent in continents])


def scenario(kv: dict[str, Any]) -> dict[str, Any]:
    branches = [
        {"weight": 19, "steps": [{"kv.get": {"keys": "items", "on_error": "miss"}}]},
        {"weight": 1, "steps": [{"kv.put": {"keys": "items", "on_error": "ignore"}}]},
    ]
    return {
        "name": "own",
        "duration": "2min",
        "replications": 1,
        "clients": {"topology": "cities"},
        "workload": {
            "arrivals": {"rate": "20/s"},
            "keys": {"items": {"count": 50, "popularity": {"zipf": 1}}},
            "handler": [{"choose": branches}],
        },
        "platforms": {"it": {"topology": "aws", "runtime": "always_warm", "kv": kv}},
        "events": [{"at": "1min", "fail": {"stores": "virginia"}, "for": "20s"}],
    }


OWN = {"model": "test-own", "stores": STORES, "regional_tiers": ["eu-west-1", "ap-southeast-1"], "lag": "100ms"}  # fmt: skip


@pytest.mark.usefixtures("own_models")
def test_a_model_of_ones_own_runs_on_both_engines_alike() -> None:
    (one,), (other,) = (
        popsim.run(scenario(OWN), engine=engine, store=None, progress=False, workers=1).runs["it"]
        for engine in ("simpy", "compiled")
    )
    assert one.requests == other.requests > 2_000
    assert (one.kv_by_site == other.kv_by_site).all()
    assert (one.kv_by_space == other.kv_by_space).all()
    assert (one.sample == other.sample).all()
    assert one.latency_sum_ns == other.latency_sum_ns
    region = one.kv_by_site[:, kv_layout.REGION]
    continents = load_sites("aws").continents
    assert region.sum() > 50
    assert not any(r for r, where in zip(region, continents, strict=True) if where == "NA")


@pytest.mark.usefixtures("own_models")
def test_who_is_told_changes_results() -> None:
    """The same model without its own table has more stale reads: it is asked, and heard."""
    stale = []
    for model in ("test-own", "pull"):
        (run,) = popsim.run(
            scenario({**OWN, "model": model}), store=None, progress=False, workers=1
        ).runs["it"]
        stale.append(int(run.kv_by_space[0, kv_layout.K_STALE]))
    assert stale[0] < 0.7 * stale[1]


class Smallest(KvModel):
    """A store in one city, no cache."""

    def rules(self) -> KvRules:
        """Return the defaults."""
        return KvRules()

    def central_stores(self, sites: Sites) -> tuple[CentralStore, ...]:
        """Return one in Frankfurt."""
        return (CentralStore(Place("only", "Frankfurt", "DE", 50.1, 8.7)),)


@pytest.mark.usefixtures("own_models")
def test_two_methods_are_enough() -> None:
    data = scenario({"model": "test-smallest"})
    data["events"] = [{"at": "1min", "fail": {"stores": "only"}}]
    runs = [
        popsim.run(data, engine=engine, store=None, progress=False, workers=1).runs["it"][0]
        for engine in ("simpy", "compiled")
    ]
    assert (runs[0].kv_by_space == runs[1].kv_by_space).all()
    assert runs[0].kv_by_space[0, kv_layout.STORE] > 500
    assert runs[0].kv_by_space[0, kv_layout.FAILED] > 500


class Wrong(Own):
    """A model whose tables are not what they should be; which one is, tells ``table``."""

    table: str

    def wrong(self, name: str, right: Ints) -> Any:
        """Return a row too few."""
        return right[:-1] if self.table == name else right

    def told(self, geography: Geography) -> Any:
        """Return a table or not."""
        return self.wrong("told", super().told(geography))

    def tier_of(self, geography: Geography) -> Any:
        """Return a table or not."""
        return self.wrong("tier_of", super().tier_of(geography))

    def read_order(self, geography: Geography) -> Any:
        """Return a table or not."""
        return self.wrong("read_order", super().read_order(geography))

    def write_order(self, geography: Geography) -> Any:
        """Return a table or not."""
        return self.wrong("write_order", super().write_order(geography) + (self.table == "range"))


@pytest.fixture
def own_models() -> Iterator[None]:
    """Register the models of this file; other tests list all there are."""
    own = {"test-own": Own, "test-smallest": Smallest, "test-wrong": Wrong}
    for name, model in own.items():
        register("kv_replication", name)(model)
    yield
    for name in own:
        del registry._models["kv_replication"][name]


@pytest.mark.usefixtures("own_models")
@pytest.mark.parametrize("table", ["told", "tier_of", "read_order", "write_order", "range"])
def test_wrong_tables_are_refused_when_the_scenario_is_loaded(table: str) -> None:
    wanted = "write_order" if table == "range" else table
    with pytest.raises(popsim.InputError, match=rf"platforms.it.kv: {wanted}\(\) must return"):
        popsim.load(scenario({**OWN, "model": "test-wrong", "table": table}))


@pytest.mark.usefixtures("own_models")
def test_runs_of_a_model_from_a_notebook_are_not_kept() -> None:
    from popsim.sweeps.store import run_key

    assert run_key(popsim.load(scenario(OWN)), "it", 0, "compiled") is None
    assert run_key(popsim.load(scenario({**OWN, "model": "pull"})), "it", 0, "compiled") is not None
