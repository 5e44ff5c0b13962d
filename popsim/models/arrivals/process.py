"""What every arrival model has in common."""

from __future__ import annotations

from popsim.models.registry import Model


class ArrivalModel(Model):
    """When clients send requests."""
