"""A scenario in a notebook: who asks for what, where it runs, and, folded away, all of it as YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

import yaml

from popsim.report.notebook.markup import (
    BR,
    Markup,
    counted,
    display,
    element,
    facts,
    folded,
    joined,
    quiet,
    table,
    titled,
)
from popsim.scenario.bundled import bundled_file, bundled_names
from popsim.scenario.loading import dump_resolved
from popsim.scenario.parts import Where
from popsim.scenario.schema import ClientsSpec, EventSpec, PlatformSpec, Scenario
from popsim.scenario.units import format_bytes, format_duration
from popsim.scenario.workload import ArrivalsSpec, ConnectionSpec, WorkloadSpec

YAML_CHARACTERS = 13_000  # more of the resolved scenario is cut; notebooks keep every output
MANY = 5  # names in a list


def scenario_html(scenario: Scenario) -> str:
    """Return what a notebook shows of a scenario."""
    described = [element("p", scenario.description)] if scenario.description else []
    return display(
        titled(scenario.name, f"id {scenario.id}"),
        *described,
        facts(
            (
                ("runs", _runs(scenario)),
                ("clients", _clients(scenario.clients)),
                ("workload", _workload(scenario.workload)),
                ("events", _events(scenario)),
                ("claims", _claims(scenario)),
            )
        ),
        _platforms(scenario),
        folded("the resolved scenario, with presets and defaults", _resolved(scenario)),
    )


def _runs(scenario: Scenario) -> str:
    text = (
        f"{counted(scenario.replications, 'replication')} of {format_duration(scenario.duration)}"
    )
    if scenario.precision is not None:
        text += f", up to {scenario.max_replications:,} until ± {100.0 * scenario.precision:g} %"
    if scenario.warmup:
        text += f", warm-up {format_duration(scenario.warmup)}"
    return f"{text}, from {scenario.start} UTC, seed {scenario.seed}, {scenario.engine} engine"


def _clients(clients: ClientsSpec) -> str:
    network = clients.network if isinstance(clients.network, str) else _names(clients.network.mix)
    return ", ".join(part for part in (clients.topology, _where(clients.where), f"network {network}") if part)  # fmt: skip


def _where(where: Where) -> str:
    """Return the places that are chosen, nothing if all are."""
    chosen = where.model_dump(exclude_none=True, exclude={"any"})
    parts = [f"{key} {_names(names)}" for key, names in chosen.items()]
    if where.any is not None:
        parts.append(" or ".join(f"({_where(part)})" for part in where.any))
    return ", ".join(parts)


def _workload(workload: WorkloadSpec) -> str:
    parts = [_arrivals(workload.arrivals)]
    if workload.functions.count > 1:
        parts.append(counted(workload.functions.count, "function"))
    if workload.keys:
        parts.append(f"keys {_names(workload.keys)}")
    if workload.objects:
        parts.append(f"objects {_names(workload.objects)}")
    if steps := _steps(workload):
        parts.append(f"steps {steps}")
    return "; ".join([*parts, _connection(workload.connection)])


def _arrivals(arrivals: ArrivalsSpec) -> str:
    if arrivals.rate is not None:
        by_hour = " on average, by local hour" if arrivals.by_local_hour is not None else ""
        return f"{arrivals.rate:,.6g} requests/s{by_hour}"
    if arrivals.every is not None:
        return f"every client asks every {format_duration(arrivals.every)}"
    if arrivals.messages is not None:
        return f"messages over open sessions of {arrivals.messages.object_class}"
    return f"requests of the trace {arrivals.trace}"


def _steps(workload: WorkloadSpec) -> str:
    """Return the kinds of steps, of objects' handlers too, in order of their first."""
    kinds = Counter(
        key.replace("_", ".", 1) if key.startswith(("kv_", "storage_", "object_")) else key
        for _, step in workload.steps()
        for key in type(step).model_fields
        if getattr(step, key) is not None
    )
    return ", ".join(kind if many == 1 else f"{many} × {kind}" for kind, many in kinds.items())


