"""Run scenarios: check them, cut them into runs, spread these over the cores, keep what is finished."""

from popsim.sweeps.prepare import load
from popsim.sweeps.sweep import run

__all__ = ["load", "run"]
