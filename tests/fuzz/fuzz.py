"""Mutate the project's inputs and load them: each is accepted, or refused with an InputError that names its place.

``python tests/fuzz/fuzz.py 2000`` makes so many; ``--seed S`` begins elsewhere; ``--only N`` repeats one and shows it. An input may
take a bounded time and memory. What is accepted now and then runs, for as short as can be.
"""

from __future__ import annotations

import argparse
import copy
import random
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import popsim
from popsim.sweeps import run

ROOT = Path(__file__).parent.parent.parent
INVALID = sorted((ROOT / "tests" / "data" / "invalid").glob("*.yaml"))
VALID = [
    *sorted((ROOT / "tests" / "data" / "valid").glob("*.yaml")),
    *(p for p in sorted((ROOT / "scenarios").glob("*.yaml")) if p.stat().st_size < 4_000),
]
LONGEST_S = 20
MOST_BYTES = 6 << 30
RUN_EVERY = 40  # accepted inputs
STRANGE: list[Any] = [
    None, True, 0, -1, 1, 2, 1e308, -1e-308, 10**30, 1 << 4_000, float("nan"), float("inf"), "", " ", "~", "x", "0", "1e400",
    "5", "1s", "0s", "-1s", "1e300/s", "1/s", "100d", "1ns", "50%", "101%", "1MB", "0x" + "f" * 300, "::error::x", "\x1b[31m",
    "\u202e", "a" * 300, "é", "/dev/zero", "/", "..", "nope.csv", "cloudflare", "cloudflare-workers", "us-east-1", "Berlin",
    [], {}, [[]], [None], {"": 0}, {"x": {"x": {}}}, ["1s", "2s"], {"constant": {"value": "1s"}}, {"exponential": {"mean": "1s"}},
    {"lognormal": {"p50": "5ms", "p99": "20ms"}}, {"zipf": 5}, {"mixture": []}, {"sample": ["1s"]}, {"choices": {"values": []}},
]  # fmt: skip
READ = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
WRITE = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
TABLE = "id,city,country,lat,lon,utc_offset_h,weight,roles\na,Berlin,DE,52.5,13.4,1,1,pop\nb,Paris,FR,48.9,2.4,1,2,pop\n"
TRACE = "0,k1,2,10,c1,get,0\n1,k2,2,10,c2,set,60\n2,k1,2,10,c1,delete,0\n"
USES = """name: it
duration: 60s
clients: {topology: clients.csv}
workload: {arrivals: {trace: trace.csv}, handler: [{kv.trace: {}}]}
platforms: {w: {topology: sites.csv, runtime: always_warm}}
"""


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container and key or index in some data."""
    if isinstance(data, dict | list):
        for key in list(data) if isinstance(data, dict) else range(len(data)):
            yield data, key
            yield from places(data[key])


def mutated_tree(data: Any, chance: random.Random) -> str:
    """Change some values, keys and items of plain data, and write it as YAML."""
    data = copy.deepcopy(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        every = list(places(data))
        if not every:
            break
        (into, key), (other, its_key) = chance.choice(every), chance.choice(every)
        kind = chance.randrange(6)
        if kind == 0:
            into[key] = chance.choice(STRANGE)
        elif kind == 1:
            del into[key]
        elif kind == 2:
            into[key] = copy.deepcopy(other[its_key])
        elif kind == 3 and isinstance(into, list):
            into.extend([copy.deepcopy(into[key])] * chance.choice((1, 3, 300)))
        elif kind == 4 and isinstance(into, dict):
            into[chance.choice((its_key, "", "x", "for", "at", 5, "a" * 300))] = into.pop(key)
        else:
            into[key] = chance.choice(([into[key]], {"x": into[key]}, str(into[key])))
    text: str = yaml.dump(data, Dumper=WRITE, allow_unicode=True, sort_keys=False)
    return text


def mutated_bytes(content: bytes, chance: random.Random) -> bytes:
    """Change, drop, repeat and insert some bytes."""
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(content) + 1)
        size = chance.choice((1, 1, 2, 10, 100))
        piece = chance.choice(
            (b"", bytes([chance.randrange(256)]), content[at : at + size] * 2, b"\0", b"\xef\xbb\xbf", b"\t", b"\r\n", b"&a *a",
             b"<<: *x", b"[" * size, b"{", b'"', b";", b"\x1b[0m", b"9" * size, b"!!python/none ", b"---\n", b"\xc2\x85")
        )  # fmt: skip
        drop = chance.choice((0, 0, size))
        content = content[:at] + piece + content[at + drop :]
    return content


@cache
def parsed(path: Path) -> tuple[bytes, Any]:
    """Return a file's bytes and its data, or other data if it has none; whoever changes these copies them."""
    content = path.read_bytes()
    try:
        data = yaml.load(content, READ)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        data = None
    return content, data if isinstance(data, dict) else yaml.load(USES, READ)


