"""`focal-eval` for tests that call it a hundred times: each call is a process of its own, which starts with all imported.

A command takes 0.4 s of processor time to import what it needs, and 0.6 s more where it loads the model of languages. One
process does that once and is forked for each call: `focal-eval` on the path is a script that hands it words, folder,
environment and streams, and ends with the exit code. What must start for itself, a server, does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

HEAVY = ("jinja2", "jmespath", "numpy", "rapidfuzz", "regex", "rich.console", "rich.text", "tabulate", "tenacity", "httptools")
ASIDE = ("focal_eval.__main__", "focal_eval.pytest_plugin", "focal_eval.evaluate.cluster", "focal_eval.server")

SCRIPT = """\
#!{python} -IS
import os, sys
if sys.argv[1:2] == ["serve"]:
    os.execv({python!r}, [{python!r}, "-m", "focal_eval", *sys.argv[1:]])
import json, socket
told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
os.chdir({folder!r})  # the way to a socket must be short
with socket.socket(socket.AF_UNIX) as line:
    line.connect("door")
    socket.send_fds(line, [b"%16d" % len(told)], [0, 1, 2])
    line.sendall(told)
    code = line.recv(16)
sys.exit(int(code or b"70"))
"""


@contextmanager
def warm(folder: Path) -> Iterator[Path]:
    """A folder for the path whose `focal-eval` is forked; for as long as the block lasts."""
    found = folder / "bin" / "focal-eval"
    found.parent.mkdir()
    found.write_text(SCRIPT.format(python=sys.executable, folder=str(folder)))
    found.chmod(0o755)
    command = [sys.executable, __file__]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield found.parent
        finally:
            process.stdin.close()  # which ends it


@cache
def import_all() -> None:
    """Imports the package and the libraries that it imports late."""
    import focal_eval

    for module in pkgutil.walk_packages(focal_eval.__path__, "focal_eval.", onerror=lambda name: None):
        if not f"{module.name}.".startswith(tuple(f"{name}." for name in ASIDE)):
            importlib.import_module(module.name)
    for name in HEAVY:
        importlib.import_module(name)


def _serve() -> None:
    import_all()
    language: Any = importlib.import_module("focal_eval.checks.language")
    language._identifier(language.CODES).classify("where is my order")
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("door")
        server.listen()
        os.write(1, b"ready\n")
        while True:
            doors: list[Any] = [server, 0]
            there, _, _ = select.select(doors, [], [])
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if 0 in there:
                return
            line, _ = server.accept()
            with line:
                if not os.fork():
                    server.close()
                    _command(line)


def _command(line: socket.socket) -> None:
    """One call, in its own process; does not return."""
    code = 70
    try:
        size, streams, _, _ = socket.recv_fds(line, 16, 3)
        told = b""
        while len(told) < int(size):
            told += line.recv(1 << 16)
        words, folder, environment = json.loads(told)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["focal-eval", *words]
        from focal_eval.cli.main import main

        code = main()
        for text in (sys.stdout, sys.stderr):
            text.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        line.send(b"%d" % code)
        os._exit(code)


if __name__ == "__main__":
    _serve()
