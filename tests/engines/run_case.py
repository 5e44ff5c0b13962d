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
from popsim.engine.control import Control, Process
from popsim.engine.cosimulation import DataPlane, cosimulate
from popsim.engine.draws import WordSource
from popsim.engine.kv_books import KvBooks
from popsim.engine.layout import Growth
from popsim.engine.object_books import ObjectBooks
from popsim.engine.recorder import Books
from popsim.engine.selections import SelectionBooks
from popsim.engine.specification.plane import SpecificationPlane

TINY = Growth(  # forces every array to grow
    slots=2, days=4, instances=2, pools=2, pools_apart=0, sample=2, copies=2, fetching=2, written=2, versions=1,
    objects=1, object_index=2, members=1,
)  # fmt: skip


def run_specification(
    case: Case,
    plane_class: type[SpecificationPlane] = SpecificationPlane,
    control_class: type[Control] = Control,
    word_source: WordSource = words,
) -> Books:
    """Run a case on the SimPy engine, or on a variant of it."""
    env = simpy.Environment()
    plane = plane_class(env, case.inputs, word_source, _ask(case))
    return _run(case, control_class, env, plane)


def run_compiled(case: Case, growth: Growth = TINY) -> Books:
    """Run a case on the compiled engine."""
    plane = CompiledPlane(case.inputs, growth, _ask(case))
    return _run(case, Control, simpy.Environment(), plane)


def _ask(case: Case) -> Callable[[int, int, int, float], int]:
    return partial(ask, hosts=len(case.inputs.objects.host_sites))


def _run(
    case: Case, control_class: type[Control], env: simpy.Environment, plane: DataPlane
) -> Books:
    inputs = case.inputs
    control = control_class(
        env, plane, [str(site) for site in range(inputs.site_count)], len(inputs.clients), 1.0,
        inputs.kv.store_names, object_classes=inputs.objects.class_names,
    )  # fmt: skip
    env.process(_act(control, plane, case.verbs))
    return cosimulate(env, plane)


def _act(control: Control, plane: DataPlane, verbs: tuple[Verb, ...]) -> Process:
    """Act through the verbs of control processes, but for those whose arguments a case gives as the planes take them."""
    for verb in verbs:
        if verb.time > control.now:
            yield control.env.timeout(verb.time - control.now)
        if verb.name in ("fail", "restore", "withdraw", "announce"):
            getattr(control, verb.name)(str(verb.site))
        elif verb.name in ("stop", "start"):
            getattr(control, f"{verb.name}_store")(control.stores[verb.site])
        elif verb.name == "write":
            is_absent = verb.entity % 2 == 1
            plane.write(verb.key, verb.site, verb.entity, control.now, is_absent=is_absent)
        elif verb.name == "restart":
            control.restart(control.object_classes[verb.site])
        else:
            plane.set_surge(np.array(verb.factors))


BY_STORE = {"kv": KvBooks, "objects": ObjectBooks, "selected": SelectionBooks}


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
