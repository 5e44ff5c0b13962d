from __future__ import annotations

import copy
import pickle

from popsim.results import Estimate, Expectation, Result, Verdict, Verdicts
from popsim.results.verdict import Outcome


def verdict(name: str, outcome: Outcome) -> Verdict:
    expectation = Expectation("workers.p(50) < 1s", outcome, Estimate(1.0, 0.5, 1.5), "ms")
    return Verdict(name, "says", {}, (expectation,))


def test_verdicts_are_a_tuple() -> None:
    one, other = verdict("a", "holds"), verdict("b", "fails")
    verdicts = Verdicts([one, other])
    assert verdicts == (one, other)
    assert isinstance(verdicts, tuple)
    assert verdicts[1] is other
    assert type(verdicts[:1]) is Verdicts
    assert verdicts[:1] == (one,)
    assert verdicts[::-1] == (other, one)
    assert "a" in verdicts[:1]._repr_html_()
    assert repr(verdicts) == "Verdicts(a: holds, b: fails)"
    assert pickle.loads(pickle.dumps(verdicts)) == copy.copy(verdicts) == verdicts


def test_a_results_verdicts_can_be_shown_whatever_they_were_given_as(small_result: Result) -> None:
    assert type(small_result.verdicts) is Verdicts
    plain = Result(small_result.scenario, small_result.runs, tuple(small_result.verdicts))
    assert type(plain.verdicts) is Verdicts
    assert plain.verdicts == small_result.verdicts
    assert Result(small_result.scenario, small_result.runs).verdicts == ()
