"""One process, measured whole: wall time, processor time and peak memory, from its start to its end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took; `exit_code` is negative where a signal ended it."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    exit_code: int


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, limit_s: float) -> Measured:
    """Runs a command in `folder` and reads its own resource usage, children included, when it has ended.

    The peak is the largest single process. The kernel counts this process's own size at the fork into it, so the
    caller must stay small: it reads no results itself.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timer = threading.Timer(limit_s, _end, (process.pid,))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _end(process.pid)
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def own_peak_mib() -> float:
    """The floor under every measured peak: this process's own."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _end(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
