"""Both engines give every request the same result, bit for bit.

``POPSIM_EQUALITY_CASES`` sets how many generated runs are compared (default 300; nightly: 10,000).
"""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from generate import case
from run_case import TINY, differences, run_compiled, run_specification

from popsim.engine.compiled.plane import CompiledPlane, words
from popsim.engine.kv_layout import FAILED, TIERS
from popsim.engine.layout import BROADCAST, END, KV_GET, KV_PUT, TRACE, Growth
from popsim.engine.object_layout import KNOWN
from popsim.engine.recorder import C_ARRIVALS, C_DISCONNECTED, C_NO_ROUTE, C_OK, C_REQUESTS
from popsim.engine.rehearsal import Planes, rehearse
from popsim.engine.specification.plane import SpecificationPlane

CASES = int(os.environ.get("POPSIM_EQUALITY_CASES", "300"))
CHUNK = 25


@pytest.mark.parametrize("first", range(0, CASES, CHUNK))
def test_engines_agree_bit_for_bit(first: int) -> None:
    for seed in range(first, min(first + CHUNK, CASES)):
        one = run_specification(case(seed))
        other = run_compiled(case(seed))
        assert differences(one, other) == [], f"case {seed}"


def test_engines_agree_about_rehearsals_and_what_follows_from_them() -> None:
    """Who calls which object, with every object near its first caller; then a run whose homes were chosen by that."""
    seen = 0
    for seed in range(60):
        generated = case(seed)
        objects = generated.inputs.objects
        if not objects.is_used or objects.scalars.mode != KNOWN:
            continue
        planes: list[Planes] = [
            lambda env, inputs: SpecificationPlane(env, inputs, words),
            lambda env, inputs: CompiledPlane(inputs, TINY),
        ]
        one, other = (rehearse(SimpleNamespace(inputs=generated.inputs), make) for make in planes)  # type: ignore[arg-type]
        np.testing.assert_array_equal(one.numbers, other.numbers)
        np.testing.assert_array_equal(one.calls.toarray(), other.calls.toarray())
        if not len(one.numbers):
            continue
        seen += 1
        busiest = one.calls.toarray().argmax(axis=1)
        rehearsed = replace(
            objects, known_numbers=one.numbers, known_homes=objects.nearest_host[busiest]
        )
        generated = replace(generated, inputs=replace(generated.inputs, objects=rehearsed))
        assert differences(run_specification(generated), run_compiled(generated)) == [], seed
    assert seen > 5


def test_generator_reaches_every_outcome_and_many_requests() -> None:
    counters = np.sum([run_compiled(case(seed)).counters for seed in range(60)], axis=0)
    assert counters[C_ARRIVALS] > 15_000
    assert np.all(counters > 0), f"some counter never moves: {counters}"


def test_generator_reaches_everything_that_objects_count() -> None:
    books = [run_compiled(case(seed)).objects for seed in range(240)]
    columns = np.sum([each.by_class.sum(axis=0) for each in books], axis=0)
    assert np.all(columns > 0), f"some column never moves: {columns}"


def test_generator_reaches_everything_that_a_store_counts() -> None:
    books = [run_compiled(case(seed)).kv for seed in range(120)]
    columns = np.sum([each.by_space.sum(axis=0) for each in books], axis=0)
    assert np.all(columns > 0), f"some column never moves: {columns}"
    watched = [each for each in books if len(each.watched)]
    assert sum(int((each.seen >= 0.0).sum()) for each in watched) > 100


def test_generator_reaches_what_programs_of_objects_may_have() -> None:
    """Steps behind the handler's own end, and the corners of objects' inputs."""
    kinds: set[int] = set()
    corners: set[str] = set()
    for seed in range(120):
        inputs = case(seed).inputs
        if not inputs.objects.is_used:
            continue
        own = inputs.steps[int(np.flatnonzero(inputs.steps.kind == END)[0]) + 1 :]
        kinds |= set(own.kind.tolist())
        spaces = inputs.kv.spaces[-len(inputs.objects.classes) :]
        of_classes = slice(-len(spaces) * inputs.country_count, None)
        is_own = inputs.objects.followers.rtt == 0.0
        found = {
            "bulk": bool((own["count"][own.kind == KV_GET] > 1).any()),
            "ttl": bool((own.expiry_row[own.kind == KV_PUT] >= 0).any()),
            "locality": bool((spaces.locality > 0.0).any()),
            "per": bool((inputs.kv.partitions[of_classes] > 0).any()),
            "trace": inputs.rules.arrivals == TRACE,
            "no followers": inputs.objects.scalars.followers == 1 and bool(is_own.all()),
        }
        corners |= {name for name, is_there in found.items() if is_there}
    assert kinds == set(range(BROADCAST + 1))
    assert corners == set(found)


@pytest.mark.parametrize("seed", range(0, 120, 3))
def test_reads_are_conserved(seed: int) -> None:
    """Every key that is read is found at one tier, or not at all; places and key spaces add up to the same."""
    books = run_compiled(case(seed)).kv
    np.testing.assert_array_equal(books.by_space.sum(axis=0), books.by_site.sum(axis=0))
    reads = books.by_space[:, : len(TIERS)].sum()
    by_tier = books.histogram[: len(TIERS)].sum() if len(books.histogram) else 0
    failed = books.by_space[:, FAILED].sum()
    assert by_tier <= reads
    assert by_tier + failed > 0 or reads == 0


@pytest.mark.parametrize("seed", range(40))
def test_requests_are_conserved_and_phases_add_up(seed: int) -> None:
    books = run_compiled(case(seed))
    counters = books.counters
    failed = counters[C_NO_ROUTE : C_DISCONNECTED + 1].sum()
    assert counters[C_REQUESTS] == counters[C_OK] + failed == len(books.sample)
    answered = books.sample["outcome"] == 0
    total = books.sample["total_ms"][answered]
    np.testing.assert_allclose(books.sample_phases[answered].sum(axis=1), total, atol=1e-9)
    assert np.all(books.sample_phases >= 0.0)


@pytest.mark.smoke
@pytest.mark.parametrize("seed", [2, 5, 8, 11])
def test_start_sizes_of_arrays_change_nothing(seed: int) -> None:
    assert differences(run_compiled(case(seed)), run_compiled(case(seed), Growth())) == []


@pytest.mark.smoke
def test_a_few_cases_agree() -> None:
    for seed in range(10):
        assert differences(run_specification(case(seed)), run_compiled(case(seed))) == []
