"""Read YAML with line numbers: YAML 1.2 scalars, no duplicate keys, no bombs.

PyYAML follows YAML 1.1, where ``NO`` is False (a country!), ``1e3`` a string and ``1:30`` is 90. Here scalars
are resolved by YAML 1.2's core schema (https://yaml.org/spec/1.2.2/, section 10.3.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from popsim.scenario.errors import InputError, Problem
from popsim.scenario.files import read_text, refuse_control_characters
from popsim.scenario.foreign import foreign_file
from popsim.scenario.text import quoted

MAX_BYTES = 2_000_000
MAX_NODES = 200_000
MAX_DEPTH = 100
MAX_DIGITS = 400  # of a whole number; one of more is infinite, and Python refuses to write it
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
Key = tuple[str | int, ...]
Entry = tuple[yaml.Node, yaml.Node]
Left = dict[int, list[int]]  # by a list's id(): the places of the items that are not GONE
GONE: Any = object()

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL, _HEX = re.compile(r"0o[0-7]+"), re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF, _NAN = re.compile(r"([-+]?)\.(inf|Inf|INF)"), re.compile(r"\.(nan|NaN|NAN)")


@dataclass
class Document:
    """A YAML file's data, and where each part of it stands."""

    file: str | None
    data: Any
    root: yaml.Node | None = None
    overlays: dict[Key, Document] = field(default_factory=dict)
    """Presets by where they lie; the data of each is what the user's keys have left of it."""

    whole: Any = None
    """The data with GONE in the place of items that were left out of lists, if any were."""

    _children: dict[int, dict[str, Entry]] = field(default_factory=dict)
    """By a mapping node's id(): its keys, and the nodes of key and value. Looking through all keys of a mapping for each of
    thousands of mistakes in it would take minutes."""

    _left: Left = field(default_factory=dict)

    def problem(
        self, path: Key, message: str, hint: str | None = None, *, key: bool = False
    ) -> Problem:
        """Make a problem at a path; at the key itself rather than its value if ``key``."""
        path = path_with_gaps(self.whole, path, self._left)
        document, rest = self._owner(path)
        line, col = document.locate(rest, key=key)
        return Problem(document.file, line, col, path, message, hint)

    def locate(self, path: Key, *, key: bool = False) -> tuple[int | None, int | None]:
        """Return line and column (from 1) of a path's value or key, or of what comes closest."""
        if self.root is None:
            return None, None
        mark, node = self.root.start_mark, self.root
        for position, part in enumerate(path):
            entry = self._child(node, part)
            if entry is None:
                continue  # pydantic names branches of unions in its paths
            key_node, node = entry
            mark = (key_node if key and position == len(path) - 1 else node).start_mark
        return mark.line + 1, mark.column + 1

    def quote_width(self, path: Key) -> int:
        """Return how many characters stand before a scalar's text: 1 if it is quoted, else 0."""
        node = self.root
        for part in path_with_gaps(self.whole, path, self._left):
            entry = self._child(node, part)
            node = entry[1] if entry else None
        return int(isinstance(node, yaml.ScalarNode) and node.style in ("'", '"'))

    def _owner(self, path: Key) -> tuple[Document, Key]:
        """Return the document that a path's value comes from: this one, or an overlaid preset."""
        for length in range(len(path) + 1):
            document, rest = self.overlays.get(path[:length]), path[length:]
            if document and _depth(document.data, rest) + length > _depth(self.data, path):
                return document, rest
        return self, path

    def _child(self, node: yaml.Node | None, part: str | int) -> Entry | None:
        """Return the nodes of a key and of its value, or of an item of a list twice."""
        if isinstance(node, yaml.MappingNode):
            if id(node) not in self._children:
                # of keys that are there twice, the first counts
                entries = {str(key.value): (key, value) for key, value in reversed(node.value)}
                self._children[id(node)] = entries
            return self._children[id(node)].get(str(part))
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            return node.value[part], node.value[part]
        return None


def without_gaps(whole: Any) -> Any:
    """Return data without the items that are GONE."""
    if isinstance(whole, dict):
        return {key: without_gaps(value) for key, value in whole.items()}
    if isinstance(whole, list):
        return [without_gaps(item) for item in whole if item is not GONE]
    return whole


