"""Run a generated case on either engine, with the same control process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial

import numpy as np
import simpy
from generate import Case, Verb
from generate_objects import ask

from popsim.engine.compiled.plane import CompiledPlane, words
from popsim.engine.cosimulation import DataPlane, cosimulate
from popsim.engine.kv_books import KvBooks
from popsim.engine.layout import Growth
from popsim.engine.object_books import ObjectBooks
from popsim.engine.recorder import Books
from popsim.engine.specification.plane import SpecificationPlane

TINY = Growth(  # forces every array to grow
    slots=2, instances=2, sample=2, copies=2, fetching=2, written=2, versions=1,
    objects=1, object_index=2, members=1,
)  # fmt: skip


def run_specification(
    case: Case, plane_class: type[SpecificationPlane] = SpecificationPlane
) -> Books:
    """Run a case on the SimPy engine, or on a variant of it."""
    env = simpy.Environment()
    return _run(env, plane_class(env, case.inputs, words, _ask(case)), case.verbs)


def run_compiled(case: Case, growth: Growth = TINY) -> Books:
    """Run a case on the compiled engine."""
    return _run(simpy.Environment(), CompiledPlane(case.inputs, growth, _ask(case)), case.verbs)


def _ask(case: Case) -> Callable[[int, int, int, float], int]:
    return partial(ask, hosts=len(case.inputs.objects.host_sites))


def _run(env: simpy.Environment, plane: DataPlane, verbs: tuple[Verb, ...]) -> Books:
    env.process(_control(env, plane, verbs))
    return cosimulate(env, plane)


def _control(env: simpy.Environment, plane: DataPlane, verbs: tuple[Verb, ...]):  # type: ignore[no-untyped-def]
    for verb in verbs:
        if verb.time > env.now:
            yield env.timeout(verb.time - env.now)
        if verb.name == "fail":
            plane.fail_site(verb.site, env.now)
        elif verb.name == "restore":
            plane.restore_site(verb.site, env.now)
        elif verb.name in ("stop", "start"):
            plane.set_store(verb.site, is_up=verb.name == "start")
        elif verb.name == "write":
            plane.write(verb.key, verb.site, verb.entity, env.now, is_absent=verb.entity % 2 == 1)
        elif verb.name == "restart":
            plane.restart_class(verb.site, env.now)
        elif verb.name in ("withdraw", "announce"):
            plane.set_withdrawn(verb.site, verb.name == "withdraw")
        else:
            plane.set_surge(np.array(verb.factors))


BY_STORE = {"kv": KvBooks, "objects": ObjectBooks}


def differences(one: Books, other: Books) -> list[str]:
    """Name the books that are not the same, bit for bit."""
    found = [
        field.name
        for field in fields(Books)
        if field.name not in BY_STORE
        and not np.array_equal(getattr(one, field.name), getattr(other, field.name))
    ]
    return found + [
        f"{part}.{field.name}"
        for part, books in BY_STORE.items()
        for field in fields(books)
        if not np.array_equal(
            getattr(getattr(one, part), field.name), getattr(getattr(other, part), field.name)
        )
    ]
