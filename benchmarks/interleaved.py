"""Compare the kernels of several copies of the project on a busy machine: ``python -m benchmarks.interleaved old=../old new=.``.

Each copy has a process of its own; they take turns. A run is cut into pieces of simulated time, and each piece's least CPU time over all
turns is added up, so that what else the machine does hardly matters. The books must be the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PIECES = 24
LOADS = {  # platform and requests; small enough for a dozen turns
    "flagship": ("workers", 300_000),
    "keep_alive": ("it", 300_000),
    "spread": ("it", 300_000),
    "key_value": ("it", 100_000),
    "objects": ("it", 100_000),
}


def main() -> None:
    """Print ns a request of each copy and the ratio to the first one's, load by load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("copies", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS))
    parser.add_argument("--turns", type=int, default=6)
    asked = parser.parse_args()
    names = [copy.split("=", 1)[0] for copy in asked.copies]
    servers = [_start(Path(copy.split("=", 1)[1]).resolve()) for copy in asked.copies]
    for load in asked.loads:
        answers: list[list[dict[str, Any]]] = [[] for _ in servers]
        for _ in range(asked.turns):
            for server, found in zip(servers, answers, strict=True):
                found.append(_ask(server, load))
        digests = {each["digest"] for found in answers for each in found}
        least = [
            sum(min(each["seconds"][piece] for each in found) for piece in range(PIECES))
            for found in answers
        ]
        per_request = [s / LOADS[load][1] * 1e9 for s in least]
        shown = [
            f"{name} {ns:,.0f} ({per_request[0] / ns:.2f} x)"
            for name, ns in zip(names, per_request, strict=True)
        ]
        print(f"{load}: {', '.join(shown)} ns; books {'equal' if len(digests) == 1 else 'DIFFER'}")
    for server in servers:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()


def _start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, "--serve"], cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _ask(server: subprocess.Popen[str], load: str) -> dict[str, Any]:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(load + "\n")
    server.stdin.flush()
    return dict(json.loads(server.stdout.readline()))


def serve() -> None:
    """Answer with the CPU seconds of each piece of a run, and the digest of its books."""
    from benchmarks import loads
    from popsim.engine.build import build

    built = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in built:
            platform, requests = LOADS[name]
            sites = (1,) if name == "spread" else ()
            built[name] = build(getattr(loads, name)(*sites, requests), platform, 0)
        print(json.dumps(_run(built[name].inputs)), flush=True)


def _run(inputs: Any) -> dict[str, Any]:
    from popsim.engine.compiled.plane import CompiledPlane

    plane = CompiledPlane(inputs)
    seconds = []
    for piece in range(1, PIECES + 1):
        end = inputs.rules.duration * piece / PIECES if piece < PIECES else float("inf")
        began = time.process_time()
        plane.advance(end)
        seconds.append(time.process_time() - began)
    return {"seconds": seconds, "digest": _digest(plane.close())}


def _digest(books: Any) -> str:
    """Return a digest of all that a run recorded."""
    found = hashlib.sha256()
    parts = [books]
    while parts:
        for value in vars(parts.pop()).values():
            if hasattr(value, "tobytes"):
                found.update(value.tobytes())
            elif hasattr(value, "__dict__"):
                parts.append(value)
    return found.hexdigest()[:16]


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve()
    else:
        main()
