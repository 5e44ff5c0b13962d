"""Compile a handler, a list of steps, to the program that both engines interpret."""

from __future__ import annotations

from popsim.engine import layout as lay
from popsim.engine.layout import records
from popsim.scenario.laws import Law, parse_law
from popsim.scenario.schema import PlatformSpec, Scenario


def cpu_share(spec: PlatformSpec) -> float:
    """Return which part of a CPU the platform's memory setting buys, at most 1."""
    if spec.cpu.full_at is None:
        return 1.0
    return float(min(1.0, spec.memory / spec.cpu.full_at))


def handler_program(
    scenario: Scenario, spec: PlatformSpec, first_table: int
) -> tuple[lay.Records, list[Law]]:
    """Return the program (ends with END) and the law of each step; step k uses table first_table + k.

    A program begins with a CPU step, of no length if the handler has none there, because an instance's
    start is seen by the first CPU step (rule 15). CPU times stretch by the inverse CPU share; sleeping
    and fetching do not.
    """
    handler = list(scenario.workload.handler)
    laws: list[Law] = []
    rows: list[tuple[int, int, int, int, float]] = []
    origins = list(scenario.origins)
    if not handler or handler[0].cpu is None:
        laws.append(parse_law("0ms"))
        rows.append((lay.CPU, 0, 0, 0, 0.0))
    for step in handler:
        if step.cpu is not None:
            laws.append(step.cpu.scaled(1.0 / cpu_share(spec)))
            rows.append((lay.CPU, 0, 0, 0, 0.0))
        elif step.sleep is not None:
            laws.append(step.sleep)
            rows.append((lay.SLEEP, 0, 0, 0, 0.0))
        elif step.fetch is not None:
            fetch = step.fetch
            words = {"never": 0.0, "always": float("inf")}
            timeout = words[fetch.reuse] if fetch.reuse in words else float(fetch.reuse)
            laws.append(fetch.service)
            origin = origins.index(fetch.origin)
            rows.append((lay.FETCH, origin, fetch.round_trips, fetch.handshakes, timeout))
    program = records(lay.STEP_DTYPE, len(rows) + 1)
    for number, (kind, origin, round_trips, handshakes, timeout) in enumerate(rows):
        program[number] = (kind, first_table + number, origin, round_trips, handshakes, timeout)
    program.kind[-1] = lay.END
    return program, laws
