"""Put data, script and style into the page: one self-contained file without network requests."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from popsim.report.html.data import page_data

if TYPE_CHECKING:
    from popsim.results.result import Result

FOLDER = Path(__file__).parent
SCRIPTS = ("base", "charts", "overview", "map", "tables", "main")  # in this order


def html_page(result: Result) -> str:
    """Return a result as a self-contained page; its numbers are in the JSON block with the id ``data``."""
    style, script = _asset("page.css"), _script()
    parts = {
        "title": html.escape(result.scenario.name),
        "policy": html.escape(_policy(style, script)),
        "style": style,
        "script": script,
        "data": _inside_a_script(page_data(result)),
    }
    page = _asset("page.html")
    pieces = page.split("@@")  # text, name, text, name, ..., text
    return "".join(parts[piece] if odd % 2 else piece for odd, piece in enumerate(pieces))


def _asset(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def _script() -> str:
    """Return all scripts as one that leaves no name behind."""
    parts = "\n".join(_asset(f"js/{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy that lets the page run its own script and style, and load nothing."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inside_a_script(data: dict[str, Any]) -> str:
    """Return JSON that no HTML parser takes for the end of its script element, or for a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
