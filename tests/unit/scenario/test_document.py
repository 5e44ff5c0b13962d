"""YAML with places: scalars, keys, aliases, limits, and where a path stands in the text."""

from __future__ import annotations

import math
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from popsim.scenario.document import (
    GONE,
    MAX_BYTES,
    Document,
    Key,
    load_yaml,
    parse_yaml,
    path_with_gaps,
    resolve_scalar,
    without_gaps,
)
from popsim.scenario.errors import InputError, Problem, did_you_mean, dotted

PROPERTY = settings(deadline=None, derandomize=True)
TEXT = """\
name: it
platforms:
  workers: {preset: cloudflare-workers, memory: 64MB}
  lambda:
    regions: [us-east-1,
              eu-west-1]
claims:
  - id: a
    expect: ["one", 'two', three]
"""


def problems(text: str, file: str | None = "it.yaml") -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, file)
    return [str(problem) for problem in caught.value.problems]


# --- scalars -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("NO", "no", "No", "on", "off", "yes", "y", "n", "N")),
        *((word, word) for word in ("1:30", "1_000", "2018-07-02", "0b11", "0o8", "0xG", "1e", "tRUE")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        *(("017", 17), ("-0", 0), ("+12", 12), ("0o17", 15), ("0xfF", 255)),
        *(("1e3", 1e3), ("1.", 1.0), (".5", 0.5), ("-1.5E-3", -1.5e-3), ("+1e+3", 1e3)),
        *((".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf)),
        *(("nULL", "nULL"), ("=", "="), ("<<", "<<"), ("1e3s", "1e3s"), ("1,000", "1,000")),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """YAML 1.2.2, section 10.3.2: https://yaml.org/spec/1.2.2/#1032-tag-resolution."""
    found = resolve_scalar(text)
    assert found == value
    assert type(found) is type(value)
    assert parse_yaml(f"key: {text}\n").data == {"key": value}


def test_not_a_number_and_giants() -> None:
    assert math.isnan(resolve_scalar(".nan"))
    assert resolve_scalar("9" * 399) == int("9" * 399)
    assert resolve_scalar("9" * 5_000) == math.inf  # Python refuses to read such integers


@pytest.mark.parametrize("text", ["'5'", '"5"', "|-\n  5", ">-\n  5"])
def test_quoted_and_block_scalars_are_text(text: str) -> None:
    assert parse_yaml(f"key: {text}\n").data == {"key": "5"}


@PROPERTY
@given(
    st.text(alphabet=string.printable.strip() + "é€ ", min_size=1).filter(lambda t: t == t.strip())
)
def test_text_survives_quoting(text: str) -> None:
    quoted = yaml.safe_dump({"key": text}, default_style='"')
    assert parse_yaml(quoted).data == {"key": text}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False)
    | st.text(alphabet=string.ascii_letters, max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(alphabet=string.ascii_letters, min_size=1, max_size=5), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@PROPERTY
@given(st.dictionaries(st.sampled_from("abc"), JSON))
def test_data_round_trips(data: dict[str, Any]) -> None:
    assert parse_yaml(yaml.safe_dump(data)).data == data


# --- places ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "place", "key_place"),
    [
        ((), (1, 1), (1, 1)),
        (("name",), (1, 7), (1, 1)),
        (("platforms", "workers"), (3, 12), (3, 3)),
        (("platforms", "workers", "memory"), (3, 49), (3, 41)),
        (("platforms", "lambda", "regions", 1), (6, 15), (6, 15)),
        (("platforms", "lambda", "memory"), (5, 5), (5, 5)),  # not there: its whole
        (("claims", 0, "expect", 2), (9, 28), (9, 28)),
        (("claims", 1, "expect"), (8, 5), (8, 5)),
        (("clients", "where"), (1, 1), (1, 1)),
        (("platforms", "a branch of a union", "workers", "memory"), (3, 49), (3, 41)),
    ],
)
def test_every_path_has_a_place(path: Key, place: tuple[int, int], key_place: tuple[int, int]) -> None:  # fmt: skip
    document = parse_yaml(TEXT, "it.yaml")
    if path[:1] == ("claims",) and path[1:2] == (1,):
        place = key_place = (8, 3)
    assert document.locate(path) == place
    assert document.locate(path, key=True) == key_place
    problem = document.problem(path, "wrong", "why", key=True)
    assert str(problem).startswith(f"it.yaml:{key_place[0]}:{key_place[1]}: ")
    assert str(problem).endswith("wrong (why)")


def test_quotes_stand_before_the_text() -> None:
    document = parse_yaml(TEXT)
    assert [document.quote_width(("claims", 0, "expect", i)) for i in range(4)] == [1, 1, 0, 0]
    assert document.quote_width(("platforms",)) == 0


def test_plain_data_has_no_places() -> None:
    problem = Document(None, {"a": 1}).problem(("a", 0), "wrong")
    assert (problem.file, problem.line, problem.col) == (None, None, None)
    assert str(problem) == "a[0]: wrong"


def test_problems_of_an_overlay_stand_there() -> None:
    preset = parse_yaml("runtime:\n  idle: 5min\n  init: 5ms\n", "preset p")
    document = parse_yaml("it:\n  runtime: {idle: 6min}\n", "it.yaml")
    document.overlays[("it",)] = preset
    assert str(document.problem(("it", "runtime", "idle"), "x")).startswith("it.yaml:2:19: ")
    assert str(document.problem(("it", "runtime", "init"), "x")).startswith("preset p:3:9: ")
    assert str(document.problem(("it", "runtime", "other"), "x")).startswith("it.yaml:2:12: ")
    assert str(document.problem(("other",), "x")).startswith("it.yaml:1:1: ")


def test_items_that_are_gone_keep_their_places() -> None:
    whole = {"a": [GONE, {"b": [1, GONE, 3]}, GONE, 4]}
    assert without_gaps(whole) == {"a": [{"b": [1, 3]}, 4]}
    assert path_with_gaps(whole, ("a", 0, "b", 1)) == ("a", 1, "b", 2)
    assert path_with_gaps(whole, ("a", 1)) == ("a", 3)
    assert path_with_gaps(whole, ("a", 7, "c")) == ("a", 7, "c")
    assert path_with_gaps(None, ("a", 1)) == ("a", 1)


@PROPERTY
@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_every_item_left_is_found_again(kept: list[bool]) -> None:
    whole = [number if keep else GONE for number, keep in enumerate(kept)]
    for place, number in enumerate(without_gaps(whole)):
        assert path_with_gaps(whole, (place,)) == (number,)


# --- what is refused ---------------------------------------------------------------------------------


def test_keys_come_once() -> None:
    assert problems("a: 1\nb: {c: 1, c: 2, c: 3}\n'a': 2\n") == [
        "it.yaml:2:11: b.c: the key is there twice (first in line 2)",
        "it.yaml:2:17: b.c: the key is there twice (first in line 2)",
        "it.yaml:3:1: a: the key is there twice (first in line 1)",
    ]


def test_aliases_are_copies_of_their_anchor() -> None:
    document = parse_yaml("a: &x {b: [1, NO]}\nc: *x\nd: [*x]\n", "it.yaml")
    assert document.data == {"a": {"b": [1, "NO"]}, "c": {"b": [1, "NO"]}, "d": [{"b": [1, "NO"]}]}
    assert document.locate(("c", "b", 1)) == (1, 15)  # where it is written
    document.data["c"]["b"].append(2)
    assert document.data["a"] == {"b": [1, "NO"]}


def test_yaml_1_2_has_no_merge_key() -> None:
    assert parse_yaml("a: &x {b: 1}\nc: {<<: *x}\n").data["c"] == {"<<": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [*x]", "it.yaml:1:4: a[0]: an alias refers to itself"),
        ("&x a: {b: *y}", "it.yaml:1:11: not valid YAML: found undefined alias"),
        ("[" * 102 + "]" * 102, "it.yaml:1:102: nested more than 100 levels deep"),
        ("[" * 100_000, "nested more than"),
        ("a: !!python/object:os.system {}", "it.yaml:1:4: a: the tag 'tag:yaml.org,2002:python/"),
        ("a: !mine b", "it.yaml:1:4: a: the tag '!mine' is not allowed"),
        ("? {a: 1}\n: 2", "it.yaml:1:3: keys must be plain text"),
        ("? *x\n: &x 2", "it.yaml:1:3: not valid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", "it.yaml:2:1: not valid YAML: expected a single document"),
        ("a: b: c", "it.yaml:1:5: not valid YAML: mapping values are not allowed"),
        ("a: 'b", "not valid YAML: while scanning a quoted scalar"),
        ("a: \0", "it.yaml:1:4: has the control character '\\x00' (expected text)"),
        ("%YAML 3.0\n---\na: 1", "not valid YAML"),
        ("", "it.yaml: is empty (expected a scenario"),
        ("---\n...\n", "is empty"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused_in_one_line(text: str, message: str) -> None:
    if text == "---\n...\n":
        assert parse_yaml(text).data is None
        return
    (told,) = problems(text)
    assert message in told
    assert "\n" not in told


def test_aliases_do_not_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (told,) = problems("\n".join(lines))
    assert "aliases expand to more than 200000 values" in told


def test_byte_order_marks_and_line_ends_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: [2,\r\n  3]\r\n")
    document = load_yaml(path)
    assert document.data == {"a": 1, "b": [2, 3]}
    assert document.locate(("b", 1)) == (3, 3)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text("a: 1\n" + "#" * (3 * 10**6), encoding="utf-8")
    largest = tmp_path / "largest.yaml"
    largest.write_bytes(b"a: 1 #".ljust(MAX_BYTES, b"x"))
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: é".encode("latin-1"))
    for path, message in (
        (large, "is 3 MB large (expected at most 2 MB)"),
        (latin, "1: is not UTF-8 text (byte 3) (expected a YAML file)"),
        (tmp_path, "is a folder (expected a YAML file)"),
        (tmp_path / "missing.yaml", "cannot be read: no such file or directory"),
        (tmp_path / ("x" * 300), "cannot be read: file name too long"),
    ):
        with pytest.raises(InputError) as caught:
            load_yaml(path)
        blank = "" if message[0].isdigit() else " "
        assert str(caught.value) == f"{path}:{blank}{message}"
    assert load_yaml(largest).data == {"a": 1}


# --- words of problems -------------------------------------------------------------------------------


def test_problems_are_written_place_path_message_hint() -> None:
    problem = Problem("a.yaml", 3, 7, ("claims", 0, "expect", 1), "no", "yes")
    assert str(problem) == "a.yaml:3:7: claims[0].expect[1]: no (yes)"
    assert str(Problem("a.csv", 3, None, (), "no")) == "a.csv:3: no"
    assert str(Problem(None, None, None, (), "no")) == "no"
    assert str(InputError([problem, problem])).count("\n") == 1
    assert dotted(()) == ""


def test_guesses() -> None:
    known = ["Berlin", "Bern", "Paris"]
    assert did_you_mean("berln", known) == "did you mean 'Berlin'?"
    assert did_you_mean("London", known) == "known: Berlin, Bern, Paris"
    assert did_you_mean("London", [f"x{i}" for i in range(13)]) is None
    assert did_you_mean(5, []) is None