def _connection(connection: ConnectionSpec) -> str:
    reuse = connection.reuse
    text = reuse if isinstance(reuse, str) else f"{100.0 * reuse:g} %"
    return f"connections reused: {text}, {connection.protocol}, TLS {connection.tls}"


def _events(scenario: Scenario) -> str:
    texts = []
    for event in scenario.events[:MANY]:
        lasting = f" for {format_duration(event.lasting)}" if event.lasting is not None else ""
        texts.append(f"{_event(event)} at {format_duration(event.at)}{lasting}")
    return "; ".join(texts) + _more(len(scenario.events))


def _event(event: EventSpec) -> str:
    if event.fail is not None:
        fail = event.fail
        what = _names(fail.sites or fail.stores or (f"the {fail.busiest} busiest sites",))
        return f"failure of {what}{f' of {_names(fail.platforms)}' if fail.platforms else ''}"
    if event.surge is not None:
        return f"{event.surge.factor:g} times as many requests"
    if event.write is not None:
        return f"a write to {event.write.keys}"
    return f"restart of {event.restart.object_class if event.restart else ''}"


def _claims(scenario: Scenario) -> str:
    names = _names([claim.id for claim in scenario.claims])
    return f"{len(scenario.claims)} ({names})" if names else "none"


def _names(names: Iterable[str]) -> str:
    """Write names one after the other; only the first of many."""
    listed = list(names)
    return ", ".join(listed[:MANY]) + _more(len(listed))


def _more(count: int) -> str:
    return f" and {count - MANY} more" if count > MANY else ""


def _platforms(scenario: Scenario) -> Markup:
    columns = ["platform", "preset", "requests enter at", "handlers run", "runtime"]
    uses = scenario.workload
    columns += ["key-value store"] * uses.uses_kv + ["homes of objects"] * uses.uses_objects
    rows = []
    for name, platform in scenario.platforms.items():
        made_of = preset_of(platform) or quiet(platform.description or "none")
        memory = quiet(format_bytes(platform.memory))
        row = [element("strong", name), made_of, _ingress(platform), _compute(platform)]
        row.append(joined((platform.runtime["model"], BR, memory)))
        if uses.uses_kv:
            row.append(platform.kv["model"] if platform.kv else "-")
        if uses.uses_objects:
            row.append(platform.objects.placement["model"] if platform.objects else "-")
        rows.append(row)
    return table(columns, rows)


def preset_of(platform: PlatformSpec) -> str | None:
    """Return the preset that a platform was made from; None if there is none, or its description was changed.

    Merging leaves nothing else that names it.
    """
    return _presets().get(platform.description)


@cache
def _presets() -> dict[str, str]:
    """Return the names of presets by their description."""
    texts = {n: bundled_file("presets", n).read_text("utf-8") for n in bundled_names("presets")}
    return {yaml.safe_load(text)["description"]: name for name, text in texts.items()}


def _ingress(platform: PlatformSpec) -> Markup:
    ingress = platform.ingress
    sites = (platform.regions if platform.compute.at == "ingress" else None) or ingress.sites
    where = _names(sites) if sites else ingress.role or "any site"
    return joined((f"{where} of {platform.topology}", BR, quiet(ingress.routing["model"])))


def _compute(platform: PlatformSpec) -> str:
    compute = platform.compute
    if compute.at == "ingress":
        return "where they enter"
    sites = platform.regions or compute.sites
    if sites is not None and len(sites) == 1:
        return sites[0]
    return f"nearest of {_names(sites) if sites else compute.role or 'all sites'}"


def _resolved(scenario: Scenario) -> Markup:
    text = dump_resolved(scenario)
    if len(text) <= YAML_CHARACTERS:
        return element("pre", text)
    lines = text[:YAML_CHARACTERS].splitlines()[:-1]
    left = text.count("\n") - len(lines)
    note = f"{left:,} lines more; scenario.resolved() has it all as plain data"
    return joined((element("pre", "\n".join(lines)), element("p", quiet(note))))
