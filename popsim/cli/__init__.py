"""The command line: arguments, progress and exit codes, nothing else."""

import os


def main() -> None:
    """Run the command line; exit codes are in ``popsim --help``."""
    try:
        from popsim.cli.commands import main as run_command  # Ctrl-C may come while it imports
    except KeyboardInterrupt:
        os._exit(130)
    run_command()


__all__ = ["main"]
