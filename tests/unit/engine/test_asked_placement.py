"""What a placement model in Python answers is checked, whenever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import popsim
from popsim.models import registry
from popsim.models.object_placement import Ask, AskedPlacement, Geography
from popsim.models.object_placement.contract import checked_home
from popsim.models.registry import register
from popsim.scenario.errors import InputError, RunError

WRONG: list[Any] = [None, 1.0, np.float64(1.0), "0", True, -1, 10**6, np.array([0, 1])]


@pytest.fixture
def answering() -> Iterator[list[Any]]:
    """Register a model that answers what is in this list, one after the other; the last one for good."""
    answers: list[Any] = []

    @register("object_placement", "test-answers")
    class Answers(AskedPlacement):
        def home(self, ask: Ask, geography: Geography) -> int:
            answer: int = answers.pop(0) if len(answers) > 1 else answers[0]
            return answer

    yield answers
    del registry._models["object_placement"]["test-answers"]


def scenario() -> dict[str, Any]:
    objects = {"thing": {"count": 9, "handlers": {"do": [{"cpu": "1ms"}]}}}
    return {
        "name": "asked",
        "duration": "2s",
        "replications": 1,
        "workload": {
            "arrivals": {"rate": "10/s"},
            "objects": objects,
            "handler": [{"object.call": {"class": "thing", "handler": "do"}}],
        },
        "platforms": {
            "p": {
                "preset": "cloudflare-workers",
                "objects": {"placement": {"model": "test-answers"}},
            }
        },
    }


@pytest.mark.parametrize("answer", WRONG, ids=repr)
def test_a_wrong_answer_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match=r"^home\(\) must return a host from 0 to 4, got "):
        checked_home(answer, 5)


def test_whole_numbers_of_all_kinds_are_hosts() -> None:
    assert [checked_home(answer, 5) for answer in (0, np.int64(4), np.uint8(3))] == [0, 4, 3]


@pytest.mark.parametrize("answer", WRONG, ids=repr)
def test_a_model_that_is_wrong_at_once_is_bad_input(answer: Any, answering: list[Any]) -> None:
    answering.append(answer)
    with pytest.raises(InputError, match=r"p\.objects\.placement: home\(\) must return a host"):
        popsim.run(scenario(), store=None, workers=1)


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
@pytest.mark.parametrize("answer", [None, 1.5, 10**6], ids=repr)
def test_a_model_that_is_wrong_later_ends_the_run(
    engine: str, answer: Any, answering: list[Any]
) -> None:
    answering += [0, 1, answer]
    with pytest.raises(RunError, match=r"model 'test-answers', object \d+: home\(\) must return"):
        popsim.run(scenario(), engine=engine, store=None, workers=1)
