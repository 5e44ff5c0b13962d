"""How runtimes start, keep and end instances: isolates, microVMs, containers, Wasm."""

from popsim.models.cold_start.always_warm import AlwaysWarm
from popsim.models.cold_start.container import Container
from popsim.models.cold_start.isolate import Isolate
from popsim.models.cold_start.microvm import MicroVM
from popsim.models.cold_start.per_request import PerRequest
from popsim.models.cold_start.rules import UNBOUNDED, ColdStartModel, PoolRules

__all__ = [
    "UNBOUNDED",
    "AlwaysWarm",
    "ColdStartModel",
    "Container",
    "Isolate",
    "MicroVM",
    "PerRequest",
    "PoolRules",
]
