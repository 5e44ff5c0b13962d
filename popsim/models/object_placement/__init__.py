"""Where single-homed, strongly consistent objects live; one file per model."""

from popsim.models.object_placement.centroid import Centroid
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
from popsim.models.object_placement.first_request import FirstRequest
from popsim.models.object_placement.follow_users import FollowUsers
from popsim.models.object_placement.hub import Hub
from popsim.models.object_placement.jurisdiction import Jurisdiction
from popsim.models.object_placement.latency_optimal import LatencyOptimal
from popsim.models.object_placement.location_hint import LocationHint
from popsim.models.object_placement.nearest_host import NearestHost
from popsim.models.object_placement.random import Random
from popsim.models.object_placement.read_replicas import ReadReplicas

__all__ = [
    "Ask",
    "AskedPlacement",
    "Callers",
    "Centroid",
    "FirstRequest",
    "FollowUsers",
    "Geography",
    "Hub",
    "Jurisdiction",
    "KnowingPlacement",
    "LatencyOptimal",
    "LocationHint",
    "Moves",
    "NearestHost",
    "PlacementModel",
    "Random",
    "ReadReplicas",
    "TablePlacement",
]
