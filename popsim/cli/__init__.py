"""The command line: arguments, progress and exit codes, nothing else."""

from popsim.cli.main import main

__all__ = ["main"]
