"""How requests arrive over the day: published profiles of the local hour."""

from popsim.models.arrivals.profiles import PROFILES, hourly_profile

__all__ = ["PROFILES", "hourly_profile"]
