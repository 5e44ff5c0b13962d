"""Answer what the engines ask of placement models: where a new object lives, or where all of them do.

A model that knows who will call which object is told by a rehearsal: the same requests, with every object at the host
that is nearest to its first caller. Who calls which object does not depend on where it lives, except that calls within
calls come from the home of the object outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import simpy

from popsim.engine.arrays import records
from popsim.engine.build import Built
from popsim.engine.cosimulation import DataPlane, cosimulate
from popsim.engine.layout import Inputs
from popsim.engine.object_layout import BY_TABLE, HOME_CHOICE_DTYPE, KNOWN
from popsim.engine.object_places import ObjectPlaces
from popsim.models.object_placement.contract import (
    Ask as Question,
)
from popsim.models.object_placement.contract import (
    AskedPlacement,
    Callers,
    KnowingPlacement,
    checked_home,
    homes_table,
)
from popsim.scenario.errors import RunError
from popsim.scenario.text import quoted

Ask = Callable[[int, int, int, float], int]  # (object, class, site, ms) -> host
Planes = Callable[[simpy.Environment, Inputs], DataPlane]


def asking(places: ObjectPlaces | None, classes: tuple[str, ...]) -> Ask | None:
    """Return what answers for a model that is asked object by object; None for others."""
    if places is None or not isinstance(places.model, AskedPlacement):
        return None
    model, geography, allowed = places.model, places.geography, places.allowed.tolist()

    def ask(number: int, object_class: int, site: int, time: float) -> int:
        answer = model.home(Question(number, classes[object_class], site, time), geography)
        try:
            host = checked_home(answer, len(allowed))
        except ValueError as error:
            name = places.spec.placement["model"]
            raise RunError(f"placement model {quoted(name)}, object {number}: {error}") from None
        return int(allowed[host])

    return ask


def needs_rehearsal(built: Built) -> bool:
    """Tell whether a model chooses the objects' homes that knows who will call them."""
    return built.objects is not None and built.inputs.objects.scalars.mode == KNOWN


def with_known_homes(built: Built, make_plane: Planes) -> Built:
    """Return a run whose objects' homes a model has chosen that knows who will call them."""
    places, objects = built.objects, built.inputs.objects
    if places is None or not needs_rehearsal(built):
        return built
    assert isinstance(places.model, KnowingPlacement)
    callers = rehearse(built, make_plane)
    homes = homes_table(places.model, callers, places.geography)
    objects = replace(
        objects, known_numbers=callers.numbers, known_homes=places.allowed[homes].astype(np.int64)
    )
    return replace(built, inputs=replace(built.inputs, objects=objects))


def rehearse(built: Built, make_plane: Planes) -> Callers:
    """Count who calls which object, with objects at the host that is nearest to the first caller."""
    from scipy.sparse import csr_array

    objects = built.inputs.objects
    choices = records(HOME_CHOICE_DTYPE, len(objects.nearest_host))
    choices.cumulative, choices.host = 1.0, objects.nearest_host
    scalars = replace(objects.scalars, mode=BY_TABLE, votes=0)
    objects = replace(objects, scalars=scalars, home_choices=choices, choices=1)
    env = simpy.Environment()
    plane = make_plane(env, replace(built.inputs, objects=objects))
    plane.start_tally()
    cosimulate(env, plane)
    pairs = np.array(sorted(plane.tallied or {}), dtype=np.int64).reshape(-1, 2)
    calls = np.array([plane.tallied[int(n), int(s)] for n, s in pairs], dtype=np.int64)  # type: ignore[index]
    numbers, rows = np.unique(pairs[:, 0], return_inverse=True)
    shape = (len(numbers), built.inputs.site_count)
    return Callers(numbers, csr_array((calls, (rows.reshape(-1), pairs[:, 1])), shape=shape))
