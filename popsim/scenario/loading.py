"""Load a scenario: YAML, presets merged in, schema checked, every mistake reported with its place."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from popsim.scenario.bundled import bundled_file, bundled_names, is_there
from popsim.scenario.document import (
    GONE,
    MAX_BYTES,
    Document,
    Key,
    Left,
    load_yaml,
    path_with_gaps,
    resolve_scalar,
    without_gaps,
)
from popsim.scenario.errors import InputError, Problem, did_you_mean
from popsim.scenario.merge import common, merged
from popsim.scenario.object_checks import object_inconsistencies
from popsim.scenario.own_files import is_file_name
from popsim.scenario.schema import Scenario
from popsim.scenario.text import quoted, visible

KV_STEPS = ("kv.get", "kv.put", "kv.delete", "kv.list", "kv.trace")
MOST_PLATFORMS = 200  # all of them run, and each is checked as thoroughly as one alone
REPAIRS = 4  # levels of nesting that may have to go with a mistake
ANY_PLATFORM = {
    "topology": "cloudflare",
    "runtime": "always_warm",
}  # stands for one of an unknown preset, or one that makes no sense
STAND_INS: dict[str, Any] = {
    "name": "?",
    "duration": "1d",
    "workload": {"arrivals": {"rate": "1/s"}},
}
Source = str | os.PathLike[str] | Mapping[str, Any]


def read_scenario(source: Source) -> tuple[Scenario, Document]:
    """Read a scenario from a file, by the name of a bundled one, or from plain data.

    Raises:
        InputError: with every problem found, each at file:line:col where there is a file.
    """
    scenario, document, problems = read_what_is_right(source)
    if problems or scenario is None:
        raise InputError(in_order(problems))
    return scenario, document


def read_what_is_right(source: Source) -> tuple[Scenario | None, Document, list[Problem]]:
    """Read a scenario; where parts of it are wrong, read it without them, and return what is wrong.

    The scenario is None if too much is wrong. With problems it is good for nothing but finding more of them.

    Raises:
        InputError: the source cannot be read at all.
    """
    document = _document(source)
    if not isinstance(document.data, dict):
        got = type(document.data).__name__
        raise InputError([document.problem((), f"expected a mapping of keys, got a {got}")])
    problems: list[Problem] = []
    data = _beside(document, _with_presets(document, problems))
    scenario = None
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        problems += translate(error, document, Scenario)
        scenario, document.whole = _without(data, [problem.path for problem in problems])
    if scenario is not None:
        problems += _inconsistencies(scenario, document)
    return scenario, document, problems


def _beside(document: Document, data: dict[str, Any]) -> dict[str, Any]:
    """Look for the user's topologies and trace beside the scenario's file, rather than where the command was typed."""
    if document.file is None:
        return data
    folder = Path(document.file).parent

    def found(part: Any) -> Any:
        if isinstance(part, list):
            return [found(item) for item in part]
        if not isinstance(part, dict):
            return part
        return {
            key: str(folder / value)
            if is_file_name(key, value) and is_there(folder / value)
            else found(value)
            for key, value in part.items()
        }

    data = data | {
        key: found(data[key]) for key in ("clients", "platforms", "origins") if key in data
    }
    workload = data.get("workload")
    if isinstance(workload, dict) and "arrivals" in workload:
        data["workload"] = {**workload, "arrivals": found(workload["arrivals"])}
    return data


def in_order(problems: list[Problem]) -> list[Problem]:
    """Return every problem once, by file, line and column."""
    return sorted(dict.fromkeys(problems), key=lambda p: (p.file or "", p.line or 0, p.col or 0))


def _without(data: dict[str, Any], paths: list[Key]) -> tuple[Scenario | None, dict[str, Any]]:
    """Return the scenario without what is wrong in it, and the data with GONE where lists lost an item.

    The scenario is None if the rest is no scenario either.
    """
    whole = copy.deepcopy(data)
    for _ in range(REPAIRS):
        for path in paths:
            _remove(whole, path)
        rest = without_gaps(whole)
        try:
            return Scenario.model_validate({**STAND_INS, **rest}), whole
        except ValidationError as error:  # removing a part has left its whole incomplete
            left: Left = {}
            known = [(_known_path(rest, d["loc"]), d["type"]) for d in error.errors()]
            paths = [
                path_with_gaps(whole, path[:-1] if kind == "missing" else path, left)
                for path, kind in known
            ]
    return None, whole


def _known_path(data: Any, location: Key) -> Key:
    """Return the part of a location that is there, and one key more; unions name their branches in it."""
    path: Key = ()
    for part in location:
        if part in ("name", "mapping") and not (isinstance(data, dict) and part in data):
            continue
        path = (*path, part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
    return path


def _remove(data: Any, path: Key) -> None:
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    if len(path) == 2 and path[0] == "platforms" and str(path[1]).isidentifier():
        data[path[1]] = dict(ANY_PLATFORM)  # events and claims may name it
    elif path and isinstance(data, dict):
        data.pop(path[-1], None)
    elif path and isinstance(data, list) and isinstance(path[-1], int) and path[-1] < len(data):
        data[path[-1]] = GONE


def dump_resolved(scenario: Scenario) -> str:
    """Write a scenario as YAML with every default and preset value filled in."""

    def dumped(*, allow_unicode: bool) -> str:
        return yaml.dump(
            scenario.resolved(), Dumper=_Dumper, sort_keys=False, width=MAX_BYTES,
            allow_unicode=allow_unicode,
        )  # fmt: skip

    text = dumped(allow_unicode=True)
    is_visible = all(visible(line, len(line)) == line for line in text.splitlines())
    return text if is_visible else dumped(allow_unicode=False)


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.2 would take for something else than text, too, such as 1e3."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(resolve_scalar(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def _document(source: Source) -> Document:
    if isinstance(source, Mapping):
        return Document(None, dict(source))
    path = Path(source)
    if not is_there(path) and path.suffix not in (".yaml", ".yml"):
        try:
            path = bundled_file("scenarios", str(source))
        except InputError as error:
            problem = error.problems[0]
            message = f"there is no file and no bundled scenario {quoted(str(source))}"
            raise InputError([Problem(None, None, None, (), message, problem.hint)]) from None
    return load_yaml(path)


def _with_presets(document: Document, problems: list[Problem]) -> dict[str, Any]:
    data: dict[str, Any] = dict(document.data)
    platforms = data.get("platforms")
    if not isinstance(platforms, dict):
        return data
    if len(platforms) > MOST_PLATFORMS:
        message = f"expected at most {MOST_PLATFORMS} platforms, got {len(platforms):,}"
        raise InputError([document.problem(("platforms",), message, key=True)])
    data["platforms"] = {}
    known = bundled_names("presets")
    for name, platform in platforms.items():
        preset = platform.get("preset") if isinstance(platform, dict) else None
        data["platforms"][name] = platform
        if preset is None:
            continue
        path: Key = ("platforms", name)
        if preset not in known:
            message = f"there is no preset {quoted(preset)}"
            problems.append(
                document.problem((*path, "preset"), message, did_you_mean(preset, known))
            )
            data["platforms"][name] = dict(ANY_PLATFORM)
            continue
        base = _preset(preset)
        own = {key: value for key, value in platform.items() if key != "preset"}
        both = merged(base.data, own)
        left = Document(f"preset {preset}", common(base.data, both), base.root)
        document.overlays[path] = left
        data["platforms"][name] = both
    return data


@cache
def _preset(name: str) -> Document:
    return load_yaml(bundled_file("presets", name))


def translate(
    error: ValidationError, document: Document, model: type[BaseModel], prefix: Key = ()
) -> list[Problem]:
    """Turn pydantic's errors into problems at their places; ``prefix`` is where the model lies."""
    details = error.errors(include_url=False)
    at_or_below = Counter(
        detail["loc"][:length] for detail in details for length in range(len(detail["loc"]) + 1)
    )
    return [
        _problem(detail, document, model, prefix)
        for detail in details
        # a list is called too short, too, if nothing in it is right
        if detail["type"] != "too_short" or at_or_below[detail["loc"]] == 1
    ]


