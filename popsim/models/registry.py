"""Find models by kind and name: built-in ones, a notebook's own, and those of plug-ins.

A plug-in package declares an entry point in the group ``popsim.models`` that names a module;
importing it runs its ``@register`` decorators. A scenario file can name a registered model, never
import code.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, overload

from pydantic import ConfigDict

from popsim.models.answers import Answer
from popsim.scenario.errors import InputError, Problem
from popsim.scenario.fields import Checked
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from popsim.models.cold_start import ColdStartModel
    from popsim.models.kv_replication import KvModel
    from popsim.models.object_placement import PlacementModel
    from popsim.models.routing import RoutingModel

ENTRY_POINT_GROUP = "popsim.models"
BUILT_IN = {
    "routing": "popsim.models.routing",
    "cold_start": "popsim.models.cold_start",
    "kv_replication": "popsim.models.kv_replication",
    "object_placement": "popsim.models.object_placement",
}


class Model(Checked):
    """Base of all models: frozen parameters, checked, no unknown ones.

    What the methods of a model return is checked, too: ``answers`` of a kind's base class says what they must.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    answers: ClassVar[Mapping[str, Answer]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check the answers of the methods that a subclass has."""
        super().__init_subclass__(**kwargs)
        for name, answer in cls.answers.items():
            if isinstance(method := cls.__dict__.get(name), FunctionType):
                setattr(cls, name, answer.checked(method))


class UnknownModel(InputError):
    """A model name that nobody registered; lists the known ones."""

    def __init__(self, kind: str, name: object) -> None:
        known = names(kind)
        close = get_close_matches(str(name), known, n=1)
        hint = f"did you mean {quoted(close[0])}? " if close else ""
        hint += f"known: {', '.join(known)}"
        if _broken_plugins:
            hint += f"; plug-ins that could not be loaded: {', '.join(sorted(_broken_plugins))}"
        self.kind, self.name = kind, name
        self.message, self.hint = f"there is no {kind} model {quoted(name)}", hint
        super().__init__([Problem(None, None, None, ("model",), self.message, hint)])


class PluginWarning(UserWarning):
    """An installed plug-in could not be loaded; its models are missing."""


ModelClass = TypeVar("ModelClass", bound=type[Model])

_models: dict[str, dict[str, type[Model]]] = {kind: {} for kind in BUILT_IN}
_broken_plugins: set[str] = set()
_loaded: set[str] = set()


def register(kind: str, name: str) -> Callable[[ModelClass], ModelClass]:
    """Make a model class known as ``name`` among the models of ``kind``.

    Running the same notebook cell twice replaces the class. Raises ValueError for an unknown kind,
    a name that is none or that another class has, and what is no class of ``Model``.

    >>> from popsim.models import Model, register, resolve
    >>> @register("routing", "my-own")
    ... class MyOwn(Model):
    ...     detour_km: float = 0.0
    >>> resolve("routing", {"model": "my-own", "detour_km": 3}).detour_km
    3.0
    """
    models = _of_kind(kind)
    if not _is_name(name):
        raise ValueError(f"expected the model's name, got {quoted(name)}")

    def add(model: ModelClass) -> ModelClass:
        if not _is_model(model):
            raise ValueError(f"{quoted(model)} must derive from popsim.models.Model")
        other = models.get(name)
        if other is not None and _origin(other) != _origin(model):
            raise ValueError(
                f"the {kind} model {quoted(name)} exists already: {'.'.join(_origin(other))}"
            )
        models[name] = model
        return model

    return add


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name)


def _is_model(model: object) -> bool:
    return isinstance(model, type) and issubclass(model, Model)


def names(kind: str) -> tuple[str, ...]:
    """Return the known names of a kind such as ``routing`` or ``object_placement``, sorted."""
    models = _of_kind(kind)
    _load(kind)
    return tuple(sorted(models))


def get(kind: str, name: str) -> type[Model]:
    """Return the class registered as ``name``; raises UnknownModel."""
    models = _of_kind(kind)
    _load(kind)
    if name not in models:
        raise UnknownModel(kind, name)
    return models[name]


Spec = str | Mapping[str, Any]


@overload
def resolve(kind: Literal["routing"], spec: Spec) -> RoutingModel: ...
@overload
def resolve(kind: Literal["cold_start"], spec: Spec) -> ColdStartModel: ...
@overload
def resolve(kind: Literal["kv_replication"], spec: Spec) -> KvModel: ...
@overload
def resolve(kind: Literal["object_placement"], spec: Spec) -> PlacementModel: ...
@overload
def resolve(kind: str, spec: Spec) -> Model: ...
def resolve(kind: str, spec: Spec) -> Model:
    """Make a model from its YAML form, ``name`` or ``{model: name, parameter: value, ...}``.

    Raises UnknownModel for its name, and pydantic.ValidationError for its parameters, whose error
    locations are relative to ``spec``.
    """
    parameters = {"model": spec} if isinstance(spec, str) else dict(spec)
    name = parameters.pop("model", None)
    if not isinstance(name, str):
        raise UnknownModel(kind, name)
    return get(kind, name).model_validate(parameters)


def _of_kind(kind: str) -> dict[str, type[Model]]:
    if kind not in _models:
        raise ValueError(f"there is no kind of model {quoted(kind)}; kinds: {', '.join(_models)}")
    return _models[kind]


def _origin(model: type[Model]) -> tuple[str, str]:
    return model.__module__, model.__qualname__


def _load(kind: str) -> None:
    """Import the built-in models of a kind and, once, all plug-ins."""
    if kind not in _loaded:
        _loaded.add(kind)
        import_module(BUILT_IN[kind])
    if ENTRY_POINT_GROUP in _loaded:
        return
    _loaded.add(ENTRY_POINT_GROUP)
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            entry_point.load()
        except Exception as error:  # a plug-in may fail in any way; say so and go on without it
            _broken_plugins.add(entry_point.name)
            message = (
                f"plug-in {entry_point.name!r} ({entry_point.value}) was not loaded: {error!r}"
            )
            warnings.warn(message, PluginWarning, stacklevel=3)
