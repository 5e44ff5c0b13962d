"""What a run will take is said before it begins; what cannot end is refused, with the key that makes it so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import popsim
from popsim.scenario.errors import InputError
from popsim.sweeps import forecast as forecast_module
from popsim.sweeps import machine
from popsim.sweeps.forecast import forecast

WORKERS = {"workers": {"preset": "cloudflare-workers"}}
LAMBDA = {"lambda": {"preset": "aws-lambda"}}
GET = [{"kv.get": {"keys": "k"}}]
ROOM = {
    "count": 1_000,
    "participants": {"count": 20, "spread": "country"},
    "handlers": {"edit": [{"storage.put": {}}, {"broadcast": {}}]},
}


def scenario(workload: dict[str, Any], **others: Any) -> dict[str, Any]:
    base = {"name": "it", "duration": "100s", "replications": 1, "platforms": WORKERS}
    return base | {"clients": {"topology": "cities"}} | others | {"workload": workload}


SEEN: dict[str, dict[str, Any]] = {
    "requests": scenario({"arrivals": {"rate": "20000/s"}}),
    "users": scenario(
        {"arrivals": {"rate": "5000/s"}}, clients={}, platforms=WORKERS | LAMBDA, replications=2
    ),
    "functions": scenario(
        {"arrivals": {"rate": "3000/s"}, "functions": {"count": 1_000_000, "popularity": {"zipf": 1}}}
    ),
    "keys": scenario({"arrivals": {"rate": "8000/s"}, "keys": {"k": {"count": 1_000_000}}, "handler": GET}),
    "messages": scenario(
        {"arrivals": {"messages": {"class": "r", "rates": {"edit": "0.5/s"}}}, "objects": {"r": ROOM}}
    ),
    "in flight": scenario({"arrivals": {"rate": "4000/s"}, "handler": [{"sleep": "1h"}]}),
    "replications": scenario({"arrivals": {"rate": "30/s"}}, duration="10s", replications=400),
    "outages": scenario(
        {"arrivals": {"rate": "30/s"}}, events=[{"at": "9s", "for": "9s", "fail": {"busiest": 400}}] * 100
    ),
}  # fmt: skip
MEASURE = """
import json, re, sys, time
import popsim
from popsim.engine import warmup
warmup()
began = time.process_time()
result = popsim.run(json.load(sys.stdin), store=None, progress=False, workers=1, notify=lambda _: None)
ran = time.process_time() - began
requests = sum(pool.requests for pool in result.pools.values())
status = open("/proc/self/status").read()  # ru_maxrss begins with what the parent had
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) * 1024
print(json.dumps([requests, ran, peak]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak has other units")
@pytest.mark.parametrize("name", SEEN)
def test_forecasts_are_about_right(name: str) -> None:
    """Requests within a tenth, time and memory within a factor of three, on a machine that has other work, too."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], input=json.dumps(SEEN[name]), capture_output=True, text=True
    )  # fmt: skip
    requests, ran_s, peak = json.loads(done.stdout)
    expected = forecast(popsim.load(SEEN[name]), workers=1)
    assert expected.requests == pytest.approx(requests, rel=0.1)
    assert peak / 2 < expected.size < peak * 2.5
    seconds = expected.seconds - forecast_module.START_S  # imports are not in what was measured
    assert ran_s / 3 < seconds + 0.5 < ran_s * 3 + 1.0


MESSAGES = {"messages": {"class": "r", "rates": {"edit": "0.01/s"}}}
MANY_ROOMS = ROOM | {"count": 10_000_000, "participants": {"count": 100, "spread": "country"}}
HOPELESS: dict[str, tuple[dict[str, Any], str]] = {
    "rooms": (scenario({"arrivals": MESSAGES, "objects": {"r": MANY_ROOMS}}, duration="500s"), "workload.objects.r.count"),
    "replications": (scenario({"arrivals": {"rate": "4000/s"}}, duration="24h", replications=10_000), "replications"),
    "simpy": (scenario({"arrivals": {"rate": "4000/s"}}, duration="24h", replications=100, engine="simpy"), "rate"),
    "precision": (
        scenario({"arrivals": {"rate": "9000/s"}}, duration="24h", precision="1%", max_replications=10_000),
        "replications",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOPELESS)
def test_what_cannot_end_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the line of the key that makes it so; unless it is forced."""
    monkeypatch.setattr(forecast_module, "available_bytes", lambda: 16e9)
    content, key = HOPELESS[name]
    file = tmp_path / "it.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match="this would take about") as error:
        popsim.load(file)
    (problem,) = error.value.problems
    assert key in str(problem.hint)
    assert "--force" in str(problem.hint)
    assert problem.line is not None
    assert popsim.load(file, force=True).name == "it"
    calm = {
        "duration": "10s",
        "replications": 1,
        "precision": None,
        "events": [],
        "engine": "compiled",
    }
    if name != "rooms":  # what counts is what will run
        assert popsim.load(file, **calm).replications == 1


def test_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    large = SEEN["functions"]
    monkeypatch.setattr(forecast_module, "available_bytes", lambda: 100e6)
    with pytest.raises(
        InputError, match=r"MB of memory; 100 MB are free.*workload.functions.count"
    ):
        popsim.load(large)
    monkeypatch.setattr(forecast_module, "available_bytes", lambda: None)
    assert popsim.load(large).name == "it"


def test_what_takes_long_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = scenario({"arrivals": {"rate": "5/s"}})
    notes: list[str] = []
    popsim.run(content, store=None, progress=False, notify=notes.append)
    assert notes == []
    monkeypatch.setattr(forecast_module, "LONG_S", 0.1)
    popsim.run(content, store=None, progress=False, notify=notes.append)
    assert notes[0].startswith("this takes about 500 requests, 2.")


def test_validate_says_so_too(tmp_path: Path) -> None:
    for name in ("precision", "simpy"):
        content, _ = HOPELESS[name]
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    an_hour = scenario({"arrivals": {"rate": "1000/s"}}, duration="70d")
    (tmp_path / "slow.yaml").write_text(yaml.safe_dump(an_hour), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "popsim", "validate", "precision.yaml", "slow.yaml", "simpy.yaml"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "slow.yaml: ok" in done.stdout
    note, *errors = done.stderr.splitlines()
    assert note.startswith("note: slow.yaml takes about 6e+09 requests, ")
    assert [line.split(":")[1] for line in errors] == [" precision.yaml", " simpy.yaml"]


def test_available_memory_is_the_least_of_all_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "cgroup" / "job").mkdir(parents=True)
    assert machine.available_bytes() is not None  # of macOS: what the machine has
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 3000000 kB\n")
    assert machine.available_bytes() == 3_000_000 * 1024
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/job\n")
    (tmp_path / "cgroup" / "job" / "memory.max").write_text("max\n")
    assert machine.available_bytes() == 3_000_000 * 1024
    (tmp_path / "cgroup" / "job" / "memory.max").write_text("2000000000\n")
    (tmp_path / "cgroup" / "job" / "memory.current").write_text("500000000\n")
    assert machine.available_bytes() == 1.5e9


def test_a_limit_of_the_process_counts() -> None:
    resource = pytest.importorskip("resource")
    command = "from popsim.sweeps.machine import available_bytes; print(available_bytes())"
    limit = 4 * 2**30
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert 0 < float(done.stdout) < limit
