"""Where worker processes come from: forked on demand from a process without threads, or started anew where there is no fork.

A process with threads must not be split in two: what the other threads held stays held for ever. A run has threads soon, and
may need a new worker at any time. So one process is forked at the very beginning, which does nothing but fork workers.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol

from focal_eval.runner.played import Worker
from focal_eval.runner.serving import serve

Making = Callable[[int], Worker]
"""Makes the worker of a number; called in its own process."""

GONE_S = 2.0  # how long a process that was told to end has until it is killed


class Hand(Protocol):
    """A worker process."""

    pid: int
    pipe: Connection

    def ended(self) -> str:
        """How it ended, in words that follow its name; waits for that."""
        ...

    def kill(self) -> None: ...


class Nursery(Protocol):
    """Starts workers."""

    def hire(self, number: int) -> Hand: ...

    def close(self) -> None: ...


def can_fork() -> bool:
    """Whether this process may be split in two."""
    return hasattr(os, "fork") and hasattr(socket, "send_fds") and threading.active_count() == 1


class _Forked:
    """A grandchild: only its parent can ask what became of it."""

    def __init__(self, nursery: ForkNursery, pid: int, pipe: Connection) -> None:
        self._nursery, self.pid, self.pipe = nursery, pid, pipe

    def ended(self) -> str:
        return self._nursery.ended(self.pid)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)


class ForkNursery:
    """Workers that inherit everything that was prepared; make it before the first thread and the first event loop."""

    def __init__(self, making: Making) -> None:
        self._line, theirs = socket.socketpair()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()  # or both processes would write what is left in it
        self._pid = os.fork()
        if not self._pid:
            self._line.close()
            _breed(theirs, making)
        theirs.close()

    def hire(self, number: int) -> Hand:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._line, [b"+%d" % number], [theirs.fileno()])
            pid = int(self._line.recv(64))
        return _Forked(self, pid, Connection(ours.detach()))

    def ended(self, pid: int) -> str:
        try:
            self._line.send(b"?%d" % pid)
            code = int(self._line.recv(64))
        except (OSError, ValueError):  # the nursery is gone, too
            return "ended"
        return _in_words(code)

    def close(self) -> None:
        self._line.close()
        with contextlib.suppress(OSError):
            os.waitpid(self._pid, 0)


def _breed(line: socket.socket, making: Making) -> None:
    """The nursery's own process; does not return."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever runs the plan decides what an interrupt means
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        while (told := socket.recv_fds(line, 64, 1))[0]:
            order, files = told[0], told[1]
            if order.startswith(b"?"):
                line.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(int(order[1:]), 0)[1]))
                continue
            pid = os.fork()
            if not pid:
                line.close()
                serve(Connection(files[0]), partial(making, int(order[1:])))
            os.close(files[0])
            line.send(b"%d" % pid)
    os._exit(0)


class _Spawned:
    def __init__(self, process: Any, pipe: Connection) -> None:
        self._process, self.pid, self.pipe = process, process.pid, pipe

    def ended(self) -> str:
        self._process.join()
        return _in_words(self._process.exitcode)

    def kill(self) -> None:
        self._process.kill()


class SpawnNursery:
    """Workers that begin anew; `making` is pickled, and reads again what it needs."""

    def __init__(self, making: Making) -> None:
        self._making = making
        self._context = multiprocessing.get_context("spawn")

    def hire(self, number: int) -> Hand:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_begin, args=(theirs, self._making, number), daemon=True)
        process.start()
        theirs.close()
        return _Spawned(process, ours)

    def close(self) -> None: ...


def _begin(pipe: Connection, making: Making, number: int) -> None:
    serve(pipe, partial(making, number))


def _in_words(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
