from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from popsim.models import Model, UnknownModel, get, names, register, registry, resolve
from popsim.models.routing import Anycast, Nearest


@pytest.fixture(autouse=True)
def keep_the_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    names("routing"), names("cold_start")
    monkeypatch.setattr(registry, "_models", {k: dict(v) for k, v in registry._models.items()})
    monkeypatch.setattr(registry, "_broken_plugins", set())
    monkeypatch.setattr(registry, "_loaded", set(registry._loaded))
    return iter([None])


def test_built_in_models_are_known_by_kind() -> None:
    assert names("routing") == ("anycast", "fixed", "latency", "nearest")
    assert names("cold_start") == ("always_warm", "container", "isolate", "microvm", "per_request")
    assert get("routing", "anycast") is Anycast


def test_a_bare_name_is_a_model_with_its_defaults() -> None:
    assert resolve("routing", "nearest") == resolve("routing", {"model": "nearest"}) == Nearest()


def test_unknown_model_lists_the_known_and_suggests_the_closest() -> None:
    with pytest.raises(UnknownModel, match="anycats") as caught:
        resolve("routing", "anycats")
    assert "did you mean 'anycast'" in caught.value.hint
    assert "latency" in caught.value.hint


@pytest.mark.parametrize("spec", [{}, {"model": 3}, {"model": None}])
def test_a_spec_without_a_model_name_is_refused(spec: dict[str, object]) -> None:
    with pytest.raises(UnknownModel):
        resolve("routing", spec)


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(ValidationError, match="nearset"):
        resolve("routing", {"model": "anycast", "nearset": 0.9})


def test_unknown_kind_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="routing"):
        names("rooting")


def test_models_are_frozen() -> None:
    model = resolve("routing", "anycast")
    with pytest.raises(ValidationError):
        model.nearest = 0.5  # type: ignore[attr-defined]


def test_a_notebook_cell_may_run_twice_but_names_are_not_stolen() -> None:
    for detour in (1.0, 2.0):

        @register("routing", "mine")
        class Mine(Model):
            detour_km: float = detour

    assert resolve("routing", "mine").detour_km == 2.0  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="exists already"):

        @register("routing", "anycast")
        class Other(Model):
            pass


def test_only_models_can_be_registered() -> None:
    with pytest.raises(ValueError, match="must derive"):
        register("routing", "wrong")(dict)  # type: ignore[type-var]
    for wrong in (None, 5, "text", lambda: None):
        with pytest.raises(ValueError, match="must derive"):
            register("routing", "wrong")(wrong)  # type: ignore[type-var]
    for name in ("", None, 5, Model):
        with pytest.raises(ValueError, match="expected the model's name"):
            register("routing", name)  # type: ignore[arg-type]


class Plugin:
    """An entry point as importlib.metadata presents it."""

    value = "somewhere"

    def __init__(self, name: str, error: Exception | None) -> None:
        self.name, self.error = name, error

    def load(self) -> None:
        if self.error:
            raise self.error

        @register("routing", self.name)
        class FromPlugin(Model):
            pass


def test_plugins_are_loaded_once_and_a_broken_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = [Plugin("good", None), Plugin("bad", ImportError("no such module"))]
    monkeypatch.setattr(registry, "entry_points", lambda group: plugins)
    registry._loaded.discard(registry.ENTRY_POINT_GROUP)
    with pytest.warns(registry.PluginWarning, match="'bad'"):
        assert "good" in names("routing")
    with pytest.raises(UnknownModel) as caught:
        resolve("routing", "from-bad")
    assert "plug-ins that could not be loaded: bad" in caught.value.hint


def test_the_entry_point_group_is_the_documented_one() -> None:
    assert registry.ENTRY_POINT_GROUP == "popsim.models"
    assert callable(importlib.metadata.entry_points)
