"""How key-value stores keep copies near their readers, and how these hear of writes."""

from popsim.models.kv_replication.contract import (
    NOTHING,
    PURGE,
    VALUE,
    CacheRules,
    CentralStore,
    Geography,
    KvModel,
    KvRules,
)
from popsim.models.kv_replication.edge_config import EdgeConfig
from popsim.models.kv_replication.global_table import GlobalTable
from popsim.models.kv_replication.hybrid import Hybrid
from popsim.models.kv_replication.pull import Pull
from popsim.models.kv_replication.push_purge import PushPurge
from popsim.models.kv_replication.push_value import PushValue
from popsim.models.kv_replication.strong import Strong
from popsim.models.kv_replication.tiered import TieredStore, tell

__all__ = [
    "NOTHING",
    "PURGE",
    "VALUE",
    "CacheRules",
    "CentralStore",
    "EdgeConfig",
    "Geography",
    "GlobalTable",
    "Hybrid",
    "KvModel",
    "KvRules",
    "Pull",
    "PushPurge",
    "PushValue",
    "Strong",
    "TieredStore",
    "tell",
]
