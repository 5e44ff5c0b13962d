"""Lay a user's keys over a preset's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from popsim.scenario.laws import law_forms


def merged(base: Any, over: Any) -> Any:
    """Return ``base`` with ``over`` on top: mappings merge key by key, everything else replaces.

    A distribution replaces a distribution, and a model of another name replaces a model, whole.
    """
    if not isinstance(base, Mapping) or not isinstance(over, Mapping) or _is_whole(base, over):
        return over
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


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