def _problem(
    detail: ErrorDetails, document: Document, model: type[BaseModel], prefix: Key
) -> Problem:
    path = _without_tags((*prefix, *detail["loc"]), document.data)
    kind, message = detail["type"], detail["msg"]
    if path and path[-1] == "[key]":
        message = "expected a name of letters, digits and _ that begins with a letter"
        return document.problem(path[:-1], f"{message}, got {quoted(detail['input'])}", key=True)
    if kind == "extra_forbidden":
        known = _known_keys(model, tuple(detail["loc"])[:-1])
        hint = did_you_mean(path[-1], known) or (f"known: {', '.join(known)}" if known else None)
        return document.problem(path, f"unknown key {quoted(path[-1])}", hint, key=True)
    if kind == "missing":
        return document.problem(path, f"the key {quoted(path[-1])} is missing")
    if kind == "literal_error":
        expected = detail.get("ctx", {}).get("expected", "")
        return document.problem(path, f"expected {expected}, got {quoted(detail['input'])}")
    message = message.removeprefix("Value error, ")
    if kind not in ("value_error", "too_short"):
        message = f"{message[0].lower()}{message[1:]}, got {quoted(detail['input'])}"
    if kind == "too_short":
        message = "must not be empty"
    if kind in ("model_type", "dict_type"):
        message = f"expected a mapping of keys, got {quoted(detail['input'])}"
    if kind == "tuple_type":
        message = f"expected a list, got {quoted(detail['input'])}"
    return document.problem(path, message)


