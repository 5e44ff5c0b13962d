"""The command line: arguments, progress and exit codes, nothing else."""

from popsim.cli.baseline import baseline
from popsim.cli.main import cli, main

cli.add_command(baseline)

__all__ = ["main"]
