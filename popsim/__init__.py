"""popsim: a discrete-event simulator of geo-distributed serverless platforms.

>>> import popsim
>>> result = popsim.run("nearest_edge", replications=2)
>>> sorted(result.summary().index)
['lambda_edge', 'vercel_edge', 'workers', 'workers_anycast']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from popsim.models.registry import register
    from popsim.results.result import Result
    from popsim.scenario.errors import InputError, PopsimError, RunError
    from popsim.scenario.schema import Scenario
    from popsim.sweeps import load, run
    from popsim.world.clients import load_clients
    from popsim.world.sites import load_sites

    __version__: str

_HOME = {
    "InputError": "popsim.scenario.errors",
    "PopsimError": "popsim.scenario.errors",
    "Result": "popsim.results.result",
    "RunError": "popsim.scenario.errors",
    "Scenario": "popsim.scenario.schema",
    "load": "popsim.sweeps",
    "load_clients": "popsim.world.clients",
    "load_sites": "popsim.world.sites",
    "register": "popsim.models.registry",
    "run": "popsim.sweeps",
}

__all__ = [
    "InputError",
    "PopsimError",
    "Result",
    "RunError",
    "Scenario",
    "__version__",
    "load",
    "load_clients",
    "load_sites",
    "register",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: ``popsim --help`` must not wait for numba and pandas."""
    if name == "__version__":
        from importlib.metadata import version

        return version("popsim")
    if name not in _HOME:
        raise AttributeError(f"module 'popsim' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """Name what can be imported, for completion in notebooks: it is not there before it is asked for."""
    return sorted({*globals(), *__all__})
