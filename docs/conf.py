"""Sphinx builds the site from these pages: `make docs`."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "popsim"
copyright = "popsim contributors, MIT licence"  # noqa: A001
release = version = version_of("popsim")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

myst_heading_anchors = 4  # links to headings work as they do on code hosts

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # the name of a constant, not what it stands for
autodoc_typehints = "description"
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = "popsim"
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["static"]
html_css_files = ["site.css"]


def setup(app: object) -> None:
    """Show tables of values as they are: Pygments has no lexer for CSV."""
    from pygments.lexers.special import TextLexer

    app.add_lexer("csv", TextLexer)  # type: ignore[attr-defined]