def write(number: str, folder: Path, written: dict[str, bytes]) -> Path:
    """Write the input of a number, and what it refers to unless that is ``written`` already."""
    chance = random.Random(number)
    kind, path = chance.randrange(4), folder / "it.yaml"
    tables = {"clients.csv": TABLE, "sites.csv": TABLE, "trace.csv": TRACE}
    if kind == 0:
        path.write_text(USES, encoding="utf-8")
        name = chance.choice(tuple(tables))
        tables[name] = mutated_bytes(tables[name].encode(), chance)
    for name, text in tables.items():
        content = text.encode() if isinstance(text, str) else text
        if written.get(name) != content:
            written[name] = content
            (folder / name).write_bytes(content)
    if kind == 0:
        return path
    original = chance.choice(chance.choice((VALID, INVALID)))
    content, data = parsed(original)
    if kind == 1:
        path.write_bytes(mutated_bytes(content, chance))
        return path
    try:
        path.write_text(mutated_tree(data, chance), encoding="utf-8")
    except (yaml.YAMLError, ValueError, RecursionError):  # cannot be written
        path.write_bytes(mutated_bytes(content, chance))
    return path


def problem_of(path: Path, *, runs: bool) -> tuple[str | None, bool]:
    """Load an input; return what is wrong with how that ended, and whether it was accepted."""
    try:
        scenario = popsim.load(path)
    except popsim.InputError as error:
        text = str(error)
        if not error.problems or any(not line.isprintable() for line in text.split("\n")):
            return f"a message that is no line of visible characters: {text!r}", False
        if len(text) > 200_000:
            return f"messages of {len(text)} characters", False
        if all(problem.line is None and problem.file is None for problem in error.problems):
            return f"no place: {text}", False
        return None, False
    if not runs:
        return None, True
    with suppress(popsim.PopsimError):  # an event after the end, a run that is too large
        run(scenario, duration="2s", warmup="0s", replications=1, engine="simpy", workers=1, store=None)  # fmt: skip
    return None, True


def main() -> int:
    """Try inputs; return how many ended badly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    signal.signal(signal.SIGALRM, _too_long)
    bad = accepted = 0
    written: dict[str, bytes] = {}
    numbers = range(options.count) if options.only is None else [options.only]
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            path = write(f"{options.seed}-{number}", Path(folder), written)
            if options.only is not None:
                sys.stdout.write(path.read_text("utf-8", "backslashreplace"))
            signal.alarm(LONGEST_S)
            try:
                wrong, is_accepted = problem_of(path, runs=accepted % RUN_EVERY == RUN_EVERY - 1)
                accepted += is_accepted
            except BaseException:
                wrong = traceback.format_exc()
            signal.alarm(0)
            if wrong is not None:
                bad += 1
                sys.stdout.write(f"--seed {options.seed} --only {number}: {wrong[-1500:]}\n")
    sys.stdout.write(
        f"{len(numbers)} inputs, seed {options.seed}: {accepted} accepted, {bad} ended badly\n"
    )
    return bad


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {LONGEST_S} s")


if __name__ == "__main__":
    sys.exit(min(main(), 100))
