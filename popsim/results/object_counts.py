"""What is counted of objects, by the names that results and claims use."""

from __future__ import annotations

from popsim.engine import object_layout as obl

ERRORS = {
    "lost": obl.O_LOST,
    "overloaded": obl.O_OVERLOADED,
    "unavailable": obl.O_UNAVAILABLE,
    "failed": obl.O_FAILED,
}
COUNTS = {
    "calls": obl.O_CALLS,
    **ERRORS,
    "created": obl.O_CREATED,
    "activations": obl.O_ACTIVATIONS,
    "failovers": obl.O_FAILOVERS,
    "moves": obl.O_MOVES,
    "restarts": obl.O_RESTARTS,
    "gets": obl.O_GETS,
    "puts": obl.O_PUTS,
    "transactions": obl.O_TRANSACTIONS,
    "commits": obl.O_COMMITS,
    "broadcasts": obl.O_BROADCASTS,
    "delivered": obl.O_DELIVERED,
    "missed": obl.O_MISSED,
    "alarms": obl.O_ALARMS,
    "cut": obl.O_CUT,
    "reconnected": obl.O_RECONNECTED,
    "reconnect_failures": obl.O_RECONNECT_FAILURES,
    "replica_reads": obl.O_REPLICA_READS,
    "stale": obl.O_STALE,
    "truncated": obl.O_TRUNCATED,
    "alarm_retries": obl.O_ALARM_RETRIES,
    "alarms_lost": obl.O_ALARMS_LOST,
    "payload_bytes": obl.O_PAYLOAD_BYTES,
}
ANY_ERROR = "error_ratio"
RATIOS = (
    *(f"{error}_ratio" for error in ERRORS),
    "in_region_ratio",
    "stale_ratio",
    "truncated_ratio",
    "missed_ratio",
    ANY_ERROR,
)
MEMORY = ("active", "idle", "memory", "hibernated")  # shares of the time since objects were made
