"""Keep finished runs, so that an interrupted sweep resumes and a longer one extends.

A run's content id names everything that determines it: the scenario's platform, replication, engine, popsim's
code and data, the user's own topologies and trace. Delete the folder ``.popsim`` at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from popsim.engine.outputs import PlatformRun, write_atomically
from popsim.models.registry import get
from popsim.results.provenance import code_hash, data_hash
from popsim.results.statistics import MOST_REPLICATIONS
from popsim.scenario.own_files import own_files
from popsim.scenario.schema import Scenario

FOLDER = Path(".popsim") / "runs"
Notify = Callable[[str], None]


class Store:
    """Finished runs in a folder; one that cannot be written is reported once and then not used."""

    def __init__(self, folder: Path, notify: Notify) -> None:
        self.folder, self._notify = folder, notify
        self._is_writable = True

    def load(self, key: str) -> PlatformRun | None:
        """Return a finished run, or None; a file that is damaged, or holds another run, counts as none."""
        try:
            return PlatformRun.load(self._path(key), key)
        except Exception:  # whatever a damaged archive raises: the run is made anew
            return None

    def save(self, key: str, run: PlatformRun, file: Path | None = None) -> None:
        """Keep a run, whose ``file`` may exist already, or report that it cannot be kept."""
        if not self._is_writable:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (ignore := self.folder / ".gitignore").exists():
                ignore.write_text("*\n", encoding="utf-8")  # nobody wants to commit kept runs
            if file is None:
                run.save(self._path(key), key)
            else:
                write_atomically(self._path(key), file.read_bytes())
        except OSError as error:
            self._is_writable = False
            self._notify(f"finished runs are not kept in {self.folder}: {error.strerror or error}")

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.run"


def finished_replications(scenario: Scenario, folder: Path) -> int:
    """Return how many replications are kept of all platforms, from the first on without a gap."""
    for replication in range(MOST_REPLICATIONS):
        for platform in scenario.platforms:
            key = run_key(scenario, platform, replication, scenario.engine)
            if key is None or not (folder / f"{key}.run").exists():
                return replication
    return MOST_REPLICATIONS


def run_key(scenario: Scenario, platform: str, replication: int, engine: str) -> str | None:
    """Return a run's content id; None if it cannot be known, as with models from a notebook."""
    spec = scenario.platforms[platform]
    models = [("routing", spec.ingress.routing), ("cold_start", spec.runtime)]
    if spec.kv is not None:
        models.append(("kv_replication", spec.kv))
    if spec.objects is not None:
        models.append(("object_placement", spec.objects.placement))
    if any(not get(kind, m["model"]).__module__.startswith("popsim.models.") for kind, m in models):
        return None
    content = scenario.content()
    del content["engine"]
    content["platforms"] = {platform: content["platforms"][platform]}
    named: dict[str, Any] = {
        "content": content,
        "files": own_files(content),
        "replication": replication,
        "engine": engine,
        "code": code_hash(),
        "data": data_hash(),
    }
    return sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:20]
