"""What completion in a notebook offers."""

from __future__ import annotations

import popsim


def test_completion_offers_what_can_be_used() -> None:
    assert {"run", "load", "register", "Result", "Scenario", "InputError"} <= set(dir(popsim))
    assert all(hasattr(popsim, name) for name in dir(popsim))
