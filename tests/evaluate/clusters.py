"""Clusters of real processes on loopback, and suites to play there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import focal_eval

STARTED_S = 60.0  # what a scheduler and its workers have to be there, on a machine under load


def package(into: Path) -> Path:
    """A folder with a copy of the package, for PYTHONPATH: nobody edits it while a test runs. What was compiled goes along."""
    half = shutil.ignore_patterns("*.pyc.*")  # what another process is writing
    shutil.copytree(Path(focal_eval.__file__).parent, into / "focal_eval", ignore=half)
    return into


def environment(path: Path, **more: str) -> dict[str, str]:
    """That of a process which finds the package in that folder."""
    plain = {
        "DASK_DISTRIBUTED__COMM__COMPRESSION": "none",
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",  # it looks at threads a hundred times a second
        "FOCAL_EVAL_CACHE": "off",
        "PYTHONUNBUFFERED": "1",
        "RAY_AUTH_MODE": "disabled",  # else a machine on which a token was made once asks for it
    }
    return {**os.environ, **plain, "PYTHONPATH": str(path), **more}


@dataclass
class Cluster:
    """A scheduler and workers of one thread each; a worker that is killed stays away unless it has a nanny."""

    folder: Path
    path: Path  # for PYTHONPATH
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """As `--cluster` takes it."""
        told = json.loads((self.folder / "scheduler.json").read_text())
        return str(told["address"]).replace("tcp://", "dask://")

    def logs(self) -> str:
        """What all of them have written."""
        return "".join(file.read_text(errors="replace") for file in sorted(self.folder.glob("*.log")))

    def begin(self, **variables: str) -> None:
        """Starts the scheduler."""
        told = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.folder / "scheduler.json")]
        self.scheduler = self._start("scheduler", told, environment(self.path, **variables))
        until(lambda: (self.folder / "scheduler.json").exists() and (self.folder / "scheduler.json").stat().st_size > 0)

    def hire(self, *, path: Path | None = None, nanny: bool = False, **variables: str) -> subprocess.Popen[bytes]:
        """One more worker."""
        number = len(self.workers)
        cared = "--nanny" if nanny else "--no-nanny"
        options = ["--nthreads", "1", cared, "--no-dashboard", "--name", f"worker-{number}", "--host", "127.0.0.1"]
        where = [
            "--scheduler-file",
            str(self.folder / "scheduler.json"),
            "--local-directory",
            str(self.folder / f"of-{number}"),
        ]
        worker = self._start(f"worker-{number}", [*options, *where], environment(path or self.path, **variables))
        self.workers.append(worker)
        return worker

    def wait(self) -> None:
        """Returns when every worker has been registered."""
        for number in range(len(self.workers)):
            log = self.folder / f"worker-{number}.log"
            until(lambda log=log: "Registered to" in log.read_text(errors="replace"))

    def _start(self, name: str, options: list[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{name.partition('-')[0]}", *options]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(variables), cwd=self.folder
            )

    def end(self) -> None:
        """Kills what is left."""
        for process in (*self.workers, *([self.scheduler] if self.scheduler else [])):
            for child in children(process.pid):  # of a nanny
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.kill()
            process.wait()


def children(pid: int) -> list[int]:
    """The processes that one has begun, and theirs."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [one for child in map(int, found) for one in (child, *children(child))]


@contextmanager
def cluster(folder: Path, path: Path, workers: int = 2, *, nanny: bool = False, **variables: str) -> Iterator[Cluster]:
    """A cluster that is there; it ends with the block. The variables are the scheduler's."""
    folder.mkdir(parents=True)
    made = Cluster(folder, path)
    try:
        made.begin(**variables)
        for _ in range(workers):
            made.hire(nanny=nanny)
        made.wait()
        yield made
    finally:
        made.end()


def until(holds: object, limit_s: float = STARTED_S) -> None:
    """Returns once a function returns something true."""
    assert callable(holds)
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def started(path: Path, *words: str, cwd: Path, **variables: str) -> subprocess.Popen[str]:
    """`focal-eval` with these words, in a process of its own."""
    command = [sys.executable, "-m", "focal_eval", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment(path, **variables), cwd=cwd)


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and all it said."""
    out, errors = process.communicate(timeout=100)
    return process.returncode, out + errors


def run(path: Path, *words: str, cwd: Path, **variables: str) -> tuple[int, str]:
    """What `focal-eval` came to."""
    return said(started(path, *words, cwd=cwd, **variables))


_VOLATILE = re.compile(rb'"(elapsed_ms|first_token_ms|latency_ms|created_at)":("[^"]*"|[0-9.e+-]+)|,"crc":"[0-9a-f]{8}"')


def records(run: Path) -> dict[str, list[bytes]]:
    """The journal's lines of each case, what differs from run to run left out."""
    out: dict[str, list[bytes]] = {}
    for line in (run / "journal.jsonl").read_bytes().splitlines():
        told = json.loads(line)
        if told["t"] not in ("run", "end"):
            out.setdefault(told.get("case", ""), []).append(_VOLATILE.sub(b"", line))
    return out


def closed(run: Path) -> list[str]:
    """The ids of the cases that were played to their end, in order."""
    try:
        lines = (run / "journal.jsonl").read_bytes().splitlines()
    except OSError:
        return []
    whole = [json.loads(line) for line in lines if line.endswith(b"}")]
    return [told["case"] for told in whole if told["t"] == "attempt"]


def header(run: Path) -> dict[str, object]:
    """A run's `run.json`."""
    told: dict[str, object] = json.loads((run / "run.json").read_text())
    return told


def slow_suite(folder: Path, cases: int, wait_s: float) -> Path:
    """A suite of so many cases on Python of its own that takes its time for each answer; it needs three files of Python."""
    (folder / "scripts").mkdir(parents=True)
    (folder / "suite.yaml").write_text(
        "scripts: [scripts/*.yaml]\nconcurrency: 4\nengine: {kind: callable, target: 'bot.py:answer'}\n"
    )
    (folder / "bot.py").write_text(
        f"import asyncio\n\n\nasync def answer(message, conversation):\n    await asyncio.sleep({wait_s})\n"
        "    return 'you said ' + message\n"
    )
    (folder / "judge.py").write_text("def polite(moment):\n    return moment.reply.response.startswith('you said')\n")
    rows = "\n".join(f"    - {{n: {number}}}" for number in range(cases))
    (folder / "scripts" / "echo.yaml").write_text(
        f"title: Echo\nparams:\n  rows:\n{rows}\nturns:\n  - user: 'number {{{{ n }}}}'\n    expect:\n"
        "      response: {contains: 'number {{ n }}'}\n      python: judge.py:polite\n"
    )
    return folder / "suite.yaml"


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C."""
    process.send_signal(signal.SIGINT)
