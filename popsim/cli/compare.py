"""``popsim compare``: how two scenarios differ, or two platforms of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from popsim.cli.common import (
    interruptible,
    load,
    print_json,
    run_options,
    simulate,
    writable,
)
from popsim.scenario.text import quoted

if TYPE_CHECKING:
    from popsim.claims.difference import Method
    from popsim.scenario.errors import InputError
    from popsim.scenario.schema import Scenario


@click.command()
@click.argument("first", metavar="SCENARIO")
@click.argument("second", metavar="[SCENARIO]", required=False)
@click.option(
    "--platforms",
    nargs=2,
    metavar="ONE OTHER",
    help="Compare these two, of one scenario or the first of one and the second of the other.",
)
@click.option(
    "--json", "json_to", metavar="FILE", help="Write it as JSON; - for stdout, without the table."
)
@run_options
@interruptible
def compare(
    first: str,
    second: str | None,
    platforms: tuple[str, str] | None,
    json_to: str | None,
    **options: Any,
) -> None:
    """Compare the latencies of two SCENARIOs, or two platforms of one.

    Platforms of the same name are compared, or the only one of each scenario; or those of --platforms.
    """
    from popsim.claims.difference import between

    if json_to not in (None, "-"):
        writable(Path(json_to or "").parent)
    one = load(first, options)
    other = one if second is None else load(second, options)
    pairs = _pairs(one, other, platforms)
    before = simulate(one, options)
    after = before if second is None else simulate(other, options)
    method = _method(before.scenario, after.scenario)
    found = {
        label: between(before.pools[was], after.pools[now], method)
        for label, (was, now) in pairs.items()
    }
    sides = (first, second) if second is not None else (platforms or ("", ""))
    _report(sides, found, method, json_to)


def _report(sides: tuple[str, str], found: Any, method: Method, json_to: str | None) -> None:
    from popsim.engine.outputs import write_atomically
    from popsim.report.differences import print_comparison
    from popsim.report.terminal import console_for_output

    plain = {name: {k: d.to_json_dict() for k, d in each.items()} for name, each in found.items()}
    data = {"schema": 1, "before": sides[0], "after": sides[1], "method": method, "platforms": plain}  # fmt: skip
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if json_to == "-":
        print_json(text)
        return
    names = sides if sides[0] != sides[1] else ("before", "after")
    print_comparison(names, found, method, console_for_output())
    if json_to is not None:
        write_atomically(Path(json_to), text.encode("utf-8", "backslashreplace"))


def _method(one: Scenario, other: Scenario) -> Method:
    """Pair replications that share their users."""
    from popsim.claims.difference import users_id

    return "paired" if users_id(one) == users_id(other) else "welch"


def _pairs(
    one: Scenario, other: Scenario, platforms: tuple[str, str] | None
) -> dict[str, tuple[str, str]]:
    """Return which platforms are compared, by what the pair is called.

    Raises:
        InputError: a platform is not there, or none belong together.
    """
    if platforms is not None:
        for name, scenario in zip(platforms, (one, other), strict=True):
            if name not in scenario.platforms:
                raise _no_platform(name, scenario)
        return {_label(*platforms): platforms}
    if one is other:
        raise click.UsageError("expected two scenarios, or one and --platforms ONE OTHER")
    common = [name for name in one.platforms if name in other.platforms]
    if common:
        return {name: (name, name) for name in common}
    if len(one.platforms) == len(other.platforms) == 1:
        was, now = next(iter(one.platforms)), next(iter(other.platforms))
        return {_label(was, now): (was, now)}
    raise click.UsageError("the scenarios have no platform in common; say which: --platforms ONE OTHER")  # fmt: skip


def _label(was: str, now: str) -> str:
    return was if was == now else f"{was}, {now}"


def _no_platform(name: str, scenario: Scenario) -> InputError:
    from popsim.scenario.errors import InputError, Problem, did_you_mean

    hint = did_you_mean(name, list(scenario.platforms))
    message = f"there is no platform {quoted(name)} in {quoted(scenario.name)}"
    return InputError([Problem(None, None, None, (), message, hint)])
