"""Write text that others wrote where it can do harm: each way out of popsim has its function here.

Names, sentences, addresses, file names and messages come from files that a stranger may have changed. Whatever leaves popsim as
text is one line of visible characters: no escape code moves a terminal's cursor, no line of its own passes for one of
popsim's, no ``::command`` or ``##[command]`` is taken for one by a CI system.

| it goes to | function | what else could be taken for something |
|---|---|---|
| a terminal, a log, JUnit XML | ``visible`` | commands of CI systems |
| a message about a value | ``quoted`` | the same; 80 characters are enough to recognise it |
| Markdown | ``markdown``, ``markdown_code``, ``markdown_link`` | HTML, links, code, tables, @mentions |
| a cell of a CSV file | ``csv_cell`` | formulas of spreadsheets |

| JSON on a terminal, in a log | ``visible_json`` | commands of CI systems |

Files of JSON keep what was written, by the rules of the json module; HTML pages are escaped where they are made.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

QUOTED = 80  # characters of a value that a message shows
LONGEST = 2_000  # characters of a line; more is no name or sentence, and floods a log
LARGEST_INT_BITS = 1_024  # written with decimal digits; longer ones take long, or Python refuses to

# Characters that Python calls printable and nobody sees (Unicode 15.1, Default_Ignorable_Code_Point).
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")  # fmt: skip
_PLAIN = re.compile(r"[ -~]*")
_NAMES = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

# GitHub takes ``::name`` for a command at a line's beginning, which a narrow table can put anywhere, and ``##[name]``
# anywhere; so do Azure (``##vso[``) and TeamCity (``##teamcity[``). GitLab folds between ``section_start:`` and its end.
_COMMAND = re.compile(r"(?<=:):(?![\d\]]|$)|(?<=#)#(?=\w*\[)|(?<=section_start):|(?<=section_end):")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&])")
# What GitHub and GitLab make links of after the markup is read, so that a backslash does not stop them: addresses, names and
# (below) numbers of issues. A space of no width between @ and the name does, as an entity.
_ENTITIES = {
    "\\<": "&lt;",
    "\\>": "&gt;",
    "\\&": "&amp;",
    "@": "&#64;&#8203;",
    "://": ":&#47;&#47;",
    "www.": "www&#46;",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


def visible(text: object, most: int = LONGEST) -> str:
    r"""Return one line of visible characters: what is none is written as in Python, and commands of CI systems are broken.

    >>> visible("a\x1b[31m\nb"), visible("::error::no")
    ('a\\x1b[31m\\nb', ':\\x3aerror:\\x3ano')
    """
    whole = str(text)
    shown = whole[:most]
    if not _PLAIN.fullmatch(shown):
        shown = "".join(map(_seen, shown))
    shown = _COMMAND.sub(lambda match: f"\\x{ord(match[0]):02x}", shown)
    return shown if len(whole) <= most else f"{shown}..."


def _is_seen(character: str) -> bool:
    return character.isprintable() and not _UNSEEN.match(character)


def _seen(character: str) -> str:
    if _is_seen(character):
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    short = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return _NAMES.get(character) or (short if code < 0x10000 else f"\\U{code:08x}")


def visible_json(text: str) -> str:
    r"""Return the same JSON with visible characters alone, without commands of CI systems: JSON's own escapes say the rest.

    >>> visible_json('["a\u202e ##[error]b"]\n')
    '["a\\u202e #\\u0023[error]b"]\n'
    """
    shown = "".join(c if c == "\n" or _is_seen(c) else json.dumps(c)[1:-1] for c in text)
    return _COMMAND.sub(lambda match: f"\\u{ord(match[0]):04x}", shown)


# --- values in messages -------------------------------------------------------------------------------------


def quoted(value: object, most: int = QUOTED) -> str:
    """Quote a value for a message as Python writes it, in one line of at most ``most`` characters and three dots.

    It takes no longer for a large value than for a small one.

    >>> quoted("5 ms"), quoted(["a"] * 9, 20)
    ("'5 ms'", "['a', 'a', 'a', 'a',...")
    """
    pieces, length = [], 0
    for piece in _pieces(value, most):
        pieces.append(piece)
        length += len(piece)
        if length > most:
            break
    text = "".join(pieces)
    return visible(text) if len(text) <= most else f"{visible(text[:most])}..."


def _pieces(value: object, most: int, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield repr(value[: most + 1])
    elif isinstance(value, int) and value.bit_length() > LARGEST_INT_BITS:
        yield f"{value >> max(0, value.bit_length() - 8 * most):#x}"  # its first digits
    elif isinstance(value, dict | list | tuple) and depth < most:
        is_mapping = isinstance(value, dict)
        first, last = "{}" if is_mapping else "[]" if isinstance(value, list) else "()"
        yield first
        for place, item in enumerate(value):
            yield ", " if place else ""
            yield from _pieces(item, most, depth + 1)
            if isinstance(value, dict):
                yield ": "
                yield from _pieces(value[item], most, depth + 1)
        yield ",)" if isinstance(value, tuple) and len(value) == 1 else last
    else:
        yield _representation(value)


def _representation(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # an object of the caller's own; a message about it must not fail
        return f"<{type(value).__name__}>"


# --- Markdown -----------------------------------------------------------------------------------------------


def markdown(text: object) -> str:
    r"""Return text that Markdown shows as it is, in a table too: no markup, no HTML, no link, nobody mentioned.

    >>> markdown("a|b <i> @you")
    'a\\|b &lt;i&gt; &#64;&#8203;you'
    """
    escaped = _MARKDOWN.sub(r"\\\1", visible(text))
    for written, entity in _ENTITIES.items():
        escaped = escaped.replace(written, entity)
    escaped = re.sub(r"(\\[#!])(?=\d)", r"\1&#8203;", escaped)
    return re.sub(r"^( *)(?=[-=])|^( *\d+)(?=[.)])", r"\g<0>\\", escaped)  # no list, no heading


def markdown_code(text: object) -> str:
    r"""Return text as code in Markdown, in a table too.

    >>> markdown_code("a < b"), markdown_code("a|b")
    ('`a < b`', '<code>a\\|b</code>')
    """
    shown = visible(text)
    if re.search(r"[`|\\]", shown):  # what could end the code, or the cell that it stands in
        return f"<code>{markdown(text)}</code>"
    return f"`{shown}`" if shown.strip() else shown


def markdown_link(text: object, address: str) -> str:
    """Return a link; only addresses of the web become one."""
    if not is_address(address):
        return f"{markdown(text)} ({markdown(address)})"
    safe = "".join(f"%{ord(c):02X}" if c in "()<>|\\`*_[]!$~" else c for c in address)
    return f"[{markdown(text)}]({safe})"


# --- tables of numbers --------------------------------------------------------------------------------------


def csv_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: text that would begin one is quoted with ' in front.

    As the OWASP says: https://owasp.org/www-community/attacks/CSV_Injection. Numbers stay numbers.

    >>> csv_cell("=1+1"), csv_cell("-1.5"), csv_cell(-1.5)
    ("'=1+1", '-1.5', -1.5)
    """
    if not isinstance(value, str):
        return value
    shown = visible(value)
    is_formula = value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    return f"'{shown}" if is_formula and not _NUMBER.fullmatch(value) else shown


# --- addresses ----------------------------------------------------------------------------------------------

_HOST = r"(?:[^\s/?#@:\[\]\"'<>\\^`{|}()!$&*+,;=%]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?"
_REST = r"(?:[/?#][^\s\"<>\\^`{|}\[\]]*)?"
_ADDRESS = re.compile(f"https?://{_HOST}{_REST}", re.IGNORECASE)
LONGEST_ADDRESS = 2_000  # characters; what browsers take


def is_address(text: str) -> bool:
    """Tell whether text is an address of the web, and nothing besides.

    >>> is_address("https://example.org/a?b=(c)"), is_address("javascript:alert(1)")
    (True, False)
    """
    is_short = len(text) <= LONGEST_ADDRESS
    return is_short and visible(text, len(text)) == text and bool(_ADDRESS.fullmatch(text))
