"""Read the user's own files: regular ones of a bounded size, as text.

A file that a stranger names may be anything. What never ends (a device), waits for ever (a pipe), or is made up by the kernel
is refused before a byte of it is read.
"""

from __future__ import annotations

import re
import stat
from codecs import BOM_UTF8
from pathlib import Path
from typing import BinaryIO

from popsim.scenario.errors import InputError, Problem
from popsim.scenario.text import quoted

# Whatever no text has, and YAML and CSV do not allow. A tab and line ends are text.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def open_regular(path: Path, most: int, expected: str) -> BinaryIO:
    """Open a file of at most ``most`` bytes; ``expected`` says in messages what it should be.

    Raises:
        InputError: it is a folder, a device or a pipe, is too large, or cannot be read.
    """
    name = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _refusal(name, "is a folder", f"expected {expected}")
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(name, "is a device or a pipe", f"expected {expected}, a regular file")
        if status.st_size > most:
            hint = f"expected at most {most / 1e6:,.0f} MB"
            raise _refusal(name, f"is {status.st_size / 1e6:,.0f} MB large", hint)
        return path.open("rb")
    except OSError as error:
        raise _refusal(name, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:  # a NUL in its name
        raise _refusal(name, f"cannot be read: {error}") from None


def read_text(path: Path, most: int, expected: str) -> str:
    """Return a UTF-8 file's text, without a byte order mark and with line feeds at line ends.

    Raises:
        InputError: as of ``open_regular``; or it is not UTF-8, or has control characters, with the line.
    """
    with open_regular(path, most, expected) as file:
        # What claims to be empty is not read: files of /proc do, and may never end.
        content = file.read(path.stat().st_size)
    try:
        text = content.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text (byte {error.start})"
        raise _refusal(str(path), message, f"expected {expected}", line) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    refuse_control_characters(text, str(path))
    return text


def refuse_control_characters(text: str, file: str | None) -> None:
    """Raise InputError if a text has a character that no text has, such as NUL or the one that begins a terminal's codes."""
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        col = found.start() - text.rfind("\n", 0, found.start())
        message = f"has the control character {quoted(found[0])}"
        raise InputError([Problem(file, line, col, (), message, "expected text")])


def _refusal(
    file: str, message: str, hint: str | None = None, line: int | None = None
) -> InputError:
    return InputError([Problem(file, line, None, (), message, hint)])
