"""Run one platform of a scenario, on the compiled engine or on its executable specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from popsim.engine.run import (
        is_compiled_engine_available,
        needs_compiling,
        simulate,
        warmup,
    )

__all__ = ["is_compiled_engine_available", "needs_compiling", "simulate", "warmup"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from popsim.engine import run

    return getattr(run, name)
