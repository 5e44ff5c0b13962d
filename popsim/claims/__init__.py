"""Published claims as expressions on results, and their verdicts: holds, fails, undecided."""

from popsim.claims.judge import judge
from popsim.claims.parse import parse_expectation
from popsim.claims.tokens import ClaimSyntaxError

__all__ = ["ClaimSyntaxError", "judge", "parse_expectation"]
