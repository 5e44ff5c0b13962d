"""What notebooks show of scenarios, results, verdicts and topologies: HTML without script that loads nothing.

Classes further down have a ``_repr_html_`` that loads these modules by name when a cell asks for it.
"""
