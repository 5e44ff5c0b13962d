"""Lay a user's keys over a preset's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from popsim.scenario.laws import law_forms

BY_REGION = "by_region"  # what differs from the keys beside it in some regions


def merged(base: Any, over: Any) -> Any:
    """Return ``base`` with ``over`` on top: mappings merge key by key, everything else replaces.

    A distribution replaces a distribution, and a model of another name replaces a model, whole. What ``over`` says for
    everywhere holds everywhere: ``base`` does not know better for some regions, nor at all of those of another topology.
    """
    if not isinstance(base, Mapping) or not isinstance(over, Mapping) or _is_whole(base, over):
        return over
    base = _without_regional(base, over)
    if "topology" in over and over["topology"] != base.get("topology"):
        base = {key: _without_regions(value) for key, value in base.items()}
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


def _without_regional(base: Mapping[str, Any], over: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``base`` without its regions' own values of what ``over`` says for all regions."""
    regions = base.get(BY_REGION)
    if not isinstance(regions, Mapping) or not over.keys() - {BY_REGION}:
        return base
    left = {
        region: {key: value for key, value in own.items() if key not in over}
        if isinstance(own, Mapping)
        else own
        for region, own in regions.items()
    }
    return {**base, BY_REGION: {region: own for region, own in left.items() if own != {}}}


def _without_regions(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: item for key, item in value.items() if key != BY_REGION}


def common(base: Any, both: Any) -> Any:
    """Return the part of ``base`` whose keys are in ``both``, too: what merging has left of it."""
    if not isinstance(base, Mapping):
        return base
    if not isinstance(both, Mapping):
        return None
    return {key: common(value, both[key]) for key, value in base.items() if key in both}


def _is_whole(base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    if len(over) == 1 and next(iter(over)) in law_forms():
        return True
    return "model" in over and "model" in base and over["model"] != base["model"]