def _without_tags(location: Key, data: Any) -> Key:
    """Return a location without the branches of unions, unless the user has a key of that name there."""
    path: Key = ()
    for part in location:
        is_key = isinstance(data, dict) and part in data
        if part in ("mapping", "name") and not is_key and location != ("name",):
            continue
        path = (*path, part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = None
    return path


def _known_keys(model: type[BaseModel], location: Key) -> list[str]:
    """Return the keys that are allowed at a place of a model."""
    if not location:
        return [info.alias or name for name, info in model.model_fields.items()]
    head, *rest = location
    info = next((f for name, f in model.model_fields.items() if head in (name, f.alias)), None)
    if info is None:
        return _known_keys(model, tuple(rest))
    inner = _models_in(info.annotation)
    keys = [key for inner_model in inner for key in _known_keys(inner_model, tuple(rest))]
    return list(dict.fromkeys(keys))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a type annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models_in(part)]


def _inconsistencies(scenario: Scenario, document: Document) -> list[Problem]:
    """Check across keys: references to undefined names, times that do not fit."""
    problems = []
    if scenario.warmup >= scenario.duration:
        problems.append(document.problem(("warmup",), "the warm-up must end before the run does"))
    problems += _step_inconsistencies(scenario, document)
    problems += _event_inconsistencies(scenario, document)
    problems += object_inconsistencies(scenario, document)
    seen: set[str] = set()
    for number, claim in enumerate(scenario.claims):
        if claim.id in seen:
            problems.append(
                document.problem(
                    ("claims", number, "id"), f"the claim id {quoted(claim.id)} is there twice"
                )
            )
        seen.add(claim.id)
    return problems


def _step_inconsistencies(scenario: Scenario, document: Document) -> list[Problem]:
    """Find steps that name an origin or key space that is not there."""
    problems = []
    spaces = list(scenario.workload.keys)
    for path, step in scenario.workload.steps():
        place: Key = ("workload", *path)
        if step.fetch is not None and step.fetch.origin not in scenario.origins:
            hint = (
                did_you_mean(step.fetch.origin, list(scenario.origins)) or "name it under origins:"
            )
            message = f"there is no origin {quoted(step.fetch.origin)}"
            problems.append(document.problem((*place, "fetch", "origin"), message, hint))
        if step.kv is not None and step.kv.keys not in spaces:
            key = next(name for name in KV_STEPS if getattr(step, name.replace(".", "_")))
            hint = did_you_mean(step.kv.keys, spaces) or "name it under workload.keys:"
            message = f"there is no key space {quoted(step.kv.keys)}"
            problems.append(document.problem((*place, key, "keys"), message, hint))
        if step.kv_trace is not None and scenario.workload.arrivals.trace is None:
            message = "kv.trace does what a trace says; it needs arrivals: {trace: FILE}"
            problems.append(document.problem((*place, "kv.trace"), message))
    return problems


def _event_inconsistencies(scenario: Scenario, document: Document) -> list[Problem]:
    problems = []
    for number, event in enumerate(scenario.events):
        if event.at >= scenario.duration:
            problems.append(
                document.problem(
                    ("events", number, "at"), "the event lies after the end of the run"
                )
            )
        for name in (event.fail.platforms or ()) if event.fail else ():
            if name not in scenario.platforms:
                guess = did_you_mean(name, list(scenario.platforms))
                message = f"there is no platform {quoted(name)}"
                problems.append(
                    document.problem(("events", number, "fail", "platforms"), message, guess)
                )
        if event.write is not None and event.write.keys not in scenario.workload.keys:
            hint = did_you_mean(event.write.keys, list(scenario.workload.keys))
            message = f"there is no key space {quoted(event.write.keys)}"
            path: Key = ("events", number, "write", "keys")
            problems.append(document.problem(path, message, hint))
        if event.surge is not None and scenario.workload.arrivals.rate is None:
            message = "a surge needs arrivals with a rate; probes and traces come when they come"
            problems.append(document.problem(("events", number, "surge"), message))
    return problems
