"""The planet: sites, clients, the latency graph between them, access networks and jitter."""
