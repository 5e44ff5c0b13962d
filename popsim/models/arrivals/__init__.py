"""How requests arrive: at random, with the hour of day, or as periodic probes."""

from popsim.models.arrivals.periodic import Periodic
from popsim.models.arrivals.poisson import Poisson
from popsim.models.arrivals.process import ArrivalModel
from popsim.models.arrivals.profiles import PROFILES, hourly_profile

__all__ = ["PROFILES", "ArrivalModel", "Periodic", "Poisson", "hourly_profile"]
