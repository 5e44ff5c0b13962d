"""What came out: distributions with confidence intervals, groups, phases, verdicts, as pandas frames and JSON."""

from popsim.results.result import Result
from popsim.results.statistics import Estimate
from popsim.results.verdict import Expectation, Verdict, Verdicts

__all__ = ["Estimate", "Expectation", "Result", "Verdict", "Verdicts"]
