"""A user's keys over a preset's."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popsim.scenario.laws import law_forms
from popsim.scenario.merge import common, merged

KEYS = st.sampled_from(["a", "b", "c", "front_door", "runtime"])
TREES = st.recursive(
    st.integers() | st.sampled_from(["", "5ms", "isolate"]) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(KEYS, TREES, max_size=4)
PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(tree, dict) or not tree:
        return {path: tree}
    return {p: v for key, value in tree.items() for p, v in leaves(value, (*path, key)).items()}


@PROPERTY
@given(MAPPINGS, MAPPINGS)
def test_what_the_user_says_holds(base: dict[str, Any], over: dict[str, Any]) -> None:
    result = merged(base, over)
    for path, value in leaves(over).items():
        found = result
        for key in path:
            found = found[key]
        assert found == value or (value == {} and isinstance(found, dict))


@PROPERTY
@given(MAPPINGS, MAPPINGS)
def test_what_the_user_does_not_mention_stays(base: dict[str, Any], over: dict[str, Any]) -> None:
    result = merged(base, over)
    assert set(result) == set(base) | set(over)
    for key in set(base) - set(over):
        assert result[key] == base[key]


@PROPERTY
@given(MAPPINGS)
def test_nothing_and_oneself_change_nothing(base: dict[str, Any]) -> None:
    assert merged(base, {}) == base
    assert merged({}, base) == base
    assert merged(base, base) == base


@PROPERTY
@given(MAPPINGS, MAPPINGS)
def test_merging_leaves_its_arguments_alone(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = copy.deepcopy((base, over))
    merged(base, over)
    common(base, over)
    assert (base, over) == before


@pytest.mark.parametrize("form", [form for form in law_forms() if form != "constant"])
def test_a_distribution_replaces_a_distribution(form: str) -> None:
    base = {"front_door": {"lognormal": {"p50": "3ms", "p99": "25ms"}}}
    over = {"front_door": {form: {"p50": "1ms", "sigma": 1}}}
    assert merged(base, over) == over
    assert merged(over, base) == base
    assert merged(over, {"front_door": "5ms"}) == {"front_door": "5ms"}


def test_another_model_replaces_the_model() -> None:
    base = {"runtime": {"model": "isolate", "idle": "30min", "init": "5ms"}}
    assert merged(base, {"runtime": {"model": "always_warm"}}) == {
        "runtime": {"model": "always_warm"}
    }
    assert merged(base, {"runtime": "always_warm"}) == {"runtime": "always_warm"}
    assert merged(base, {"runtime": {"model": "isolate", "idle": "1min"}}) == {
        "runtime": {"model": "isolate", "idle": "1min", "init": "5ms"}
    }
    assert merged(base, {"runtime": {"idle": "1min"}})["runtime"]["model"] == "isolate"


def test_lists_replace_and_null_empties() -> None:
    base = {"regions": ["a", "b"], "exclude": {"country": "CN"}}
    assert merged(base, {"regions": ["c"]})["regions"] == ["c"]
    assert merged(base, {"exclude": {"country": None}})["exclude"] == {"country": None}
    assert merged(base, {"exclude": None})["exclude"] is None


def test_what_is_said_for_everywhere_holds_in_every_region() -> None:
    """Who lowers a price means it where code runs, too; a region that the user names is the user's own."""
    base = {"prices": {"request": 1, "duration": 2, "gb": 1024, "by_region": {"a": {"duration": 3}, "b": {"duration": 4, "request": 5}}}}  # fmt: skip
    free = merged(base, {"prices": {"duration": 0}})["prices"]
    assert free == {"request": 1, "duration": 0, "gb": 1024, "by_region": {"b": {"request": 5}}}
    own = merged(base, {"prices": {"duration": 0, "by_region": {"a": {"duration": 9}}}})["prices"]
    assert own["by_region"] == {"a": {"duration": 9}, "b": {"request": 5}}
    one = merged(base, {"prices": {"by_region": {"a": {"duration": 9}}}})["prices"]
    assert one["by_region"] == {"a": {"duration": 9}, "b": {"duration": 4, "request": 5}}
    assert merged(base, {"prices": {"gb": 1}})["prices"]["by_region"] == base["prices"]["by_region"]


def test_regions_of_another_topology_have_no_prices_of_their_own() -> None:
    base = {"topology": "aws", "prices": {"duration": 2, "by_region": {"a": {"duration": 3}}}}
    assert merged(base, {"topology": "mine.csv"})["prices"] == {"duration": 2}
    assert merged(base, {"topology": "aws"}) == base


def test_common_is_what_merging_has_left() -> None:
    base = {"runtime": {"model": "isolate", "idle": "30min"}, "front_door": "1ms"}
    both = merged(base, {"runtime": {"model": "microvm", "init": "5ms"}})
    assert common(base, both) == {"runtime": {"model": "isolate"}, "front_door": "1ms"}
    assert common(base, {**both, "runtime": "microvm"}) == {"runtime": None, "front_door": "1ms"}
