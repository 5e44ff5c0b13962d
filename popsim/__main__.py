"""``python -m popsim``."""

from popsim.cli import main

main()
