"""A result as one interactive HTML file that works offline."""

from popsim.report.html.page import html_page

__all__ = ["html_page"]
