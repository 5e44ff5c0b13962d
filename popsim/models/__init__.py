"""What is pluggable: how clients reach sites, how instances start, how requests arrive.

A model is a frozen class of parameters with units and sources, plus one method that is asked
rarely: when the tables of a run are built.
"""

from popsim.models.registry import Model, UnknownModel, get, names, register, resolve

__all__ = ["Model", "UnknownModel", "get", "names", "register", "resolve"]
