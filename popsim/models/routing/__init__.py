"""How a client reaches a site: anycast, nearest, lowest latency, or always the same one."""

from popsim.models.routing.anycast import Anycast
from popsim.models.routing.fixed import Fixed
from popsim.models.routing.latency import Latency
from popsim.models.routing.nearest import Nearest
from popsim.models.routing.table import MAX_CANDIDATES, RoutingModel, RoutingTable

__all__ = [
    "MAX_CANDIDATES",
    "Anycast",
    "Fixed",
    "Latency",
    "Nearest",
    "RoutingModel",
    "RoutingTable",
]
