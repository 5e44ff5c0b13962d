"""Published claims as expressions on results, and their verdicts: holds, fails, undecided."""

from popsim.claims.judge import judge
from popsim.claims.parse import ClaimSyntaxError, parse_expectation

__all__ = ["ClaimSyntaxError", "judge", "parse_expectation"]
