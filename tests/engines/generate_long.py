"""Generated runs with times at their limits: some laws reach years, some runs last for years, so that sums pass 64 bits.

Made from the runs of ``generate``: a few of their tables are stretched by a power of 2, the largest so far that the sum of two
draws is too long for any run. Without objects, whose alarms would go off every few ms for years.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from generate import Case, case

from popsim.engine import draws
from popsim.engine import layout as lay
from popsim.engine.arrays import Records
from popsim.engine.tables import highest
from popsim.scenario.units import LONGEST_MS

STRETCHES = tuple(range(28, 40))  # powers of 2
SHARE = 0.25  # of the tables that are stretched


def long_case(seed: int) -> Case:
    """Generate run number ``seed`` with long times; every third lasts long, too."""
    base, rng = case(seed), np.random.default_rng([seed, 55])
    while base.inputs.objects.is_used:
        base = case(int(rng.integers(10_000)))
    inputs = base.inputs
    tables, pieces = inputs.tables.copy(), inputs.pieces.copy()
    chosen = np.flatnonzero(rng.random(len(tables)) < SHARE)
    for table in chosen[chosen != lay.T_GAP]:
        _stretch(tables[table], pieces, int(rng.choice(STRETCHES)))
    rules = inputs.rules
    if seed % 3 == 0:
        power = int(rng.choice(STRETCHES)) - 5
        power = _stretch(tables[lay.T_GAP], pieces, power)
        longer = 2.0**power
        rules = replace(
            rules,
            duration=rules.duration * longer,
            warmup=rules.warmup * longer,
            period=rules.period * longer,
            idle_constant=rules.idle_constant * longer,
        )
        inputs = replace(inputs, probe_offset=inputs.probe_offset * longer)
    return Case(base.seed, replace(inputs, tables=tables, pieces=pieces, rules=rules), base.verbs)


def _stretch(table: np.ndarray, pieces: Records, power: int) -> int:
    """Stretch a table and its pieces in place, as far as no time is too long; return how far."""
    codes = np.unique(-table[table < 0.0]).astype(np.int64)
    counts = codes & ((1 << draws.COUNT_BITS) - 1)
    own = [
        np.arange(code >> draws.COUNT_BITS, (code >> draws.COUNT_BITS) + count)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    ]
    rows = np.concatenate([np.zeros(0, np.int64), *own])
    largest = max(float(table.max()), *(highest(pieces[rows]).tolist() or [0.0]))
    while power > 0 and largest * 2.0**power >= LONGEST_MS:
        power -= 1
    table[table > 0.0] *= 2.0**power
    pieces.low[rows] *= 2.0**power
    pieces.slope[rows] *= 2.0**power
    return power