def path_with_gaps(whole: Any, path: Key, left_of: Left | None = None) -> Key:
    """Return where a path of ``without_gaps(whole)`` leads in ``whole``; ``left_of`` keeps what was found for the next path."""
    if whole is None:
        return path
    left_of = {} if left_of is None else left_of
    result: Key = ()
    for part in path:
        place = part
        if isinstance(whole, list) and isinstance(part, int):
            if id(whole) not in left_of:
                left_of[id(whole)] = [n for n, item in enumerate(whole) if item is not GONE]
            left = left_of[id(whole)]
            place = left[part] if part < len(left) else part
        result = (*result, place)
        try:
            whole = whole[place]
        except (KeyError, IndexError, TypeError):
            continue  # pydantic names branches of unions in its paths
    return result


def _depth(data: Any, path: Key) -> int:
    """Return how much of a path there is in some data."""
    depth = 0
    for position, part in enumerate(path):
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue  # pydantic names branches of unions in its paths
        depth = position + 1
    return depth


def load_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        InputError: it cannot be read, is too large, is not UTF-8 or not YAML, repeats a key, or refers
            to itself.
    """
    if (foreign := foreign_file(path)) is not None:
        raise _refusal(str(path), f"this is {foreign.name}, and no scenario", foreign.advice)
    return parse_yaml(read_text(path, MAX_BYTES, "a YAML file"), str(path))


def parse_yaml(text: str, file: str | None = None) -> Document:
    """Read YAML text; ``file`` is its name in messages.

    Raises:
        InputError: see :func:`load_yaml`.
    """
    refuse_control_characters(text, file)
    try:
        _refuse_depth(text, file)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, col = (mark.line + 1, mark.column + 1) if mark else (None, None)
        message = " ".join(part for part in (error.context, error.problem) if part)
        raise InputError([Problem(file, line, col, (), f"not valid YAML: {message}")]) from None
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())
        raise InputError([Problem(file, None, None, (), f"not valid YAML: {message}")]) from None
    if root is None:
        raise _refusal(file, "is empty", "expected a scenario; see scenarios/ for examples")
    builder = _Builder(file)
    data = builder.build(root, (), ())
    if builder.problems:
        raise InputError(builder.problems)
    return Document(file, data, root)


def _refuse_depth(text: str, file: str | None) -> None:
    """Raise InputError for deep nesting, on which libyaml's composer overflows the stack and crashes."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH + 1:
            mark: Any = event.start_mark
            raise InputError([Problem(file, mark.line + 1, mark.column + 1, (), TOO_DEEP)])


def _refusal(file: str | None, message: str, hint: str | None = None) -> InputError:
    return InputError([Problem(file, None, None, (), message, hint)])


class _Builder:
    """Turn YAML nodes into plain data."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.count = 0

    def build(self, node: yaml.Node, path: Key, above: tuple[int, ...]) -> Any:
        self.count += 1
        if id(node) in above:
            raise InputError([self._problem(node, path, "an alias refers to itself")])
        if self.count > MAX_NODES:
            message = f"aliases expand to more than {MAX_NODES} values"
            raise InputError([self._problem(node, path, message)])
        if len(above) > MAX_DEPTH:
            raise InputError([self._problem(node, path, TOO_DEEP)])
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            self.problems.append(
                self._problem(node, path, f"the tag {quoted(node.tag)} is not allowed")
            )
            return None
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i), above) for i, item in enumerate(node.value)]
        is_quoted = bool(getattr(node, "style", None))  # libyaml says "" of plain ones
        return node.value if is_quoted else resolve_scalar(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Key, above: tuple[int, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}  # in which line
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(self._problem(key, path, "keys must be plain text"))
                continue
            name = key.value
            if name in result:
                hint = f"first in line {first[name]}"
                self.problems.append(
                    self._problem(key, (*path, name), "the key is there twice", hint)
                )
                continue
            first[name] = key.start_mark.line + 1
            result[name] = self.build(value, (*path, name), above)
        return result

    def _problem(
        self, node: yaml.Node, path: Key, message: str, hint: str | None = None
    ) -> Problem:
        mark = node.start_mark
        return Problem(self.file, mark.line + 1, mark.column + 1, path, message, hint)


def resolve_scalar(text: str) -> Any:
    """Read a plain scalar by YAML 1.2's core schema.

    >>> resolve_scalar("NO"), resolve_scalar("1e3"), resolve_scalar("1:30")
    ('NO', 1000.0, '1:30')
    """
    if _NULL.fullmatch(text):
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        return int(text) if len(text) < MAX_DIGITS else float("inf")
    for pattern, base in ((_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            return int(text[2:], base) if len(text) < MAX_DIGITS else float("inf")
    if _FLOAT.fullmatch(text):
        return float(text)
    if match := _INF.fullmatch(text):
        return float(f"{match[1]}inf")
    return float("nan") if _NAN.fullmatch(text) else text
