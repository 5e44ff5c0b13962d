"""Run popsim's command in a process of its own that need not import everything anew: forked from one that has.

What an interpreter reads when it starts (PYTHONIOENCODING) has no effect here; such tests start a process themselves.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LONGEST_S = 120
SERVER = """
import json, os, signal, sys, traceback
import popsim.cli.commands, popsim.cli.output, popsim.report.terminal, popsim.report.verdicts, popsim.sweeps
from popsim.engine.run import is_compiled_engine_available
is_compiled_engine_available()

def command(arguments, folder, environment, streams, longest_s):
    signal.alarm(longest_s)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(os.open(stream, os.O_WRONLY), number)
    sys.argv = ["popsim", *arguments]
    try:
        popsim.cli.main()
    except SystemExit as error:
        return error.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        code = command(**json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code, flush=True)
"""


@cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def end() -> None:
        server.communicate()

    atexit.register(end)
    return server


def popsim_command(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a folder; return its exit code and what it wrote."""
    command = [sys.executable, "-m", "popsim", *arguments]
    env = dict(os.environ if environment is None else environment)
    if sys.platform == "win32":
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, timeout=LONGEST_S, check=False
        )
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("stdout", "stderr")]
        for stream in streams:
            stream.touch()
        request = {
            "arguments": arguments, "folder": str(cwd), "environment": env,
            "streams": [str(stream) for stream in streams], "longest_s": LONGEST_S,
        }  # fmt: skip
        server = _server()
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(command, code, *(s.read_bytes() for s in streams))
