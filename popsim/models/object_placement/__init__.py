"""Where single-homed, strongly consistent objects live; one file per model."""

from popsim.models.object_placement.contract import (
    Ask,
    AskedPlacement,
    Callers,
    Geography,
    KnowingPlacement,
    Moves,
    PlacementModel,
    TablePlacement,
)

__all__ = [
    "Ask",
    "AskedPlacement",
    "Callers",
    "Geography",
    "KnowingPlacement",
    "Moves",
    "PlacementModel",
    "TablePlacement",
]
