"""The kernel compiles once, and the specification runs without it."""

from __future__ import annotations

import numpy as np
import pytest
import simpy
from generate import case
from run_case import differences, run_compiled, run_specification

from popsim.engine import draws
from popsim.engine.compiled import kernel, verbs
from popsim.engine.compiled.jit import IS_COMPILED
from popsim.engine.compiled.plane import words as compiled_words
from popsim.engine.cosimulation import cosimulate
from popsim.engine.specification.plane import SpecificationPlane


@pytest.mark.skipif(not IS_COMPILED, reason="counts specialisations: needs the JIT")
@pytest.mark.parametrize("entry", [kernel.advance, verbs.fail_site, verbs.count_remaining])
def test_one_specialisation_per_entry(entry) -> None:  # type: ignore[no-untyped-def]
    for seed in range(4):
        run_compiled(case(seed))
    assert len(entry.signatures) == 1


def test_compiled_generator_equals_plain_python() -> None:
    rng = np.random.default_rng(1)
    for address in rng.integers(0, 2**63, (200, 4)):
        arguments = tuple(int(part) * 2 + 1 for part in address)
        assert compiled_words(*arguments) == draws.words(*arguments)


def test_specification_runs_on_the_plain_generator() -> None:
    run = case(1)
    env = simpy.Environment()
    plain = cosimulate(env, SpecificationPlane(env, run.inputs))
    quiet = run_specification(type(run)(run.seed, run.inputs, ()))
    assert differences(plain, quiet) == []
