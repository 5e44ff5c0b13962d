"""Foreign text is one line of visible characters wherever it goes, and no markup of what it goes into."""

import json
import unicodedata

import pytest

from popsim.scenario.text import (
    csv_cell,
    is_address,
    markdown,
    markdown_code,
    markdown_link,
    quoted,
    visible,
    visible_json,
)

COMMANDS = ["::error::x", "##[error]x", "##vso[task]x", "section_start:1:a", "::add-mask::x"]


def test_no_character_is_unseen() -> None:
    """Every character there is: shown as it is, or by its number."""
    for code in range(0x110000):
        shown = visible(chr(code))
        assert shown.isprintable() and (shown.strip() or chr(code).isspace()), hex(code)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp", "Cs"):
            assert shown.startswith("\\"), hex(code)


def test_line_ends_direction_and_width() -> None:
    assert visible("a\r\nb\tc") == "a\\r\\nb\\tc"
    assert visible("\u202e\u200b\u2066\ufeff\u3164") == "\\u202e\\u200b\\u2066\\ufeff\\u3164"
    assert visible("Köln, São Paulo, 東京, ±5 µs") == "Köln, São Paulo, 東京, ±5 µs"
    assert visible("x" * 3_000) == "x" * 2_000 + "..."


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("before", ["", " ", "a", ":", "#", "::"])
def test_no_command_of_a_ci_system(command: str, before: str) -> None:
    shown = visible(before + command)
    assert command not in shown
    assert not any(mark in shown for mark in ("::e", "::a", "#[", "##v", "section_start:"))
    assert visible(shown) == shown


def test_quoted_is_as_python_writes_it_and_short() -> None:
    for value in ("a'b", 1, -2.5, None, True, ["a", {"b": (1,)}], (), {}, (1, 2)):
        assert quoted(value) == repr(value)
    for value in ("x" * 10**6, ["x"] * 10**6, 1 << 10**6, {"x" * 10**6: "y"}, "\x1b" * 10**6):
        assert len(quoted(value)) <= 83
    nest: list[object] = []
    nest.append(nest)
    assert len(quoted(nest)) <= 83
    assert quoted("\u202ea\u3164") == "'\\u202ea\\u3164'"


def test_markdown_shows_what_was_written() -> None:
    text = "a|b <i> `c` [d](e) *f* _g_ @h http://i.j #1 ![k](l) &amp; www.m.n"
    shown = markdown(text)
    for mark in ("<", ">", "@", "://", "www.", "](", " `", " *", " _", "[d", "![", "|b"):
        assert (f" {mark}" not in shown and f"a{mark}" not in shown) or mark in ("](",)
    assert "\\]\\(" in shown and "&amp;amp;" in shown
    assert markdown("1. a") == "1\\. a" and markdown("- a") == "\\- a"
    assert markdown_code("w.p(95) < 250ms") == "`w.p(95) < 250ms`"
    assert markdown_code("a`b|c\\") == "<code>a\\`b\\|c\\\\</code>"


def test_links_are_of_the_web() -> None:
    assert markdown_link("a", "https://x.org/a_(b)") == "[a](https://x.org/a%5F%28b%29)"
    assert markdown_link("a", "javascript:alert(1)") == "a (javascript:alert\\(1\\))"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ftp://a.b",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "//a.b",
        "https://a b",
        "https://a.b/\u202ex",
        "https://you@evil.org/",
        'https://e.org/a)](javascript:alert(1))"onmouseover=alert(1)',
        "https://e.org/<script>",
        "https://e.org/\nx",
        "https://e.org/::error::x",
        " https://e.org",
        "https://e.org/" + "x" * 2_000,
    ],
)
def test_no_addresses(address: str) -> None:
    assert not is_address(address)


def test_addresses() -> None:
    assert is_address("http://a") and is_address("HTTPS://[2001:db8::1]:8080/x?y=z&w#v")
    assert is_address("https://de.wikipedia.org/wiki/Köln_(Stadt)")


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@x", "\t=1", " =1", "\r=1", "＝1"])
def test_no_formula(text: str) -> None:
    assert csv_cell(text).startswith("'")
    assert "\t" not in csv_cell(text) and "\r" not in csv_cell(text)


def test_numbers_and_names_stay() -> None:
    assert [csv_cell(x) for x in (-1.5, 3, "-1.5", "+2e3", "Köln", "'s-Gravenhage", None)] == [
        -1.5, 3, "-1.5", "+2e3", "Köln", "'s-Gravenhage", None,
    ]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_json_says_the_same_with_visible_characters(command: str) -> None:
    data = {
        f"a{command}": [f"{command}\x1b[31m\u202e\x85\u2028\U000e0101\udcff é", {"::": "##[x]"}]
    }
    for indent in (None, 2):
        text = json.dumps(data, ensure_ascii=False, indent=indent)
        shown = visible_json(text)
        assert json.loads(shown) == data
        assert all(visible(line) == line for line in shown.split("\n"))
