"""The command line: arguments, progress and exit codes, nothing else."""

from popsim.cli.baseline import baseline
from popsim.cli.compare import compare
from popsim.cli.main import cli, main

cli.add_command(baseline)
cli.add_command(compare)

__all__ = ["main"]
